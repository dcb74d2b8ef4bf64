//! Sessions: a random cookie in the browser, its hash in the database.

use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use sha2::{Digest, Sha256};
use zhiban_vocabulary::roles::Role;

use super::model::{Account, SignedIn};
use super::{People, store};
use crate::sql::Sql;
use crate::web::Transport;
use crate::{Clock, StoreError};

const IDLE_MAX: SignedDuration = SignedDuration::from_mins(30);
const AGE_MAX: SignedDuration = SignedDuration::from_hours(12);
/// A screen on the wall has nobody to sign in again.
const WALL_AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 365);
/// How stale the last-seen time may get before it is written again.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);

impl People {
    /// The person a request's cookie stands for; `None` when there is none or it has ended.
    pub async fn signed_in(&self, headers: &HeaderMap, transport: Transport) -> Option<SignedIn> {
        let hash = token_hash(&self.cookie(transport), headers)?;
        let key = hash.clone();
        let found = self.store().read(move |connection| {
            let Some(session) = store::session(connection, &key)? else {
                return Ok(None);
            };
            let account = store::account(connection, &session.staff)?;
            Ok(account.map(|account| (session, account)))
        });
        let (session, account) = found.await.ok()??;
        let now = Clock::real_now();
        let expires = expiry(&account, session.created, session.seen)?;
        if expires <= now || !account.active {
            return None;
        }
        if now.duration_since(session.seen) > TOUCH_EVERY {
            // A full disk must not sign people out: the page that shows it needs them in.
            let touch = move |c: &dyn Sql| store::touch_session(c, &hash, now);
            let _ = self.store().write(touch).await;
        }
        Some(SignedIn {
            staff: account.staff,
            name: account.name,
            roles: account.roles,
            must_change_password: account.must_change_password,
            expires,
        })
    }

    /// What came encrypted is never sent in the clear, and nothing in the clear can take its place.
    fn cookie(&self, transport: Transport) -> String {
        let prefix = match transport {
            Transport::Plain => "",
            Transport::Tls => "__Host-",
        };
        format!("{prefix}zhiban-session-{}", self.0.program.id)
    }

    fn set_cookie(&self, transport: Transport, token: &str) -> String {
        let name = self.cookie(transport);
        let secure = match transport {
            Transport::Plain => "",
            Transport::Tls => "; Secure",
        };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}")
    }

    /// The cookie that takes a session out of the browser.
    pub(super) fn no_cookie(&self, transport: Transport) -> String {
        self.set_cookie(transport, "") + "; Max-Age=0"
    }

    /// Starts a session and gives its cookie.
    pub(super) async fn start_session(
        &self,
        account: &Account,
        transport: Transport,
    ) -> Result<String, StoreError> {
        let token = random_token();
        let hash = Sha256::digest(token.as_bytes()).to_vec();
        let staff = account.staff.to_string();
        let now = Clock::real_now();
        self.store()
            .write(move |connection| {
                let oldest = now.checked_sub(WALL_AGE_MAX).unwrap_or(Timestamp::MIN);
                store::end_sessions_before(connection, oldest)?;
                store::add_session(connection, &hash, &staff, now)
            })
            .await?;
        Ok(self.set_cookie(transport, &token))
    }

    pub(super) async fn end_session(
        &self,
        headers: &HeaderMap,
        transport: Transport,
    ) -> Result<(), StoreError> {
        let Some(hash) = token_hash(&self.cookie(transport), headers) else {
            return Ok(());
        };
        self.store()
            .write(move |connection| store::end_session(connection, &hash))
            .await
    }
}

fn is_wall(account: &Account) -> bool {
    account.roles == [Role::WallDisplay]
}

fn expiry(account: &Account, created: Timestamp, seen: Timestamp) -> Option<Timestamp> {
    if is_wall(account) {
        return created.checked_add(WALL_AGE_MAX).ok();
    }
    Some(
        created
            .checked_add(AGE_MAX)
            .ok()?
            .min(seen.checked_add(IDLE_MAX).ok()?),
    )
}

/// 256 random bits as text that is safe in a cookie.
fn random_token() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token_hash(cookie: &str, headers: &HeaderMap) -> Option<Vec<u8>> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let token = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == cookie)?
        .1;
    Some(Sha256::digest(token.as_bytes()).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_idle_after_half_an_hour_and_in_any_case_after_twelve() {
        let account = |roles| Account {
            staff: "1001".parse().unwrap(),
            name: String::new(),
            roles,
            password_hash: None,
            must_change_password: false,
            active: true,
            last_seen: None,
        };
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (created, seen) = (time("2026-01-01T08:00:00Z"), time("2026-01-01T19:45:00Z"));
        let clerk = account(vec![Role::Clerk]);
        assert_eq!(
            expiry(&clerk, created, created),
            Some(time("2026-01-01T08:30:00Z"))
        );
        assert_eq!(
            expiry(&clerk, created, seen),
            Some(time("2026-01-01T20:00:00Z"))
        );
        let wall = account(vec![Role::WallDisplay]);
        assert_eq!(
            expiry(&wall, created, created),
            Some(time("2027-01-01T08:00:00Z"))
        );
    }
}
