//! Devices that ask to join the hall (design §5).
//!
//! ```text
//!  window open ──▶ device asks with the claim key ──▶ pending ──▶ approved ──▶ its own credential
//!  (≤ 10 min)       (serial, kind, own token)            │ └────▶ refused
//!                                                         └ serial known under another token: clash
//! ```
//!
//! The key (50 bits) lets a device ask, nothing more. A person lets it in, by typing the code that
//! the hall gave this one request and the device shows. Nothing is ever approved by itself.

mod advert;
mod api;
mod model;
mod store;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::watch;
use zhiban_kernel::authority::Authority;
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::DeviceId;

pub use advert::{Advert, host_name};
pub use api::add_routes;
pub use model::{Answer, Ask, Credential};

use crate::devices::{Devices, Proof, file, new_secret, secret_hash};
use model::{Window, new_code};
use store::{Claim, State};

/// User name of a device that is not known yet.
pub const USER: &str = "provision";
/// What it publishes to, and what it listens on.
pub const REQUEST_TOPIC: &str = "provision/request";
pub const RESPONSE_TOPIC: &str = "provision/response";

/// Requests that may wait for a person; one more is refused.
const PENDING_MAX: usize = 50;

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
    /// Counts decisions, so that a device that waits looks again.
    decided: watch::Sender<u64>,
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
            decided: watch::Sender::new(0),
        }))
    }

    /// The hall's own, which signs its devices and its doors.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.0.authority
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Option<Window>> {
        self.0.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the key of the open window. Five wrong ones close it.
    #[must_use]
    pub fn admits(&self, key: &str) -> bool {
        let now = self.0.clock.now();
        let mut window = self.window();
        let Some(open) = window.as_mut().filter(|open| open.until > now) else {
            *window = None;
            return false;
        };
        if open.is_key(key) {
            return true;
        }
        open.wrong += 1;
        if open.wrong >= model::WRONG_MAX {
            *window = None;
            tracing::warn!("five wrong claim keys: the window for new devices is closed");
            self.note_guessing();
        }
        false
    }

    fn note_guessing(&self) {
        let (store, now) = (self.0.store.clone(), self.0.clock.now());
        tokio::spawn(async move {
            let write = move |connection: &Connection| {
                let text = "five wrong claim keys, window closed";
                let severity = zhiban_vocabulary::device::Severity::Warning;
                file::write_alarm(connection, "hall", "joining-guessed", text, severity, now)?;
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
        *self.window() = Some(window);
        key
    }

    /// Lets the first one in that waits, without asking anybody: for the conformance checker.
    ///
    /// # Errors
    /// [`StoreError`]: nobody was let in.
    pub async fn admit_first(&self) -> Result<Option<Admitted>, StoreError> {
        let read = |connection: &Connection| Ok(store::waiting(connection)?);
        let Some(claim) = self.0.store.read(read).await?.into_iter().next() else {
            return Ok(None);
        };
        let (serial, code) = (claim.serial.clone(), claim.code.clone());
        let device = api::admit(self, claim).await?;
        self.0.decided.send_modify(|count| *count += 1);
        Ok(Some(Admitted {
            device,
            serial,
            code,
        }))
    }

    /// Falls whenever a person has decided about something.
    #[must_use]
    pub fn decisions(&self) -> watch::Receiver<u64> {
        self.0.decided.subscribe()
    }

    /// A device asks, or asks again. The answer says how its request stands; an approved one gets
    /// its credential, which is made now and nowhere kept but as a hash.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is known, the device must ask again.
    pub async fn ask(&self, ask: Ask, address: IpAddr) -> Result<Answer, StoreError> {
        let now = self.0.clock.now();
        let token_hash = secret_hash(&ask.token);
        let (serial, csr) = (ask.serial.clone(), ask.csr.clone());
        let (hash, code) = (token_hash.clone(), new_code());
        let write = move |connection: &Connection| {
            let known = store::latest(connection, &serial, &hash)?;
            if let Some(known) = known.filter(|known| known.stands(now)) {
                return Ok(known);
            }
            if store::pending(connection)? >= PENDING_MAX {
                let why = "too many devices wait; ask again later";
                return Err(StoreError::Refused(why.into()));
            }
            let is_known = file::has_serial(connection, &serial)?
                || store::has_other(connection, &serial, &hash)?;
            let state = if is_known {
                State::Clash
            } else {
                State::Pending
            };
            let claim = store::insert(connection, &ask, &hash, address, &code, state, now)?;
            if state == State::Clash {
                let text = format!("serial {serial} asks to join from {address} and is known");
                let severity = zhiban_vocabulary::device::Severity::Major;
                file::write_alarm(connection, "hall", "serial-clash", &text, severity, now)?;
            }
            Ok(claim)
        };
        let claim = self.0.store.write(write).await?;
        self.0.devices.look_again();
        match (claim.state, &claim.device) {
            (State::Approved, Some(device)) => self.give_credential(device, &claim, csr).await,
            _ => Ok(claim.answer()),
        }
    }

    async fn give_credential(
        &self,
        device: &str,
        claim: &Claim,
        csr: Option<String>,
    ) -> Result<Answer, StoreError> {
        let (credential, proof, until) = self.make_credential(device, csr)?;
        let detail = format!("{} by request {}{until}", proof.as_str(), claim.id);
        self.0.devices.trust(device, &proof, detail).await?;
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
    ) -> Result<(Credential, Proof, String), StoreError> {
        let Some(csr) = csr else {
            let secret = new_secret();
            let proof = Proof::Password(secret.clone());
            return Ok((Credential::Password(secret), proof, String::new()));
        };
        let signed = self.0.authority.sign_member(&csr, device);
        let signed = signed.map_err(|error| StoreError::Refused(error.to_string()))?;
        let until = Timestamp::try_from(signed.until)
            .map(|until| format!(", until {}", until.strftime("%Y-%m-%d")));
        let proof = Proof::Certificate(signed.certificate.to_vec());
        let credential = Credential::Certificate(signed.pem);
        Ok((credential, proof, until.unwrap_or_default()))
    }
}
