//! Devices of the hall: who they are, where they stand, their secrets, and when they last spoke.
//!
//! The table is the truth; what devices announce is only ever compared with it.

mod api;
mod change;
pub(crate) mod file;
mod follower;
mod identity;
mod join;
mod keeper;
mod listed;
mod model;
mod parts;
mod presence;
mod screens;
mod standing;
mod store;
#[cfg(test)]
mod tests;
mod topics;
mod wiring;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, watch};
use zhiban_config::gateway::Registry;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;

pub use api::add_routes;
pub use follower::DevicesFollower;
pub use join::{Joined, add_offline, join};
pub use keeper::Keeper;
pub use listed::sync_wired;
pub use model::{Device, NewDevice, State};
pub(crate) use model::{Proof, new_secret, secret_hash};
pub use screens::{counter_screens, screens_at};
pub(crate) use store::clock_suspects;
pub use store::{count_in_use, counter_of, is_active, is_wired, kind_in_use, wired_settings};

use crate::conventions::Topics;
use file::Request;
use identity::Verdict;
use presence::Presence;
use store::Way;

/// The hall's name for itself among its devices.
pub(crate) const HALL: &str = "hall";
/// The client that tries the MQTT door; its secret is made at start and known to the door only.
pub(crate) const WATCHDOG: &str = "zhiban-watchdog";
/// Ids no device can have.
const RESERVED: [&str; 2] = [HALL, WATCHDOG];

/// The devices of the hall; cheap to clone.
#[derive(Debug, Clone)]
pub struct Devices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    /// Secrets by device, so that a connection needs no query. Reloaded after each change.
    secrets: Mutex<HashMap<DeviceId, Vec<u8>>>,
    /// Devices that are shut out: their secrets, and what they are told. Likewise.
    shut_out: Mutex<HashMap<DeviceId, (Vec<u8>, String)>>,
    /// Keys of webhook addresses, likewise.
    hook_keys: Mutex<HashMap<DeviceId, String>>,
    /// Prefixes of devices that speak another form, likewise.
    topics: Mutex<HashMap<DeviceId, Topics>>,
    reloading: tokio::sync::Mutex<()>,
    /// Where devices were last heard from, since the last reload.
    heard_from: Mutex<HashMap<DeviceId, IpAddr>>,
    /// Devices connected now.
    connected: Mutex<BTreeMap<DeviceId, Presence>>,
    registry: Registry,
    /// Wakes the keeper.
    changed: Notify,
    /// Counts what may have changed, so that a device that waits for an answer looks again.
    revision: watch::Sender<u64>,
    /// A follower's step changed something the keeper must see once it is committed.
    is_dirty: AtomicBool,
}

impl Devices {
    /// # Errors
    /// When the devices cannot be read.
    pub async fn open(store: Store, clock: Clock, registry: Registry) -> Result<Self, StoreError> {
        let secrets = store
            .read(|connection| Ok(store::secrets(connection, State::Active)?))
            .await?;
        let shut_out = store.read(|connection| Ok(shut_out(connection)?)).await?;
        let hook_keys = store
            .read(|connection| Ok(store::hook_keys(connection)?))
            .await?;
        let all_topics = store
            .read(|connection| Ok(topics::all(connection)?))
            .await?;
        let connected = Mutex::default();
        Ok(Self(Arc::new(Inner {
            shut_out: Mutex::new(shut_out),
            hook_keys: Mutex::new(hook_keys),
            topics: Mutex::new(all_topics),
            store,
            clock,
            secrets: Mutex::new(secrets),
            reloading: tokio::sync::Mutex::default(),
            connected,
            heard_from: Mutex::default(),
            registry,
            changed: Notify::new(),
            revision: watch::Sender::new(0),
            is_dirty: AtomicBool::new(false),
        })))
    }

    /// Whether this proves an active device.
    #[must_use]
    pub(crate) fn knows(&self, device: &DeviceId, proof: &Proof) -> bool {
        let secrets = lock(&self.0.secrets);
        let right = secrets.get(device);
        right.is_some_and(|right| bool::from(right.ct_eq(&proof.hash())))
    }

    /// The active device a certificate was given to.
    #[must_use]
    pub(crate) fn of_certificate(&self, proof: &Proof) -> Option<DeviceId> {
        let (secrets, hash) = (lock(&self.0.secrets), proof.hash());
        let found = secrets.iter().find(|(_, known)| **known == hash);
        found.map(|(device, _)| device.clone())
    }

    /// Why a device that proves itself is not let in; `None` for one that is, or proves nothing.
    #[must_use]
    pub(crate) fn shut_out(&self, device: &DeviceId, proof: &Proof) -> Option<String> {
        let shut_out = lock(&self.0.shut_out);
        let (right, why) = shut_out.get(device)?;
        bool::from(right.ct_eq(&proof.hash())).then(|| why.clone())
    }

    /// Whether `key` is in the address of an active device's webhook.
    #[must_use]
    pub fn knows_hook(&self, device: &DeviceId, key: &str) -> bool {
        let keys = lock(&self.0.hook_keys);
        let right = keys.get(device);
        right.is_some_and(|right| bool::from(right.as_bytes().ct_eq(key.as_bytes())))
    }

    /// The prefixes of a device that speaks another form; none for others.
    pub(crate) fn topics_of(&self, device: &DeviceId) -> Topics {
        lock(&self.0.topics)
            .get(device)
            .cloned()
            .unwrap_or_default()
    }

    /// Whether an active device speaks another form than ours.
    pub(crate) fn is_foreign(&self, device: &DeviceId) -> bool {
        lock(&self.0.topics).contains_key(device)
    }

    /// Registers a device and gives its secret, which is shown once. `audit` writes who did it, in
    /// the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the id is taken.
    pub async fn add(
        &self,
        device: NewDevice,
        audit: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<String, StoreError> {
        self.add_with_topics(device, Topics::default(), audit).await
    }

    /// As [`Self::add`], a device that speaks another form below these prefixes.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the id or a prefix is taken.
    pub(crate) async fn add_with_topics(
        &self,
        device: NewDevice,
        given: Topics,
        audit: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<String, StoreError> {
        let secret = new_secret();
        let (hash, now) = (secret_hash(&secret), self.0.clock.now());
        self.0
            .store
            .write(move |connection| {
                store::add(connection, &device, Way::Secret(&hash), now)?;
                topics::give(connection, device.device.as_str(), &given)?;
                note_added(connection, &device, now)?;
                audit(connection)
            })
            .await?;
        self.reload().await?;
        Ok(secret)
    }

    /// Registers a wired device, which is started at once. `settings` are JSON its driver took.
    ///
    /// # Errors
    /// [`StoreError::RefusedBecause`] when the id is taken, or another hangs where it does.
    async fn add_wired(
        &self,
        device: NewDevice,
        driver: &'static str,
        settings: String,
        audit: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        let write = move |connection: &Connection| {
            let way = Way::Wired {
                driver,
                settings: &settings,
                from_file: false,
            };
            let (id, by) = (device.device.as_str(), (file::HALL, now));
            store::add(connection, &device, way, now)?;
            wiring::check_place(connection, id)?;
            note_added(connection, &device, now)?;
            wiring::note_line(connection, id, None, by)?;
            audit(connection)
        };
        self.0.store.write(write).await?;
        self.0.changed.notify_one();
        Ok(())
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The models of kiosk the hall has, when this one would be one too many (S0-2.5-3a).
    pub(crate) fn too_many_models(
        &self,
        connection: &Connection,
        model: &str,
    ) -> rusqlite::Result<Option<Vec<String>>> {
        // No device has an empty id: all are others.
        identity::too_many_models(connection, &self.0.registry, "", model)
    }

    /// Wakes the keeper.
    pub(crate) fn look_again(&self) {
        self.0.changed.notify_one();
        self.0.revision.send_modify(|count| *count += 1);
    }

    /// Changes whenever something may have changed that was decided about devices.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    fn note_change(&self) {
        self.0.is_dirty.store(true, Ordering::Relaxed);
    }

    fn wake_if_changed(&self) {
        if self.0.is_dirty.swap(false, Ordering::Relaxed) {
            self.0.changed.notify_one();
        }
    }

    /// From now on this, and nothing else, proves a device that was let in; `detail` is for its
    /// file.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is not in use.
    pub(crate) async fn trust(
        &self,
        device: &str,
        proof: &Proof,
        detail: String,
    ) -> Result<(), StoreError> {
        let (hash, now, id) = (proof.hash(), self.0.clock.now(), device.to_owned());
        let write = move |connection: &Connection| {
            if !store::is_active(connection, &id)? {
                return Err(StoreError::Refused(format!("{id} is not in use")));
            }
            store::set_secret(connection, &id, &hash)?;
            Ok(file::write(
                connection,
                &id,
                "credential",
                &detail,
                file::HALL,
                now,
            )?)
        };
        self.0.store.write(write).await?;
        self.reload().await
    }

    async fn change(
        &self,
        device: String,
        change: change::Change,
        who: String,
        audit: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (registry, now) = (self.0.registry.clone(), self.0.clock.now());
        let ends = change.ends_connection().then(|| device.clone());
        let write = move |connection: &Connection| {
            change::make(connection, &registry, &device, &change, (&who, now))?;
            audit(connection)
        };
        self.make_hold(write, ends).await
    }

    /// A person decides about a change that waits; `None` when nobody asks for it any more.
    async fn decide(
        &self,
        id: i64,
        verdict: Verdict,
        who: String,
        audit: impl FnOnce(&Connection, &Request) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Option<Request>, StoreError> {
        let (registry, now) = (self.0.registry.clone(), self.0.clock.now());
        let write = move |connection: &Connection| {
            let decided = identity::decide(connection, &registry, id, &verdict, &who, now)?;
            if let Some(request) = &decided {
                audit(connection, request)?;
            }
            Ok(decided)
        };
        self.make_hold(write, None).await
    }

    /// Writes what a person wants and makes it hold: runs to its end, also when whoever asked is
    /// gone by then, or a retired device would stay connected until the next start. `ends` is whose
    /// connection ends.
    async fn make_hold<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        ends: Option<String>,
    ) -> Result<T, StoreError> {
        let devices = self.clone();
        let work = async move {
            let written = devices.0.store.write(write).await?;
            devices.reload().await?;
            if let Some(device) = ends {
                devices.expel(&device);
            }
            devices.0.changed.notify_one();
            Ok(written)
        };
        let done = tokio::spawn(work).await;
        done.map_err(|error| StoreError::Database(error.to_string()))?
    }

    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        // One after another, or an older answer could overwrite a newer one.
        let _turn = self.0.reloading.lock().await;
        let read = |connection: &Connection| {
            let keys = store::hook_keys(connection)?;
            let secrets = store::secrets(connection, State::Active)?;
            let shut_out = shut_out(connection)?;
            Ok((secrets, shut_out, keys, topics::all(connection)?))
        };
        let (secrets, shut_out, hook_keys, all_topics) = self.0.store.read(read).await?;
        *lock(&self.0.secrets) = secrets;
        *lock(&self.0.shut_out) = shut_out;
        *lock(&self.0.hook_keys) = hook_keys;
        *lock(&self.0.topics) = all_topics;
        lock(&self.0.heard_from).clear();
        self.0.revision.send_modify(|count| *count += 1);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Devices that are suspended, with what they are told: the reason a person gave, else the hall's.
fn shut_out(connection: &Connection) -> rusqlite::Result<HashMap<DeviceId, (Vec<u8>, String)>> {
    let mut shut_out = HashMap::new();
    for (device, secret) in store::secrets(connection, State::Suspended)? {
        let known = store::find(connection, device.as_str())?;
        let code = known.and_then(|known| known.reason).unwrap_or_default();
        let why = match file::last_reason(connection, device.as_str())? {
            Some(text) if !code.is_empty() => format!("{code}: {text}"),
            Some(text) => text,
            None => code,
        };
        shut_out.insert(device, (secret, why));
    }
    Ok(shut_out)
}

/// The first entry of a device's file.
fn note_added(
    connection: &Connection,
    device: &NewDevice,
    now: jiff::Timestamp,
) -> rusqlite::Result<()> {
    let (id, detail) = (device.device.as_str(), device.kind.as_str());
    file::write(connection, id, "registered", detail, file::HALL, now)
}

#[cfg(test)]
impl Devices {
    /// A person grants the change of this device that waits.
    pub(crate) async fn grant(&self, device: &str) {
        let key = device.to_owned();
        let read = move |connection: &Connection| Ok(file::requests_of(connection, &key)?);
        let request = self.0.store.read(read).await.unwrap().remove(0);
        let verdict = Verdict {
            granted: true,
            reason: None,
        };
        let decided = self.decide(request.id, verdict, "1001".into(), |_, _| Ok(()));
        decided.await.unwrap().unwrap();
    }
}
