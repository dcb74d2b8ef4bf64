//! What the hall is to the centre: its key, its certificate, the centre's authority, where the centre
//! is. One file in the data folder, written whole or not at all; whoever has it can speak for the
//! hall.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::Clock;
use zhiban_kernel::authority::{AuthorityError, digest, member_request, new_member_key};
use zhiban_kernel::runtime::write_atomically;
use zhiban_sync::seal::SigningKey;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::{ALPN_HTTP, Membership};

use super::{enrol, tls};

const FILE: &str = "centre.json";
/// A key whose certificate has not come yet: with the same key an answer that was lost can be asked
/// for again.
const NEXT_KEY: &str = "centre-next-key.pem";
/// `zhiban-gateway enrol` writes the file while the gateway runs.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const RENEW_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    store: StoreId,
    /// PEM.
    key: String,
    since: Timestamp,
    #[serde(flatten)]
    membership: Membership,
}

/// Why the hall's membership cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("{}: {error}", file.display())]
    File {
        file: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {problem}; enrol the hall again", file.display())]
    Content { file: PathBuf, problem: String },
    #[error("what the centre gave cannot be used: {0}")]
    Useless(String),
    #[error(transparent)]
    Key(#[from] AuthorityError),
}

/// A hall that belongs to a fleet.
#[derive(Debug)]
pub struct Member {
    pub store: StoreId,
    pub key: SigningKey,
    pub private: PrivateKeyDer<'static>,
    pub certificate: CertificateDer<'static>,
    /// The one authority the hall trusts to be the centre.
    pub authority: CertificateDer<'static>,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Doors of the centre as `host:port`.
    pub doors: Vec<String>,
}

impl Member {
    /// Reads the hall's membership; `None` when it has none.
    ///
    /// # Errors
    /// [`MemberError`]
    pub fn read(data: &Path) -> Result<Option<Self>, MemberError> {
        let file = data.join(FILE);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(MemberError::File { file, error }),
        };
        let broken = |problem: String| MemberError::Content { file, problem };
        let kept: Kept = match serde_json::from_slice(&text) {
            Ok(kept) => kept,
            Err(error) => return Err(broken(error.to_string())),
        };
        Self::of(kept).map(Some).map_err(broken)
    }

    fn of(kept: Kept) -> Result<Self, String> {
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let text = |error: rustls::pki_types::pem::Error| error.to_string();
        let private = PrivateKeyDer::from_pem_slice(kept.key.as_bytes()).map_err(text)?;
        Ok(Self {
            store: kept.store,
            key: SigningKey::from_pkcs8(private.secret_der()).ok_or("the key is no Ed25519 key")?,
            private,
            certificate: certificate(&kept.membership.certificate).map_err(text)?,
            authority: certificate(&kept.membership.authority).map_err(text)?,
            since: kept.since,
            until: kept.membership.until,
            doors: kept.membership.doors,
        })
    }

    /// SHA-256 of the authority, for people to compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = digest(&self.authority);
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Half its time is over. By the real clock, as certificates are judged.
    fn is_to_renew(&self, now: Timestamp) -> bool {
        let half = self.until.duration_since(self.since) / 2;
        now.duration_since(self.since) > half
    }
}

/// Keeps what the centre gave for `key`.
///
/// # Errors
/// [`MemberError`]; what the hall was before it still is, also when the answer is of no use.
pub(super) fn keep(
    data: &Path,
    store: &StoreId,
    key: &str,
    membership: Membership,
) -> Result<(), MemberError> {
    let kept = Kept {
        store: store.clone(),
        key: key.to_owned(),
        since: Clock::real_now(),
        membership,
    };
    let file = data.join(FILE);
    let text = serde_json::to_vec_pretty(&kept).unwrap_or_default();
    // TLS looks whether key and certificate belong together.
    let usable = Member::of(kept).and_then(|member| {
        let config = tls::as_member(&member, ALPN_HTTP);
        config.map(drop).map_err(|error| error.to_string())
    });
    usable.map_err(MemberError::Useless)?;
    write_atomically(&file, &text).map_err(|error| MemberError::File { file, error })?;
    // Left behind by a power cut it only means that the next request is for the same key.
    let _ = std::fs::remove_file(data.join(NEXT_KEY));
    Ok(())
}

/// The key to ask a certificate for, and the request: the one of the last try, if its answer never
/// came.
///
/// # Errors
/// [`MemberError`]
pub(super) fn next_key(data: &Path) -> Result<(String, String), MemberError> {
    let file = data.join(NEXT_KEY);
    if let Ok(key) = std::fs::read_to_string(&file)
        && let Ok(request) = member_request(&key)
    {
        return Ok((key, request));
    }
    let key = new_member_key()?;
    let request = member_request(&key)?;
    write_atomically(&file, key.as_bytes()).map_err(|error| MemberError::File { file, error })?;
    Ok((key, request))
}

/// The membership as all who need it see it; `None` for a hall that stands alone.
pub type Standing = watch::Receiver<Option<Arc<Member>>>;

/// Keeps the membership up to date: sees what was enrolled, asks for the next certificate in time.
#[derive(Debug)]
pub(super) struct Keeper {
    data: PathBuf,
    store: StoreId,
    seen: Option<(SystemTime, u64)>,
    tried: Timestamp,
    member: watch::Sender<Option<Arc<Member>>>,
}

impl Keeper {
    /// Reads what is there.
    pub(super) fn open(data: &Path, store: &StoreId) -> Self {
        let mut keeper = Self {
            data: data.to_owned(),
            store: store.clone(),
            seen: None,
            tried: Timestamp::UNIX_EPOCH,
            member: watch::channel(None).0,
        };
        keeper.look();
        keeper
    }

    pub(super) fn standing(&self) -> Standing {
        self.member.subscribe()
    }

    /// Keeps it until `shutdown`. `doors` are those of the configuration, if it names any.
    pub(super) async fn run(mut self, doors: Vec<String>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look();
            self.renew(&doors).await;
        }
    }

    /// Reads the file when it changed.
    fn look(&mut self) {
        let found = std::fs::metadata(self.data.join(FILE)).ok();
        let seen = found.and_then(|found| Some((found.modified().ok()?, found.len())));
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match Member::read(&self.data) {
            Ok(Some(member)) if member.store != self.store => {
                let (own, other) = (&self.store, &member.store);
                tracing::error!(%own, %other, "enrolled as another hall: enrol again");
                self.member.send_replace(None);
            }
            Ok(member) => {
                self.member.send_replace(member.map(Arc::new));
            }
            Err(error) => tracing::error!(%error, "membership cannot be read"),
        }
    }

    async fn renew(&mut self, doors: &[String]) {
        let Some(member) = self.member.borrow().clone() else {
            return;
        };
        let now = Clock::real_now();
        let waited = now.duration_since(self.tried).abs();
        if !member.is_to_renew(now) || waited < RENEW_EVERY {
            return;
        }
        self.tried = now;
        match enrol::renew(&self.data, &member, doors).await {
            Ok(()) => tracing::info!("the centre gave the next certificate"),
            Err(error) => tracing::warn!(%error, "no next certificate yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use zhiban_kernel::authority::Authority;

    use super::*;

    #[test]
    fn a_key_is_used_again_until_a_certificate_for_it_came() {
        let data = std::env::temp_dir().join(format!("zhiban-member-{}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap();
        let authority = Authority::open(&data.join("authority.pem"), "centre").unwrap();
        let store = "wola".parse().unwrap();
        let (first, request) = next_key(&data).unwrap();
        assert_eq!(next_key(&data).unwrap().0, first);
        let signed = |request: &str| Membership {
            certificate: authority.sign_member(request, "wola", 9).unwrap().pem,
            authority: authority.pem().to_owned(),
            until: Timestamp::MAX,
            doors: Vec::new(),
        };
        keep(&data, &store, &first, signed(&request)).unwrap();
        let (second, _) = next_key(&data).unwrap();
        assert_ne!(second, first);
        // For another key, and nothing at all.
        let nothing = Membership {
            certificate: String::new(),
            ..signed(&request)
        };
        for useless in [signed(&request), nothing] {
            let error = keep(&data, &store, &second, useless).unwrap_err();
            assert!(matches!(error, MemberError::Useless(_)), "{error}");
        }
        assert_eq!(next_key(&data).unwrap().0, second, "to be asked for again");
        assert!(Member::read(&data).unwrap().is_some(), "as before");
        std::fs::write(data.join(FILE), "{").unwrap();
        let error = Member::read(&data).unwrap_err().to_string();
        assert!(
            error.contains("centre.json") && error.contains("enrol"),
            "{error}"
        );
        std::fs::remove_dir_all(&data).unwrap();
    }
}
