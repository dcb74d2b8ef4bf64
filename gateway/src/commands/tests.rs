//! What becomes of commands: with drivers, on topics, and across restarts.

mod obeys;

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::types::FromSql;
use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::{Mqtt, Registry};
use zhiban_drivers::deliveries;
use zhiban_drivers::supervise::Supervisor;
use zhiban_kernel::Store;
use zhiban_kernel::authority::Authority;
use zhiban_vocabulary::command::Display;
use zhiban_vocabulary::report::Observation;

use self::obeys::Obeys;
use super::*;
use crate::broker::{Broker, Door};
use crate::devices::Devices;
use crate::joining::Joining;
use crate::journal::{self, Journal, follow};

/// A hall without drivers, and whose other devices are all far away.
struct Hall {
    store: Store,
    clock: Clock,
    journal: Journal,
    wake: Wake,
    broker: Broker,
    drivers: Arc<Supervisor>,
    stop: CancellationToken,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hall {
    async fn open(name: &str) -> Self {
        let name = format!("zhiban-commands-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), journal::migrate).unwrap();
        let (clock, stop) = (Clock::new(None), CancellationToken::new());
        let journal = Journal::open(store.clone(), clock).await.unwrap();
        let devices = Devices::open(store.clone(), clock, Registry::default());
        let devices = devices.await.unwrap();
        let authority = Authority::open(&folder.join("authority.pem"), "hall").unwrap();
        let joining = Joining::new(store.clone(), clock, devices.clone(), Arc::new(authority));
        let mqtt = Mqtt {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Mqtt::default()
        };
        let door = Door::open(
            mqtt,
            journal.clone(),
            devices,
            joining,
            store.clone(),
            clock,
        );
        let (delivered, _) = deliveries();
        let boot = "test".parse().unwrap();
        Self {
            broker: door.await.unwrap().broker(),
            drivers: Supervisor::start(Vec::new(), delivered, boot, stop.clone()),
            store,
            clock,
            journal,
            wake: Wake::default(),
            stop,
            folder,
        }
    }

    /// Runs dispatcher and follower until `holds`; what comes after finds it gone, as after a restart.
    async fn dispatch_until(&self, holds: impl AsyncFn(&Self) -> bool) {
        let (drivers, broker) = (Arc::clone(&self.drivers), self.broker.clone());
        let wake = self.wake.clone();
        let dispatcher = Dispatcher::new(self.journal.clone(), drivers, broker, wake.clone());
        let stop = self.stop.child_token();
        let follower = CommandsFollower::new(wake);
        let following = follow(self.journal.clone(), follower, stop.clone());
        let dispatching = dispatcher.run(stop.clone());
        let running = tokio::spawn(async move { tokio::join!(dispatching, following) });
        let wait = async {
            while !holds(self).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        stop.cancel();
        running.await.unwrap();
        waited.expect("never came to hold");
    }

    async fn ask(&self, command: Command) -> i64 {
        self.ask_of("kiosk-1", command).await
    }

    async fn show(&self, device: &str, display: Display) -> i64 {
        self.ask_of(device, Command::Display(display)).await
    }

    async fn ask_of(&self, device: &str, command: Command) -> i64 {
        let (device, clock) = (device.parse().unwrap(), self.clock);
        let write =
            move |connection: &Connection| Ok(ask(connection, &device, &command, HALL, clock)?);
        let id = self.store.write(write).await.unwrap();
        self.wake.wake();
        id
    }

    async fn alarms(&self) -> Vec<String> {
        let sql = "select device || ' ' || what || ': ' || detail from devices_event
             where what in ('switch-off-failed', 'switch-on-failed') and alarm is not null
             order by 1";
        let read = |connection: &Connection| {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.store.read(read).await.unwrap()
    }

    async fn on_topics(&self) -> i64 {
        self.count("select count(*) from broker_retained where length(payload) > 0")
            .await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let read = |connection: &Connection| Ok(connection.query_row(sql, [], |row| row.get(0))?);
        self.store.read(read).await.unwrap()
    }

    /// What the journal has of commands: device, number, state.
    async fn reports(&self) -> Vec<String> {
        let read = |connection: &Connection| Ok(journal::entries_after(connection, 0, 100)?.0);
        let entries = self.store.read(read).await.unwrap();
        let said = entries.iter().filter_map(|entry| match &entry.observation {
            Observation::Command(state) => {
                let status = state.status.as_str();
                Some(format!("{} {} {status}", entry.device, state.command))
            }
            _ => None,
        });
        said.collect()
    }

    async fn state(&self, id: i64) -> (String, Option<String>) {
        let sql = "select state, reason from commands_command where id = ?1";
        let read = move |connection: &Connection| {
            Ok(connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?)
        };
        self.store.read(read).await.unwrap()
    }

    /// What `sql` gives of one command.
    async fn one<T: FromSql + Send + 'static>(&self, sql: &'static str, id: i64) -> T {
        let read =
            move |connection: &Connection| Ok(connection.query_row(sql, [id], |row| row.get(0))?);
        self.store.read(read).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        let write = move |connection: &Connection| Ok(connection.execute(sql, [])?);
        self.store.write(write).await.unwrap();
    }
}

async fn one_waits(hall: &Hall) -> bool {
    hall.on_topics().await == 1
}

async fn none_waits(hall: &Hall) -> bool {
    hall.on_topics().await == 0
}

#[tokio::test]
async fn a_wired_device_whose_driver_starts_later_is_told_then_and_by_no_topic() {
    let hall = Hall::open("later").await;
    let screen = Obeys::register(&hall.store, "screen-late").await;
    let id = hall.show("screen-late", Display::Pause).await;
    let drivers = Arc::clone(&hall.drivers);
    let wired = screen.wired(&[]);
    let starting = tokio::spawn(async move {
        // The dispatcher has looked by then.
        tokio::time::sleep(Duration::from_millis(500)).await;
        drivers.add(wired);
    });
    hall.dispatch_until(async |hall| hall.state(id).await.0 == "successful")
        .await;
    starting.await.unwrap();
    assert_eq!(screen.told(), ["pause"]);
    let on_topic = "select on_topic from commands_command where id = ?1";
    assert!(!hall.one::<bool>(on_topic, id).await);
}

#[tokio::test]
async fn what_a_driver_says_is_in_the_journal() {
    let hall = Hall::open("said").await;
    let screen = Obeys::register(&hall.store, "screen-said").await;
    hall.drivers.add(screen.wired(&["refused"]));
    let first = hall.show("screen-said", Display::Pause).await;
    let second = hall.show("screen-said", Display::Welcome).await;
    hall.dispatch_until(async |hall| hall.state(second).await.0 == "successful")
        .await;
    let refused = ("failed".to_owned(), Some("it has no paper".to_owned()));
    assert_eq!(hall.state(first).await, refused);
    let reports = hall.reports().await;
    assert_eq!(
        reports,
        [
            format!("screen-said {first} failed"),
            format!("screen-said {second} successful")
        ]
    );
}

#[tokio::test]
async fn a_screen_that_does_not_answer_is_told_again_and_at_last_that_is_said() {
    let hall = Hall::open("again-and-again").await;
    let screen = Obeys::register(&hall.store, "screen-again").await;
    hall.drivers
        .add(screen.wired(&["put off", "done", "put off"]));
    let first = hall.show("screen-again", Display::Pause).await;
    hall.dispatch_until(async |hall| hall.state(first).await.0 != "init")
        .await;
    assert_eq!(hall.state(first).await.0, "successful");
    let second = hall.show("screen-again", Display::Welcome).await;
    let expires_unanswered = async |hall: &Hall| {
        if hall.state(second).await.1.is_some() {
            hall.execute("update commands_command set expires_ms = 1 where ended_ms is null")
                .await;
        }
        hall.state(second).await.0 != "init"
    };
    hall.dispatch_until(expires_unanswered).await;
    let expired = Some("expired: it does not answer".to_owned());
    assert_eq!(hall.state(second).await, ("failed".to_owned(), expired));
    assert_eq!(screen.told(), ["pause", "pause", "welcome"]);
}

/// One refuses, one cannot be switched, one is never reached and one does not come on; another is a
/// person's affair.
#[tokio::test]
async fn the_hall_says_what_could_not_be_switched() {
    let hall = Hall::open("alarm").await;
    let refuses = Obeys::register(&hall.store, "screen-refuses").await;
    let cannot = Obeys::register(&hall.store, "screen-cannot").await;
    hall.drivers.add(refuses.wired(&["refused"]));
    hall.drivers.add(cannot.only_shows());
    let off = Command::Power { on: false };
    for device in ["screen-refuses", "screen-cannot", "kiosk-1"] {
        hall.ask_of(device, off.clone()).await;
    }
    hall.ask_of("kiosk-2", off).await;
    hall.ask_of("kiosk-3", Command::Power { on: true }).await;
    hall.execute("update commands_command set asked_by = '1001' where device = 'kiosk-2'")
        .await;
    hall.execute("update commands_command set expires_ms = 1 where device like 'kiosk-%'")
        .await;
    let open = "select count(*) from commands_command where ended_ms is null";
    hall.dispatch_until(async |hall| hall.count(open).await == 0)
        .await;
    assert_eq!(
        hall.alarms().await,
        [
            "kiosk-1 switch-off-failed: expired before the device did it",
            "kiosk-3 switch-on-failed: expired before the device did it",
            "screen-cannot switch-off-failed: screen-cannot does not understand power",
            "screen-refuses switch-off-failed: it has no paper",
        ]
    );
}

#[tokio::test]
async fn commands_of_the_year_before_last_are_deleted() {
    let hall = Hall::open("pruned").await;
    let (old, new) = (
        hall.ask(Command::Restart {}).await,
        hall.ask(Command::Restart {}).await,
    );
    let last_year = "update commands_command set state = 'failed', ended_ms =
             (unixepoch() - iif(id = 1, 401, 399) * 86400) * 1000";
    hall.execute(last_year).await;
    assert_eq!((old, new), (1, 2));
    let all = "select count(*) from commands_command";
    hall.dispatch_until(async |hall| hall.count(all).await == 1)
        .await;
    assert_eq!(hall.count("select id from commands_command").await, new);
}

#[tokio::test]
async fn a_call_that_was_lost_does_not_come_behind_a_newer_one() {
    let hall = Hall::open("newer").await;
    let screen = Obeys::register(&hall.store, "screen-newer").await;
    hall.drivers.add(screen.wired(&["lost"]));
    let call = |ticket: &str| Display::Call {
        ticket: ticket.parse().unwrap(),
        counter: "3".parse().unwrap(),
    };
    let older = hall.show("screen-newer", call("A1")).await;
    let newer = Cell::new(false);
    let asks_for_more = async |hall: &Hall| {
        if screen.told() == ["call A1"] && !newer.replace(true) {
            hall.show("screen-newer", call("A2")).await;
        }
        hall.state(older).await.0 != "init"
    };
    hall.dispatch_until(asks_for_more).await;
    let outdated = Some("something newer is shown".to_owned());
    assert_eq!(hall.state(older).await, ("failed".to_owned(), outdated));
    hall.dispatch_until(async |_| screen.told().len() > 1).await;
    assert_eq!(screen.told(), ["call A1", "call A2"]);
}

/// The disk is full when the driver says that it was done, and has room again when the time of
/// the command is over.
#[tokio::test]
async fn what_was_done_is_not_expired_because_nobody_could_note_it() {
    let hall = Hall::open("full").await;
    let screen = Obeys::register(&hall.store, "screen-full").await;
    hall.drivers.add(screen.wired(&[]));
    hall.execute(
        "create trigger full before insert on journal_report begin
             select raise(abort, 'disk full');
         end",
    )
    .await;
    let id = hall.show("screen-full", Display::Pause).await;
    let makes_room = async |hall: &Hall| {
        if hall.journal.totals().1 > 0 {
            hall.execute("update commands_command set expires_ms = 1")
                .await;
            hall.execute("drop trigger if exists full").await;
        }
        hall.state(id).await.0 != "init"
    };
    hall.dispatch_until(makes_room).await;
    assert_eq!(hall.state(id).await, ("successful".to_owned(), None));
    assert_eq!(screen.told(), ["pause"], "and not twice");
}

#[tokio::test]
async fn a_command_that_expired_while_nobody_ran_is_taken_from_its_topic() {
    let hall = Hall::open("expired").await;
    let id = hall.ask(Command::Restart {}).await;
    hall.dispatch_until(one_waits).await;
    hall.execute("update commands_command set expires_ms = 1")
        .await;
    hall.dispatch_until(none_waits).await;
    let (state, reason) = hall.state(id).await;
    assert_eq!(state, "failed");
    assert!(reason.unwrap().starts_with("expired"));
}

#[tokio::test]
async fn one_that_ended_just_before_the_lights_went_out_is_taken_away_too() {
    let hall = Hall::open("ended").await;
    let id = hall.ask(Command::Restart {}).await;
    hall.dispatch_until(one_waits).await;
    hall.execute("update commands_command set state = 'successful', ended_ms = asked_ms")
        .await;
    hall.dispatch_until(none_waits).await;
    assert_eq!(hall.state(id).await.0, "successful");
}

/// The first run hands over; what the device answers on the topic is there for the second.
#[tokio::test]
async fn what_a_device_has_begun_is_not_told_again_by_the_next_run() {
    let hall = Hall::open("begun").await;
    let id = hall.ask(Command::Restart {}).await;
    hall.dispatch_until(one_waits).await;
    hall.execute("update broker_retained set payload = cast('executing' as blob)")
        .await;
    let begun = "select count(*) from broker_retained where payload = cast('executing' as blob)";
    // The next run has looked at it when what is asked behind it is handed over.
    hall.ask_of("kiosk-2", Command::Restart {}).await;
    hall.dispatch_until(async |hall| hall.on_topics().await == 2)
        .await;
    assert_eq!(
        hall.count(begun).await,
        1,
        "only its answer was on the topic"
    );
    let attempts = "select attempts from commands_command where id = ?1";
    assert_eq!(hall.one::<i64>(attempts, id).await, 1);
}

#[tokio::test]
async fn what_a_device_has_not_answered_is_handed_over_again_by_the_next_run() {
    let hall = Hall::open("again").await;
    let id = hall.ask(Command::Restart {}).await;
    hall.dispatch_until(one_waits).await;
    hall.execute("delete from broker_retained").await;
    hall.dispatch_until(one_waits).await;
    assert_eq!(hall.state(id).await.0, "init");
    let open = |connection: &Connection| Ok(store::open(connection)?.remove(0).attempts);
    assert_eq!(hall.store.read(open).await.unwrap(), 2);
}
