//! Requests of halls: to become a member, to get the next certificate, and batches over HTTPS.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use zhiban_vocabulary::enrolment::{
    Denial, DenialReason, EnrolRequest, Membership, PATH_DOWN, PATH_ENROL, PATH_RENEW, PATH_UP,
    RenewRequest,
};
use zhiban_vocabulary::{StoreId, topics};

use super::{Shared, limits};
use crate::downlink::{Downlink, POLL_BYTES_MAX};
use crate::intake::{Intake, MESSAGE_BYTES_MAX};
use crate::trust::{Digest, Trust, TrustError};

/// Wrong codes an origin may try within [`WINDOW`].
const TRIES_MAX: usize = 20;
const WINDOW: Duration = Duration::from_secs(15 * 60);
const ORIGINS_KEPT: usize = 10_000;
/// Time for the head of a request, also of the next one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(90);
/// A stranger comes to enrol and for nothing else, however slowly it speaks.
const STRANGER_TIME_MAX: Duration = Duration::from_secs(30);
/// A request for a certificate with room to spare.
const ASKED_BYTES_MAX: usize = 16 << 10;

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Asker {
    address: IpAddr,
    /// The certificate that was shown, whether it counts or not.
    shown: Option<Digest>,
}

impl Asker {
    /// The hall that asks, when its certificate counts.
    fn member(&self, requests: &Requests) -> Option<StoreId> {
        requests.trust().members().store_of(&self.shown?)
    }
}

/// Answers requests of halls; cheap to clone.
#[derive(Debug, Clone)]
pub struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    trust: Trust,
    intake: Intake,
    downlink: Downlink,
    wrong: Mutex<HashMap<IpAddr, Vec<Instant>>>,
}

impl Requests {
    #[must_use]
    pub fn new(trust: Trust, intake: Intake, downlink: Downlink) -> Self {
        Self(Arc::new(Inner {
            trust,
            intake,
            downlink,
            wrong: Mutex::default(),
        }))
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.0.trust
    }

    fn router(&self) -> Router {
        Router::new()
            .route(PATH_RENEW, post(renew))
            .layer(DefaultBodyLimit::max(ASKED_BYTES_MAX))
            .route(
                PATH_UP,
                post(take_up).layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX)),
            )
            .route(
                PATH_DOWN,
                post(answer_poll).layer(DefaultBodyLimit::max(POLL_BYTES_MAX)),
            )
            .route_layer(from_fn_with_state(self.clone(), members_only))
            .route(
                PATH_ENROL,
                post(enrol).layer(DefaultBodyLimit::max(ASKED_BYTES_MAX)),
            )
            .with_state(self.clone())
    }

    /// Whether an address tried too many wrong codes.
    fn must_wait(&self, address: IpAddr) -> bool {
        let mut wrong = self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tries) = wrong.get_mut(&limits::origin(address)) else {
            return false;
        };
        tries.retain(|at| at.elapsed() < WINDOW);
        tries.len() >= TRIES_MAX
    }

    fn count_wrong(&self, address: IpAddr) {
        let mut wrong = self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = limits::origin(address);
        if wrong.len() >= ORIGINS_KEPT && !wrong.contains_key(&origin) {
            wrong.retain(|_, tries| tries.last().is_some_and(|at| at.elapsed() < WINDOW));
            let oldest = wrong.iter().min_by_key(|(_, tries)| tries.last().copied());
            let oldest = oldest.map(|(origin, _)| *origin);
            if let Some(oldest) = oldest.filter(|_| wrong.len() >= ORIGINS_KEPT) {
                wrong.remove(&oldest);
            }
        }
        wrong.entry(origin).or_default().push(Instant::now());
    }
}

/// Serves the requests of one connection.
pub(super) async fn serve(
    shared: &Shared,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    shown: Option<Digest>,
) -> std::io::Result<()> {
    let asker = Asker {
        address: peer.ip().to_canonical(),
        shown,
    };
    let is_stranger = asker.member(&shared.requests).is_none();
    let time_is_over = async {
        if is_stranger {
            tokio::time::sleep(STRANGER_TIME_MAX).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let router = shared.requests.router().layer(Extension(asker));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = time_is_over => return Err(std::io::ErrorKind::TimedOut.into()),
        () = shared.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(std::io::Error::other)
}

/// Sends strangers away before a byte of what they bring is read.
async fn members_only(
    State(requests): State<Requests>,
    Extension(asker): Extension<Asker>,
    request: Request,
    next: Next,
) -> Response {
    if asker.member(&requests).is_none() {
        return refusal(&TrustError::Certificate);
    }
    next.run(request).await
}

async fn enrol(
    State(requests): State<Requests>,
    Extension(asker): Extension<Asker>,
    Json(asked): Json<EnrolRequest>,
) -> Result<Json<Membership>, Response> {
    if requests.must_wait(asker.address) {
        let text = "too many wrong codes from this address, wait a quarter of an hour";
        return Err(denied(DenialReason::Wait, text));
    }
    let (store, address) = (asked.store.clone(), asker.address.to_string());
    match requests.trust().enrol(asked, address).await {
        Ok(membership) => {
            tracing::info!(%store, "hall enrolled");
            Ok(Json(membership))
        }
        Err(error) => {
            if matches!(error, TrustError::Code) {
                metrics::counter!("zhiban_enrolment_wrong_total").increment(1);
                requests.count_wrong(asker.address);
            }
            Err(refusal(&error))
        }
    }
}

async fn renew(
    State(requests): State<Requests>,
    Extension(asker): Extension<Asker>,
    Json(asked): Json<RenewRequest>,
) -> Result<Json<Membership>, Response> {
    let shown = asker
        .shown
        .ok_or_else(|| refusal(&TrustError::Certificate))?;
    let address = asker.address.to_string();
    let renewed = requests.trust().renew(&shown, &asked, address).await;
    renewed.map(Json).map_err(|error| refusal(&error))
}

/// A message as it would come over zenoh; its signature is what it is judged by there, too.
async fn take_up(
    State(requests): State<Requests>,
    Extension(asker): Extension<Asker>,
    message: Bytes,
) -> Response {
    let Some(store) = asker.member(&requests) else {
        return refusal(&TrustError::Certificate);
    };
    let key = topics::up(&store);
    match requests.0.intake.receive(&key, message.to_vec()).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => denied(DenialReason::Unavailable, &error.to_string()),
    }
}

/// A poll as it would come over zenoh.
async fn answer_poll(
    State(requests): State<Requests>,
    Extension(asker): Extension<Asker>,
    message: Bytes,
) -> Response {
    let Some(store) = asker.member(&requests) else {
        return refusal(&TrustError::Certificate);
    };
    let key = topics::down(&store);
    match requests.0.downlink.poll(key, message.to_vec()).await {
        Ok(answer) => answer.into_response(),
        Err(error) => denied(DenialReason::Unavailable, &error.to_string()),
    }
}

fn refusal(error: &TrustError) -> Response {
    let reason = match error {
        TrustError::Code => DenialReason::Code,
        TrustError::Request(_) => DenialReason::Request,
        TrustError::Certificate => DenialReason::Certificate,
        TrustError::Often => DenialReason::Wait,
        TrustError::Store(_) => DenialReason::Unavailable,
    };
    denied(reason, &error.to_string())
}

fn denied(denied: DenialReason, text: &str) -> Response {
    let status = match denied {
        DenialReason::Code | DenialReason::Certificate => StatusCode::FORBIDDEN,
        DenialReason::Request => StatusCode::BAD_REQUEST,
        DenialReason::Wait => StatusCode::TOO_MANY_REQUESTS,
        DenialReason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = text.to_owned();
    (status, Json(Denial { denied, text })).into_response()
}
