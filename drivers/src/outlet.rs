//! The one way out of a driver: a report is delivered when the gateway says it is on disk.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zhiban_vocabulary::device::{DeviceHealth, HealthStatus};
use zhiban_vocabulary::report::{Observation, Report};

use crate::desk::Desk;

/// Reports of all wired drivers together that may wait for the journal. A full channel holds the
/// drivers back; nothing is dropped.
pub const DELIVERIES_MAX: usize = 256;

/// Reports a wired device may make within [`FLOOD_TIME`]; no wire of a hall carries as many.
const FLOOD_REPORTS: u32 = 2_000;
const FLOOD_TIME: Duration = Duration::from_secs(10);

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
        self.count()?;
        self.beat();
        let report = self.desk.number(observation);
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
        self.beat();
        self.desk.exchanged.store(true, Ordering::Relaxed);
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
