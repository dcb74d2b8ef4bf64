//! Requests to the door of the centre.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use super::tls;

/// How long the centre may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
/// No answer of the centre is larger.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection that can be used again. It moves while a request is under way and rests between.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send + Sync>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

/// Opens a connection for requests.
pub(super) async fn open(door: &str, config: Arc<ClientConfig>) -> io::Result<Connection> {
    let stream = tls::connect(door, config).await?;
    let (sender, driver) = handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    Ok(Connection {
        sender,
        driver: Box::pin(driver),
    })
}

/// One request and its answer.
pub(super) async fn post(
    connection: &mut Connection,
    path: &str,
    kind: &str,
    body: Vec<u8>,
) -> io::Result<(StatusCode, Bytes)> {
    post_within(connection, path, kind, body, ANSWER_TIME_MAX).await
}

/// One request, and its answer within `time_max`.
pub(super) async fn post_within(
    connection: &mut Connection,
    path: &str,
    kind: &str,
    body: Vec<u8>,
    time_max: Duration,
) -> io::Result<(StatusCode, Bytes)> {
    let request = Request::post(path)
        .header(header::HOST, "centre")
        .header(header::CONTENT_TYPE, kind)
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let Connection { sender, driver } = connection;
    let answered = async {
        sender.ready().await.map_err(io::Error::other)?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    tokio::select! {
        answer = answered => answer,
        ended = driver => Err(match ended {
            Ok(()) => io::ErrorKind::UnexpectedEof.into(),
            Err(error) => io::Error::other(error),
        }),
        () = tokio::time::sleep(time_max) => {
            let text = format!("no answer within {} s", time_max.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
    }
}
