//! A small HTTP/1.1 client for programs of the hall. Plain `http` only for now: no TLS.
//!
//! One connection per request, so that no request meets a connection its peer has given up.
//! Requests are noted on the tap, and of answers what their reader understands; what identifies us
//! to the peer is not.

mod note;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::sse::{Event, Reader};
use super::{Direction, LinkError, Tap, tcp};
use crate::SettingsError;
pub use note::explain;

/// Most bytes of an answer that are read.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How long one exchange may take, from connecting to the last byte.
pub const DEADLINE: Duration = Duration::from_secs(10);
const NOT_NOTED: &[u8] = b"(not noted)";

/// An exchange that came to nothing; names the peer and the path.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{url}: no answer within {} s", DEADLINE.as_secs())]
    Late { url: String },
    #[error("{url}: cannot be asked: {source}")]
    Unaskable {
        url: String,
        source: hyper::http::Error,
    },
    #[error("{url}: connection broken: {source}")]
    Broken { url: String, source: hyper::Error },
    #[error("{url}: answer cannot be read: {problem}")]
    Unreadable { url: String, problem: String },
    #[error("{url}: answered {status}: {said}")]
    Refused {
        url: String,
        status: u16,
        /// The beginning of what the peer said to it.
        said: String,
    },
}

/// A token or password of the settings; never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// # Errors
    /// [`SettingsError`] for one that is empty or cannot stand in a header.
    pub fn check(self, key: &str) -> Result<Self, SettingsError> {
        let is_visible = self.0.bytes().all(|byte| byte.is_ascii_graphic());
        if self.0.is_empty() || !is_visible {
            let expected = "letters, digits and signs of ASCII without blanks";
            // What it is stays unsaid.
            return Err(SettingsError::new(key, expected, "something else"));
        }
        Ok(self)
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// `http://host:port/path` where a program answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// `host:port`
    peer: String,
    /// Without a slash at the end.
    path: String,
}

impl Base {
    /// # Errors
    /// [`SettingsError`] for anything but a plain `http` address.
    pub fn read(key: &str, text: &str) -> Result<Self, SettingsError> {
        let bad = || SettingsError::new(key, "http://host:port (TLS is not supported yet)", text);
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let is_plain = uri.scheme_str() == Some("http");
        if !is_plain || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad());
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            peer: format!("{}:{port}", authority.host()),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `host:port`
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

/// Asks one program.
#[derive(Debug, Clone)]
pub struct Client {
    base: Base,
    authorization: Option<HeaderValue>,
    tap: Tap,
    shown: &'static [&'static str],
}

/// A whole answer with a status of success.
#[derive(Debug, Clone)]
pub struct Answer {
    url: String,
    /// The peer's own clock, when it shows one.
    pub date: Option<Timestamp>,
    pub body: Bytes,
}

impl Answer {
    /// # Errors
    /// [`HttpError::Unreadable`] with line and column.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| HttpError::Unreadable {
            url: self.url.clone(),
            problem: error.to_string(),
        })
    }
}

/// What a request carries.
enum Content {
    None,
    Json(Vec<u8>),
    /// Holds secrets: neither it nor its answer is noted.
    Form(Vec<u8>),
    /// The same behind the path.
    Query(String),
}

impl Client {
    #[must_use]
    pub fn new(base: Base, tap: Tap) -> Self {
        Self {
            base,
            authorization: None,
            tap,
            shown: &[],
        }
    }

    /// The same for answers of which fields of these names are noted; without it none are.
    #[must_use]
    pub fn showing(mut self, keys: &'static [&'static str]) -> Self {
        self.shown = keys;
        self
    }

    /// The same with an `Authorization` header; a text that cannot be one is left out.
    #[must_use]
    pub fn authorized(mut self, text: &str) -> Self {
        self.authorization = HeaderValue::from_str(text).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        self
    }

    /// `path` begins with a slash and may have a query.
    ///
    /// # Errors
    /// [`HttpError`], also for any status but success; this goes for all four.
    pub async fn get(&self, path: &str) -> Result<Answer, HttpError> {
        self.exchange(Method::GET, path, Content::None).await
    }

    /// # Errors
    /// [`HttpError`]
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, HttpError> {
        let content = Content::Json(body.to_string().into_bytes());
        self.exchange(Method::POST, path, content).await
    }

    /// # Errors
    /// [`HttpError`]
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, HttpError> {
        let content = Content::Json(body.to_string().into_bytes());
        self.exchange(Method::PUT, path, content).await
    }

    /// Sends pairs that hold secrets, such as a request for a token.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn post_secrets(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Answer, HttpError> {
        let content = Content::Form(encoded(pairs).into_bytes());
        self.exchange(Method::POST, path, content).await
    }

    /// Asks with a query that holds secrets.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn get_secrets(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Answer, HttpError> {
        let content = Content::Query(encoded(pairs));
        self.exchange(Method::GET, path, content).await
    }

    /// Opens a stream of server-sent events, which has no end of its own.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn events(&self, path: &str) -> Result<Events, HttpError> {
        let opening = self.send(Method::GET, path, &Content::None, "text/event-stream");
        let opened = timeout(DEADLINE, opening).await;
        let (answer, connection) = opened.map_err(|_| self.late(path))??;
        self.note(Direction::In, answer.status().as_str(), b"");
        if !answer.status().is_success() {
            return Err(self.refused(path, answer.status().as_u16(), b""));
        }
        Ok(Events {
            url: self.url(path),
            body: answer.into_body(),
            reader: Reader::default(),
            ready: Vec::new(),
            tap: self.tap.clone(),
            _connection: connection,
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<Answer, HttpError> {
        let exchanging = self.whole(method, path, &content);
        let (head, body) = timeout(DEADLINE, exchanging)
            .await
            .map_err(|_| self.late(path))??;
        let (noted, said) = match content {
            Content::Form(_) | Content::Query(_) => (NOT_NOTED.to_vec(), NOT_NOTED),
            Content::None | Content::Json(_) => (note::noted(&body, self.shown), &body[..]),
        };
        self.note(Direction::In, head.status.as_str(), &noted);
        if !head.status.is_success() {
            return Err(self.refused(path, head.status.as_u16(), said));
        }
        Ok(Answer {
            url: self.url(path),
            date: head.headers.get(DATE).and_then(date),
            body,
        })
    }

    async fn whole(
        &self,
        method: Method,
        path: &str,
        content: &Content,
    ) -> Result<(Parts, Bytes), HttpError> {
        let (answer, _connection) = self.send(method, path, content, "application/json").await?;
        let (head, body) = answer.into_parts();
        if body.size_hint().lower() > ANSWER_BYTES_MAX as u64 {
            return Err(HttpError::Unreadable {
                url: self.url(path),
                problem: format!("longer than {ANSWER_BYTES_MAX} bytes"),
            });
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|problem| HttpError::Unreadable {
            url: self.url(path),
            problem: problem.to_string(),
        })?;
        Ok((head, body.to_bytes()))
    }

    /// Sends a request on a connection of its own, which lives as long as the handle.
    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &Content,
        accept: &'static str,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), HttpError> {
        let request = self.request(&method, path, content, accept)?;
        let stream = tcp::connect(&self.base.peer).await?;
        let broken = |source| HttpError::Broken {
            url: self.url(path),
            source,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever waits for the answer hears of it.
            let _ = connection.await;
        }));
        let line = format!("{method} {}{path}", self.base.path);
        let shown: &[u8] = match content {
            Content::None => b"",
            Content::Json(body) => body,
            Content::Form(_) | Content::Query(_) => NOT_NOTED,
        };
        self.note(Direction::Out, &line, shown);
        let answer = sender.send_request(request).await.map_err(broken)?;
        Ok((answer, connection))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        content: &Content,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut uri = format!("{}{path}", self.base.path);
        let (kind, body) = match content {
            Content::None => (None, Bytes::new()),
            Content::Query(query) => {
                uri = format!("{uri}?{query}");
                (None, Bytes::new())
            }
            Content::Json(body) => (Some("application/json"), body.clone().into()),
            Content::Form(body) => (
                Some("application/x-www-form-urlencoded"),
                body.clone().into(),
            ),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(HOST, &self.base.peer)
            .header(ACCEPT, accept);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(body))
            .map_err(|source| HttpError::Unaskable {
                url: self.url(path),
                source,
            })
    }

    fn note(&self, direction: Direction, line: &str, body: &[u8]) {
        let note = [line.as_bytes(), b"\n", body].concat();
        self.tap.note(direction, &note);
    }

    /// Without the query, which may be long.
    fn url(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default();
        format!("http://{}{}{path}", self.base.peer, self.base.path)
    }

    fn late(&self, path: &str) -> HttpError {
        let url = self.url(path);
        HttpError::Late { url }
    }

    fn refused(&self, path: &str, status: u16, body: &[u8]) -> HttpError {
        let said = String::from_utf8_lossy(body);
        HttpError::Refused {
            url: self.url(path),
            status,
            said: said.chars().take(120).collect(),
        }
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish()
}

fn date(value: &HeaderValue) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok()?;
    Some(zoned.timestamp())
}

/// An open stream of events.
#[derive(Debug)]
pub struct Events {
    url: String,
    body: Incoming,
    reader: Reader,
    /// Read and not yet given, newest first.
    ready: Vec<Event>,
    tap: Tap,
    _connection: AbortOnDropHandle<()>,
}

impl Events {
    /// Waits for the next event; `None` when the peer has ended the stream. Loses nothing when
    /// dropped while waiting.
    ///
    /// # Errors
    /// [`HttpError::Broken`]
    pub async fn next(&mut self) -> Result<Option<Event>, HttpError> {
        loop {
            if let Some(event) = self.ready.pop() {
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|source| HttpError::Broken {
                url: self.url.clone(),
                source,
            })?;
            if let Some(bytes) = frame.data_ref() {
                self.ready = self.reader.feed(bytes);
                for event in &self.ready {
                    // What it carries may be of customers.
                    let line = format!("EVENT {}", event.name);
                    self.tap.note(Direction::In, line.as_bytes());
                }
                self.ready.reverse();
            }
        }
    }

    /// Events that could not be read since the last call.
    pub fn take_bad(&mut self) -> u64 {
        self.reader.take_bad()
    }
}

#[cfg(test)]
mod tests;
