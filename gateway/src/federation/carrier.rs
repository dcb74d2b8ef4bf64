//! Signs what goes up and chooses the transport: zenoh, and HTTPS where zenoh does not get through.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zhiban_sync::seal::Purpose;
use zhiban_sync::wire::unpack;
use zhiban_vocabulary::down::{HOLD_S, Polled};
use zhiban_vocabulary::envelope::Answer;

use super::https::HttpsUplink;
use super::member::{Member, Standing};
use super::uplink::{Sending, Uplink, UplinkError};
use super::zenoh::ZenohUplink;

/// Messages zenoh may fail with before HTTPS is tried.
const FAILURES_MAX: u32 = 2;
/// How long the hall stays with HTTPS before it looks whether zenoh gets through again.
const STAY: Duration = Duration::from_secs(600);

/// How long a poll may take: as long as the centre holds it, and what the ways there need.
const POLL_TIME_MAX: Duration = Duration::from_secs(HOLD_S as u64 + 15);

/// Which transport is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With so many failures in a row.
    Zenoh(u32),
    Https(Instant),
}

/// The choice of one kind of messages.
#[derive(Debug)]
struct Ways(Mutex<Way>);

impl Default for Ways {
    fn default() -> Self {
        Self(Mutex::new(Way::Zenoh(0)))
    }
}

impl Ways {
    /// Carries one message by the way that gets through.
    async fn carry<T, Z, H>(
        &self,
        by_zenoh: impl FnOnce() -> Z,
        by_https: impl FnOnce() -> H,
    ) -> Result<T, UplinkError>
    where
        Z: Future<Output = Result<T, UplinkError>> + Send,
        H: Future<Output = Result<T, UplinkError>> + Send,
    {
        if let Way::Https(since) = self.way()
            && since.elapsed() < STAY
        {
            let answer = by_https().await;
            if is_lost(&answer) {
                self.go(Way::Zenoh(0));
            }
            return answer;
        }
        let answer = by_zenoh().await;
        if !is_lost(&answer) {
            self.go(Way::Zenoh(0));
            return answer;
        }
        let failures = match self.way() {
            Way::Zenoh(failures) => failures + 1,
            Way::Https(_) => FAILURES_MAX,
        };
        self.go(Way::Zenoh(failures));
        if failures < FAILURES_MAX {
            return answer;
        }
        let answer = by_https().await;
        if !is_lost(&answer) {
            tracing::info!("zenoh does not get through, HTTPS does");
            self.go(Way::Https(Instant::now()));
        }
        answer
    }

    fn way(&self) -> Way {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, way: Way) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Carrier {
    member: Standing,
    /// Of the configuration; empty: those of the membership.
    doors: Vec<String>,
    zenoh: ZenohUplink,
    https: HttpsUplink,
    up: Ways,
    polls: Ways,
}

impl Carrier {
    pub(super) fn new(member: Standing, doors: Vec<String>, zenoh: ZenohUplink) -> Self {
        Self {
            member,
            doors,
            zenoh,
            https: HttpsUplink::default(),
            up: Ways::default(),
            polls: Ways::default(),
        }
    }

    async fn carry(&self, message: Vec<u8>) -> Result<Answer, UplinkError> {
        let member = self.member()?;
        let sealed = member.key.seal(Purpose::Up, &member.store, &message);
        let again = sealed.clone();
        self.up
            .carry(
                || self.zenoh.send(again),
                || self.https.send(&member, self.doors(&member), sealed),
            )
            .await
    }

    /// Asks what is new, and waits as long as the centre holds the poll.
    ///
    /// # Errors
    /// [`UplinkError`]
    pub(super) async fn poll(&self, message: &[u8]) -> Result<Polled, UplinkError> {
        let member = self.member()?;
        let sealed = member.key.seal(Purpose::Poll, &member.store, message);
        let again = sealed.clone();
        let answer = self.polls.carry(
            || self.zenoh.poll(again, POLL_TIME_MAX),
            || HttpsUplink::poll(&member, self.doors(&member), sealed, POLL_TIME_MAX),
        );
        let bad = |error: &dyn std::fmt::Display| UplinkError::BadAnswer(error.to_string());
        let answer = answer.await?;
        let answer = unpack(&answer).map_err(|error| bad(&error))?;
        serde_json::from_slice(&answer).map_err(|error| bad(&error))
    }

    fn member(&self) -> Result<Arc<Member>, UplinkError> {
        let member = self.member.borrow().clone();
        member.ok_or_else(|| UplinkError::Unreachable("the hall is not enrolled".into()))
    }

    fn doors<'d>(&'d self, member: &'d Member) -> &'d [String] {
        if self.doors.is_empty() {
            &member.doors
        } else {
            &self.doors
        }
    }
}

fn is_lost<T>(answer: &Result<T, UplinkError>) -> bool {
    matches!(
        answer,
        Err(UplinkError::Unreachable(_) | UplinkError::ShutOut(_) | UplinkError::NoAnswer)
    )
}

impl Uplink for Arc<Carrier> {
    fn send(&self, message: Vec<u8>) -> Sending<'_> {
        Box::pin(self.carry(message))
    }
}
