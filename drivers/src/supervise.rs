//! Runs the driver of every wired device and starts it again when it fails, hangs or floods.
//!
//! ```text
//!            session fails, panics, hangs       back-off over
//!  Running ───────────────────────▶ Restarting ───────────────▶ Running
//!     │ settings refused / removed / shutdown   │ removed / shutdown
//!     └────────────▶ Stopped ◀──────────────────┘
//! ```
//!
//! The devices of one line share a thread, and no others: a driver that blocks its thread stops
//! its own line only. The watch then leaves the thread behind and opens a new one.

mod keep;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhiban_vocabulary::{BootId, DeviceId};

use crate::desk::Desk;
use crate::hook::Hook;
use crate::link::{Line, Piece};
use crate::thread::{LineThread, Threads};
use crate::{Delivery, DriverKind, Order, Outlet, Trouble};
use keep::{Place, keep_running};

/// How often the threads are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// How long a stop waits for drivers; one that blocks its thread is left behind.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// A wired device as the hall has it.
#[derive(Debug, Clone)]
pub struct WiredDevice {
    pub device: DeviceId,
    pub driver: &'static DriverKind,
    pub settings: toml::Table,
}

/// What a driver is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverState {
    Running,
    /// Failed and waiting to be started again.
    Restarting,
    Stopped,
}

/// For the devices page and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverStatus {
    pub device: DeviceId,
    pub driver: &'static str,
    /// The port or peer.
    pub line: String,
    pub state: DriverState,
    /// Why it failed, until it has spoken with its device again.
    pub detail: Option<String>,
    /// The same in one word, for programs.
    pub trouble: Option<Trouble>,
    pub restarts: u32,
    pub bad_frames: u64,
}

/// A command or request that did not reach a driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("{0} is not a wired device")]
    UnknownDevice(DeviceId),
    #[error("{0} does not understand {1}")]
    NotUnderstood(DeviceId, &'static str),
    #[error("the driver of {0} has stopped")]
    Stopped(DeviceId),
}

/// All wired devices of the hall.
#[derive(Debug)]
pub struct Supervisor {
    posts: Mutex<BTreeMap<DeviceId, Post>>,
    /// Of devices that were taken away: one that comes back within this boot is numbered on, or its
    /// reports would be taken for those of before.
    away: Mutex<BTreeMap<DeviceId, Arc<Desk>>>,
    lines: Mutex<BTreeMap<String, OpenLine>>,
    threads: Threads,
    /// Gone when the supervisor has finished, so that the channel closes.
    deliveries: Mutex<Option<mpsc::Sender<Delivery>>>,
    boot: BootId,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Debug)]
struct Post {
    wired: WiredDevice,
    line: String,
    desk: Arc<Desk>,
    outlet: Outlet,
    stop: CancellationToken,
}

#[derive(Debug)]
struct OpenLine {
    line: Line,
    thread: LineThread,
}

impl Supervisor {
    /// Starts the drivers, one thread per line. `boot` is this process: reports are numbered from
    /// 1 within it.
    #[must_use]
    pub fn start(
        devices: Vec<WiredDevice>,
        deliveries: mpsc::Sender<Delivery>,
        boot: BootId,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Self::start_on(Threads::PerLine, devices, deliveries, boot, shutdown)
    }

    /// As [`Self::start`], on threads of the caller's choice: tests run on their own clock.
    #[must_use]
    pub fn start_on(
        threads: Threads,
        devices: Vec<WiredDevice>,
        deliveries: mpsc::Sender<Delivery>,
        boot: BootId,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let supervisor = Arc::new(Self {
            posts: Mutex::default(),
            away: Mutex::default(),
            lines: Mutex::default(),
            threads,
            deliveries: Mutex::new(Some(deliveries)),
            boot,
            tasks: TaskTracker::new(),
            shutdown,
        });
        for wired in devices {
            supervisor.add(wired);
        }
        let watch = Arc::clone(&supervisor).watch_threads();
        supervisor.tasks.spawn(watch);
        supervisor
    }

    /// Starts the driver of one more device; one that runs under the same id is ended first, and
    /// its reports are numbered on.
    pub fn add(&self, wired: WiredDevice) {
        let Some(deliveries) = lock(&self.deliveries).clone() else {
            return;
        };
        let device = wired.device.clone();
        let before = self.remove(&device);
        let away = lock(&self.away).remove(&device);
        let desk = before
            .or(away)
            .unwrap_or_else(|| Desk::new(device.clone(), self.boot.clone()));
        let line = (wired.driver.build)(wired.settings.clone())
            .ok()
            .and_then(|driver| driver.line())
            .unwrap_or_else(|| device.to_string());
        let post = Post {
            wired,
            line,
            outlet: Outlet::new(Arc::clone(&desk), deliveries),
            desk,
            stop: self.shutdown.child_token(),
        };
        let tenure = post.desk.take_over(DriverState::Running, None);
        self.run(&post, tenure);
        lock(&self.posts).insert(device, post);
    }

    /// Ends the driver of a device.
    ///
    /// Gives what is to be kept for a device that comes back.
    fn remove(&self, device: &DeviceId) -> Option<Arc<Desk>> {
        let post = lock(&self.posts).remove(device)?;
        post.stop.cancel();
        let used = lock(&self.posts)
            .values()
            .any(|other| other.line == post.line);
        if !used && let Some(open) = lock(&self.lines).remove(&post.line) {
            open.thread.end();
        }
        Some(post.desk)
    }

    /// Ends the driver of a device that is no longer there.
    pub fn take_away(&self, device: &DeviceId) {
        if let Some(desk) = self.remove(device) {
            lock(&self.away).insert(device.clone(), desk);
        }
    }

    fn run(&self, post: &Post, tenure: u64) {
        let mut lines = lock(&self.lines);
        let open = lines.entry(post.line.clone()).or_insert_with(|| OpenLine {
            line: Line::new(post.line.clone()),
            thread: self.threads.open(&post.line),
        });
        let place = Place {
            wired: post.wired.clone(),
            desk: Arc::clone(&post.desk),
            tenure,
            outlet: post.outlet.clone(),
            line: open.line.clone(),
        };
        let running = keep_running(place, post.stop.clone(), open.thread.given_up());
        self.tasks.spawn_on(running, open.thread.handle());
    }

    /// Leaves threads behind that do not move, and starts their devices on new ones.
    async fn watch_threads(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
            let mut stuck = Vec::new();
            for (name, open) in lock(&self.lines).iter_mut() {
                if open.thread.is_stuck() {
                    tracing::error!(line = %name, "a driver blocks its thread, which is left behind");
                    open.thread.give_up();
                    open.thread = self.threads.open(name);
                    // What the old thread holds of the line it holds for ever.
                    open.line = open.line.anew();
                    stuck.push(name.clone());
                }
            }
            for line in stuck {
                self.start_anew(&line);
            }
        }
    }

    fn start_anew(&self, line: &str) {
        for post in lock(&self.posts).values().filter(|post| post.line == line) {
            let detail = format!("a driver on {line} blocked its thread");
            let why = Some((Trouble::Box, detail));
            let tenure = post.desk.take_over(DriverState::Restarting, why);
            post.desk.restarts.fetch_add(1, Ordering::Relaxed);
            self.run(post, tenure);
        }
    }

    #[must_use]
    pub fn statuses(&self) -> Vec<DriverStatus> {
        lock(&self.posts).values().map(Post::status).collect()
    }

    /// What passed on the line of a device, oldest first, with the driver that can explain it.
    #[must_use]
    pub fn pieces(&self, device: &DeviceId) -> Option<(&'static DriverKind, Vec<Piece>)> {
        let posts = lock(&self.posts);
        let post = posts.get(device)?;
        let pieces = lock(&self.lines).get(&post.line)?.line.tap().pieces();
        Some((post.wired.driver, pieces))
    }

    /// Hands a command to a driver, at once. When [`crate::COMMANDS_WAITING_MAX`] already wait (the
    /// device is slow or away), the oldest is put off: the newest call is the one people look
    /// for.
    ///
    /// # Errors
    /// [`CommandError`] when no driver will ever take the command.
    pub fn command(&self, device: &DeviceId, order: Order) -> Result<(), CommandError> {
        let posts = lock(&self.posts);
        let post = running(&posts, device)?;
        let kind = order.command.kind();
        if !post.wired.driver.accepts.contains(&kind) {
            return Err(CommandError::NotUnderstood(device.clone(), kind.as_str()));
        }
        if let Some(order) = post.desk.orders.put(order) {
            tracing::debug!(%device, command = %order.command, "device is behind, command put off");
            order.put_off("the device was behind and newer commands came");
        }
        Ok(())
    }

    /// Hands a request to a driver.
    ///
    /// # Errors
    /// [`CommandError`] when no driver will ever answer it.
    pub fn hook(&self, device: &DeviceId, hook: Hook) -> Result<(), CommandError> {
        let posts = lock(&self.posts);
        let post = running(&posts, device)?;
        match post.desk.hooks.put(hook) {
            None => Ok(()),
            Some(oldest) => {
                oldest.answer(crate::HookAnswer::Unavailable(
                    "too many requests wait".into(),
                ));
                Ok(())
            }
        }
    }

    /// Waits until every driver has ended, which they do after the shutdown.
    pub async fn finished(&self) {
        self.tasks.close();
        let ended = tokio::time::timeout(STOP_TIME_MAX, self.tasks.wait()).await;
        if ended.is_err() {
            tracing::warn!("some drivers did not end in time");
        }
        lock(&self.posts).clear();
        for (_, open) in std::mem::take(&mut *lock(&self.lines)) {
            open.thread.end();
        }
        lock(&self.deliveries).take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running<'p>(
    posts: &'p BTreeMap<DeviceId, Post>,
    device: &DeviceId,
) -> Result<&'p Post, CommandError> {
    let unknown = || CommandError::UnknownDevice(device.clone());
    let post = posts.get(device).ok_or_else(unknown)?;
    if post.desk.face().state == DriverState::Stopped {
        return Err(CommandError::Stopped(device.clone()));
    }
    Ok(post)
}

impl Post {
    fn status(&self) -> DriverStatus {
        let (state, why) = {
            let face = self.desk.face();
            (face.state, face.why.clone())
        };
        let (trouble, detail) = why.unzip();
        DriverStatus {
            device: self.desk.device.clone(),
            driver: self.wired.driver.name,
            line: self.line.clone(),
            state,
            trouble,
            detail,
            restarts: self.desk.restarts.load(Ordering::Relaxed),
            bad_frames: self.desk.bad_frames.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
