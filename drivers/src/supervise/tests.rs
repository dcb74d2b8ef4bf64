//! What the supervisor promises, with drivers that misbehave. Time is tokio's own here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::supervise::{CommandError, DriverState, WiredDevice};
use crate::{Driver, DriverError, DriverKind, Order, Running, Session, SettingsError};
use tokio::time::Instant;
use zhiban_vocabulary::climate::{ClimateSample, Tenths};
use zhiban_vocabulary::command::{Command, CommandKind};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use crate::Threads;
use crate::testing::{Hall, Peer, SerialCable, device, id, order};

/// Reports a sample a second.
struct Steady;
/// Reports one sample and panics.
struct Panics;
/// Never gets as far as its device.
struct Fails;
/// Waits for ever.
struct Hangs;
/// Blocks its thread for a moment, then waits for ever.
struct Dawdles;
/// Reports as fast as it can.
struct Floods;
/// Never gives its thread back.
struct Blocks;
/// Fails while its line is down, then does what it is told.
struct Obeys;

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

impl Driver for Floods {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            loop {
                if let Err(error) = report_once(&session).await {
                    return error;
                }
            }
        })
    }
}

impl Driver for Blocks {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, _: Session) -> Running {
        Box::pin(async {
            loop {
                std::thread::sleep(Duration::from_millis(50));
                if IS_OVER.load(Ordering::Relaxed) {
                    return DriverError::Silent { address: 9 };
                }
            }
        })
    }
}

impl Driver for Obeys {
    fn device(&self) -> DeviceKind {
        DeviceKind::LedBoard
    }

    fn run(self: Box<Self>, mut session: Session) -> Running {
        Box::pin(async move {
            if !LINE_IS_UP.load(Ordering::Relaxed) {
                return DriverError::Silent { address: 9 };
            }
            loop {
                let order = session.commands.next().await;
                let shown = ScreenShown::of(&order.command, Some(true));
                order.done();
                if let Err(error) = session
                    .outlet
                    .deliver(Observation::ScreenShown(shown))
                    .await
                {
                    return error.into();
                }
            }
        })
    }
}

impl Driver for Dawdles {
    fn device(&self) -> DeviceKind {
        DeviceKind::ClimateSensor
    }

    fn run(self: Box<Self>, _: Session) -> Running {
        Box::pin(async {
            IS_DAWDLING.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(500));
            std::future::pending().await
        })
    }
}

/// The line of [`Obeys`].
static LINE_IS_UP: AtomicBool = AtomicBool::new(false);

static IS_DAWDLING: AtomicBool = AtomicBool::new(false);
/// So that the test's threads end with it.
static IS_OVER: AtomicBool = AtomicBool::new(false);

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
static FLOODS: DriverKind = kind("floods", |_| Ok(Box::new(Floods)));
static BLOCKS: DriverKind = kind("blocks", |_| Ok(Box::new(Blocks)));
static DAWDLES: DriverKind = kind("dawdles", |_| Ok(Box::new(Dawdles)));
static HANGS: DriverKind = kind("hangs", |_| Ok(Box::new(Hangs)));
static OBEYS: DriverKind = DriverKind {
    accepts: &CommandKind::ALL,
    ..kind("obeys", |_| Ok(Box::new(Obeys)))
};

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
    let numbers = hall.numbers("panics");
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
    // Without a sign of life it is restarted every two minutes.
    let hung = hall.status("hangs");
    assert!((3..=6).contains(&hung.restarts), "{hung:?}");
    assert_eq!(hall.said("hangs"), ["down"]);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_floods_is_stopped_short_and_named() {
    let hall = Hall::open(vec![wired(&FLOODS), wired(&STEADY)]);
    let failed = |hall: &Hall| hall.status("floods").state == DriverState::Restarting;
    hall.until("a failure", failed).await;
    let detail = hall.status("floods").detail.unwrap();
    assert!(
        detail.starts_with("flood: more than 2000 reports"),
        "{detail}"
    );
    seconds(600).await;
    // Its floods come further and further apart, and the other one is heard every second.
    let status = hall.status("floods");
    assert!((10..=16).contains(&status.restarts), "{status:?}");
    let samples = hall
        .said("steady")
        .iter()
        .filter(|said| *said == "20 -")
        .count();
    assert!(samples >= 595, "{samples}");
    hall.close().await;
}

/// On threads as the gateway has them: nothing here can be paused.
#[tokio::test]
async fn a_driver_that_blocks_its_thread_stops_only_its_own_line() {
    let hall = Hall::open_on(Threads::PerLine, vec![wired(&BLOCKS), wired(&STEADY)]);
    let left_behind = |hall: &Hall| hall.status("blocks").restarts >= 1;
    hall.until("the thread is left behind", left_behind).await;
    let detail = hall.status("blocks").detail;
    assert!(detail.is_none() || detail.unwrap().contains("blocked its thread"));
    let samples = hall.said("steady").len();
    assert!(samples >= 8, "one a second: {samples}");
    IS_OVER.store(true, Ordering::Relaxed);
    hall.close().await;
}

/// On threads as the gateway has them: nothing here can be paused.
#[tokio::test]
async fn a_run_that_ends_late_has_no_say_over_the_one_after_it() {
    let hall = Hall::open_on(Threads::PerLine, vec![wired(&DAWDLES)]);
    let dawdles = |_: &Hall| IS_DAWDLING.load(Ordering::Relaxed);
    hall.until("its thread is blocked", dawdles).await;
    hall.supervisor.add(WiredDevice {
        device: id("dawdles"),
        ..wired(&STEADY)
    });
    // The old run stops within the first second.
    let steady = |hall: &Hall| hall.said("dawdles").len() >= 4;
    hall.until("three samples", steady).await;
    assert_eq!(hall.status("dawdles").state, DriverState::Running);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn why_it_failed_is_said_until_the_device_is_spoken_with() {
    let hall = Hall::open(vec![wired(&HANGS), wired(&PANICS)]);
    let why = |device: &str| hall.status(device).detail.unwrap_or_default();
    assert_eq!(why("hangs"), "");
    for _ in 0..20 {
        seconds(125).await;
        let expected = "driver hung: no sign of life for 120 s";
        assert_eq!(
            why("hangs"),
            expected,
            "restarting or running, nothing was heard of it"
        );
    }
    hall.supervisor.add(WiredDevice {
        device: id("panics"),
        ..wired(&STEADY)
    });
    seconds(1).await;
    assert_eq!(why("panics"), "");
    hall.refuse(1);
    let failed = |hall: &Hall| hall.status("panics").state == DriverState::Restarting;
    hall.until("a failure", failed).await;
    let runs = |hall: &Hall| hall.status("panics").state == DriverState::Running;
    hall.until("a restart", runs).await;
    assert_eq!(why("panics"), "", "the journal's fault, not the device's");
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn devices_come_and_go_while_the_others_run() {
    let hall = Hall::open(vec![wired(&STEADY)]);
    seconds(2).await;
    let more = WiredDevice {
        device: id("more"),
        ..wired(&STEADY)
    };
    hall.supervisor.add(more.clone());
    seconds(3).await;
    let said = hall.said("more").len();
    assert!(said >= 3, "{said}");
    hall.supervisor.take_away(&id("more"));
    seconds(1).await;
    let said = hall.said("more").len();
    seconds(5).await;
    assert_eq!(hall.said("more").len(), said, "it is gone");
    assert!(
        hall.supervisor
            .statuses()
            .iter()
            .all(|status| status.device != id("more"))
    );
    hall.supervisor.add(more.clone());
    seconds(2).await;
    hall.supervisor.add(more);
    seconds(3).await;
    // Numbered on: the journal would take a number that comes again for the report of before.
    let numbers = hall.numbers("more");
    let are_on = numbers.iter().copied().eq(1..=numbers.len() as u64);
    assert!(numbers.len() > said + 3 && are_on, "{numbers:?}");
    let samples = hall
        .said("steady")
        .iter()
        .filter(|said| *said == "20 -")
        .count();
    assert!(samples >= 13, "{samples}");
    hall.close().await;
}

#[tokio::test]
async fn a_serial_port_that_is_unplugged_and_plugged_in_is_used_again() {
    let cable = SerialCable::lay_at("usb").await;
    let sensor = |cable: &SerialCable| {
        let settings = format!(
            "link = {{ serial = '{}' }}\nunit = 1\nmap = 'srth'\npoll_s = 0.2\ntimeout_ms = 100",
            cable.end("hall")
        );
        device("air", "modbus", &settings)
    };
    let server = modbus_server(&cable.end("device")).await;
    let hall = Hall::open(vec![sensor(&cable)]);
    hall.says("air", 0, "22.5 54.6").await;
    drop((server, cable));
    hall.says("air", 0, "down").await;
    let before = hall.said("air").len();
    let cable = SerialCable::lay_at("usb").await;
    let _server = modbus_server(&cable.end("device")).await;
    hall.says("air", before, "22.5 54.6").await;
    hall.close().await;
}

async fn modbus_server(port: &str) -> Peer {
    let args = ["serial", port, "1", "0=225", "1=546"];
    Peer::python("modbus/peers/modbus_server.py", &args).await
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
        let (order, _) = order(Command::Restart {});
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
async fn what_expired_while_the_line_was_down_is_not_done_the_next_morning() {
    let hall = Hall::open(vec![wired(&OBEYS)]);
    let minutes = |minutes: u64| Instant::now() + Duration::from_secs(60 * minutes);
    let ask = |command, until| {
        let (order, outcome) = Order::new(command, until);
        hall.supervisor.command(&id("obeys"), order).unwrap();
        outcome
    };
    let off = ask(Command::Power { on: false }, minutes(5));
    let restart = ask(Command::Restart {}, minutes(14 * 60));
    seconds(12 * 3600).await;
    LINE_IS_UP.store(true, Ordering::Relaxed);
    assert_eq!(restart.await, Ok(Ok(())));
    assert!(off.await.is_err(), "nobody tells of one that was dropped");
    hall.says("obeys", 0, "restart acknowledged").await;
    assert_eq!(hall.said("obeys"), ["down", "restart acknowledged"]);
    hall.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_driver() {
    let hall = Hall::open(vec![wired(&STEADY), wired(&HANGS), wired(&FAILS)]);
    seconds(3).await;
    hall.close().await;
}
