//! `settings` of an `fqm` device.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use zhiban_vocabulary::{CounterId, QueueId};

use crate::SettingsError;
use crate::link::http::{Base, Secret};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    token: Secret,
    time_zone: Option<String>,
    poll_s: Option<f64>,
    #[serde(default)]
    counters: BTreeMap<String, String>,
    #[serde(default)]
    pullers: BTreeMap<String, String>,
    #[serde(default)]
    queues: BTreeMap<String, String>,
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) base: Base,
    pub(crate) token: Secret,
    /// Whose midnight divides FQM's days.
    pub(crate) zone: TimeZone,
    pub(crate) poll: Duration,
    /// By office id.
    counters: BTreeMap<u64, CounterId>,
    /// By the id of who pulled; goes before `counters`.
    pullers: BTreeMap<u64, CounterId>,
    /// By task id.
    queues: BTreeMap<u64, QueueId>,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let name = written.time_zone.as_deref().unwrap_or("Asia/Shanghai");
    let zone = TimeZone::get(name)
        .map_err(|_| SettingsError::new("time_zone", "an IANA zone name", name))?;
    let poll_s = written.poll_s.unwrap_or(2.0);
    if !(0.5..=60.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.5 to 60", poll_s));
    }
    Ok(Settings {
        base: Base::read("url", &written.url)?,
        token: written.token.check("token")?,
        zone,
        poll: Duration::from_secs_f64(poll_s),
        counters: ids("counters", written.counters)?,
        pullers: ids("pullers", written.pullers)?,
        queues: ids("queues", written.queues)?,
    })
}

/// Pairs of an id of FQM and a name of ours.
fn ids<T>(key: &str, written: BTreeMap<String, String>) -> Result<BTreeMap<u64, T>, SettingsError>
where
    T: FromStr<Err: Display>,
{
    let check = |(id, name): (String, String)| {
        let key = format!("{key}.{id}");
        let number = id
            .parse()
            .map_err(|_| SettingsError::new(&key, "a number of FQM", &id))?;
        let name = name
            .parse()
            .map_err(|error| SettingsError::new(&key, "a name", error))?;
        Ok((number, name))
    };
    written.into_iter().map(check).collect()
}

impl Settings {
    /// Where a ticket was called to; the office is a counter by itself unless a table says more.
    pub(crate) fn counter(&self, office: u64, puller: Option<u64>) -> Option<CounterId> {
        let named = puller
            .and_then(|puller| self.pullers.get(&puller))
            .or_else(|| self.counters.get(&office));
        named.cloned().or_else(|| office.to_string().parse().ok())
    }

    /// The queue of a task of this name.
    pub(crate) fn queue(&self, task: u64, name: Option<&str>) -> Option<QueueId> {
        let set = self.queues.get(&task).cloned();
        let by_name = || name.and_then(|name| name.parse().ok());
        let by_id = || format!("task-{task}").parse().ok();
        set.or_else(by_name).or_else(by_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "url = 'http://h:80'\ntoken = 'hush'\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
        assert!(!answer.contains("hush"), "{answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "poll: 2s");
        check("token = 'x'", "settings.url: expected a value");
        check("url = 'http://h:80'", "settings.token: expected a value");
        check(
            "url = 'http://h:80'\ntoken = 'hush now'",
            "settings.token: expected letters",
        );
        check(
            "url = 'https://h'\ntoken = 'x'",
            "settings.url: expected http://host:port",
        );
        check(&format!("{GOOD}pol_s = 1"), "settings.pol_s");
        check(
            &format!("{GOOD}poll_s = 0.1"),
            "settings.poll_s: expected 0.5 to 60, found 0.1",
        );
        check(
            &format!("{GOOD}time_zone = 'Asia/Shang'"),
            "settings.time_zone: expected an IANA zone name",
        );
        check(
            &format!("{GOOD}counters = {{ one = '3' }}"),
            "settings.counters.one: expected a number of FQM",
        );
        check(
            &format!("{GOOD}queues = {{ 1 = 'a b' }}"),
            "settings.queues.1: expected a name",
        );
    }

    #[test]
    fn counters_and_queues_have_the_names_of_the_tables_before_those_of_fqm() {
        let text = format!(
            "{GOOD}counters = {{ 1 = '3' }}\npullers = {{ 7 = 'VIP' }}\nqueues = {{ 1 = '现金' }}"
        );
        let settings = decode(toml::from_str(&text).unwrap()).unwrap();
        let counter = |office, puller| settings.counter(office, puller).unwrap().to_string();
        assert_eq!(counter(1, None), "3");
        assert_eq!(counter(1, Some(7)), "VIP");
        assert_eq!(counter(2, Some(8)), "2");
        let queue = |task, name| settings.queue(task, name).unwrap().to_string();
        assert_eq!(queue(1, Some("cash")), "现金");
        assert_eq!(queue(2, Some("transfer")), "transfer");
        assert_eq!(queue(2, Some("new line")), "task-2");
        assert_eq!(queue(2, None), "task-2");
    }
}
