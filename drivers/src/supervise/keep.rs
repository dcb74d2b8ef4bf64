//! Keeps the driver of one device running: starts it, sees how it ends, starts it again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use rand::RngExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zhiban_vocabulary::device::HealthStatus;

use super::{DriverState, WiredDevice};
use crate::desk::Desk;
use crate::link::Line;
use crate::{Commands, Driver, DriverError, Hooks, NotTaken, Outlet, Session, Trouble};

/// First and longest pause before a driver is started again; doubled in between.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// One device and what it runs with.
pub(super) struct Place {
    pub(super) wired: WiredDevice,
    pub(super) desk: Arc<Desk>,
    /// Of this run; the desk listens to the newest only.
    pub(super) tenure: u64,
    pub(super) outlet: Outlet,
    pub(super) line: Line,
}

/// Runs the driver until it is to stop, or its settings are refused, or another thread has taken
/// over.
pub(super) async fn keep_running(
    place: Place,
    stop: CancellationToken,
    given_up: CancellationToken,
) {
    tokio::select! {
        biased;
        () = given_up.cancelled() => {}
        () = stop.cancelled() => place.turn(DriverState::Stopped, None),
        () = run_again_and_again(&place) => {}
    }
}

impl Place {
    fn turn(&self, state: DriverState, why: Option<(Trouble, String)>) {
        self.desk.turn(self.tenure, state, why);
    }
}

/// Ends only when the settings are refused: starting again would not change them.
async fn run_again_and_again(place: &Place) {
    let Place {
        wired,
        desk,
        outlet,
        ..
    } = place;
    let mut failures = 0;
    // Said on until the device was spoken with: a driver that hangs is running nearly always.
    let mut why = desk.face().why.clone();
    loop {
        let driver = match (wired.driver.build)(wired.settings.clone()) {
            Ok(driver) => driver,
            Err(error) => {
                tracing::error!(device = %desk.device, %error, "driver not started");
                let why = (Trouble::Settings, error.to_string());
                return place.turn(DriverState::Stopped, Some(why));
            }
        };
        place.turn(DriverState::Running, why);
        desk.exchanged.store(false, Ordering::Relaxed);
        let failure = run_once(driver, place).await;
        if desk.exchanged.load(Ordering::Relaxed) && !failure.is_flood {
            failures = 0;
        }
        let pause = backoff(failures);
        failures += 1;
        tracing::warn!(device = %desk.device, failure = %failure.text, ?pause, "driver failed");
        let said = (failure.trouble, failure.text.clone());
        place.turn(DriverState::Restarting, Some(said.clone()));
        why = failure.of_device.then_some(said);
        tokio::join!(announce(desk, outlet, failure), tokio::time::sleep(pause));
        desk.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

struct Failure {
    trouble: Trouble,
    text: String,
    /// The device is to blame, not the journal.
    of_device: bool,
    is_flood: bool,
}

impl Failure {
    fn of_driver(text: String) -> Self {
        Self {
            trouble: Trouble::Box,
            text,
            of_device: true,
            is_flood: false,
        }
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        let is_flood = matches!(error, DriverError::NotTaken(NotTaken::Flood));
        Self {
            of_device: is_flood || !matches!(error, DriverError::NotTaken(_)),
            is_flood,
            trouble: Trouble::from(&error),
            text: error.to_string(),
        }
    }
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

async fn run_once(driver: Box<dyn Driver>, place: &Place) -> Failure {
    let patience = driver.patience();
    let session = Session {
        outlet: place.outlet.clone(),
        commands: Commands(Arc::clone(&place.desk)),
        line: place.line.clone(),
        hooks: Hooks(Arc::clone(&place.desk)),
    };
    // The panic of one driver must not take the others along.
    let running = AssertUnwindSafe(async move { driver.run(session).await }).catch_unwind();
    tokio::select! {
        ended = running => match ended {
            Ok(error) => error.into(),
            Err(panic) => Failure::of_driver(panic_text(panic.as_ref())),
        },
        () = silence(&place.desk, patience) => {
            Failure::of_driver(format!("driver hung: no sign of life for {} s", patience.as_secs()))
        }
    }
}

/// Ends when the session has given no sign of life for `patience`.
async fn silence(desk: &Desk, patience: Duration) {
    loop {
        let until = desk.face().beat + patience;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
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
