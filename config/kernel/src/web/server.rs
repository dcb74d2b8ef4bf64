//! Serves a finished router and stops in time.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::serve::{IncomingStream, Listener};
use futures_util::stream::{Stream, StreamExt as _, poll_fn};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::error::WebError;
use super::listen::TlsListener;

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 2 << 20;
/// Bytes of a request body that is too large and is read all the same, to be thrown away.
const THROWN_BYTES_MAX: u64 = 32 << 20;
/// Time a body that is thrown away gets to arrive.
const THROW_TIME: Duration = Duration::from_secs(10);
/// Time requests get to finish after the stop signal.
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// A connection and its other end.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub address: SocketAddr,
    pub transport: Transport,
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

impl Connected<IncomingStream<'_, TcpListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self {
            address: *stream.remote_addr(),
            transport: Transport::Plain,
        }
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self {
            address: *stream.remote_addr(),
            transport: Transport::Tls,
        }
    }
}

fn caller(extensions: &Extensions) -> Result<Caller, StatusCode> {
    let info = extensions.get::<ConnectInfo<Caller>>();
    info.map(|info| info.0)
        .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Address of the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        caller(&parts.extensions).map(|caller| Self(caller.address.ip()))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        caller(&parts.extensions)
    }
}

impl<S: Sync> FromRequestParts<S> for Transport {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        Self::of(&parts.extensions)
    }
}

impl Transport {
    /// # Errors
    /// Where no server of ours took the request.
    pub fn of(extensions: &Extensions) -> Result<Self, StatusCode> {
        caller(extensions).map(|caller| caller.transport)
    }
}

/// Adds what every answer carries: size limit and security headers.
pub fn finish(router: Router) -> Router {
    const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
        img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; \
        form-action 'self'";
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(from_fn(hear_out))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
}

/// Answers when the whole body of the request has come, read by its handler or not: who closes
/// while a client still writes resets the connection, and the client never reads the answer.
async fn hear_out(request: Request, next: Next) -> Response {
    let said = request.body().size_hint();
    if said.exact() == Some(0) {
        return next.run(request).await;
    }
    // Who asks first writes nothing more when the answer is no.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let (found, most) = (said.lower(), BODY_BYTES_MAX as u64);
    let answer = if found > most {
        WebError::TooLarge { found, most }.into_response()
    } else {
        let request = Request::from_parts(head, Body::from_stream(rest(body.clone())));
        next.run(request).await
    };
    if found <= THROWN_BYTES_MAX && !asks_first {
        let _ = tokio::time::timeout(THROW_TIME, throw_away(rest(body))).await;
    }
    answer
}

/// What has not been read yet.
fn rest(body: Arc<Mutex<BodyDataStream>>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    poll_fn(move |context| {
        let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    })
}

async fn throw_away(mut body: impl Stream<Item = Result<Bytes, axum::Error>> + Unpin) {
    let mut left = THROWN_BYTES_MAX;
    while let Some(Ok(part)) = body.next().await {
        left = left.saturating_sub(part.len() as u64);
        if left == 0 {
            return;
        }
    }
}

/// Serves until `shutdown`, then lets requests finish for a moment and returns. Streams end by
/// the same token; whatever hangs on is cut.
pub(super) async fn serve<L>(listener: L, router: Router, shutdown: CancellationToken)
where
    L: Listener<Addr: std::fmt::Debug>,
    Caller: for<'s> Connected<IncomingStream<'s, L>>,
{
    let service = finish(router).into_make_service_with_connect_info::<Caller>();
    let stop = shutdown.clone();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async move { stop.cancelled().await });
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIME).await;
    };
    tokio::select! {
        result = server => {
            if let Err(error) = result {
                tracing::error!(%error, "web server failed");
            }
        }
        () = drained => tracing::warn!("web connections were cut at stop"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use axum::routing::post;

    use super::*;

    /// A client of no library: writes the whole of its request, then reads.
    fn send(address: SocketAddr, path: &str, body: &[u8], length: &str) -> std::io::Result<String> {
        let mut line = TcpStream::connect(address)?;
        write!(line, "POST {path} HTTP/1.1\r\nhost: hall\r\n{length}\r\n")?;
        line.write_all(b"connection: close\r\n\r\n")?;
        line.write_all(body)?;
        let mut answer = String::new();
        line.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn counted(address: SocketAddr, path: &str, bytes: usize) -> String {
        let length = format!("content-length: {bytes}");
        send(address, path, &vec![b' '; bytes], &length).unwrap()
    }

    /// A body that does not say how long it is.
    fn in_parts(address: SocketAddr, path: &str, bytes: usize) -> String {
        let body = [
            format!("{bytes:x}\r\n").as_bytes(),
            &vec![b' '; bytes],
            b"\r\n0\r\n\r\n",
        ]
        .concat();
        send(address, path, &body, "transfer-encoding: chunked").unwrap()
    }

    #[tokio::test]
    async fn who_brings_what_is_not_taken_reads_why() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/takes", post(|body: String| async move { body }))
            .route("/refuses", post(|| async { StatusCode::FORBIDDEN }));
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, stop.clone()));
        let client = tokio::task::spawn_blocking(move || {
            let all = counted(address, "/takes", BODY_BYTES_MAX);
            assert!(all.starts_with("HTTP/1.1 200 "), "{all:.200}");
            for bytes in [BODY_BYTES_MAX + 1, 4 * BODY_BYTES_MAX, 12 * BODY_BYTES_MAX] {
                let refused = counted(address, "/takes", bytes);
                assert!(refused.starts_with("HTTP/1.1 413 "), "{refused:.200}");
                assert!(refused.contains(r#""code":"too-large""#), "{refused}");
                let refused = in_parts(address, "/takes", bytes);
                assert!(refused.starts_with("HTTP/1.1 413 "), "{refused:.200}");
            }
            for brought in [counted, in_parts] {
                let refused = brought(address, "/refuses", BODY_BYTES_MAX);
                assert!(refused.starts_with("HTTP/1.1 403 "), "{refused:.200}");
            }
        });
        client.await.unwrap();
        stop.cancel();
        server.await.unwrap();
    }
}
