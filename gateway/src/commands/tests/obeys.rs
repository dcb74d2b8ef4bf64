//! A wired device that does what its test says, and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde::Deserialize;
use zhiban_drivers::supervise::WiredDevice;
use zhiban_drivers::{Driver, DriverError, DriverKind, Running, Session, SettingsError};
use zhiban_kernel::Store;
use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::device::DeviceKind;

/// What each device was told, in order.
static TOLD: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

static OBEYS: DriverKind = kind(&[CommandKind::Display, CommandKind::Power]);
static SHOWS: DriverKind = kind(&[CommandKind::Display]);

const fn kind(accepts: &'static [CommandKind]) -> DriverKind {
    DriverKind {
        name: "obeys",
        form: "",
        accepts,
        build,
        explain: |_| Vec::new(),
        fuzz: |_| {},
        discover: None,
    }
}

/// A registered device, named after its test: what it was told is kept by name.
pub(crate) struct Obeys(&'static str);

impl Obeys {
    pub(crate) async fn register(store: &Store, device: &'static str) -> Self {
        let write = move |connection: &rusqlite::Connection| {
            let sql = "insert into devices_device (device, kind, name, driver, created_ms)
                 values (?1, 'window-screen', ?1, 'obeys', 0)";
            Ok(connection.execute(sql, [device])?)
        };
        store.write(write).await.unwrap();
        Self(device)
    }

    /// What becomes of its orders in turn: `refused`, `put off`, or `lost` with the session; all
    /// others, and those behind, are done.
    pub(crate) fn wired(&self, does: &[&str]) -> WiredDevice {
        let mut settings = toml::Table::new();
        settings.insert("device".into(), self.0.into());
        settings.insert("does".into(), does.to_vec().into());
        WiredDevice {
            device: self.0.parse().unwrap(),
            driver: &OBEYS,
            settings,
        }
    }

    /// As if its driver could only show.
    pub(crate) fn only_shows(&self) -> WiredDevice {
        WiredDevice {
            driver: &SHOWS,
            ..self.wired(&[])
        }
    }

    pub(crate) fn told(&self) -> Vec<String> {
        told().get(self.0).cloned().unwrap_or_default()
    }
}

fn told() -> MutexGuard<'static, BTreeMap<String, Vec<String>>> {
    TOLD.lock().unwrap()
}

#[derive(Deserialize)]
struct Obeying {
    device: String,
    does: Vec<String>,
}

fn build(settings: toml::Table) -> Result<Box<dyn Driver>, SettingsError> {
    Ok(Box::new(settings.try_into::<Obeying>().unwrap()))
}

impl Driver for Obeying {
    fn device(&self) -> DeviceKind {
        DeviceKind::WindowScreen
    }

    fn run(self: Box<Self>, mut session: Session) -> Running {
        Box::pin(async move {
            loop {
                let order = session.commands.next().await;
                let nth = {
                    let mut all = told();
                    let told = all.entry(self.device.clone()).or_default();
                    told.push(order.command.to_string());
                    told.len() - 1
                };
                match self.does.get(nth).map(String::as_str) {
                    Some("refused") => order.failed("it has no paper"),
                    Some("put off") => order.put_off("it does not answer"),
                    Some("lost") => return DriverError::Silent { address: 9 },
                    _ => order.done(),
                }
            }
        })
    }
}
