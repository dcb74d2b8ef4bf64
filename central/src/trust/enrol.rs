//! How a hall becomes a member, and stays one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use zhiban_kernel::authority::{Authority, Signed, digest};
use zhiban_kernel::people::note;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database, StoreError};
use zhiban_sync::seal::PublicKey;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::{EnrolRequest, EnrolmentCode, Membership, RenewRequest, Secret};

use super::ledger::{Ledger, Row};
use super::members::{Digest, Members};
use super::model::{AFTER_SUCCESSOR, CODE_HOLDS, MEMBER_DAYS, Often, hash_of, new_secret};
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
    #[error("the certificate counts no longer: enrol the hall again with a new code")]
    Certificate,
    #[error("this hall got too many certificates today: wait a day")]
    Often,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The authority of the centre and whom it let in; cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) store: Database,
    authority: Arc<Authority>,
    members: Members,
    ledger: Arc<Ledger>,
    often: Arc<Mutex<Often>>,
    /// Told to halls: where to come from now on.
    doors: Arc<Vec<String>>,
}

impl Trust {
    /// Reads who belongs to the fleet, from the database and from what the data folder knows beside
    /// it.
    ///
    /// # Errors
    /// When either cannot be read.
    pub async fn open(
        store: Database,
        authority: Arc<Authority>,
        doors: Vec<String>,
        data: &Path,
    ) -> Result<Self, StoreError> {
        let of_file = |error| StoreError::Database(format!("{}: {error}", data.display()));
        let (ledger, noted) = Ledger::open(data).map_err(of_file)?;
        let rows = recall(&store, noted).await?;
        let now = Clock::real_now();
        ledger.rewrite(&rows, now).map_err(of_file)?;
        let members = Members::default();
        let known = rows.iter().map(|row| (row.digest, row.member()));
        members.learn(known.filter(|(_, member)| member.counts()).collect());
        Ok(Self {
            store,
            authority,
            members,
            ledger: Arc::new(ledger),
            often: Arc::default(),
            doors: Arc::new(doors),
        })
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
        let known = rows.iter().map(|row| (row.digest, row.member()));
        let fresh = self.members.learn(known.collect());
        if fresh.is_empty() {
            return Ok(());
        }
        let ledger = Arc::clone(&self.ledger);
        let noted = tokio::task::spawn_blocking(move || {
            let is_fresh = |row: &Row| fresh.contains(&row.digest);
            let rows: Vec<_> = rows.into_iter().filter(is_fresh).collect();
            ledger.append(&rows)
        });
        // It stands in the database: only one that is put back in time will miss it.
        if let Err(error) = noted
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        {
            tracing::error!(%error, "who joined or was shut out is not noted beside the database");
        }
        Ok(())
    }

    /// Notes that a hall came with a certificate, which ends the ones before.
    ///
    /// # Errors
    /// When the database refuses; the next time will do.
    pub async fn note_use(&self, digest: &Digest, hall: &StoreId) -> Result<(), StoreError> {
        if !self.members.is_unused(digest) {
            return Ok(());
        }
        let now = Clock::real_now();
        let (digest, hall) = (*digest, hall.clone());
        self.store
            .write(move |tx| {
                store::lock(tx, &hall)?;
                store::use_certificate(tx, &digest, &hall, after_successor(now), now)
            })
            .await?;
        self.look(now).await
    }

    fn too_often(&self, hall: &StoreId) -> bool {
        let mut often = self.often.lock().unwrap_or_else(PoisonError::into_inner);
        !often.allows(hall, Instant::now())
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
        let Some(code) = code.filter(|code| code.lets_in(&hash, &key, now)) else {
            return Err(TrustError::Code);
        };
        if code.used.is_some() && self.too_often(&hall) {
            return Err(TrustError::Often);
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

    /// Gives a member its next certificate. The one it came with counts as before until the hall
    /// comes with the new one: the answer may be lost.
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
        if self.too_often(&hall) {
            return Err(TrustError::Often);
        }
        let signed = self.sign(&asked.request, &hall)?;
        let (until, certificate) = (end_of(&signed), digest(&signed.certificate));
        let shown = *shown;
        let renewed = self
            .store
            .write(move |tx| {
                store::lock(tx, &hall)?;
                // What is known in memory may be older than a revocation.
                if !store::counts(tx, &shown, now)? {
                    return Ok(false);
                }
                store::use_certificate(tx, &shown, &hall, after_successor(now), now)?;
                store::end_unused(tx, &hall, &key, now)?;
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

/// Brings the database and what was noted beside it together; gives all there is now.
async fn recall(store: &Database, noted: Vec<Row>) -> Result<Vec<Row>, StoreError> {
    let rows = store
        .read(|c| store::changed_since(c, Timestamp::UNIX_EPOCH))
        .await?;
    let mut all: HashMap<Digest, Row> = rows.into_iter().map(|row| (row.digest, row)).collect();
    let mut missed = HashMap::new();
    for row in noted {
        let known = all.get(&row.digest).cloned();
        let both = known.clone().map_or(row.clone(), |known| known.with(&row));
        if known.as_ref() != Some(&both) {
            missed.insert(both.digest, both.clone());
            all.insert(both.digest, both);
        }
    }
    if !missed.is_empty() {
        let (count, now) = (missed.len(), Clock::real_now());
        tracing::warn!(
            count,
            "the database was set back: joins and revocations are made up for"
        );
        let put = move |tx: &dyn Sql| {
            for row in missed.values() {
                store::put(tx, row, now)?;
            }
            note(tx, "ledger", "local", "trust.recall", &count.to_string())
        };
        store.write(put).await?;
    }
    Ok(all.into_values().collect())
}

fn after_successor(now: Timestamp) -> Timestamp {
    now.saturating_add(AFTER_SUCCESSOR).unwrap_or(now)
}

fn end_of(signed: &Signed) -> Timestamp {
    Timestamp::try_from(signed.until).unwrap_or(Timestamp::MAX)
}
