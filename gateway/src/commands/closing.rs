//! Switches devices off after the hall has closed (S3-4.2.3-B), screens and boards last (X-43): when
//! every other one has ended, or its time is over. And on again before it opens.

use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::{Closing, Hall};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::time::BusinessDay;

use super::{HALL, Wake, ask, not_switched, store};
use crate::{devices, documents, journal};

const LOOK_EVERY: Duration = Duration::from_secs(20);
/// The last days on which the others, and then screens and boards, were told to be off, and all to
/// be on; as days since 1970.
const OTHERS_TOLD: &str = "commands_switched_off";
const SCREENS_TOLD: &str = "commands_screens_switched_off";
const ON_TOLD: &str = "commands_switched_on";

/// When the hall closes on days it set its own hours for (X-24).
type OwnHours = Vec<(Date, Time)>;

/// Task `switching`.
#[derive(Debug)]
pub struct Switching {
    store: Store,
    clock: Clock,
    wake: Wake,
    closing: Closing,
    closes: Time,
    zone: TimeZone,
}

impl Switching {
    #[must_use]
    pub fn new(store: Store, clock: Clock, wake: Wake, closing: Closing, hall: &Hall) -> Self {
        Self {
            store,
            clock,
            wake,
            closing,
            closes: hall.closes,
            zone: hall.zone(),
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            if let Err(error) = self.look_at(self.clock.now()).await {
                tracing::warn!(%error, "switching will be tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.clock.real_wait(LOOK_EVERY)) => {}
            }
        }
    }

    async fn look_at(&self, now: Timestamp) -> Result<(), StoreError> {
        let today = BusinessDay::of(now, &self.zone).0;
        let days = [Some(today), today.yesterday().ok()];
        let read = move |connection: &Connection| {
            let mut own = OwnHours::new();
            for day in days.into_iter().flatten() {
                if let Some((_, closes)) = documents::hours_of(connection, day)? {
                    own.push((day, closes));
                }
            }
            Ok(own)
        };
        let own = self.store.read(read).await?;
        let (off, on) = (self.due_off(now, &own), self.due_on(now, &own));
        if off.is_none() && on.is_none() {
            return Ok(());
        }
        let (listed, clock) = (self.closing.switch_off.clone(), self.clock);
        let write = move |connection: &Connection| {
            if let Some(day) = on {
                tell_on(connection, &listed, day, clock)?;
            }
            if let Some(day) = off {
                tell_off(connection, &listed, day, clock)?;
            }
            Ok(())
        };
        self.store.write(write).await?;
        self.wake.wake();
        Ok(())
    }

    /// The day whose closing is just over, as days since 1970.
    fn due_off(&self, now: Timestamp, own: &OwnHours) -> Option<i64> {
        let today = BusinessDay::of(now, &self.zone);
        // Late closing and a wait may lead into the next day.
        let days = [Some(today), today.0.yesterday().ok().map(BusinessDay)];
        let day = days.into_iter().flatten().find(|day| {
            let wait = SignedDuration::from_mins(self.closing.after_minutes.into());
            let age = now.duration_since(day.at(self.closes_on(*day, own), &self.zone) + wait);
            (SignedDuration::ZERO..Closing::FRESH).contains(&age)
        })?;
        since_1970(day)
    }

    fn closes_on(&self, day: BusinessDay, own: &OwnHours) -> Time {
        let found = own.iter().find(|(own, _)| *own == day.0);
        found.map_or(self.closes, |(_, closes)| *closes)
    }

    /// The day that has begun and is not over: also a box that starts at noon switches on.
    fn due_on(&self, now: Timestamp, own: &OwnHours) -> Option<i64> {
        let today = BusinessDay::of(now, &self.zone);
        let (on, closes) = (self.closing.switch_on?, self.closes_on(today, own));
        let day = today.at(on, &self.zone)..today.at(closes, &self.zone);
        day.contains(&now).then(|| since_1970(today)).flatten()
    }
}

fn since_1970(day: BusinessDay) -> Option<i64> {
    let since = day.0.since(jiff::civil::date(1970, 1, 1)).ok()?;
    Some(since.get_days().into())
}

/// Tells those that are to be off by what they were told last, once on a day: what a person switches
/// by hand stays so.
fn tell_on(
    connection: &Connection,
    listed: &[DeviceId],
    day: i64,
    clock: Clock,
) -> rusqlite::Result<()> {
    if journal::value(connection, ON_TOLD)? >= day {
        return Ok(());
    }
    for device in listed {
        let is_used = devices::is_active(connection, device.as_str())?;
        if is_used && store::is_told_off(connection, device)? {
            ask(
                connection,
                device,
                &Command::Power { on: true },
                HALL,
                clock,
            )?;
        }
    }
    journal::set_value(connection, ON_TOLD, day)
}

/// Tells those whose turn it is, each once on a day.
fn tell_off(
    connection: &Connection,
    listed: &[DeviceId],
    day: i64,
    clock: Clock,
) -> rusqlite::Result<()> {
    let Listed {
        others,
        screens,
        unused,
    } = sort(connection, listed)?;
    let off = Command::Power { on: false };
    let all_off = |devices: &[DeviceId]| {
        devices
            .iter()
            .try_for_each(|device| ask(connection, device, &off, HALL, clock).map(drop))
    };
    if journal::value(connection, OTHERS_TOLD)? < day {
        all_off(&others)?;
        for device in unused {
            not_switched(connection, &device, false, "not in use", clock.now())?;
        }
        journal::set_value(connection, OTHERS_TOLD, day)?;
    }
    let are_others_off = !store::waits_for_switching(connection)?;
    if are_others_off && journal::value(connection, SCREENS_TOLD)? < day {
        all_off(&screens)?;
        journal::set_value(connection, SCREENS_TOLD, day)?;
    }
    Ok(())
}

/// The devices of the list, each group in its order.
#[derive(Default)]
struct Listed {
    others: Vec<DeviceId>,
    screens: Vec<DeviceId>,
    /// Retired, or never heard of.
    unused: Vec<DeviceId>,
}

fn sort(connection: &Connection, listed: &[DeviceId]) -> rusqlite::Result<Listed> {
    let mut sorted = Listed::default();
    let screens = [DeviceKind::WindowScreen, DeviceKind::LedBoard].map(DeviceKind::as_str);
    for device in listed {
        let group = match devices::kind_in_use(connection, device.as_str())? {
            None => &mut sorted.unused,
            Some(kind) if screens.contains(&kind.as_str()) => &mut sorted.screens,
            Some(_) => &mut sorted.others,
        };
        group.push(device.clone());
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample closes at 18:00 in Shanghai, and waits 15 minutes. A kiosk and two screens are
    /// in use; the screens are listed first.
    struct Evening {
        task: Switching,
        folder: std::path::PathBuf,
    }

    impl Drop for Evening {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    impl Evening {
        async fn open(name: &str) -> Self {
            let text = include_str!("../../../config/samples/gateway.toml");
            let file = std::path::Path::new("gateway.toml");
            let config = zhiban_config::GatewayConfig::parse(file, text).unwrap();
            let name = format!("zhiban-closing-{}-{name}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let store = Store::open(&folder.join("hall.db"), journal::migrate).unwrap();
            let register = |connection: &Connection| {
                Ok(connection.execute_batch(
                    "insert into devices_device (device, kind, name, driver, created_ms) values
                         ('screen-1', 'window-screen', '', 'mqtt', 0),
                         ('board-1', 'led-board', '', 'mqtt', 0),
                         ('kiosk-1', 'kiosk', '', 'mqtt', 0)",
                )?)
            };
            store.write(register).await.unwrap();
            let listed = ["screen-1", "board-1", "kiosk-1"];
            let closing = Closing {
                switch_off: listed.map(|device| device.parse().unwrap()).to_vec(),
                ..config.closing
            };
            let (clock, wake) = (Clock::new(None), Wake::default());
            let task = Switching::new(store, clock, wake, closing, &config.hall);
            Self { task, folder }
        }

        /// Looks as the task does at `now`; gives what was told so far, in order.
        async fn look(&self, now: &str) -> Vec<String> {
            self.task.look_at(now.parse().unwrap()).await.unwrap();
            let read = |connection: &Connection| {
                let sql = "select device || ' ' || body from commands_command order by id";
                let mut statement = connection.prepare(sql)?;
                let told = statement.query_map([], |row| row.get(0))?;
                Ok(told.collect::<rusqlite::Result<Vec<String>>>()?)
            };
            self.task.store.read(read).await.unwrap()
        }

        /// The device has said what came of it.
        async fn ended(&self, device: &'static str) {
            let write = move |connection: &Connection| {
                let sql = "update commands_command set ended_ms = 1 where device = ?1";
                Ok(connection.execute(sql, [device])?)
            };
            self.task.store.write(write).await.unwrap();
        }

        /// A person switches by hand.
        async fn tell(&self, device: &'static str, body: &'static str) {
            let write = move |connection: &Connection| {
                let sql = "insert into commands_command
                     (device, kind, body, asked_by, asked_ms, expires_ms)
                     values (?1, 'power', ?2, '1001', 0, 0)";
                Ok(connection.execute(sql, [device, body])?)
            };
            self.task.store.write(write).await.unwrap();
        }

        fn due(&self, now: &str) -> Option<i64> {
            self.task.due_off(now.parse().unwrap(), &OwnHours::new())
        }
    }

    const KIOSK: &str = r#"kiosk-1 {"on":false}"#;
    const SCREENS: [&str; 2] = [r#"screen-1 {"on":false}"#, r#"board-1 {"on":false}"#];

    #[tokio::test]
    async fn each_is_told_once_a_day() {
        let evening = Evening::open("once").await;
        assert!(evening.look("2026-03-02T10:14:00Z").await.is_empty());
        evening.look("2026-03-02T10:15:00Z").await;
        evening.ended("kiosk-1").await;
        for minute in 16..44 {
            evening.look(&format!("2026-03-02T10:{minute}:00Z")).await;
        }
        let all = [KIOSK, SCREENS[0], SCREENS[1]];
        assert_eq!(evening.look("2026-03-02T10:44:00Z").await, all);
        assert_eq!(evening.look("2026-03-03T10:15:00Z").await.len(), 4);
    }

    #[tokio::test]
    async fn a_day_with_hours_of_its_own_is_switched_by_them() {
        let evening = Evening::open("own").await;
        let set = |connection: &Connection| {
            Ok(connection.execute_batch(
                "insert into documents_day values ('2026-03-02', '09:00:00', '20:00:00', '1', 0)",
            )?)
        };
        evening.task.store.write(set).await.unwrap();
        assert!(evening.look("2026-03-02T10:15:00Z").await.is_empty());
        assert_eq!(evening.look("2026-03-02T12:15:00Z").await, [KIOSK]);
        evening.ended("kiosk-1").await;
        evening.look("2026-03-02T12:16:00Z").await;
        let next = evening.look("2026-03-03T10:15:00Z").await;
        assert_eq!(next.iter().filter(|told| *told == KIOSK).count(), 2);
    }

    #[tokio::test]
    async fn screens_and_boards_are_told_when_the_others_have_ended() {
        let evening = Evening::open("last").await;
        assert_eq!(evening.look("2026-03-02T10:15:00Z").await, [KIOSK]);
        assert_eq!(evening.look("2026-03-02T10:16:00Z").await, [KIOSK]);
        evening.ended("kiosk-1").await;
        let all = [KIOSK, SCREENS[0], SCREENS[1]];
        assert_eq!(evening.look("2026-03-02T10:17:00Z").await, all);
    }

    #[tokio::test]
    async fn those_switched_off_are_switched_on_once_before_the_hall_opens() {
        let evening = Evening::open("on").await;
        let nobody: [&str; 0] = [];
        assert_eq!(
            evening.look("2026-03-02T02:00:00Z").await,
            nobody,
            "all are on"
        );
        evening.look("2026-03-02T10:15:00Z").await;
        evening.ended("kiosk-1").await;
        assert_eq!(evening.look("2026-03-02T10:16:00Z").await.len(), 3);
        // A person comes early.
        evening.tell("kiosk-1", r#"{"on":true}"#).await;
        assert_eq!(evening.look("2026-03-02T23:59:00Z").await.len(), 4);
        let told = evening.look("2026-03-03T00:00:00Z").await;
        let on = [r#"screen-1 {"on":true}"#, r#"board-1 {"on":true}"#];
        assert_eq!(told[4..], on);
        // What is switched off by hand in the middle of the day stays off.
        evening.tell("board-1", r#"{"on":false}"#).await;
        assert_eq!(evening.look("2026-03-03T00:01:00Z").await.len(), 7);
        assert_eq!(evening.look("2026-03-03T04:00:00Z").await.len(), 7);
    }

    #[tokio::test]
    async fn a_box_that_was_off_in_the_morning_switches_on_when_it_starts_while_the_hall_is_open() {
        let evening = Evening::open("noon").await;
        evening.look("2026-03-02T10:15:00Z").await;
        evening.ended("kiosk-1").await;
        evening.look("2026-03-02T10:16:00Z").await;
        assert_eq!(
            evening.look("2026-03-03T10:01:00Z").await.len(),
            3,
            "closed"
        );
        let told = evening.look("2026-03-04T04:00:00Z").await;
        assert_eq!(told[3], r#"screen-1 {"on":true}"#);
        assert_eq!(told.len(), 6);
    }

    #[tokio::test]
    async fn nothing_is_switched_on_without_a_time() {
        let mut evening = Evening::open("none").await;
        evening.task.closing.switch_on = None;
        evening.look("2026-03-02T10:15:00Z").await;
        assert_eq!(evening.look("2026-03-03T01:00:00Z").await, [KIOSK]);
    }

    #[tokio::test]
    async fn of_one_nobody_knows_the_hall_is_told_once() {
        let mut evening = Evening::open("unknown").await;
        let unknown = "kiosk-9".parse().unwrap();
        evening.task.closing.switch_off.push(unknown);
        evening.look("2026-03-02T10:15:00Z").await;
        evening.look("2026-03-02T10:16:00Z").await;
        let read = |connection: &Connection| {
            let sql = "select group_concat(device || ' ' || what || ' ' || alarm || ': ' || detail)
                 from devices_event";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        };
        let alarms: String = evening.task.store.read(read).await.unwrap();
        assert_eq!(alarms, "kiosk-9 switch-off-failed major: not in use");
    }

    #[tokio::test]
    async fn a_closing_is_over_after_half_an_hour_and_may_lead_into_the_next_day() {
        let mut evening = Evening::open("due").await;
        assert_eq!(evening.due("2026-03-02T10:14:59Z"), None);
        let day = evening.due("2026-03-02T10:15:00Z").unwrap();
        assert_eq!(evening.due("2026-03-02T10:44:00Z"), Some(day));
        assert_eq!(evening.due("2026-03-02T10:46:00Z"), None);
        assert_eq!(evening.due("2026-03-03T10:15:00Z"), Some(day + 1));
        evening.task.closing.after_minutes = 360;
        // Midnight in Shanghai.
        assert_eq!(evening.due("2026-03-02T15:59:00Z"), None);
        assert_eq!(evening.due("2026-03-02T16:00:00Z"), Some(day));
        assert_eq!(evening.due("2026-03-02T16:29:00Z"), Some(day));
    }
}
