//! Switches devices off after the hall has closed (S3-4.2.3-B), screens and boards last.

use std::time::Duration;

use jiff::civil::Time;
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

use super::{HALL, Wake, ask};
use crate::{devices, journal};

const LOOK_EVERY: Duration = Duration::from_secs(20);
/// A closing this long ago is over: nobody is switched off in the middle of the night because the
/// box was started then.
const FRESH: SignedDuration = SignedDuration::from_mins(30);
/// The last day that was switched off, as days since 1970.
const DONE: &str = "commands_switched_off";

/// Task `switch off`.
#[derive(Debug)]
pub struct SwitchOff {
    store: Store,
    clock: Clock,
    wake: Wake,
    closing: Closing,
    closes: Time,
    zone: TimeZone,
}

impl SwitchOff {
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
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "switching off will be tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.clock.real_wait(LOOK_EVERY)) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some(day) = self.due(now) else {
            return Ok(());
        };
        let listed = self.closing.switch_off.clone();
        let clock = self.clock;
        let write = move |connection: &Connection| {
            if journal::value(connection, DONE)? >= day {
                return Ok(());
            }
            for device in in_order(connection, listed)? {
                ask(
                    connection,
                    &device,
                    &Command::Power { on: false },
                    HALL,
                    clock,
                )?;
            }
            Ok(journal::set_value(connection, DONE, day)?)
        };
        self.store.write(write).await?;
        self.wake.wake();
        Ok(())
    }

    /// The day whose closing is just over.
    fn due(&self, now: Timestamp) -> Option<i64> {
        if self.closing.switch_off.is_empty() {
            return None;
        }
        let day = BusinessDay::of(now, &self.zone);
        let after = SignedDuration::from_mins(self.closing.after_minutes.into());
        let due = day.at(self.closes, &self.zone) + after;
        let age = now.duration_since(due);
        let fresh = age >= SignedDuration::ZERO && age < FRESH;
        fresh.then(|| {
            i64::from(
                day.0
                    .since(jiff::civil::date(1970, 1, 1))
                    .map_or(0, |span| span.get_days()),
            )
        })
    }
}

/// Those in use, as listed, but screens and boards behind the others.
fn in_order(connection: &Connection, listed: Vec<DeviceId>) -> rusqlite::Result<Vec<DeviceId>> {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for device in listed {
        match devices::kind_in_use(connection, device.as_str())?.as_deref() {
            None => tracing::warn!(%device, "to be switched off, but not in use"),
            Some(kind) => {
                let screens = [DeviceKind::WindowScreen, DeviceKind::LedBoard];
                let shows = screens.iter().any(|screen| screen.as_str() == kind);
                if shows { &mut last } else { &mut first }.push(device);
            }
        }
    }
    first.append(&mut last);
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_switched_off_once_and_not_hours_later() {
        let text = include_str!("../../../config/samples/gateway.toml");
        let file = std::path::Path::new("gateway.toml");
        let config = zhiban_config::GatewayConfig::parse(file, text).unwrap();
        let folder = std::env::temp_dir().join(format!("zhiban-closing-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), journal::migrate).unwrap();
        let (clock, wake) = (Clock::new(None), Wake::default());
        let task = SwitchOff::new(store, clock, wake, config.closing, &config.hall);
        let due = |text: &str| task.due(text.parse().unwrap());
        // The sample closes at 18:00 in Shanghai, and waits 15 minutes.
        assert_eq!(due("2026-03-02T10:14:59Z"), None);
        let day = due("2026-03-02T10:15:00Z");
        assert!(day.is_some());
        assert_eq!(due("2026-03-02T10:44:00Z"), day);
        assert_eq!(due("2026-03-02T10:46:00Z"), None);
        assert_eq!(due("2026-03-03T10:15:00Z"), day.map(|day| day + 1));
        let _ = std::fs::remove_dir_all(&folder);
    }
}
