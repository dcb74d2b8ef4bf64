//! Requests that programs of the hall send to the gateway for a driver: webhooks of queue systems,
//! pads that speak HTTP. The driver answers when what it made of the request is on disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::desk::Desk;

/// How long a driver may take to answer.
pub const HOOK_TIME_MAX: Duration = Duration::from_secs(10);

/// One request, already known to come from whom it should.
#[derive(Debug)]
pub struct Hook {
    /// Decoded pairs of the query.
    pub query: Vec<(String, String)>,
    pub content_type: String,
    pub body: Vec<u8>,
    answer: oneshot::Sender<HookAnswer>,
}

/// What the requester is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAnswer {
    Taken,
    /// The request makes no sense; the text says where and why.
    Refused(String),
    /// Not now: the journal refuses or the driver is down.
    Unavailable(String),
}

impl Hook {
    /// A request and where its answer will come.
    #[must_use]
    pub fn new(
        query: Vec<(String, String)>,
        content_type: String,
        body: Vec<u8>,
    ) -> (Self, oneshot::Receiver<HookAnswer>) {
        let (answer, answered) = oneshot::channel();
        let hook = Self {
            query,
            content_type,
            body,
            answer,
        };
        (hook, answered)
    }

    /// Only after everything the request asks for is on disk.
    pub fn answer(self, answer: HookAnswer) {
        // Whoever asked may be gone; what it said is kept all the same.
        let _ = self.answer.send(answer);
    }
}

/// The requests waiting for one driver.
#[derive(Debug)]
pub struct Hooks(pub(crate) Arc<Desk>);

impl Hooks {
    /// Waits for the next request. One whose caller has been told "not now" meanwhile is passed
    /// over: he says it again, and it would count twice. Loses nothing else when dropped while
    /// waiting.
    pub async fn next(&mut self) -> Hook {
        loop {
            let hook = self.0.hooks.next().await;
            if !hook.answer.is_closed() {
                return hook;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_nobody_waits_for_any_more_is_passed_over() {
        let desk = Desk::new("pad".parse().unwrap(), "b".parse().unwrap());
        let put = |body: &str| {
            let (hook, answered) = Hook::new(Vec::new(), String::new(), body.into());
            desk.hooks.put(hook);
            answered
        };
        // Its caller was told that the driver does not answer, and asks again.
        drop(put("first"));
        let waits = put("again");
        let mut hooks = Hooks(Arc::clone(&desk));
        let next = hooks.next().await;
        assert_eq!(next.body, b"again");
        next.answer(HookAnswer::Taken);
        assert_eq!(waits.await, Ok(HookAnswer::Taken));
    }
}
