//! What outlives the sessions of one device: its numbering, its counters, what waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use zhiban_vocabulary::command::Command;
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
    /// Whoever has not begun by then does not begin.
    until: Instant,
    done: oneshot::Sender<Result<(), NotDone>>,
}

/// Why a device did not do what it was told; for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDone {
    /// It cannot or will not, however often it is told.
    Refused(String),
    /// It did not answer or was busy: told again, it may.
    PutOff(String),
}

impl Order {
    /// An order and where its outcome will come; an error there means that nobody will tell, such
    /// as of one that nobody had begun by `until`.
    #[must_use]
    pub fn new(command: Command, until: Instant) -> (Self, oneshot::Receiver<Result<(), NotDone>>) {
        let (done, outcome) = oneshot::channel();
        let order = Self {
            command,
            until,
            done,
        };
        (order, outcome)
    }

    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// The device did it, as far as its protocol can tell.
    pub fn done(self) {
        let _ = self.done.send(Ok(()));
    }

    /// The device cannot or will not do it.
    pub fn failed(self, reason: impl Into<String>) {
        let _ = self.done.send(Err(NotDone::Refused(reason.into())));
    }

    /// The device did not answer or is busy: whoever asked may ask again.
    pub fn put_off(self, reason: impl Into<String>) {
        let _ = self.done.send(Err(NotDone::PutOff(reason.into())));
    }
}

/// The commands waiting for one device. They wait with the device, not with the session: what a
/// session has not taken is there for the next one.
#[derive(Debug)]
pub struct Commands(pub(crate) Arc<Desk>);

impl Commands {
    /// Waits for the next command, oldest first; what expired while it waited is dropped. Loses
    /// nothing else when dropped while waiting.
    pub async fn next(&mut self) -> Order {
        loop {
            let order = self.0.orders.next().await;
            if !order.is_over() {
                return order;
            }
        }
    }

    /// For a command the link broke under: the next session tries it first, unless it has expired
    /// by then.
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
    /// Who runs the driver; counts up.
    tenure: u64,
    pub(crate) state: DriverState,
    /// Why it failed, in a word and whole, until it has spoken with its device again.
    pub(crate) why: Option<(Trouble, String)>,
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
                tenure: 0,
                state: DriverState::Running,
                why: None,
                health: None,
                beat: Instant::now(),
            }),
        })
    }

    pub(crate) fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another run of the driver. One before it may end late, on a thread of its own, and
    /// has nothing to say here any more.
    pub(crate) fn take_over(&self, state: DriverState, why: Option<(Trouble, String)>) -> u64 {
        let tenure = {
            let mut face = self.face();
            face.tenure += 1;
            face.tenure
        };
        self.turn(tenure, state, why);
        tenure
    }

    /// Says how the driver is, by the run of this number.
    pub(crate) fn turn(&self, tenure: u64, state: DriverState, why: Option<(Trouble, String)>) {
        let mut face = self.face();
        if face.tenure != tenure {
            return;
        }
        face.state = state;
        face.why = why;
        face.beat = Instant::now();
    }

    /// The session has spoken with its device: what was wrong before is over.
    pub(crate) fn spoke(&self) {
        self.exchanged.store(true, Ordering::Relaxed);
        let mut face = self.face();
        face.beat = Instant::now();
        if face.state == DriverState::Running {
            face.why = None;
        }
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
