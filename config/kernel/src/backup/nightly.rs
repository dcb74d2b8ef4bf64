//! The nightly backup: taken, read back, the oldest ones deleted. A night that was missed is made up
//! for after the start.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sound::{Depth, damage_in};
use super::{
    BackupError, Incident, Subject, Taken, incidents, keep_newest, newest, take, taken_at,
};
use crate::doctor::BACKUP_AGE_MAX;
use crate::health::{Health, Status};
use crate::said::Said;
use crate::{Clock, Store};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A start is busy enough; what was missed waits so long.
const AFTER_START: Duration = Duration::from_secs(300);
const RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// By the time that passed, whatever the clock on the wall says meanwhile: one that jumps makes no
/// storm of backups, and one that was far ahead no year without.
const NO_SOONER: Duration = Duration::from_secs(6 * 3_600);
const NO_LATER: Duration = Duration::from_secs(26 * 3_600);
/// How long a damaged database is spoken of.
const SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);
const PART: &str = "backup";

/// How the nightly backup does.
#[derive(Debug, Clone, Default)]
pub struct NightlyState {
    pub folder: PathBuf,
    /// Of the newest backup that was proved.
    pub last: Option<Timestamp>,
    pub bytes: Option<u64>,
    /// Why the last try failed; cleared by one that does not.
    pub problem: Option<String>,
    /// What happened to the database last, in one line.
    pub incident: Option<Said>,
    pub incident_at: Option<Timestamp>,
}

/// See the module.
#[derive(Debug)]
pub struct Nightly {
    pub subject: Subject,
    /// Which stops when the backup finds the database damaged; none where it is a server's.
    pub store: Option<Store>,
    pub folder: PathBuf,
    /// By the clock on the wall of `zone`.
    pub at: Time,
    pub zone: TimeZone,
    pub keep: usize,
    pub health: Health,
    pub state: watch::Sender<NightlyState>,
}

impl Nightly {
    /// Backs up every night until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (started, started_at) = (Clock::real_now(), Instant::now());
        let mut retry_at: Option<Instant> = None;
        let mut taken_at: Option<Instant> = None;
        self.look(started);
        loop {
            let now = Clock::real_now();
            let due = self.last_due(now);
            let last = self.state.borrow().last;
            let is_missing = is_missing(last, due, now, taken_at.map(|taken| taken.elapsed()));
            let may_run = match retry_at {
                Some(at) => Instant::now() >= at,
                None => due >= started || started_at.elapsed() >= AFTER_START,
            };
            if is_missing && may_run {
                let result = tokio::select! {
                    () = shutdown.cancelled() => return,
                    result = self.back_up(now) => result,
                };
                taken_at = result.is_ok().then(Instant::now).or(taken_at);
                retry_at = result.is_err().then(|| Instant::now() + RETRY_AFTER);
                self.note(now, result);
            }
            self.say(now);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Finds what is there at the start.
    fn look(&self, now: Timestamp) {
        let file = newest(&self.subject, &self.folder, now);
        self.state.send_modify(|state| {
            state.folder.clone_from(&self.folder);
            state.last = file.as_deref().and_then(taken_at);
            let found = file.and_then(|file| std::fs::metadata(file).ok());
            state.bytes = found.map(|found| found.len());
            let told = |(folder, incident): (PathBuf, Option<Incident>)| {
                incident.map(|incident| (incident.told(&folder), incident.at))
            };
            let last = incidents(&self.subject)
                .into_iter()
                .filter_map(told)
                .next_back();
            (state.incident, state.incident_at) = last.unzip();
        });
    }

    /// The last time a backup should have been taken.
    fn last_due(&self, now: Timestamp) -> Timestamp {
        let here = now.to_zoned(self.zone.clone());
        let at = |day: jiff::civil::Date| {
            let due = day.to_datetime(self.at).to_zoned(self.zone.clone());
            due.map_or(now, |due| due.timestamp())
        };
        let today = at(here.date());
        if today <= now {
            return today;
        }
        here.date().yesterday().map_or(today, at)
    }

    async fn back_up(&self, now: Timestamp) -> Result<Taken, BackupError> {
        let (subject, folder, keep) = (self.subject.clone(), self.folder.clone(), self.keep);
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || {
            make_folder(&subject, &folder)?;
            let taken = take(&subject, &folder, now).inspect_err(|error| {
                if error.may_be_damage() {
                    condemn_damaged(&subject, store.as_ref());
                }
            })?;
            // Only behind one that was proved.
            keep_newest(&subject, &folder, keep, now)?;
            Ok(taken)
        });
        done.await
            .unwrap_or_else(|error| Err(super::of(&self.folder)(std::io::Error::other(error))))
    }

    fn note(&self, now: Timestamp, result: Result<Taken, BackupError>) {
        match result {
            Ok(taken) => {
                tracing::info!(file = %taken.file.display(), bytes = taken.bytes, "backup taken");
                self.state.send_modify(|state| {
                    state.last = Some(now);
                    state.bytes = Some(taken.bytes);
                    state.problem = None;
                });
            }
            Err(error) => {
                tracing::error!(%error, "the nightly backup failed");
                let problem = Some(error.to_string());
                self.state.send_modify(|state| state.problem = problem);
            }
        }
    }

    fn say(&self, now: Timestamp) {
        let (status, detail) = judge(&self.state.borrow(), now, self.at);
        self.health.say(PART, status, detail, SILENCE_MAX);
    }
}

/// A backup that fails may be the database's fault: read it as a whole.
fn condemn_damaged(subject: &Subject, store: Option<&Store>) {
    let Some(store) = store else {
        return;
    };
    match damage_in(subject, store.file(), Depth::Whole) {
        Ok(Some(reason)) => store.condemn(&reason),
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the database could not be read through"),
    }
}

/// Makes the folder in the data folder. One on another disk is never made: without that disk the
/// backups would fill this one.
fn make_folder(subject: &Subject, folder: &std::path::Path) -> Result<(), BackupError> {
    if folder.is_dir() || folder != subject.data.join(super::FOLDER) {
        return Ok(());
    }
    std::fs::create_dir(folder).map_err(super::of(folder))
}

/// Whether a backup is to be taken: the last one was before `due`, or is dated after `now` and so by a
/// clock that was wrong. `passed` is the time since this process took one.
fn is_missing(
    last: Option<Timestamp>,
    due: Timestamp,
    now: Timestamp,
    passed: Option<Duration>,
) -> bool {
    let by_clock = last.is_none_or(|last| last < due || last > now);
    match passed {
        None => by_clock,
        Some(passed) => passed >= NO_LATER || (by_clock && passed >= NO_SOONER),
    }
}

fn judge(state: &NightlyState, now: Timestamp, at: Time) -> (Status, Said) {
    let age = state.last.map(|last| now.duration_since(last));
    let hours = age.map_or(0, |age: SignedDuration| age.as_hours());
    let since = state.incident_at.map(|at| now.duration_since(at).abs());
    let is_recent = since.is_some_and(|since| since < SHOWN);
    let incident = state.incident.as_ref().filter(|_| is_recent);
    let (status, told) = match (&state.problem, age) {
        (Some(problem), _) => {
            let said = Said::new(format!("失败：{problem}"), format!("failed: {problem}"));
            (Status::Degraded, said)
        }
        (None, None) => {
            let said = Said::new(
                format!("还没有；第一次很快进行，以后每天 {at}"),
                format!("none yet; the first follows soon, then daily at {at}"),
            );
            (Status::Ok, said)
        }
        (None, Some(age)) if age.abs() > BACKUP_AGE_MAX => {
            let said = Said::new(
                format!("最近一份是 {hours} 小时前的"),
                format!("the last is {hours} h old"),
            );
            (Status::Degraded, said)
        }
        (None, Some(_)) => {
            let said = Said::new(
                format!("{hours} 小时前，已读回并核对"),
                format!("{hours} h ago, read back and counted"),
            );
            (Status::Ok, said)
        }
    };
    match incident {
        Some(incident) => {
            let told = Said::new(
                format!("最近备份：{}", told.zh),
                format!("last backup: {}", told.en),
            );
            (Status::Degraded, Said::joined(&[incident.clone(), told]))
        }
        None => (status, told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_makes_neither_a_storm_of_backups_nor_years_without() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let hours = |hours| SignedDuration::from_hours(hours);
        let due = now - hours(2);
        let passed = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        assert!(is_missing(None, due, now, None));
        assert!(is_missing(Some(now - hours(24)), due, now, None));
        assert!(!is_missing(Some(now - hours(1)), due, now, passed(1)));
        // The clock was ten years ahead when the last one was taken, and is right again.
        let ahead = Some(now + hours(87_600));
        assert!(is_missing(ahead, due, now, passed(7)));
        assert!(is_missing(ahead, due, now, None), "after a start, too");
        // It jumps to and fro all the time.
        assert!(!is_missing(ahead, due, now, passed(5)));
        assert!(!is_missing(Some(now - hours(30)), due, now, passed(5)));
        // It stands still.
        assert!(is_missing(Some(now), due, now, passed(26)));
    }

    #[test]
    fn failure_and_age_are_told() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = jiff::civil::time(3, 30, 0, 0);
        let ago = |hours| Some(now - SignedDuration::from_hours(hours));
        let state = |last, problem: Option<&str>| NightlyState {
            last,
            problem: problem.map(str::to_owned),
            ..NightlyState::default()
        };
        assert_eq!(judge(&state(None, None), now, at).0, Status::Ok);
        assert_eq!(judge(&state(ago(24), None), now, at).0, Status::Ok);
        assert_eq!(judge(&state(ago(37), None), now, at).0, Status::Degraded);
        let failed = judge(&state(ago(1), Some("no room")), now, at);
        assert_eq!(
            (failed.0, failed.1.en.as_str()),
            (Status::Degraded, "failed: no room")
        );
        // A damaged database of yesterday hides nothing.
        let both = NightlyState {
            incident: Some(Said::same("damaged")),
            incident_at: ago(24),
            ..state(ago(1), Some("no room"))
        };
        let told = judge(&both, now, at).1.both();
        assert!(
            told.contains("damaged") && told.contains("no room"),
            "{told}"
        );
    }
}
