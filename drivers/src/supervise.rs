//! Runs the driver of every wired device, each in its own task, and starts it again when it fails.
//!
//! ```text
//!            session fails or panics            back-off over
//!  Running ───────────────────────▶ Restarting ───────────────▶ Running
//!     │ settings refused / shutdown      │ shutdown
//!     └────────────▶ Stopped ◀───────────┘
//! ```

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use rand::RngExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhiban_vocabulary::device::{DeviceKind, HealthStatus};
use zhiban_vocabulary::{BootId, DeviceId};

use crate::outlet::Desk;
use crate::{Commands, Delivery, Driver, DriverError, DriverKind, Outlet, ScreenCommand, Session};

/// First and longest pause before a driver is started again; doubled in between.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A wired device as `gateway.toml` lists it.
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
    pub state: DriverState,
    /// Why it failed, while it is not running.
    pub detail: Option<String>,
    pub restarts: u32,
    pub bad_frames: u64,
}

/// A command that did not reach a driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("{0} is not a wired device")]
    UnknownDevice(DeviceId),
    #[error("{0} shows nothing: it is not a screen")]
    NotAScreen(DeviceId),
    #[error("the driver of {0} has stopped")]
    Stopped(DeviceId),
}

/// All wired devices of the hall.
#[derive(Debug)]
pub struct Supervisor {
    posts: BTreeMap<DeviceId, Post>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Post {
    driver: &'static DriverKind,
    desk: Arc<Desk>,
}

impl Supervisor {
    /// Starts one task per device. `boot` is this process: reports are numbered from 1 within it.
    #[must_use]
    pub fn start(
        devices: Vec<WiredDevice>,
        deliveries: mpsc::Sender<Delivery>,
        boot: BootId,
        shutdown: CancellationToken,
    ) -> Self {
        let tasks = TaskTracker::new();
        let mut posts = BTreeMap::new();
        for wired in devices {
            if posts.contains_key(&wired.device) {
                tracing::error!(device = %wired.device, "listed twice, second one left out");
                continue;
            }
            let desk = Desk::new(wired.device.clone(), boot.clone());
            let post = Post {
                driver: wired.driver,
                desk: Arc::clone(&desk),
            };
            let device = wired.device.clone();
            let outlet = Outlet::new(desk, deliveries.clone());
            tasks.spawn(keep_running(
                wired,
                Arc::clone(&post.desk),
                outlet,
                shutdown.clone(),
            ));
            posts.insert(device, post);
        }
        tasks.close();
        // Only the drivers hold the channel now: it closes when the last one has ended.
        drop((deliveries, boot, shutdown));
        Self { posts, tasks }
    }

    #[must_use]
    pub fn statuses(&self) -> Vec<DriverStatus> {
        self.posts.values().map(Post::status).collect()
    }

    /// Hands a command to a screen's driver, at once. When [`crate::COMMANDS_WAITING_MAX`] already wait
    /// (the screen is slow or away), the oldest is given up: the newest call is the one people
    /// look for.
    ///
    /// # Errors
    /// [`CommandError`] when no driver will ever take the command.
    pub fn command(&self, device: &DeviceId, command: ScreenCommand) -> Result<(), CommandError> {
        let unknown = || CommandError::UnknownDevice(device.clone());
        let post = self.posts.get(device).ok_or_else(unknown)?;
        if post.driver.device != DeviceKind::WindowScreen {
            return Err(CommandError::NotAScreen(device.clone()));
        }
        if post.desk.face().state == DriverState::Stopped {
            return Err(CommandError::Stopped(device.clone()));
        }
        if let Some(command) = post.desk.put(command) {
            tracing::warn!(%device, %command, "screen is behind, command given up");
        }
        Ok(())
    }

    /// Waits until every driver has ended, which they do after the shutdown.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }
}

impl Post {
    fn status(&self) -> DriverStatus {
        let (state, detail) = {
            let face = self.desk.face();
            (face.state, face.detail.clone())
        };
        DriverStatus {
            device: self.desk.device.clone(),
            driver: self.driver.name,
            state,
            detail,
            restarts: self.desk.restarts.load(Ordering::Relaxed),
            bad_frames: self.desk.bad_frames.load(Ordering::Relaxed),
        }
    }
}

async fn keep_running(
    wired: WiredDevice,
    desk: Arc<Desk>,
    outlet: Outlet,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => desk.turn(DriverState::Stopped, None),
        () = run_again_and_again(&wired, &desk, &outlet) => {}
    }
}

/// Ends only when the settings are refused: starting again would not change them.
async fn run_again_and_again(wired: &WiredDevice, desk: &Arc<Desk>, outlet: &Outlet) {
    let mut failures = 0;
    loop {
        let driver = match (wired.driver.build)(wired.settings.clone()) {
            Ok(driver) => driver,
            Err(error) => {
                tracing::error!(device = %desk.device, %error, "driver not started");
                return desk.turn(DriverState::Stopped, Some(error.to_string()));
            }
        };
        desk.turn(DriverState::Running, None);
        desk.exchanged.store(false, Ordering::Relaxed);
        let failure = run_once(driver, desk, outlet.clone()).await;
        if desk.exchanged.load(Ordering::Relaxed) {
            failures = 0;
        }
        let pause = backoff(failures);
        failures += 1;
        tracing::warn!(device = %desk.device, failure = %failure.text, ?pause, "driver failed");
        desk.turn(DriverState::Restarting, Some(failure.text.clone()));
        tokio::join!(announce(desk, outlet, failure), tokio::time::sleep(pause));
        desk.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

struct Failure {
    text: String,
    /// The device is to blame, not the journal.
    of_device: bool,
}

async fn announce(desk: &Desk, outlet: &Outlet, failure: Failure) {
    if !failure.of_device {
        return;
    }
    let reported = outlet.report_health(HealthStatus::Down, Some(failure.text));
    if let Err(error) = reported.await {
        tracing::warn!(device = %desk.device, %error, "health not reported");
    }
}

async fn run_once(driver: Box<dyn Driver>, desk: &Arc<Desk>, outlet: Outlet) -> Failure {
    let commands = Commands::new(Arc::clone(desk));
    let session = Session { outlet, commands };
    // The panic of one driver must not take the others along.
    let running = AssertUnwindSafe(async move { driver.run(session).await }).catch_unwind();
    match running.await {
        Ok(error) => Failure {
            of_device: !matches!(error, DriverError::NotTaken(_)),
            text: error.to_string(),
        },
        Err(panic) => Failure {
            of_device: true,
            text: panic_text(panic.as_ref()),
        },
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("driver panicked: {}", text.unwrap_or("no message"))
}

/// Doubled with every failure; a quarter of jitter keeps devices that failed together apart.
fn backoff(failures: u32) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << failures.min(6));
    let jitter = rand::rng().random_range(1.0..1.25);
    doubled.mul_f64(jitter).min(BACKOFF_MAX)
}

impl Desk {
    fn turn(&self, state: DriverState, detail: Option<String>) {
        let mut face = self.face();
        face.state = state;
        face.detail = detail;
    }
}
