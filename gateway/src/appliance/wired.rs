//! The devices the configuration names.

use anyhow::{Context, Result};
use zhiban_config::GatewayConfig;
use zhiban_drivers::supervise::WiredDevice;
use zhiban_drivers::{Binding, DriverKind};
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::BootId;

use crate::devices::{self, NewDevice};

/// A name for this run of the program, under which wired reports are numbered.
pub(super) fn new_boot() -> BootId {
    let random: u64 = rand::random();
    format!("run-{random:016x}")
        .parse()
        .expect("a valid boot id")
}

/// The wired devices of the configuration with their drivers' settings checked.
///
/// # Errors
/// Names device, key, expected and found.
pub fn wired_devices(config: &GatewayConfig) -> Result<Vec<WiredDevice>> {
    let mut wired = Vec::new();
    for device in &config.devices {
        let driver = zhiban_drivers::find(&device.driver).with_context(|| {
            let known: Vec<_> = zhiban_drivers::DRIVERS
                .iter()
                .map(|kind| kind.name)
                .collect();
            let (id, name) = (&device.id, &device.driver);
            format!(
                "device {id}.driver: expected one of {}, found {name:?}",
                known.join(", ")
            )
        })?;
        (driver.build)(device.settings.clone())
            .map(drop)
            .with_context(|| format!("device {}.settings", device.id))?;
        check_place(device, driver, &wired)?;
        wired.push(WiredDevice {
            device: device.id.clone(),
            driver,
            settings: device.settings.clone(),
        });
    }
    Ok(wired)
}

/// No other device of the configuration may hang where this one does, as it is written: a hall opens
/// also when two names of ports are one today.
fn check_place(
    device: &zhiban_config::gateway::WiredDevice,
    driver: &DriverKind,
    others: &[WiredDevice],
) -> Result<()> {
    let Some(own) = Binding::as_written(driver, device.settings.clone()) else {
        return Ok(());
    };
    for other in others {
        let theirs = Binding::as_written(other.driver, other.settings.clone());
        if let Some(place) = theirs.and_then(|theirs| own.shared_with(&theirs)) {
            let (id, owner) = (&device.id, &other.device);
            anyhow::bail!("device {id}.settings: {place} belongs to device {owner}");
        }
    }
    Ok(())
}

pub(super) async fn sync_wired(store: &Store, config: &GatewayConfig, clock: Clock) -> Result<()> {
    let row = |device: &zhiban_config::gateway::WiredDevice| {
        let driver = zhiban_drivers::find(&device.driver)?;
        let kind = (driver.build)(device.settings.clone()).ok()?.device();
        let name = device.name.clone().unwrap_or_else(|| device.id.to_string());
        let new = NewDevice {
            device: device.id.clone(),
            kind,
            name,
            counter: device.counter.clone(),
        };
        let settings = serde_json::to_string(&device.settings).unwrap_or_default();
        Some((new, driver.name, settings))
    };
    let wired: Vec<_> = config.devices.iter().filter_map(row).collect();
    store
        .write(move |c| devices::sync_wired(c, &wired, clock.now()))
        .await?;
    Ok(())
}
