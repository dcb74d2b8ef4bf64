//! Makes what the table says hold: secrets, connections, drivers, alarms. A reconciler: woken by a
//! change or the clock, it compares and mends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_drivers::supervise::{Supervisor, WiredDevice};
use zhiban_kernel::StoreError;
use zhiban_vocabulary::{DeviceId, StoreId};

use super::model::{Device, State};
use super::{Devices, HALL, file, store};
use crate::documents;
use crate::federation::DownlinkState;
use crate::journal::{Door, Journal, Submission, TOLD_AGAIN};

const LOOK_EVERY: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Task `devices keeper`.
#[derive(Debug)]
pub struct Keeper {
    devices: Devices,
    journal: Journal,
    drivers: Arc<Supervisor>,
    running: BTreeMap<DeviceId, RunsWith>,
}

/// What a wired device runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RunsWith {
    driver: String,
    settings: String,
    /// The text of the register map its settings name: a new one starts its driver anew.
    map: Option<String>,
}

impl RunsWith {
    fn of(driver: String, settings: String) -> Self {
        let table: serde_json::Value = serde_json::from_str(&settings).unwrap_or_default();
        let map = table["map"]
            .as_str()
            .and_then(zhiban_drivers::modbus::map::text);
        Self {
            driver,
            settings,
            map,
        }
    }
}

impl Keeper {
    #[must_use]
    pub fn new(devices: Devices, journal: Journal, drivers: Arc<Supervisor>) -> Self {
        Self {
            devices,
            journal,
            drivers,
            running: BTreeMap::new(),
        }
    }

    /// Runs until `shutdown`. `hall` is whose register maps count; what came `down` may hold new ones.
    pub fn run(
        self,
        hall: &StoreId,
        down: watch::Receiver<DownlinkState>,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.keep(hall.clone(), down, shutdown.clone())
    }

    async fn keep(
        mut self,
        hall: StoreId,
        mut down: watch::Receiver<DownlinkState>,
        shutdown: CancellationToken,
    ) {
        let devices = self.devices.clone();
        loop {
            let pause = match self.mend(&hall).await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "devices will be looked at again");
                    RETRY_AFTER
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = devices.0.changed.notified() => {}
                Ok(()) = down.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn mend(&mut self, hall: &StoreId) -> Result<(), StoreError> {
        self.devices.reload().await?;
        self.devices.expel_strangers();
        let hall = hall.clone();
        let read = move |connection: &Connection| {
            let maps = documents::register_maps(connection, &hall)?;
            Ok((store::all(connection)?, maps))
        };
        let (all, maps) = self.devices.0.store.read(read).await?;
        zhiban_drivers::modbus::map::give(maps);
        self.mend_drivers(all);
        self.report_alarms().await
    }

    fn mend_drivers(&mut self, all: Vec<Device>) {
        let wanted: BTreeMap<DeviceId, RunsWith> = all
            .into_iter()
            .filter(|device| device.is_wired() && device.state == State::Active)
            .map(|device| {
                let settings = device.settings.unwrap_or_else(|| "{}".into());
                (device.device, RunsWith::of(device.driver, settings))
            })
            .collect();
        let gone: Vec<DeviceId> = self
            .running
            .keys()
            .filter(|device| !wanted.contains_key(device))
            .cloned()
            .collect();
        for device in gone {
            self.drivers.take_away(&device);
            self.running.remove(&device);
        }
        for (device, wanted) in wanted {
            if self.running.get(&device) == Some(&wanted) {
                continue;
            }
            if let Some(wired) = wired(&device, &wanted) {
                self.drivers.add(wired);
            }
            self.running.insert(device, wanted);
        }
    }

    /// The hall says in its journal what it found about its devices.
    async fn report_alarms(&self) -> Result<(), StoreError> {
        let read = |connection: &Connection| Ok(file::unreported(connection)?);
        for alarm in self.devices.0.store.read(read).await? {
            let payload = serde_json::json!({
                "alarm": alarm.what, "severity": alarm.severity, "text": alarm.text,
                // Told twice, it is one alarm.
                "boot": TOLD_AGAIN, "seq": alarm.id,
            });
            let submission = Submission {
                door: Door::Hall,
                device: HALL.parse().map_err(|_| StoreError::Refused(HALL.into()))?,
                kind: "device.alarm".into(),
                payload: payload.to_string().into(),
                topic: None,
                redelivery: None,
            };
            self.journal.submit(vec![submission]).await?;
            let note =
                move |connection: &Connection| Ok(file::note_reported(connection, alarm.id)?);
            self.devices.0.store.write(note).await?;
        }
        Ok(())
    }
}

fn wired(device: &DeviceId, wanted: &RunsWith) -> Option<WiredDevice> {
    let driver = wanted.driver.as_str();
    let kind = zhiban_drivers::find(driver);
    let settings = serde_json::from_str(&wanted.settings);
    let (Some(driver), Ok(settings)) = (kind, settings) else {
        tracing::error!(%device, driver, "device not started: no such driver, or no settings");
        return None;
    };
    Some(WiredDevice {
        device: device.clone(),
        driver,
        settings,
    })
}
