//! Tries the parts of the chain again and again and says how they do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_drivers::supervise::{DriverState, DriverStatus, Supervisor};
use zhiban_kernel::Store;
use zhiban_kernel::health::{Health, Status};
use zhiban_kernel::people::first_broken_link;
use zhiban_kernel::said::Said;

use crate::federation::UplinkState;
use crate::journal::{self, Journal, set_value};

const EVERY: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often the audit log is read from end to end.
const AUDIT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// With less room than this the next group of reports may not fit.
const FREE_BYTES_MIN: u64 = 2 << 20;
/// A follower this far behind needs a look.
const LAG_DEGRADED: i64 = 10_000;
/// So does one that has something to do and does not move for so many looks.
const LOOKS_UNMOVED: u32 = 3;

/// Probes until `shutdown`.
pub async fn run_probes(
    journal: Journal,
    drivers: Arc<Supervisor>,
    uplink: watch::Receiver<UplinkState>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut audit_due = Instant::now();
    let mut refused = 0;
    let mut standing = Standing::default();
    loop {
        if Instant::now() >= audit_due {
            probe_audit(journal.store(), &health).await;
            audit_due += AUDIT_EVERY;
        }
        probe_journal(&journal, &mut refused, &health).await;
        probe_followers(&journal, &mut standing, &health).await;
        probe_drivers(&drivers, &health);
        probe_uplink(&uplink.borrow(), &health);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Every line of the audit log follows from the one before it.
async fn probe_audit(store: &Store, health: &Health) {
    let broken = store.read(|connection| first_broken_link(connection)).await;
    let (status, detail) = match broken {
        Ok(None) => (Status::Ok, Said::new("完整", "unbroken")),
        Ok(Some(id)) => {
            let said = Said::new(
                format!("第 {id} 行被改过或删掉"),
                format!("line {id} was changed or removed"),
            );
            (Status::Failing, said)
        }
        Err(error) => (Status::Degraded, error.to_string().into()),
    };
    health.say("audit log", status, detail, AUDIT_EVERY * 2);
}

/// A real commit, timed. It is small and may fit where no report does: what was refused since the
/// last look, and a disk with hardly any room, count as well.
async fn probe_journal(journal: &Journal, refused_before: &mut u64, health: &Health) {
    let (store, started) = (journal.store(), Instant::now());
    let result = store
        .write(|connection| Ok(set_value(connection, "probe", 1)?))
        .await;
    let took = started.elapsed();
    let (_, refused) = journal.totals();
    let more = refused - std::mem::replace(refused_before, refused);
    let free = free_bytes(store).filter(|free| *free < FREE_BYTES_MIN);
    let (status, detail) = match (result, free) {
        (Err(error), _) => (Status::Failing, error.to_string().into()),
        (Ok(()), Some(free)) => {
            let said = Said::new(
                format!("磁盘已满：只剩 {free} 字节"),
                format!("disk is full: {free} bytes are free"),
            );
            (Status::Failing, said)
        }
        (Ok(()), None) if more > 0 => {
            let reason = journal.last_refusal().unwrap_or_default();
            let said = Said::new(
                format!("拒收了 {more} 条报文：{reason}"),
                format!("{more} reports were refused: {reason}"),
            );
            (Status::Failing, said)
        }
        (Ok(()), None) => {
            let ms = took.as_millis();
            let said = Said::new(format!("提交用时 {ms} ms"), format!("commit took {ms} ms"));
            (Status::Ok, said)
        }
    };
    if status == Status::Ok {
        metrics::gauge!("zhiban_commit_seconds").set(took.as_secs_f64());
    }
    let bytes = i64::try_from(store.size_bytes()).unwrap_or(i64::MAX);
    metrics::gauge!("zhiban_database_bytes").set(as_f64(bytes));
    health.say("journal", status, detail, SILENCE_MAX);
}

fn free_bytes(store: &Store) -> Option<u64> {
    let disk = rustix::fs::statvfs(store.file().parent()?).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge may be off by one in 2^53"
)]
fn as_f64(number: i64) -> f64 {
    number as f64
}

/// Where each follower stood at the last look, and for how many looks.
#[derive(Debug, Default)]
struct Standing(HashMap<String, (i64, u32)>);

impl Standing {
    /// What is wrong with the followers, when the journal ends at `last`. One that stands still
    /// breaks the chain; one that is only behind may catch up.
    fn judge(&mut self, last: i64, positions: &[(String, i64)]) -> (Status, Said) {
        let (mut status, mut wrong) = (Status::Ok, Vec::new());
        for (name, at) in positions {
            let (before, looks) = self.0.entry(name.clone()).or_insert((*at, 0));
            let lag = last - at;
            *looks = if *before == *at && lag > 0 {
                *looks + 1
            } else {
                0
            };
            *before = *at;
            if *looks > LOOKS_UNMOVED {
                status = Status::Failing;
                wrong.push(Said::new(
                    format!("{name} 停住不动，落后 {lag} 条"),
                    format!("{name} does not move, {lag} reports behind"),
                ));
            } else if lag > LAG_DEGRADED {
                status = status.max(Status::Degraded);
                wrong.push(Said::new(
                    format!("{name} 落后 {lag} 条"),
                    format!("{name} is {lag} reports behind"),
                ));
            }
        }
        if wrong.is_empty() {
            wrong.push(Said::new("已跟上", "keep up"));
        }
        (status, Said::joined(&wrong))
    }
}

async fn probe_followers(journal: &Journal, standing: &mut Standing, health: &Health) {
    let read = |connection: &rusqlite::Connection| {
        let last = journal::counts(connection)?.last_id;
        Ok((last, journal::position_of(connection)?))
    };
    let (status, detail) = match journal.store().read(read).await {
        Ok((last, positions)) => {
            for (name, at) in &positions {
                let lag = metrics::gauge!("zhiban_follower_lag", "follower" => name.clone());
                lag.set(as_f64(last - at));
            }
            standing.judge(last, &positions)
        }
        Err(error) => (Status::Failing, error.to_string().into()),
    };
    health.say("followers", status, detail, SILENCE_MAX);
}

fn probe_drivers(drivers: &Supervisor, health: &Health) {
    let (status, detail) = judge_drivers(&drivers.statuses());
    health.say("drivers", status, detail, SILENCE_MAX);
}

/// A driver that runs again and has not spoken with its device since counts as one that does not
/// run: one that hangs is seen running at nearly every look.
fn judge_drivers(statuses: &[DriverStatus]) -> (Status, Said) {
    let down: Vec<_> = statuses
        .iter()
        .filter(|status| status.state != DriverState::Running || status.detail.is_some())
        .map(|status| match &status.detail {
            Some(detail) => format!("{}: {detail}", status.device),
            None => status.device.to_string(),
        })
        .collect();
    if down.is_empty() {
        let count = statuses.len();
        let said = Said::new(format!("{count} 个在运行"), format!("{count} running"));
        return (Status::Ok, said);
    }
    let down = down.join("; ");
    let said = Said::new(format!("未运行：{down}"), format!("not running: {down}"));
    (Status::Degraded, said)
}

/// The hall never waits for the WAN: a centre that is away degrades nothing here but freshness.
fn probe_uplink(state: &UplinkState, health: &Health) {
    if !state.enrolled {
        return;
    }
    let (status, detail) = if state.connected {
        (Status::Ok, Said::new("中心有应答", "centre answers"))
    } else {
        let problem = state.problem.clone().map(Said::from);
        let Said { zh, en } = problem.unwrap_or_else(|| Said::new("尚未尝试", "not tried yet"));
        let said = Said::new(
            format!("连不上中心，数据在本机等待：{zh}"),
            format!("centre not reached, facts wait here: {en}"),
        );
        (Status::Degraded, said)
    };
    health.say("uplink", status, detail, SILENCE_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_was_not_heard_of_since_it_failed_is_named_with_the_reason() {
        let driver = |device: &str, state, detail: Option<&str>| DriverStatus {
            device: device.parse().unwrap(),
            driver: "modbus",
            line: device.to_owned(),
            state,
            detail: detail.map(str::to_owned),
            trouble: None,
            restarts: 0,
            bad_frames: 0,
        };
        let well = driver("air", DriverState::Running, None);
        let judged = judge_drivers(std::slice::from_ref(&well));
        assert_eq!((judged.0, &*judged.1.en), (Status::Ok, "1 running"));
        let hangs = driver("door", DriverState::Running, Some("driver hung"));
        let stopped = driver("pad", DriverState::Stopped, None);
        let judged = judge_drivers(&[well, hangs, stopped]);
        let expected = "not running: door: driver hung; pad";
        assert_eq!((judged.0, &*judged.1.en), (Status::Degraded, expected));
    }

    #[test]
    fn a_follower_that_stands_still_with_work_to_do_is_named() {
        let mut standing = Standing::default();
        let mut look = |last, at| {
            let (status, said) = standing.judge(last, &[("queue".into(), at)]);
            (status, said.en)
        };
        for _ in 0..10 {
            assert_eq!(look(5, 5).0, Status::Ok, "nothing to do");
        }
        for at in 5..15 {
            assert_eq!(look(20, at).0, Status::Ok, "it moves");
        }
        for _ in 0..LOOKS_UNMOVED {
            assert_eq!(look(20, 14).0, Status::Ok, "not yet");
        }
        let stands = "queue does not move, 6 reports behind".to_owned();
        assert_eq!(look(20, 14), (Status::Failing, stands));
        assert_eq!(look(20, 15).0, Status::Ok);
        let behind = "queue is 19984 reports behind".to_owned();
        assert_eq!(look(20_000, 16), (Status::Degraded, behind));
    }
}
