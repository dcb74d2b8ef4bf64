//! Signs what goes up and chooses the transport: zenoh, and HTTPS where zenoh does not get through.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zhiban_vocabulary::envelope::Answer;

use super::https::HttpsUplink;
use super::member::{Member, Standing};
use super::uplink::{Sending, Uplink, UplinkError};
use super::zenoh::ZenohUplink;

/// Messages zenoh may fail with before HTTPS is tried.
const FAILURES_MAX: u32 = 2;
/// How long the hall stays with HTTPS before it looks whether zenoh gets through again.
const STAY: Duration = Duration::from_secs(600);

/// Which transport is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With so many failures in a row.
    Zenoh(u32),
    Https(Instant),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Carrier {
    member: Standing,
    /// Of the configuration; empty: those of the membership.
    doors: Vec<String>,
    zenoh: ZenohUplink,
    https: HttpsUplink,
    way: Mutex<Way>,
}

impl Carrier {
    pub(super) fn new(member: Standing, doors: Vec<String>, zenoh: ZenohUplink) -> Self {
        Self {
            member,
            doors,
            zenoh,
            https: HttpsUplink::default(),
            way: Mutex::new(Way::Zenoh(0)),
        }
    }

    async fn carry(&self, message: Vec<u8>) -> Result<Answer, UplinkError> {
        let member = self.member.borrow().clone();
        let Some(member) = member else {
            return Err(UplinkError::Unreachable("the hall is not enrolled".into()));
        };
        let sealed = member.key.seal(&member.store, &message);
        if let Way::Https(since) = self.way()
            && since.elapsed() < STAY
        {
            let answer = self.by_https(&member, sealed).await;
            if is_lost(&answer) {
                self.go(Way::Zenoh(0));
            }
            return answer;
        }
        let answer = self.zenoh.send(sealed.clone()).await;
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
        let answer = self.by_https(&member, sealed).await;
        if !is_lost(&answer) {
            tracing::info!("zenoh does not get through, HTTPS does");
            self.go(Way::Https(Instant::now()));
        }
        answer
    }

    async fn by_https(&self, member: &Arc<Member>, sealed: Vec<u8>) -> Result<Answer, UplinkError> {
        let doors = if self.doors.is_empty() {
            &member.doors
        } else {
            &self.doors
        };
        self.https.send(member, doors, sealed).await
    }

    fn way(&self) -> Way {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }
}

fn is_lost(answer: &Result<Answer, UplinkError>) -> bool {
    matches!(
        answer,
        Err(UplinkError::Unreachable(_) | UplinkError::ShutOut(_) | UplinkError::NoAnswer)
    )
}

impl Uplink for Carrier {
    fn send(&self, message: Vec<u8>) -> Sending<'_> {
        Box::pin(self.carry(message))
    }
}
