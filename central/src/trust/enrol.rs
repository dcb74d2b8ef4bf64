//! How a hall becomes a member, and stays one.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use zhiban_kernel::authority::{Authority, Signed, digest};
use zhiban_kernel::people::note;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database, StoreError};
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::{EnrolRequest, EnrolmentCode, Membership, RenewRequest, Secret};

use super::members::{Digest, Members};
use super::model::{AFTER_RENEWAL, CODE_HOLDS, MEMBER_DAYS, hash_of, new_secret};
use super::store;

/// How often processes that share a database look for what the others changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Clocks of machines that share a database differ by less.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The words are the same for a code that is wrong, used, expired or of another hall.
    #[error("the code is wrong, used or no longer holds")]
    Code,
    #[error("the request cannot be signed: {0}")]
    Request(String),
    #[error("the certificate counts no longer")]
    Certificate,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The authority of the centre and whom it let in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    store: Database,
    authority: Arc<Authority>,
    members: Members,
    /// Told to halls: where to come from now on.
    doors: Arc<Vec<String>>,
}

impl Trust {
    /// Reads who belongs to the fleet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(
        store: Database,
        authority: Arc<Authority>,
        doors: Vec<String>,
    ) -> Result<Self, StoreError> {
        let trust = Self {
            store,
            authority,
            members: Members::default(),
            doors: Arc::new(doors),
        };
        trust.look(Timestamp::UNIX_EPOCH).await?;
        Ok(trust)
    }

    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Learns what other processes on this database changed, until `shutdown`.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut looked = Clock::real_now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = Clock::real_now();
            let since = looked.saturating_sub(CLOCKS_DIFFER).unwrap_or(looked);
            match self.look(since).await {
                Ok(()) => looked = now,
                Err(error) => tracing::warn!(%error, "certificates cannot be read"),
            }
        }
    }

    async fn look(&self, since: Timestamp) -> Result<(), StoreError> {
        let rows = self
            .store
            .read(move |c| store::changed_since(c, since))
            .await?;
        self.members.learn(rows);
        Ok(())
    }

    /// A new code for a hall; the one before it counts no longer. Whoever comes in by it takes the
    /// hall's place: certificates of other boxes are shut out then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn new_code(
        &self,
        hall: &StoreId,
        by: &str,
        address: &str,
    ) -> Result<(EnrolmentCode, Timestamp), StoreError> {
        let (hall, by, address) = (hall.clone(), by.to_owned(), address.to_owned());
        let authority = self.authority.digest();
        self.store
            .write(move |tx| make_code(tx, &authority, &hall, &by, &address))
            .await
    }

    /// Takes a code back before anybody used it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drop_code(
        &self,
        hall: &StoreId,
        by: &str,
        address: &str,
    ) -> Result<bool, StoreError> {
        let (hall, by, address) = (hall.clone(), by.to_owned(), address.to_owned());
        self.store
            .write(move |tx| {
                let dropped = store::drop_code(tx, &hall)?;
                if dropped {
                    note(tx, &by, &address, "trust.code-drop", hall.as_str())?;
                }
                Ok(dropped)
            })
            .await
    }

    /// Shuts a hall out: its certificates count no longer, its connections end.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revoke(
        &self,
        hall: &StoreId,
        reason: &str,
        by: &str,
        address: &str,
    ) -> Result<bool, StoreError> {
        let (hall, reason) = (hall.clone(), reason.to_owned());
        let (by, address) = (by.to_owned(), address.to_owned());
        let now = Clock::real_now();
        let revoked = self
            .store
            .write(move |tx| {
                store::lock(tx, &hall)?;
                // Or the box would come in again by the code it came with.
                store::void_code(tx, &hall)?;
                let count = store::revoke(tx, &hall, None, &by, &reason, now)?;
                if count > 0 {
                    let detail = format!("{hall}: {reason}");
                    note(tx, &by, &address, "trust.revoke", &detail)?;
                }
                Ok(count > 0)
            })
            .await?;
        self.look(now).await?;
        Ok(revoked)
    }

    /// Makes a hall a member that comes with a code.
    ///
    /// # Errors
    /// [`TrustError`]
    pub async fn enrol(
        &self,
        asked: EnrolRequest,
        address: String,
    ) -> Result<Membership, TrustError> {
        let now = Clock::real_now();
        let secret = Secret::from_hex(&asked.secret).ok_or(TrustError::Code)?;
        let hash = hash_of(&asked.store, &secret);
        let hall = asked.store;
        let key = key_of(&asked.request)?;
        let known = hall.clone();
        let code = self.store.read(move |c| store::code(c, &known)).await?;
        // Looked at first, so that a guess costs no signature.
        if !code.is_some_and(|code| code.lets_in(&hash, &key, now)) {
            return Err(TrustError::Code);
        }
        let signed = self.sign(&asked.request, &hall)?;
        let (until, certificate) = (end_of(&signed), digest(&signed.certificate));
        let store = hall.clone();
        let let_in = self
            .store
            .write(move |tx| {
                store::lock(tx, &store)?;
                let code = store::code(tx, &store)?;
                if !code.is_some_and(|code| code.lets_in(&hash, &key, now)) {
                    return Ok(false);
                }
                store::use_code(tx, &store, &key, now)?;
                store::revoke(tx, &store, Some(&key), "enrolment", "replaced", now)?;
                store::save_certificate(tx, &certificate, &store, &key, until, now)?;
                note(tx, store.as_str(), &address, "trust.enrol", store.as_str())?;
                Ok(true)
            })
            .await?;
        if !let_in {
            return Err(TrustError::Code);
        }
        self.look(now).await?;
        Ok(self.membership(signed.pem, until))
    }

    /// Gives a member its next certificate. The ones before it count a day longer, for what is on
    /// its way.
    ///
    /// # Errors
    /// [`TrustError`]
    pub async fn renew(
        &self,
        shown: &Digest,
        asked: &RenewRequest,
        address: String,
    ) -> Result<Membership, TrustError> {
        let now = Clock::real_now();
        let hall = self.members.store_of(shown);
        let hall = hall.ok_or(TrustError::Certificate)?;
        let key = key_of(&asked.request)?;
        let signed = self.sign(&asked.request, &hall)?;
        let (until, certificate) = (end_of(&signed), digest(&signed.certificate));
        let end = now.saturating_add(AFTER_RENEWAL).unwrap_or(now);
        let shown = *shown;
        let renewed = self
            .store
            .write(move |tx| {
                store::lock(tx, &hall)?;
                // What is known in memory may be older than a revocation.
                if !store::counts(tx, &shown, now)? {
                    return Ok(false);
                }
                store::end_others(tx, &hall, &key, end, now)?;
                store::save_certificate(tx, &certificate, &hall, &key, until, now)?;
                note(tx, hall.as_str(), &address, "trust.renew", hall.as_str())?;
                Ok(true)
            })
            .await?;
        if !renewed {
            return Err(TrustError::Certificate);
        }
        self.look(now).await?;
        Ok(self.membership(signed.pem, until))
    }

    fn sign(&self, request: &str, hall: &StoreId) -> Result<Signed, TrustError> {
        let signed = self
            .authority
            .sign_member(request, hall.as_str(), MEMBER_DAYS);
        signed.map_err(|error| TrustError::Request(error.to_string()))
    }

    fn membership(&self, certificate: String, until: Timestamp) -> Membership {
        Membership {
            certificate,
            authority: self.authority.pem().to_owned(),
            until,
            doors: self.doors.to_vec(),
        }
    }
}

/// Makes a code without a running centre, for the command line.
///
/// # Errors
/// When the database refuses.
pub fn make_code(
    tx: &dyn Sql,
    authority: &Digest,
    hall: &StoreId,
    by: &str,
    address: &str,
) -> Result<(EnrolmentCode, Timestamp), StoreError> {
    let now = Clock::real_now();
    let until = now.saturating_add(CODE_HOLDS).unwrap_or(now);
    let secret = new_secret();
    store::save_code(tx, hall, &hash_of(hall, &secret), by, now, until)?;
    note(tx, by, address, "trust.code", hall.as_str())?;
    Ok((EnrolmentCode::new(authority, secret), until))
}

/// The key of a request whose maker has it; only Ed25519 can sign messages.
fn key_of(request: &str) -> Result<PublicKey, TrustError> {
    let key = zhiban_kernel::authority::key_of_request(request)
        .map_err(|error| TrustError::Request(error.to_string()))?;
    key.try_into()
        .map_err(|_| TrustError::Request("expected an Ed25519 key".into()))
}

fn end_of(signed: &Signed) -> Timestamp {
    Timestamp::try_from(signed.until).unwrap_or(Timestamp::MAX)
}
