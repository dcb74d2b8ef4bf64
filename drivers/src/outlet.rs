//! The one way out of a driver: a report is delivered when the gateway says it is on disk.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zhiban_vocabulary::BootId;
use zhiban_vocabulary::device::{DeviceHealth, HealthStatus};
use zhiban_vocabulary::report::{Kind, Observation, Origin, Report};

use crate::desk::Desk;

/// Reports of all wired drivers together that may wait for the journal. A full channel holds the
/// drivers back; nothing is dropped.
pub const DELIVERIES_MAX: usize = 256;

/// Reports a wired device may make within [`FLOOD_TIME`]; no wire of a hall carries as many.
const FLOOD_REPORTS: u32 = 2_000;
const FLOOD_TIME: Duration = Duration::from_secs(10);

/// How often a report is offered again to a journal that refuses.
const INSIST_EVERY: Duration = Duration::from_secs(1);

/// Happenings that may be told at once by a driver that catches up with a day of its peer, and the
/// pause before it tells more: a day that is caught up with is no flood.
pub(crate) const CATCH_UP_MAX: usize = 150;
pub(crate) const CATCH_UP_EVERY: Duration = Duration::from_secs(1);

/// The channel all wired drivers share.
#[must_use]
pub fn deliveries() -> (mpsc::Sender<Delivery>, mpsc::Receiver<Delivery>) {
    mpsc::channel(DELIVERIES_MAX)
}

/// A report on its way to the journal, and where to say that it is on disk.
#[derive(Debug)]
pub struct Delivery {
    pub report: Report,
    pub committed: oneshot::Sender<Result<(), String>>,
}

/// Which event of a peer it is: the peer's number of the thing it happened to, and a time by the
/// peer's clock that only this event of the thing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    pub id: u64,
    pub at: Timestamp,
}

impl Occurrence {
    /// A name for an event of this kind that is the same whoever asks, and when. Minutes stand for
    /// boots: the journal keeps 256 gaps of each, and in a quarter hour a large hall has more
    /// events, the tickets of which come in no order.
    fn origin(self, kind: Kind) -> Option<Origin> {
        const MINUTE_MS: i64 = 60_000;
        let at_ms = self.at.as_millisecond();
        let in_minute = at_ms.rem_euclid(MINUTE_MS);
        let minute = Timestamp::from_millisecond(at_ms - in_minute).ok()?;
        let boot = format!("{}-{}", kind.as_str(), minute.strftime("%Y%m%dT%H%M"));
        // So that the number fits 63 bits; no queue system counts that far.
        let id = self.id & ((1 << 43) - 1);
        Some(Origin {
            boot: boot.parse::<BootId>().ok()?,
            seq: id * MINUTE_MS.unsigned_abs() + in_minute.unsigned_abs(),
        })
    }
}

/// The gateway did not commit a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("journal refused the report: {0}")]
    Refused(String),
    #[error("journal is closed")]
    Closed,
    #[error("flood: more than {FLOOD_REPORTS} reports within {} s", FLOOD_TIME.as_secs())]
    Flood,
}

/// Numbers and hands over the reports of one device.
#[derive(Debug, Clone)]
pub struct Outlet {
    desk: Arc<Desk>,
    deliveries: mpsc::Sender<Delivery>,
    flood: Arc<Mutex<(Instant, u32)>>,
}

impl Outlet {
    pub(crate) fn new(desk: Arc<Desk>, deliveries: mpsc::Sender<Delivery>) -> Self {
        let flood = Arc::new(Mutex::new((Instant::now(), 0)));
        Self {
            desk,
            deliveries,
            flood,
        }
    }

    /// Resolves when the report is on disk.
    ///
    /// # Errors
    /// [`NotTaken`] when it is not; a driver must then not acknowledge anything to its device.
    pub async fn deliver(&self, observation: Observation) -> Result<(), NotTaken> {
        let report = self.desk.number(observation);
        self.hand_over(report).await
    }

    /// Like [`Self::deliver`], for what nobody can be asked for again, such as a press: offered until
    /// the journal takes it. What the device says meanwhile waits on its line.
    ///
    /// # Errors
    /// As [`Self::deliver`], but for a journal that refuses.
    pub async fn insist(&self, observation: Observation) -> Result<(), NotTaken> {
        loop {
            match self.deliver(observation.clone()).await {
                Err(NotTaken::Refused(_)) => tokio::time::sleep(INSIST_EVERY).await,
                other => return other,
            }
        }
    }

    /// Like [`Self::deliver`], for a peer that remembers what happened and can be asked again:
    /// whatever is delivered a second time, be it by another session or after a restart of the
    /// gateway, resolves at once and counts once. `time` is when it happened by the peer's own
    /// clock, `None` when the peer does not say.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub async fn deliver_once(
        &self,
        which: Occurrence,
        time: Option<Timestamp>,
        observation: Observation,
    ) -> Result<(), NotTaken> {
        let report = match which.origin(observation.kind()) {
            Some(origin) => Report {
                device: self.desk.device.clone(),
                origin,
                time,
                observation,
            },
            None => Report {
                time,
                ..self.desk.number(observation)
            },
        };
        self.hand_over(report).await
    }

    async fn hand_over(&self, report: Report) -> Result<(), NotTaken> {
        self.count()?;
        self.beat();
        let (committed, answer) = oneshot::channel();
        let delivery = Delivery { report, committed };
        let sent = self.deliveries.send(delivery).await;
        sent.map_err(|_| NotTaken::Closed)?;
        answer
            .await
            .map_err(|_| NotTaken::Closed)?
            .map_err(NotTaken::Refused)
    }

    fn count(&self) -> Result<(), NotTaken> {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        if flood.0.elapsed() > FLOOD_TIME {
            *flood = (Instant::now(), 0);
        }
        flood.1 += 1;
        if flood.1 > FLOOD_REPORTS {
            return Err(NotTaken::Flood);
        }
        Ok(())
    }

    /// Says that the session is not stuck. [`Self::deliver`] and [`Self::alive`] say it too; a
    /// session that waits for its device must say it more often than [`crate::Driver::patience`].
    pub fn beat(&self) {
        self.desk.face().beat = Instant::now();
    }

    /// To be called after every good exchange. The first one after a failure reports the device up.
    ///
    /// # Errors
    /// [`NotTaken`] when that report was not committed.
    pub async fn alive(&self) -> Result<(), NotTaken> {
        self.health(HealthStatus::Up, None).await
    }

    /// Like [`Self::alive`] for a device that answers, but says that it is not well.
    ///
    /// # Errors
    /// [`NotTaken`] when that report was not committed.
    pub async fn degraded(&self, detail: String) -> Result<(), NotTaken> {
        self.health(HealthStatus::Degraded, Some(detail)).await
    }

    async fn health(&self, status: HealthStatus, detail: Option<String>) -> Result<(), NotTaken> {
        self.desk.spoke();
        self.report_health(status, detail).await
    }

    /// Counts bytes or a value that could not be used.
    pub fn bad_frame(&self) {
        self.bad_frames(1);
    }

    pub fn bad_frames(&self, count: u64) {
        self.desk.bad_frames.fetch_add(count, Ordering::Relaxed);
    }

    /// Reports a change of health. Remembered only once committed, so that a refused report is
    /// made again at the next occasion. Why a device is down is said once: every attempt to reach
    /// it fails a little differently.
    pub(crate) async fn report_health(
        &self,
        status: HealthStatus,
        detail: Option<String>,
    ) -> Result<(), NotTaken> {
        let now = (status, detail.clone());
        let is_known = match &self.desk.face().health {
            Some((HealthStatus::Down, _)) => status == HealthStatus::Down,
            known => known.as_ref() == Some(&now),
        };
        if is_known {
            return Ok(());
        }
        let health = DeviceHealth { status, detail };
        self.deliver(Observation::Health(health)).await?;
        self.desk.face().health = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catching_up_is_no_flood() {
        let rounds = 1 + FLOOD_TIME.as_secs() / CATCH_UP_EVERY.as_secs();
        // What else is said meanwhile, and the last ticket of a round told whole, have room, too.
        let most = rounds * (CATCH_UP_MAX as u64 + 20);
        assert!(most < u64::from(FLOOD_REPORTS), "{most}");
    }

    fn origin(id: u64, at: &str) -> (String, u64) {
        let at = at.parse().unwrap();
        let origin = Occurrence { id, at }.origin(Kind::TicketCalled).unwrap();
        (origin.boot.to_string(), origin.seq)
    }

    #[test]
    fn an_event_has_the_same_name_for_ever_and_no_other_event_has_it() {
        let boot = "ticket.called-20261122T0523".to_owned();
        let first = origin(7, "2026-11-22T05:23:01.614150Z");
        assert_eq!(first, (boot.clone(), 7 * 60_000 + 1_614));
        assert_eq!(origin(7, "2026-11-22T13:23:01.614+08:00"), first);
        assert_ne!(origin(7, "2026-11-22T05:23:01.681Z"), first);
        assert_ne!(origin(7, "2026-11-22T05:38:01.614Z"), first);
        assert_ne!(origin(8, "2026-11-22T05:23:01.614Z"), first);
        assert_ne!(origin(7, "2026-11-22T05:24:01.614Z"), first);
        let (_, largest) = origin(u64::MAX, "2026-11-22T05:29:59.999Z");
        assert!(i64::try_from(largest).is_ok());
    }

    #[test]
    fn the_events_of_a_full_hall_leave_no_boot_more_gaps_than_the_journal_keeps() {
        const GAPS_MAX: usize = 256;
        let mut boots = std::collections::HashMap::<String, usize>::new();
        // Two a second, in a quarter hour.
        for event in 0..1_800_u64 {
            let (minute, ms) = (event / 120, event % 120 * 500);
            let at = format!(
                "2026-11-22T05:{:02}:{:02}.{:03}Z",
                15 + minute,
                ms / 1000,
                ms % 1000
            );
            *boots.entry(origin(event * 7 % 1_000, &at).0).or_default() += 1;
        }
        let most = boots.values().max().copied();
        assert!(most.is_some_and(|most| most < GAPS_MAX), "{most:?}");
    }
}
