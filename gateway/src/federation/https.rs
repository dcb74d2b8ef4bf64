//! The second transport: the same signed message in an HTTPS request, for ways that let nothing else
//! through.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::Mutex;
use zhiban_vocabulary::enrolment::{ALPN_HTTP, Denial, DenialReason, PATH_DOWN, PATH_UP};
use zhiban_vocabulary::envelope::Answer;

use super::member::Member;
use super::request::{self, Connection};
use super::tls;
use super::uplink::UplinkError;

const KIND: &str = "application/octet-stream";
/// Connections kept between messages; as many messages are on their way at most.
const IDLE_MAX: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HttpsUplink {
    idle: Mutex<Vec<(Arc<Member>, Connection)>>,
}

impl HttpsUplink {
    /// Sends and waits for the answer.
    pub(super) async fn send(
        &self,
        member: &Arc<Member>,
        doors: &[String],
        message: Vec<u8>,
    ) -> Result<Answer, UplinkError> {
        // One that rested may have been closed meanwhile, which only a request shows.
        if let Some(mut connection) = self.rested(member).await
            && let Ok((status, answer)) =
                request::post(&mut connection, PATH_UP, KIND, message.clone()).await
        {
            self.keep(Arc::clone(member), connection).await;
            return read(&within(status, answer)?);
        }
        let mut connection = open(member, doors).await?;
        let (status, answer) = request::post(&mut connection, PATH_UP, KIND, message)
            .await
            .map_err(|error| UplinkError::Unreachable(error.to_string()))?;
        self.keep(Arc::clone(member), connection).await;
        read(&within(status, answer)?)
    }

    /// Polls on a connection of its own, opened each time: a poll is rare and waits long, and what
    /// goes up must not find its connection taken.
    pub(super) async fn poll(
        member: &Member,
        doors: &[String],
        message: Vec<u8>,
        time_max: Duration,
    ) -> Result<Vec<u8>, UplinkError> {
        let mut connection = open(member, doors).await?;
        let answered =
            request::post_within(&mut connection, PATH_DOWN, KIND, message, time_max).await;
        let (status, answer) =
            answered.map_err(|error| UplinkError::Unreachable(error.to_string()))?;
        Ok(within(status, answer)?.to_vec())
    }

    async fn rested(&self, member: &Arc<Member>) -> Option<Connection> {
        let mut idle = self.idle.lock().await;
        // A connection stands for the certificate it was opened with.
        idle.retain(|(of, _)| Arc::ptr_eq(of, member));
        idle.pop().map(|(_, connection)| connection)
    }

    async fn keep(&self, member: Arc<Member>, connection: Connection) {
        let mut idle = self.idle.lock().await;
        if idle.len() < IDLE_MAX {
            idle.push((member, connection));
        }
    }
}

async fn open(member: &Member, doors: &[String]) -> Result<Connection, UplinkError> {
    let unreachable = |met: String| UplinkError::Unreachable(met);
    let config = tls::as_member(member, ALPN_HTTP);
    let config = config.map_err(|error| unreachable(error.to_string()))?;
    let mut met = Vec::new();
    for door in doors {
        match request::open(door, Arc::clone(&config)).await {
            Ok(connection) => return Ok(connection),
            Err(error) => met.push(format!("{door}: {error}")),
        }
    }
    Err(unreachable(met.join("; ")))
}

fn read(answer: &[u8]) -> Result<Answer, UplinkError> {
    serde_json::from_slice(answer).map_err(|error| UplinkError::BadAnswer(error.to_string()))
}

/// What an answer brings, unless the door refused.
fn within(status: StatusCode, answer: Bytes) -> Result<Bytes, UplinkError> {
    if status == StatusCode::OK {
        return Ok(answer);
    }
    Err(match serde_json::from_slice(&answer) {
        Ok(Denial {
            denied: DenialReason::Certificate,
            text,
        }) => UplinkError::ShutOut(text),
        Ok(Denial { text, .. }) => UplinkError::Unreachable(text),
        Err(_) => UplinkError::Unreachable(format!("it answered {status}")),
    })
}
