//! Serves a finished router and stops in time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderName, HeaderValue, StatusCode, header};
use axum::serve::{IncomingStream, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::listen::TlsListener;

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 2 << 20;
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
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
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
