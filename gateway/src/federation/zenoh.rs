//! The first transport: zenoh, through the pipe.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Mutex;
use zenoh::Session;
use zenoh::query::ConsolidationMode;
use zhiban_vocabulary::envelope::Answer;
use zhiban_vocabulary::{StoreId, topics};

use super::pipe::Problem;
use super::uplink::UplinkError;

/// How long the centre may take to commit and answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// zenoh as a client of the centre's routers. Queries with payload, never put: a put tells
/// nobody whether it arrived.
#[derive(Debug)]
pub(super) struct ZenohUplink {
    hall: StoreId,
    /// The pipe.
    router: String,
    /// What stopped the pipe: zenoh itself only sees a connection that ended.
    problem: Problem,
    session: Mutex<Option<Session>>,
}

impl ZenohUplink {
    pub(super) fn new(hall: StoreId, pipe: SocketAddr, problem: Problem) -> Self {
        Self {
            hall,
            router: format!("tcp/{pipe}"),
            problem,
            session: Mutex::new(None),
        }
    }

    /// The open session, or a new one. zenoh's own retry has no jitter, so a session that cannot
    /// be opened is an error here and the courier decides when to try again.
    async fn session(&self) -> Result<Session, UplinkError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        let config = config(&self.router)?;
        // Opening blocks its thread, whatever its signature says.
        let opened = tokio::task::spawn_blocking(move || {
            use zenoh::Wait;
            zenoh::open(config).wait()
        })
        .await;
        let session = opened
            .map_err(|error| UplinkError::Unreachable(error.to_string()))?
            .map_err(|error| UplinkError::Unreachable(self.why(&error)))?;
        *kept = Some(session.clone());
        Ok(session)
    }

    fn why(&self, error: &dyn std::fmt::Display) -> String {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone().unwrap_or_else(|| error.to_string())
    }

    async fn forget(&self) {
        if let Some(session) = self.session.lock().await.take() {
            let _ = tokio::task::spawn_blocking(move || {
                use zenoh::Wait;
                session.close().wait()
            })
            .await;
        }
    }

    async fn ask(
        &self,
        key: String,
        message: Vec<u8>,
        time_max: Duration,
    ) -> Result<Vec<u8>, UplinkError> {
        let session = self.session().await?;
        // Sending blocks its thread while the line is full, whatever its signature says.
        let sent = tokio::task::spawn_blocking(move || {
            use zenoh::Wait;
            session
                .get(&key)
                .payload(message)
                .consolidation(ConsolidationMode::None)
                .timeout(time_max)
                .wait()
        });
        let replies = sent
            .await
            .map_err(|error| UplinkError::Unreachable(error.to_string()))?
            .map_err(|error| UplinkError::Unreachable(error.to_string()))?;
        // No reply at all means that no centre is there, or that it is only just back.
        let reply = replies
            .recv_async()
            .await
            .map_err(|_| UplinkError::NoAnswer)?;
        let sample = reply.into_result().map_err(|error| {
            UplinkError::BadAnswer(String::from_utf8_lossy(&error.payload().to_bytes()).into())
        })?;
        Ok(sample.payload().to_bytes().into_owned())
    }
}

impl ZenohUplink {
    /// Sends and waits for the answer.
    pub(super) async fn send(&self, message: Vec<u8>) -> Result<Answer, UplinkError> {
        let answer = self
            .ask(topics::up(&self.hall), message, ANSWER_TIME_MAX)
            .await;
        // A centre that refuses or is late has answered or will: the other messages that are
        // on their way need the session.
        if matches!(
            answer,
            Err(UplinkError::Unreachable(_) | UplinkError::NoAnswer)
        ) {
            self.forget().await;
        }
        serde_json::from_slice(&answer?).map_err(|error| UplinkError::BadAnswer(error.to_string()))
    }

    /// Polls and waits for the answer. The session is that of what goes up, which decides when it
    /// is of no use any more.
    pub(super) async fn poll(
        &self,
        message: Vec<u8>,
        time_max: Duration,
    ) -> Result<Vec<u8>, UplinkError> {
        self.ask(topics::down(&self.hall), message, time_max).await
    }
}

fn config(router: &str) -> Result<zenoh::Config, UplinkError> {
    let mut config = zenoh::Config::default();
    let endpoints = serde_json::json!([router]).to_string();
    let settings = [
        ("mode", "\"client\""),
        ("connect/endpoints", endpoints.as_str()),
        ("connect/timeout_ms", "5000"),
        ("connect/exit_on_failure", "true"),
        ("scouting/multicast/enabled", "false"),
        ("scouting/gossip/enabled", "false"),
        // Presence needs no better; ten thousand halls keep the routers quiet.
        ("transport/link/tx/lease", "60000"),
        ("transport/link/rx/max_message_size", "4194304"),
    ];
    for (key, value) in settings {
        config
            .insert_json5(key, value)
            .map_err(|error| UplinkError::Unreachable(format!("{key}: {error}")))?;
    }
    Ok(config)
}
