//! The server side of HTTP/1.1 for simulated programs: one request a connection, JSON or a stream of
//! events in answer.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::link::Wire;

const BODY_BYTES_MAX: usize = 64 << 10;

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
}

impl Asked {
    /// What the query says of a name, first.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}

/// What is said to it.
pub(crate) enum Answer {
    Json(u16, Value),
    /// Server-sent events as they come.
    Events(broadcast::Receiver<String>),
}

/// Answers the request of a connection; `now` is the clock the program shows.
pub(crate) async fn serve(
    wire: Box<dyn Wire>,
    now: impl Fn() -> Timestamp + Sync,
    answer: impl Fn(&Asked) -> Answer + Sync,
) -> io::Result<()> {
    let (now, answer) = (&now, &answer);
    let service = service_fn(move |request: Request<Incoming>| async move {
        let asked = read(request).await?;
        write(now(), answer(&asked)).map_err(io::Error::other)
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false);
    let served = server.serve_connection(TokioIo::new(wire), service).await;
    served.map_err(io::Error::other)
}

async fn read(request: Request<Incoming>) -> io::Result<Asked> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let query = head.uri.query().unwrap_or_default();
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    Ok(Asked {
        path: head.uri.path().to_owned(),
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        authorization: authorization.unwrap_or_default().to_owned(),
        body: body.map_err(io::Error::other)?.to_bytes(),
    })
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn write(now: Timestamp, answer: Answer) -> hyper::http::Result<Response<Body>> {
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let (status, kind, body) = match answer {
        Answer::Json(status, value) => {
            let body = Full::new(Bytes::from(value.to_string()));
            (status, "application/json", body.boxed_unsync())
        }
        Answer::Events(events) => {
            let body = StreamBody::new(stream::unfold(events, next)).boxed_unsync();
            (200, "text/event-stream", body)
        }
    };
    let head = Response::builder().status(status).header(DATE, date);
    head.header(CONTENT_TYPE, kind).body(body)
}

type Events = broadcast::Receiver<String>;

async fn next(mut events: Events) -> Option<(Result<Frame<Bytes>, Infallible>, Events)> {
    let text = match events.recv().await {
        Ok(text) => text,
        // A line nobody reads, in place of those that were lost.
        Err(RecvError::Lagged(_)) => ":".into(),
        Err(RecvError::Closed) => return None,
    };
    let event = Bytes::from(format!("{text}\n\n"));
    Some((Ok(Frame::data(event)), events))
}
