//! The one way out of a driver: a report is delivered when the gateway says it is on disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use zhiban_vocabulary::device::{DeviceHealth, HealthStatus};
use zhiban_vocabulary::report::{Observation, Origin, Report};
use zhiban_vocabulary::{BootId, DeviceId};

use crate::ScreenCommand;
use crate::supervise::DriverState;

/// Reports of all wired drivers together that may wait for the journal. A full channel holds the
/// drivers back; nothing is dropped.
pub const DELIVERIES_MAX: usize = 256;

/// Commands that may wait for one screen.
pub const COMMANDS_WAITING_MAX: usize = 8;

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
}

/// Numbers and hands over the reports of one device.
#[derive(Debug, Clone)]
pub struct Outlet {
    desk: Arc<Desk>,
    deliveries: mpsc::Sender<Delivery>,
}

impl Outlet {
    pub(crate) fn new(desk: Arc<Desk>, deliveries: mpsc::Sender<Delivery>) -> Self {
        Self { desk, deliveries }
    }

    /// Resolves when the report is on disk.
    ///
    /// # Errors
    /// [`NotTaken`] when it is not; a driver must then not acknowledge anything to its device.
    pub async fn deliver(&self, observation: Observation) -> Result<(), NotTaken> {
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

    /// To be called after every good exchange. The first one after a failure reports the device up.
    ///
    /// # Errors
    /// [`NotTaken`] when that report was not committed.
    pub async fn alive(&self) -> Result<(), NotTaken> {
        self.desk.exchanged.store(true, Ordering::Relaxed);
        self.report_health(HealthStatus::Up, None).await
    }

    /// Counts bytes or a value that could not be used.
    pub fn bad_frame(&self) {
        self.bad_frames(1);
    }

    pub fn bad_frames(&self, count: u64) {
        self.desk.bad_frames.fetch_add(count, Ordering::Relaxed);
    }

    /// Reports a change of health. Remembered only once committed, so that a refused report is
    /// made again at the next occasion.
    pub(crate) async fn report_health(
        &self,
        status: HealthStatus,
        detail: Option<String>,
    ) -> Result<(), NotTaken> {
        if self.desk.face().health == Some(status) {
            return Ok(());
        }
        let health = DeviceHealth { status, detail };
        self.deliver(Observation::Health(health)).await?;
        self.desk.face().health = Some(status);
        Ok(())
    }
}

/// The commands waiting for one screen. They wait with the device, not with the session: what a
/// session has not taken is there for the next one.
#[derive(Debug)]
pub struct Commands {
    desk: Arc<Desk>,
}

impl Commands {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }

    /// Waits for the next command, oldest first. Loses nothing when dropped while waiting.
    pub async fn next(&mut self) -> ScreenCommand {
        loop {
            let command = self.desk.mailbox().pop_front();
            match command {
                Some(command) => return command,
                None => self.desk.mail.notified().await,
            }
        }
    }

    /// For a command the link broke under: the next session tries it first.
    pub fn give_back(&mut self, command: ScreenCommand) {
        let mut waiting = self.desk.mailbox();
        if waiting.len() < COMMANDS_WAITING_MAX {
            waiting.push_front(command);
        }
    }
}

/// What outlives the sessions of one device: its numbering, its counters, its waiting commands.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) device: DeviceId,
    boot: BootId,
    next_seq: AtomicU64,
    pub(crate) bad_frames: AtomicU64,
    pub(crate) restarts: AtomicU32,
    /// Whether the present session has spoken with the device.
    pub(crate) exchanged: AtomicBool,
    face: Mutex<Face>,
    mailbox: Mutex<VecDeque<ScreenCommand>>,
    mail: Notify,
}

/// What others see of a driver.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) state: DriverState,
    pub(crate) detail: Option<String>,
    /// The last health the journal has.
    health: Option<HealthStatus>,
}

impl Desk {
    pub(crate) fn new(device: DeviceId, boot: BootId) -> Arc<Self> {
        Arc::new(Self {
            device,
            boot,
            next_seq: AtomicU64::new(1),
            bad_frames: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            exchanged: AtomicBool::new(false),
            face: Mutex::new(Face {
                state: DriverState::Running,
                detail: None,
                health: None,
            }),
            mailbox: Mutex::default(),
            mail: Notify::new(),
        })
    }

    pub(crate) fn face(&self) -> MutexGuard<'_, Face> {
        // A panic while holding the lock leaves plain values behind, never half of one.
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailbox(&self) -> MutexGuard<'_, VecDeque<ScreenCommand>> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command; gives the oldest one when that had to go.
    pub(crate) fn put(&self, command: ScreenCommand) -> Option<ScreenCommand> {
        let mut waiting = self.mailbox();
        let full = waiting.len() >= COMMANDS_WAITING_MAX;
        let displaced = if full { waiting.pop_front() } else { None };
        waiting.push_back(command);
        drop(waiting);
        self.mail.notify_one();
        displaced
    }

    fn number(&self, observation: Observation) -> Report {
        Report {
            device: self.device.clone(),
            origin: Origin {
                boot: self.boot.clone(),
                seq: self.next_seq.fetch_add(1, Ordering::Relaxed),
            },
            time: None,
            observation,
        }
    }
}
