//! What leaves the box: by age, and by the share of the disk the database may take.
//!
//! Ages are days the box has run, not dates: a clock that jumps forward deletes nothing. When room is
//! short, what the centre has goes first, then reports every follower has read, the log of commands,
//! dead letters, and facts nobody has yet only when nothing else is left. Whatever goes early is
//! counted and shown.

mod store;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::Retention;
use zhiban_kernel::health::{Health, Status};
use zhiban_kernel::said::Said;
use zhiban_kernel::{Store, StoreError};

use crate::federation::{Line, Spared};
use crate::journal::{Journal, SeenPlace};

pub use store::{Dropped, dropped, used_bytes};

use store::{Done, Step};

const EVERY: Duration = Duration::from_secs(60);
/// The pause between steps while there is much to do: the writer is for the devices.
const BETWEEN: Duration = Duration::from_millis(200);
const SILENCE_MAX: Duration = Duration::from_secs(180);
/// How long health shows that something was dropped.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
const PART: &str = "retention";

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    pub journal: Journal,
    pub retention: Retention,
    pub line: Line,
    pub health: Health,
}

impl Keeper {
    /// Prunes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut seen, mut last) = (None, Instant::now());
        loop {
            let ran = last.elapsed();
            let pause = match self.step(seen.clone(), ran).await {
                Ok(done) => {
                    last += ran;
                    seen = done.seen;
                    self.say().await;
                    if done.more { BETWEEN } else { EVERY }
                }
                Err(error) => {
                    tracing::warn!(%error, "pruning will be tried again");
                    self.health
                        .say(PART, Status::Degraded, error.to_string(), SILENCE_MAX);
                    EVERY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn step(&self, seen: SeenPlace, ran: Duration) -> Result<Done, StoreError> {
        let store = self.journal.store();
        let step = Step {
            retention: self.retention,
            ran_ms: i64::try_from(ran.as_millis()).unwrap_or(i64::MAX),
            limit_bytes: limit_bytes(store, self.retention).unwrap_or(u64::MAX),
            stands_alone: self.line.member.borrow().is_none(),
            seen,
            spared: Spared::default(),
            now: self.journal.clock().now(),
        };
        let work = move |connection: &rusqlite::Connection| Ok(store::step(connection, &step)?);
        store.write(work).await
    }

    async fn say(&self) {
        let now = self.journal.clock().now();
        let limit = limit_bytes(self.journal.store(), self.retention);
        let read =
            |connection: &rusqlite::Connection| Ok((used_bytes(connection)?, dropped(connection)?));
        let (status, detail) = match self.journal.store().read(read).await {
            Ok((used, dropped)) => judge(used, limit, &dropped, now),
            Err(error) => (Status::Degraded, error.to_string().into()),
        };
        self.health.say(PART, status, detail, SILENCE_MAX);
    }
}

fn judge(
    used: u64,
    limit: Option<u64>,
    dropped: &[Dropped],
    now: jiff::Timestamp,
) -> (Status, Said) {
    let recent = |one: &&Dropped| now.duration_since(one.last) < SHOWN_FOR;
    // What nobody has any more stays shown.
    let shown = |one: &&Dropped| one.what == "unsent" || recent(one);
    let dropped: Vec<_> = dropped.iter().filter(shown).map(Dropped::said).collect();
    let share = limit.map_or("?".to_owned(), |limit| (limit >> 20).to_string());
    let used_mib = used >> 20;
    let mut said = vec![Said::new(
        format!("已用 {used_mib} MiB，份额 {share} MiB"),
        format!("{used_mib} of {share} MiB used"),
    )];
    if limit.is_some_and(|limit| used > limit.saturating_add(limit / 20)) {
        said.push(Said::new(
            "没有可以删除的了：需要更大的磁盘或份额",
            "nothing is left that may be dropped: a larger disk or share is needed",
        ));
    }
    if !dropped.is_empty() {
        let Said { zh, en } = Said::joined(&dropped);
        said.push(Said::new(
            format!("提前删除：{zh}"),
            format!("dropped before their time: {en}"),
        ));
    }
    let status = match said.len() {
        1 => Status::Ok,
        _ => Status::Degraded,
    };
    (status, Said::joined(&said))
}

/// Bytes the database may use: a share of its disk. `None` when the disk cannot be asked.
#[must_use]
pub fn limit_bytes(store: &Store, retention: Retention) -> Option<u64> {
    let disk = rustix::fs::statvfs(store.file().parent()?).ok()?;
    let total = disk.f_blocks.saturating_mul(disk.f_frsize);
    Some(total / 100 * u64::from(retention.disk_percent))
}
