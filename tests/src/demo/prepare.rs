//! What is replayed: which days, which halls, what their devices will say.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use zhiban_vocabulary::time::BusinessDay;

use super::cast::recast;
use super::options::Options;
use crate::replay::halls::halls_of;
use crate::replay::plan::plan;
use crate::replay::{HallPlan, Records};

/// The zone of the recorded halls.
pub const ZONE: &str = "Europe/Warsaw";
/// The replay begins this long before the first hall opens.
const BEFORE_OPENING: SignedDuration = SignedDuration::from_mins(15);

/// Everything decided before anything is started.
#[derive(Debug)]
pub struct Replay {
    pub dates: Vec<Date>,
    pub halls: Vec<HallPlan>,
    /// Hall time at which the replay begins.
    pub start: Timestamp,
    /// Hall time at which the last day of the last hall is closed.
    pub end: Timestamp,
    records: PathBuf,
}

/// Reads the records and plans the halls.
///
/// # Errors
/// What is wrong with the records or the wishes.
pub fn prepare(options: &Options) -> anyhow::Result<Replay> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/warsaw");
    let extract = |given: &Option<PathBuf>, name| given.clone().unwrap_or_else(|| data.join(name));
    let file = extract(&options.records, "queue_changes.csv.gz");
    let records = Records::read(&file, &extract(&options.groups, "groups.csv"))?;
    let dates = choose_dates(&records, options)?;
    let zone = TimeZone::get(ZONE).with_context(|| format!("no time zone {ZONE} here"))?;
    let mut groups = halls_of(&records, &dates);
    let wanted = options.halls as usize;
    if groups.len() < wanted {
        println!(
            "{} halls have records on these days, not {wanted}",
            groups.len()
        );
    }
    groups.truncate(wanted);
    let plans = groups
        .iter()
        .map(|groups| plan(&records, groups, &dates, &zone, options.seed));
    let mut halls = plans.collect::<Result<Vec<HallPlan>, _>>()?;
    if let Some(showroom) = halls.first_mut() {
        recast(showroom)?;
    }
    let (first, last) = (BusinessDay(dates[0]), BusinessDay(dates[dates.len() - 1]));
    let opens = halls.iter().map(|hall| first.at(hall.opens, &zone)).min();
    let closes = halls
        .iter()
        .map(|hall| last.at(hall.day_closes, &zone))
        .max();
    let (Some(opens), Some(end)) = (opens, closes) else {
        bail!("no hall has records")
    };
    let start = opens.saturating_sub(BEFORE_OPENING).unwrap_or(opens);
    Ok(Replay {
        dates,
        halls,
        start,
        end,
        records: file,
    })
}

fn choose_dates(records: &Records, options: &Options) -> anyhow::Result<Vec<Date>> {
    let known = records.dates();
    let from = options.from.or(known.first().copied());
    let at = known.iter().position(|date| Some(*date) == from);
    let (Some(at), Some(from)) = (at, from) else {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        bail!(
            "--from: expected a day with records, one of {}",
            known.join(", ")
        );
    };
    let days = options.days as usize;
    let chosen = &known[at..known.len().min(at + days)];
    if chosen.len() < days {
        println!(
            "the records end {} days after {from}, not {days}",
            chosen.len()
        );
    }
    Ok(chosen.to_vec())
}

impl Replay {
    /// Says what will be seen, and what of it is real.
    pub fn describe(&self) {
        let sum = |count: fn(&HallPlan) -> u64| self.halls.iter().map(count).sum::<u64>();
        let days: Vec<String> = self.dates.iter().map(ToString::to_string).collect();
        println!(
            "Zhiban demo: {} halls, {}",
            self.halls.len(),
            days.join(" ")
        );
        println!("  recorded       {}", self.records.display());
        println!(
            "                 {} tickets taken, {} called",
            sum(|hall| hall.file.issued),
            sum(|hall| hall.file.called)
        );
        println!(
            "  reconstructed  the second of every event; first in, first out; counters; nobody fails to appear"
        );
        println!("  invented       names of staff, ratings, air");
        println!(
            "  reports        {}\n",
            sum(|hall| hall.reports.len() as u64)
        );
    }

    /// Reports of all devices that speak MQTT.
    #[must_use]
    pub fn reports(&self) -> u64 {
        self.halls
            .iter()
            .map(|hall| hall.reports.len() as u64)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn prepared(args: &[&str]) -> anyhow::Result<Replay> {
        prepare(&Options::parse_from([&["demo"], args].concat()))
    }

    #[test]
    fn the_extract_is_there_and_the_first_halls_are_taken() {
        let replay = prepared(&["--halls", "2", "--from", "2020-01-03", "--days", "2"]).unwrap();
        let stores: Vec<&str> = replay
            .halls
            .iter()
            .map(|hall| hall.hall.store.as_str())
            .collect();
        assert_eq!(stores, ["ud-bemowo", "ud-bialoleka"]);
        assert_eq!(
            replay.dates,
            [jiff::civil::date(2020, 1, 3), jiff::civil::date(2020, 1, 7)]
        );
        assert!(replay.start < replay.halls[0].reports[0].at);
        let last = replay.halls.iter().filter_map(|hall| hall.reports.last());
        assert!(last.map(|report| report.at).max() < Some(replay.end));
    }

    #[test]
    fn a_day_without_records_is_refused_with_those_that_have() {
        let error = prepared(&["--from", "2020-01-05"]).unwrap_err().to_string();
        assert!(
            error.contains("expected a day with records, one of 2019-12-30, "),
            "{error}"
        );
    }
}
