//! What the supervisor promises, with drivers that misbehave. Time is tokio's own here.

use std::time::Duration;

use crate::supervise::{CommandError, DriverState, WiredDevice};
use crate::{Driver, DriverError, DriverKind, Order, Running, Session, SettingsError};
use zhiban_vocabulary::climate::{ClimateSample, Tenths};
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::report::Observation;

use crate::testing::{Hall, device, id};

/// Reports a sample a second.
struct Steady;
/// Reports one sample and panics.
struct Panics;
/// Never gets as far as its device.
struct Fails;
/// Blocks for ever.
struct Hangs;

fn sample() -> Observation {
    Observation::Climate(ClimateSample {
        temperature: Tenths(200),
        humidity: None,
    })
}

async fn report_once(session: &Session) -> Result<(), DriverError> {
    session.outlet.alive().await?;
    Ok(session.outlet.deliver(sample()).await?)
}

impl Driver for Steady {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            loop {
                if let Err(error) = report_once(&session).await {
                    return error;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }
}

impl Driver for Panics {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            report_once(&session).await.unwrap();
            panic!("index out of bounds");
        })
    }
}

impl Driver for Fails {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, _: Session) -> Running {
        Box::pin(async { DriverError::Silent { address: 9 } })
    }
}

impl Driver for Hangs {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, _: Session) -> Running {
        Box::pin(std::future::pending())
    }
}

const fn kind(
    name: &'static str,
    build: fn(toml::Table) -> Result<Box<dyn Driver>, SettingsError>,
) -> DriverKind {
    DriverKind {
        name,
        form: "",
        accepts: &[],
        build,
        explain: |_| Vec::new(),
        fuzz: |_| {},
        discover: None,
    }
}

static STEADY: DriverKind = kind("steady", |_| Ok(Box::new(Steady)));
static PANICS: DriverKind = kind("panics", |_| Ok(Box::new(Panics)));
static FAILS: DriverKind = kind("fails", |_| Ok(Box::new(Fails)));
static HANGS: DriverKind = kind("hangs", |_| Ok(Box::new(Hangs)));

fn wired(driver: &'static DriverKind) -> WiredDevice {
    WiredDevice {
        device: id(driver.name),
        driver,
        settings: toml::Table::new(),
    }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_survived_and_numbering_goes_on() {
    let hall = Hall::open(vec![wired(&PANICS)]);
    seconds(10).await;
    let status = hall.status("panics");
    assert!(status.restarts >= 3, "{status:?}");
    assert_eq!(
        status.detail.as_deref(),
        Some("driver panicked: index out of bounds")
    );
    let numbers: Vec<u64> = hall
        .reports()
        .iter()
        .map(|report| report.origin.seq)
        .collect();
    let expected: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
    assert_eq!(
        hall.said("panics")[..6],
        ["up", "20 -", "down", "up", "20 -", "down"]
    );
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_driver_waits_longer_and_longer_and_delays_nobody() {
    let hall = Hall::open(vec![wired(&FAILS), wired(&STEADY), wired(&HANGS)]);
    // 1 + 2 + 4 + 8 + 16 + 32 s, each up to a quarter more, then a minute each.
    seconds(60).await;
    assert!((5..=6).contains(&hall.status("fails").restarts));
    seconds(600).await;
    assert!((14..=16).contains(&hall.status("fails").restarts));
    assert_eq!(
        hall.said("fails"),
        ["down"],
        "said once, not at every restart"
    );
    let samples = hall
        .said("steady")
        .iter()
        .filter(|said| *said == "20 -")
        .count();
    assert!((659..=661).contains(&samples), "{samples}");
    assert_eq!(hall.status("hangs").state, DriverState::Running);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_refuses_is_no_fault_of_the_device() {
    let hall = Hall::open(vec![wired(&STEADY)]);
    seconds(2).await;
    let before = hall.said("steady").len();
    hall.refuse(1);
    let failed = |hall: &Hall| hall.status("steady").state == DriverState::Restarting;
    hall.until("a failure", failed).await;
    let detail = hall.status("steady").detail;
    assert_eq!(
        detail.as_deref(),
        Some("journal refused the report: disk full")
    );
    seconds(60).await;
    let said = hall.said("steady");
    assert!(said.len() > before + 10);
    assert!(!said.contains(&"down".to_owned()));
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_health_report_that_was_refused_is_made_again() {
    let hall = Hall::open(vec![wired(&STEADY)]);
    hall.refuse(3);
    seconds(60).await;
    assert_eq!(hall.said("steady")[..2], ["up", "20 -"]);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn refused_settings_stop_only_their_driver() {
    let bad = device("bad", "modbus", "unit = 1");
    let hall = Hall::open(vec![bad, wired(&STEADY)]);
    seconds(2).await;
    let status = hall.status("bad");
    assert_eq!(status.state, DriverState::Stopped);
    let expected = "settings.link: expected a value, found nothing";
    assert_eq!(status.detail.as_deref(), Some(expected));
    assert!(hall.said("steady").len() >= 2);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_nobody_can_take_is_refused_at_once() {
    let hall = Hall::open(vec![wired(&STEADY)]);
    let command = |device: &str| {
        let (order, _) = Order::new(Command::Restart {});
        hall.supervisor.command(&id(device), order)
    };
    assert_eq!(command("x"), Err(CommandError::UnknownDevice(id("x"))));
    assert_eq!(
        command("steady"),
        Err(CommandError::NotUnderstood(id("steady"), "restart"))
    );
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_driver() {
    let hall = Hall::open(vec![wired(&STEADY), wired(&HANGS), wired(&FAILS)]);
    seconds(3).await;
    hall.close().await;
}
