//! Devices that ask to join the hall (design §5).
//!
//! ```text
//!  window open ──▶ device asks with the claim key ──▶ pending ──▶ approved ──▶ its own credential
//!  (≤ 10 min)       (serial, kind, own token)            │ └────▶ refused
//!                                                         └ serial known under another token: clash
//! ```
//!
//! The key (50 bits) lets one device ask, nothing more; the next device needs the next key. Who
//! waits comes back with its own token. A person lets it in, by typing the code that
//! the hall gave this one request and the device shows. Nothing is ever approved by itself.

mod advert;
mod api;
mod model;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::authority::{Authority, DEVICE_DAYS};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::device::Severity;

pub use advert::{Advert, host_name};
pub use api::add_routes;
pub use model::{Answer, Ask, Credential};
pub use store::{count_waiting, last_request, prune_refused};

use crate::devices::{self, Devices, Proof, new_secret, secret_hash};
use model::{Window, plain};
use store::{Claim, State};

/// User name of a device that is not known yet.
pub const USER: &str = "provision";
/// What it publishes to, and what it listens on.
pub const REQUEST_TOPIC: &str = "provision/request";
pub const RESPONSE_TOPIC: &str = "provision/response";

/// Requests that may wait for a person; one more is refused.
const PENDING_MAX: usize = 50;

/// Old keys that are remembered.
const OLD_KEYS_MAX: usize = 20;

/// What lets a device speak that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// The claim key: it may ask once.
    Key(String),
    /// The token of a request that stands: it may hear the answer.
    Token,
}

/// A device that was let in.
#[derive(Debug)]
pub struct Admitted {
    pub device: DeviceId,
    pub serial: String,
    pub code: String,
}

/// The reception; cheap to clone.
#[derive(Debug, Clone)]
pub struct Joining(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    devices: Devices,
    authority: Arc<Authority>,
    window: Mutex<Option<Window>>,
    /// Keys that were good once: a device that still tries one is no guesser.
    old_keys: Mutex<VecDeque<String>>,
    /// Which connection hears the answer, by the hash of the device's token.
    places: Mutex<HashMap<Vec<u8>, CancellationToken>>,
}

impl Joining {
    #[must_use]
    pub fn new(store: Store, clock: Clock, devices: Devices, authority: Arc<Authority>) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            devices,
            authority,
            window: Mutex::new(None),
            old_keys: Mutex::default(),
            places: Mutex::default(),
        }))
    }

    /// The hall's own, which signs its devices and its doors.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.0.authority
    }

    fn window(&self) -> MutexGuard<'_, Option<Window>> {
        lock(&self.0.window)
    }

    /// Whether this lets a device that is not known speak: the key of the open window, or the token
    /// of a request that stands. Five wrong keys close the window.
    pub async fn admits(&self, key: &str) -> Option<Pass> {
        // What may be a token is never held against the key, and everything else counts.
        if key.len() < model::TOKEN_MIN {
            let key = plain(key);
            if self.is_key(&key) {
                return Some(Pass::Key(key));
            }
            self.note_wrong(&key);
            return None;
        }
        let (hash, now) = (secret_hash(key), self.0.clock.now());
        let read = move |connection: &Connection| Ok(store::stands(connection, &hash, now)?);
        self.0.store.read(read).await.ok()?.then_some(Pass::Token)
    }

    fn is_key(&self, key: &str) -> bool {
        let now = self.0.clock.now();
        let window = self.window();
        let open = window.as_ref().filter(|open| open.until > now);
        open.is_some_and(|open| open.is_key(key))
    }

    /// Whether the key is good for one device more; from now on the next one needs another.
    fn use_up(&self, key: &str) -> bool {
        let now = self.0.clock.now();
        let mut window = self.window();
        let open = window.as_mut().filter(|open| open.until > now);
        let Some(open) = open.filter(|open| open.is_key(key)) else {
            return false;
        };
        let old = open.rotate();
        drop(window);
        self.keep_old(old);
        true
    }

    fn note_wrong(&self, key: &str) {
        if lock(&self.0.old_keys).iter().any(|old| old == key) {
            return;
        }
        let mut window = self.window();
        let Some(open) = window.as_mut() else { return };
        open.wrong += 1;
        if open.wrong >= model::WRONG_MAX {
            *window = None;
            tracing::warn!("five wrong claim keys: the window for new devices is closed");
            self.note_guessing();
        }
    }

    fn keep_old(&self, key: String) {
        let mut old = lock(&self.0.old_keys);
        old.push_back(key);
        if old.len() > OLD_KEYS_MAX {
            old.pop_front();
        }
    }

    fn note_guessing(&self) {
        let (store, now) = (self.0.store.clone(), self.0.clock.now());
        tokio::spawn(async move {
            let write = move |connection: &Connection| {
                let text = "five wrong claim keys, window closed";
                let (what, severity) = ("joining-guessed", Severity::Warning);
                devices::file::write_alarm(connection, "hall", what, text, severity, now)?;
                Ok(())
            };
            if let Err(error) = store.write(write).await {
                tracing::warn!(%error, "guessing was not noted");
            }
        });
    }

    /// Opens the window for ten minutes and gives the key as a person reads it.
    #[must_use]
    pub fn open_window(&self) -> String {
        let window = Window::open(self.0.clock.now());
        let key = window.shown_key();
        if let Some(before) = self.window().replace(window) {
            self.keep_old(before.key);
        }
        key
    }

    fn close_window(&self) {
        if let Some(before) = self.window().take() {
            self.keep_old(before.key);
        }
    }

    /// Lets the first one in that waits, without asking anybody: for the conformance checker.
    ///
    /// # Errors
    /// [`StoreError`]: nobody was let in.
    pub async fn admit_first(&self) -> Result<Option<Admitted>, StoreError> {
        let now = self.0.clock.now();
        let read = move |connection: &Connection| Ok(store::waiting(connection, now)?);
        let Some(claim) = self.0.store.read(read).await?.into_iter().next() else {
            return Ok(None);
        };
        let (serial, code) = (claim.serial.clone(), claim.code.clone());
        let device = api::admit(self, claim).await?;
        Ok(Some(Admitted {
            device,
            serial,
            code,
        }))
    }

    /// Changes whenever a person has decided about something, at least.
    #[must_use]
    pub fn decisions(&self) -> watch::Receiver<u64> {
        self.0.devices.revision()
    }

    /// From now on this connection hears the answer to the request; an earlier one is told to leave,
    /// or each would get a credential that ends the other's.
    #[must_use]
    pub fn take_place(&self, ask: &Ask) -> CancellationToken {
        let place = CancellationToken::new();
        let mut places = lock(&self.0.places);
        // Kept here alone: whoever waited there has left.
        places.retain(|_, place| !place.is_cancelled());
        if let Some(earlier) = places.insert(secret_hash(&ask.token), place.clone()) {
            earlier.cancel();
        }
        place
    }

    /// A device asks, or asks again. The answer says how its request stands; an approved one gets
    /// its credential, which is made now and nowhere kept but as a hash.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known, the device must ask again.
    pub async fn ask(&self, ask: Ask, address: IpAddr, pass: &Pass) -> Result<Answer, StoreError> {
        let now = self.0.clock.now();
        let csr = ask.csr.clone();
        let (serial, hash) = (ask.serial.clone(), secret_hash(&ask.token));
        let read = move |connection: &Connection| {
            let known = store::latest(connection, &serial, &hash)?;
            Ok(known.filter(|known| known.stands(now)))
        };
        let claim = match (self.0.store.read(read).await?, pass) {
            (Some(known), _) => known,
            (None, Pass::Key(key)) if self.use_up(key) => self.file(ask, address).await?,
            (None, _) => {
                let why = "this needs the claim key that the hall's panel shows now";
                return Err(StoreError::Refused(why.into()));
            }
        };
        match (claim.state, &claim.device) {
            (State::Approved, Some(_)) if claim.waits_for_model => Ok(claim.pending()),
            (State::Approved, Some(device)) if claim.collected.is_some() && self.is_in(device) => {
                let reason = "this request was answered, and the device is connected".into();
                Ok(Answer::Refused { reason })
            }
            (State::Approved, Some(device)) => self.give_credential(device, &claim, csr).await,
            _ => Ok(claim.answer()),
        }
    }

    /// Whether the device is there with its credential.
    fn is_in(&self, device: &str) -> bool {
        let device = device.parse();
        device.is_ok_and(|device| self.0.devices.is_connected(&device))
    }

    async fn file(&self, ask: Ask, address: IpAddr) -> Result<Claim, StoreError> {
        let now = self.0.clock.now();
        let write = move |connection: &Connection| file(connection, &ask, address, now);
        let claim = self.0.store.write(write).await?;
        self.0.devices.look_again();
        Ok(claim)
    }

    async fn give_credential(
        &self,
        device: &str,
        claim: &Claim,
        csr: Option<String>,
    ) -> Result<Answer, StoreError> {
        let (credential, proof, until) = self.make_credential(device, csr)?;
        let facts = json!({ "claim": claim.id, "kind": proof.as_str(), "until": until });
        let facts = facts.to_string();
        self.0.devices.trust(device, &proof, facts).await?;
        let (id, now) = (claim.id, self.0.clock.now());
        let write = move |connection: &Connection| Ok(store::note_collected(connection, id, now)?);
        self.0.store.write(write).await?;
        Ok(Answer::Approved {
            device: device.to_owned(),
            credential,
            authority: self.0.authority.pem().to_owned(),
        })
    }

    /// What the device gets, what is kept of it, and until when it holds.
    fn make_credential(
        &self,
        device: &str,
        csr: Option<String>,
    ) -> Result<(Credential, Proof, Option<Timestamp>), StoreError> {
        let Some(csr) = csr else {
            let secret = new_secret();
            let proof = Proof::Password(secret.clone());
            return Ok((Credential::Password(secret), proof, None));
        };
        let signed = self.0.authority.sign_member(&csr, device, DEVICE_DAYS);
        let signed = signed.map_err(|error| StoreError::Refused(error.to_string()))?;
        let until = Timestamp::try_from(signed.until).ok();
        let proof = Proof::Certificate(signed.certificate.to_vec());
        let credential = Credential::Certificate(signed.pem);
        Ok((credential, proof, until))
    }
}

/// A new request, which waits for a person.
fn file(
    connection: &Connection,
    ask: &Ask,
    address: IpAddr,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    store::forget_old(connection, now)?;
    if store::pending(connection)? >= PENDING_MAX {
        let why = "too many devices wait; ask again later";
        return Err(StoreError::Refused(why.into()));
    }
    let (serial, hash) = (&ask.serial, secret_hash(&ask.token));
    let is_known = devices::file::has_serial(connection, serial)?
        || store::has_other(connection, serial, &hash)?;
    let state = if is_known {
        State::Clash
    } else {
        State::Pending
    };
    let claim = store::insert(connection, ask, &hash, address, state, now)?;
    if state == State::Clash {
        let text = format!("serial {serial} asks to join from {address} and is known");
        let severity = Severity::Major;
        devices::file::write_alarm(connection, "hall", "serial-clash", &text, severity, now)?;
    }
    Ok(claim)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
