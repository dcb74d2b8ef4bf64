//! Answering behind routers of others: one session to each, opened again whenever it is lost.
//!
//! A router gives a query to one complete queryable, the nearest: an intake of its own, or one
//! behind a neighbour. Which of them takes a batch does not matter, the database is the same; that
//! only one does keeps the work from being done twice. When the intake goes while it has a query,
//! nobody answers, and the hall sends it again.

use std::time::Duration;

use rand::RngExt;
use tokio_util::sync::CancellationToken;
use zenoh::Wait;

use super::task::{Inbox, declare};
use super::{links, links::LinkError};

/// How often a session is asked whether its router is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks without a router until the session is given up: zenoh finds most links again itself.
const LOOKS_MAX: u32 = 5;
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Keeps answering behind one router until `end`.
pub(super) async fn keep(router: &str, inbox: Inbox, end: &CancellationToken) {
    loop {
        let (endpoint, inbox) = (router.to_owned(), inbox.clone());
        let serve = move || -> Result<_, LinkError> {
            let session = links::open_client(&endpoint)?;
            let queryable = declare(&session, inbox)?;
            Ok((session, queryable))
        };
        match tokio::task::spawn_blocking(serve).await {
            Ok(Ok((session, queryable))) => {
                tracing::info!(router, "answering behind it");
                until_lost(&session, end).await;
                let close = move || {
                    let _ = queryable.undeclare().wait();
                    links::close(&session);
                };
                let _ = tokio::task::spawn_blocking(close).await;
            }
            Ok(Err(error)) => tracing::warn!(router, %error, "not reached"),
            Err(error) => tracing::error!(router, %error, "not opened"),
        }
        let pause = PAUSE_MAX.mul_f64(0.5 + 0.5 * rand::rng().random::<f64>());
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn until_lost(session: &zenoh::Session, end: &CancellationToken) {
    let mut alone = 0;
    while alone < LOOKS_MAX && !session.is_closed() {
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let reached = session.info().routers_zid().wait().next().is_some();
        alone = if reached { 0 } else { alone + 1 };
    }
    tracing::warn!("a router was lost");
}
