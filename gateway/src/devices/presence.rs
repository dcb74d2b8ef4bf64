//! Where devices are, and the end of connections that may not go on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::MutexGuard;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::Changes;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;

use super::{Devices, identity, lock};

/// A device's connection.
#[derive(Debug)]
pub(super) struct Presence {
    address: IpAddr,
    connection: u64,
    expelled: CancellationToken,
}

impl Devices {
    /// Notes that a device is connected, by the connection of this number. What it gives falls
    /// when the connection must end.
    #[must_use]
    pub fn connected(
        &self,
        device: &DeviceId,
        address: IpAddr,
        connection: u64,
    ) -> CancellationToken {
        let expelled = CancellationToken::new();
        let presence = Presence {
            address,
            connection,
            expelled: expelled.clone(),
        };
        self.presences().insert(device.clone(), presence);
        expelled
    }

    /// A device that proved itself speaks from this address, which is held against the one known.
    /// Where a change must be granted before it is used (S0-2.5-3b, strict), this waits for what
    /// comes of it: a device that moved is shut out by then.
    ///
    /// # Errors
    /// [`StoreError`]: in a strict hall nothing may be taken from it now.
    pub(crate) async fn speaks_from(
        &self,
        device: &DeviceId,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        if lock(&self.0.heard_from).get(device) == Some(&address) {
            return Ok(());
        }
        if self.0.registry.changes == Changes::Strict {
            if self.note_address(device, address).await? {
                self.reload().await?;
            }
            lock(&self.0.heard_from).insert(device.clone(), address);
            return Ok(());
        }
        lock(&self.0.heard_from).insert(device.clone(), address);
        let (devices, device) = (self.clone(), device.clone());
        tokio::spawn(async move {
            if let Err(error) = devices.note_address(&device, address).await {
                tracing::warn!(%error, "an address was not noted");
            }
        });
        Ok(())
    }

    /// Whether that changed anything.
    async fn note_address(&self, device: &DeviceId, address: IpAddr) -> Result<bool, StoreError> {
        let (registry, now) = (self.0.registry.clone(), self.0.clock.now());
        let (device, address) = (device.to_string(), address.to_string());
        let write = move |connection: &Connection| {
            let before = connection.total_changes();
            identity::judge_address(connection, &registry, &device, &address, now)?;
            Ok(connection.total_changes() > before)
        };
        let is_news = self.0.store.write(write).await?;
        if is_news {
            self.0.changed.notify_one();
        }
        Ok(is_news)
    }

    /// Ends the connections of devices that are shut out.
    pub(super) fn expel_strangers(&self) {
        let secrets = lock(&self.0.secrets);
        for (device, presence) in self.presences().iter() {
            if !secrets.contains_key(device) {
                presence.expelled.cancel();
            }
        }
    }

    /// Ends the connection of a device, which may come back.
    pub(crate) fn cut(&self, device: &DeviceId) {
        self.expel(device.as_str());
    }

    /// Ends the connection of a device that no longer may have one.
    pub(super) fn expel(&self, device: &str) {
        for (known, presence) in self.presences().iter() {
            if known.as_str() == device {
                presence.expelled.cancel();
            }
        }
    }

    fn presences(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Presence>> {
        lock(&self.0.connected)
    }

    /// Notes that a connection ended; ignored when the device has since come back by another.
    pub fn disconnected(&self, device: &DeviceId, connection: u64) {
        let mut presences = self.presences();
        if presences
            .get(device)
            .is_some_and(|presence| presence.connection == connection)
        {
            presences.remove(device);
        }
    }

    /// Whether the device is connected by MQTT now.
    pub(crate) fn is_connected(&self, device: &DeviceId) -> bool {
        self.address_of(device).is_some()
    }

    /// How many devices are connected by MQTT.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.presences().len()
    }

    /// Which connection a device has now.
    pub(crate) fn connection_of(&self, device: &DeviceId) -> Option<u64> {
        let presences = self.presences();
        presences.get(device).map(|presence| presence.connection)
    }

    pub(super) fn address_of(&self, device: &DeviceId) -> Option<IpAddr> {
        self.presences()
            .get(device)
            .map(|presence| presence.address)
    }
}
