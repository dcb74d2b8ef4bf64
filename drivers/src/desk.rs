//! What outlives the sessions of one device: its numbering, its counters, what waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use zhiban_vocabulary::command::{Command, Failure};
use zhiban_vocabulary::device::HealthStatus;
use zhiban_vocabulary::report::{Observation, Origin, Report};
use zhiban_vocabulary::{BootId, DeviceId};

use crate::Trouble;
use crate::hook::Hook;
use crate::supervise::DriverState;

/// Commands that may wait for one device.
pub const COMMANDS_WAITING_MAX: usize = 8;
/// Requests that may wait for one driver.
const HOOKS_WAITING_MAX: usize = 64;

/// A command to one device, and where to say what became of it.
#[derive(Debug)]
pub struct Order {
    pub command: Command,
    done: oneshot::Sender<Result<(), NotDone>>,
}

/// Why a device did not do what it was told: for programs, and for people who know the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDone {
    pub why: Failure,
    pub text: String,
}

impl Order {
    /// An order and where its outcome will come; an error there means that nobody will tell.
    #[must_use]
    pub fn new(command: Command) -> (Self, oneshot::Receiver<Result<(), NotDone>>) {
        let (done, outcome) = oneshot::channel();
        (Self { command, done }, outcome)
    }

    /// The device did it, as far as its protocol can tell.
    pub fn done(self) {
        let _ = self.done.send(Ok(()));
    }

    /// The device did not.
    pub fn failed(self, why: Failure, text: impl Into<String>) {
        let text = text.into();
        let _ = self.done.send(Err(NotDone { why, text }));
    }
}

/// The commands waiting for one device. They wait with the device, not with the session: what a
/// session has not taken is there for the next one.
#[derive(Debug)]
pub struct Commands(pub(crate) Arc<Desk>);

impl Commands {
    /// Waits for the next command, oldest first. Loses nothing when dropped while waiting.
    pub async fn next(&mut self) -> Order {
        self.0.orders.next().await
    }

    /// For a command the link broke under: the next session tries it first.
    pub fn give_back(&mut self, order: Order) {
        self.0.orders.give_back(order);
    }
}

/// A bounded queue that drops its oldest.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    queue: Mutex<VecDeque<T>>,
    more: Notify,
    max: usize,
}

impl<T> Waiting<T> {
    fn new(max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            more: Notify::new(),
            max,
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<T>> {
        // A panic while holding the lock leaves plain values behind, never half of one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn next(&self) -> T {
        loop {
            let taken = self.queue().pop_front();
            match taken {
                Some(taken) => return taken,
                None => self.more.notified().await,
            }
        }
    }

    /// Adds one; gives the oldest when that had to go.
    pub(crate) fn put(&self, item: T) -> Option<T> {
        let mut queue = self.queue();
        let full = queue.len() >= self.max;
        let displaced = if full { queue.pop_front() } else { None };
        queue.push_back(item);
        drop(queue);
        self.more.notify_one();
        displaced
    }

    fn give_back(&self, item: T) {
        let mut queue = self.queue();
        if queue.len() < self.max {
            queue.push_front(item);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) device: DeviceId,
    boot: BootId,
    next_seq: AtomicU64,
    pub(crate) bad_frames: AtomicU64,
    pub(crate) restarts: AtomicU32,
    /// Whether the present session has spoken with the device.
    pub(crate) exchanged: AtomicBool,
    pub(crate) orders: Waiting<Order>,
    pub(crate) hooks: Waiting<Hook>,
    face: Mutex<Face>,
}

/// What others see of a driver.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) state: DriverState,
    pub(crate) detail: Option<String>,
    pub(crate) trouble: Option<Trouble>,
    /// The last health the journal has.
    pub(crate) health: Option<(HealthStatus, Option<String>)>,
    /// The last sign of life of the session.
    pub(crate) beat: Instant,
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
            orders: Waiting::new(COMMANDS_WAITING_MAX),
            hooks: Waiting::new(HOOKS_WAITING_MAX),
            face: Mutex::new(Face {
                state: DriverState::Running,
                detail: None,
                trouble: None,
                health: None,
                beat: Instant::now(),
            }),
        })
    }

    pub(crate) fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn turn(&self, state: DriverState, why: Option<(Trouble, String)>) {
        let mut face = self.face();
        face.state = state;
        (face.trouble, face.detail) = why.unzip();
        face.beat = Instant::now();
    }

    pub(crate) fn number(&self, observation: Observation) -> Report {
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
