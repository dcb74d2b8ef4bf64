//! What most system tests begin with: a centre that is set up, a hall with its devices.

use std::path::Path;

use super::clock::ReplayClock;
use super::configs;
use super::{Account, NewDevice, Program, Running, add_devices};

/// A centre that runs.
#[derive(Debug)]
pub struct Centre {
    pub running: Running,
    /// Somebody with the rights of an operator and an installer.
    pub operator: Account,
}

impl Centre {
    /// # Panics
    /// When it cannot be started or set up.
    pub async fn start(folder: &Path, clock: Option<ReplayClock>) -> Self {
        let (program, mut config) = configs::centre(folder).expect("a centre");
        if let Some(clock) = clock {
            clock.put(&mut config);
        }
        program.write_config(&config).expect("a configuration");
        let running = program
            .start()
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let operator = Account::set_up(&running, "1001", "operator").await;
        let operator = operator.unwrap_or_else(|error| panic!("{error}"));
        Self { running, operator }
    }

    /// Lets a hall in.
    ///
    /// # Panics
    /// When either refuses.
    pub async fn enrol(&self, hall: &Hall) {
        let enrolled = configs::enrol(&self.running, &hall.program, &hall.store).await;
        enrolled.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A hall that is configured and has devices, and does not run yet.
#[derive(Debug)]
pub struct Hall {
    pub store: String,
    pub program: Program,
    /// In the order of the devices.
    pub secrets: Vec<String>,
}

/// A device by id and kind, as in `tm-1 ticket-machine`, with its counter if it has one.
///
/// # Panics
/// When it is not written so.
#[must_use]
pub fn device(text: &str) -> NewDevice {
    let words: Vec<_> = text.split(' ').collect();
    let kind = words.get(1).expect("a kind");
    NewDevice {
        id: words[0].parse().expect("a device id"),
        kind: kind.parse().expect("a kind of device"),
        name: None,
        counter: words
            .get(2)
            .map(|counter| counter.parse().expect("a counter")),
        topics: Vec::new(),
    }
}

impl Hall {
    /// Writes the configuration after `edit` and registers the devices.
    ///
    /// # Panics
    /// When the gateway refuses either.
    pub async fn prepare(
        folder: &Path,
        store: &str,
        devices: &[&str],
        edit: impl FnOnce(&mut toml::Table),
    ) -> Self {
        let (program, mut config) = configs::hall(folder, store).expect("a hall");
        edit(&mut config);
        program.write_config(&config).expect("a configuration");
        let devices: Vec<_> = devices.iter().map(|text| device(text)).collect();
        let secrets = add_devices(&program, &devices).await;
        Self {
            store: store.to_owned(),
            program,
            secrets: secrets.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// Starts it for the first time, with somebody who has all rights but those of an auditor.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open(&self) -> (Running, Account) {
        let running = self.start().await;
        let manager = Account::set_up(&running, "1001", "manager").await;
        (running, manager.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(&self) -> Running {
        self.program
            .start()
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// `host` and `port` of the MQTT door.
///
/// # Panics
/// When the program has none.
#[must_use]
pub fn mqtt(running: &Running) -> (&str, &str) {
    let address = running.addresses.mqtt.as_deref().expect("a gateway");
    address.rsplit_once(':').expect("host:port")
}
