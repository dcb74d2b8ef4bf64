//! Serves a finished router and stops in time.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 2 << 20;
/// Time requests get to finish after the stop signal.
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// Address of the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        info.map(|info| Self(info.0.ip()))
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
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
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let service = finish(router).into_make_service_with_connect_info::<SocketAddr>();
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
