//! A WebSocket to one service: commands out, messages in. No TLS for now.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::Uri;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message as Frame, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::frame::{Ask, Malformed, Message, Outcome, Versions, read};
use crate::link::{Direction, LinkError, Tap, tcp};

/// How long a command, or opening a socket, may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest message that is read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Events kept while an answer is waited for. Each is only a reason to ask again, so the oldest may
/// go.
const EVENTS_MAX: usize = 32;

/// Why nothing came of it; names the service.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{service}: {source}")]
    Broken {
        service: String,
        source: Box<tungstenite::Error>,
    },
    #[error("{service}: closed by the service")]
    Closed { service: String },
    #[error("{service}: no answer within {} s: {what}", DEADLINE.as_secs())]
    Late { service: String, what: &'static str },
    #[error("{service}: {command} failed: {code} {description}")]
    Failed {
        service: String,
        command: &'static str,
        code: String,
        description: String,
    },
}

/// `ws://host:port/path` of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `host:port`
    pub peer: String,
    pub path: String,
}

impl Place {
    /// `None` for anything but a plain `ws` address.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let is_plain = uri.scheme_str() == Some("ws") && !authority.as_str().contains('@');
        is_plain.then(|| Self {
            peer: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            path: uri.path().to_owned(),
        })
    }

    /// A service as the publisher names it, on the host of the publisher: the name it gives
    /// itself need not be known here, and it sends us nowhere else.
    #[must_use]
    pub fn beside(&self, service: &str) -> Option<Self> {
        let there = Self::read(service)?;
        let (host, _) = self.peer.rsplit_once(':')?;
        let (_, port) = there.peer.rsplit_once(':')?;
        Some(Self {
            peer: format!("{host}:{port}"),
            path: there.path,
        })
    }

    /// The last part of the path, such as `CardReader`.
    #[must_use]
    pub fn name(&self) -> &str {
        let path = self.path.trim_end_matches('/');
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// An open connection to a service.
#[derive(Debug)]
pub struct Socket {
    pub service: String,
    stream: WebSocketStream<TcpStream>,
    tap: Tap,
    next_request: u64,
    /// Events that came while an answer was waited for.
    events: VecDeque<(String, Value)>,
    bad: u64,
}

impl Socket {
    /// # Errors
    /// [`SocketError`] naming the service.
    pub async fn open(place: &Place, tap: &Tap) -> Result<Self, SocketError> {
        let service = place.name().to_owned();
        let stream = tcp::connect(&place.peer).await?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let url = format!("ws://{}{}", place.peer, place.path);
        let opening = client_async_with_config(url, stream, Some(limits));
        let opened = timeout(DEADLINE, opening).await;
        let (stream, _) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(source)) => return Err(broken(service, source)),
            Err(_) => {
                let what = "opening";
                return Err(SocketError::Late { service, what });
            }
        };
        Ok(Self {
            service,
            stream,
            tap: tap.clone(),
            next_request: 1,
            events: VecDeque::new(),
            bad: 0,
        })
    }

    /// Sends a command and waits for its completion; gives the payload. What else comes meanwhile
    /// is kept when it is an event, and passed over when it answers something older.
    ///
    /// # Errors
    /// [`SocketError`], also when the service refuses the command.
    pub async fn ask(&mut self, ask: Ask, versions: &Versions) -> Result<Value, SocketError> {
        let request = self.next_request;
        self.next_request += 1;
        let version = versions.version(ask).unwrap_or("1.0");
        let timeout_ms = u64::try_from(DEADLINE.as_millis()).unwrap_or_default();
        let text = ask.write(request, version, timeout_ms, versions);
        self.tap.note(Direction::Out, text.as_bytes());
        let exchange = async {
            let sent = self.stream.send(Frame::text(text)).await;
            sent.map_err(|source| broken(self.service.clone(), source))?;
            self.answer(request, ask).await
        };
        match timeout(DEADLINE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(SocketError::Late {
                service: self.service.clone(),
                what: ask.name(),
            }),
        }
    }

    /// As [`Self::ask`], for a service whose versions are not known yet.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_first(&mut self, ask: Ask) -> Result<Value, SocketError> {
        match self.ask(ask, &Versions::guess("1.0")).await {
            Err(SocketError::Failed { .. }) => self.ask(ask, &Versions::guess("2.0")).await,
            other => other,
        }
    }

    async fn answer(&mut self, asked: u64, ask: Ask) -> Result<Value, SocketError> {
        loop {
            match self.message().await? {
                Message::Acknowledge {
                    request,
                    refused: Some(code),
                } if request == asked => return Err(self.failed(ask, code, String::new())),
                Message::Completion {
                    request,
                    outcome,
                    payload,
                    ..
                } if request == asked => {
                    return match outcome {
                        Outcome::Success => Ok(payload),
                        Outcome::Failed { code, description } => {
                            Err(self.failed(ask, code, description))
                        }
                    };
                }
                Message::Event { name, payload } => self.keep(name, payload),
                _ => {}
            }
        }
    }

    fn keep(&mut self, name: String, payload: Value) {
        if self.events.len() >= EVENTS_MAX {
            tracing::debug!(service = %self.service, "too many events, the oldest is given up");
            self.events.pop_front();
            self.bad += 1;
        }
        self.events.push_back((name, payload));
    }

    fn failed(&self, ask: Ask, code: String, description: String) -> SocketError {
        SocketError::Failed {
            service: self.service.clone(),
            command: ask.name(),
            code,
            description,
        }
    }

    /// Waits for an event. Loses nothing when dropped while waiting.
    ///
    /// # Errors
    /// [`SocketError`] when the connection is gone.
    pub async fn event(&mut self) -> Result<(String, Value), SocketError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Message::Event { name, payload } = self.message().await? {
                return Ok((name, payload));
            }
        }
    }

    /// Messages that could not be read, and events given up, since the last call.
    pub fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad)
    }

    async fn message(&mut self) -> Result<Message, SocketError> {
        loop {
            let frame = match self.stream.next().await {
                Some(Ok(frame)) => frame,
                Some(Err(source)) => return Err(broken(self.service.clone(), source)),
                None => {
                    let service = self.service.clone();
                    return Err(SocketError::Closed { service });
                }
            };
            let read: Result<Message, Option<Malformed>> = match &frame {
                Frame::Text(text) => {
                    self.tap.note(Direction::In, text.as_bytes());
                    read(text).map_err(Some)
                }
                // Answered by the library.
                Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) => continue,
                Frame::Binary(_) | Frame::Frame(_) => Err(None),
            };
            match read {
                Ok(message) => return Ok(message),
                Err(malformed) => {
                    tracing::debug!(service = %self.service, ?malformed, "message not read");
                    self.bad += 1;
                }
            }
        }
    }
}

fn broken(service: String, source: tungstenite::Error) -> SocketError {
    SocketError::Broken {
        service,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_service_that_pours_out_events_fills_no_memory() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        let pouring = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap();
            stream.next().await.unwrap().unwrap();
            for number in 1..=100 {
                let header = json!({"type": "event", "name": "Common.StatusChangedEvent"});
                let event = json!({"header": header, "payload": {"number": number}});
                stream.send(Frame::text(event.to_string())).await.unwrap();
            }
            let header = json!({
                "type": "completion", "name": "Common.Status", "requestId": 1,
                "completionCode": "success", "version": "2.0",
            });
            let answer = json!({"header": header, "payload": {"common": {}}});
            stream.send(Frame::text(answer.to_string())).await.unwrap();
            stream
        });
        let path = "/xfs4iot/v1.0/Printer".into();
        let place = Place { peer, path };
        let mut socket = Socket::open(&place, &Tap::default()).await.unwrap();
        let versions = Versions::guess("2.0");
        socket.ask(Ask::Status, &versions).await.unwrap();
        assert_eq!(socket.events.len(), EVENTS_MAX);
        assert_eq!(socket.take_bad(), 100 - EVENTS_MAX as u64);
        let (_, oldest) = socket.event().await.unwrap();
        assert_eq!(oldest["number"], 100 - EVENTS_MAX as u64 + 1);
        drop(pouring.await);
    }
}
