//! Serves the queries of halls.
//!
//! Zenoh hands queries over on its own threads, which must never wait: what finds no room, in
//! number or in bytes, is let go unanswered, and the hall sends it again later.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use zenoh::bytes::ZBytes;
use zenoh::query::{Query, Queryable};
use zenoh::{Session, Wait};
use zhiban_vocabulary::topics;

use super::{Intake, behind, links, links::LinkError};

/// Queries waiting to be served.
const QUEUE_MAX: usize = 1_024;
/// Size of all messages waiting and being served, in KiB.
const ROOM_KIB: usize = 64 << 10;
/// Messages being committed at once; they share the groups of the writer.
const IN_FLIGHT_MAX: usize = 64;

/// The declared queryables with what they have received.
pub struct Listener {
    intake: Intake,
    /// The router of its own, where it has one.
    own: Option<(Session, Queryable<()>)>,
    /// Routers of others to answer behind.
    routers: Vec<String>,
    queue: mpsc::Sender<Queued>,
    room: Room,
    queries: mpsc::Receiver<Queued>,
}

/// Room for messages, in KiB.
pub(super) type Room = Arc<Semaphore>;

/// A query, and the room it takes until it is answered.
pub(super) struct Queued {
    query: Query,
    _room: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Opens the router and declares the queryable. From now on queries queue up.
    ///
    /// # Errors
    /// When an endpoint cannot be listened on.
    pub async fn open(intake: Intake, listen: Vec<String>) -> Result<Self, LinkError> {
        let mut listener = Self::behind(intake, Vec::new());
        let (queue, room) = (listener.queue.clone(), Arc::clone(&listener.room));
        let open = move || {
            let session = links::open_router(&listen)?;
            let queryable = declare(&session, queue, room)?;
            Ok((session, queryable))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        listener.own = Some(opened.map_err(LinkError::of)??);
        Ok(listener)
    }

    /// Answers behind routers of others, each as soon as it is there.
    #[must_use]
    pub fn behind(intake: Intake, routers: Vec<String>) -> Self {
        let (queue, queries) = mpsc::channel(QUEUE_MAX);
        Self {
            intake,
            own: None,
            routers,
            queue,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
            queries,
        }
    }

    /// Answers until `shutdown`; what is being committed then is still answered.
    pub async fn run(self, shutdown: CancellationToken) {
        let (intake, end) = (&self.intake, CancellationToken::new());
        let keeping =
            join_all(self.routers.iter().map(|router| {
                behind::keep(router, self.queue.clone(), Arc::clone(&self.room), &end)
            }));
        let answering = async {
            ReceiverStream::new(self.queries)
                .take_until(shutdown.cancelled())
                .for_each_concurrent(IN_FLIGHT_MAX, |queued| answer(intake, queued))
                .await;
            end.cancel();
        };
        tokio::join!(keeping, answering);
        if let Some((session, queryable)) = self.own {
            let end = move || {
                let _ = queryable.undeclare().wait();
                links::close(&session);
            };
            let _ = tokio::task::spawn_blocking(end).await;
        }
    }
}

/// Declares the queryable of the centre in a session. It is complete, so a query goes to one.
pub(super) fn declare(
    session: &Session,
    queue: mpsc::Sender<Queued>,
    room: Room,
) -> Result<Queryable<()>, LinkError> {
    let take = move |query: Query| {
        if queue_up(query, &room, &queue).is_none() {
            metrics::counter!("zhiban_intake_overload_total").increment(1);
        }
    };
    session
        .declare_queryable(topics::up_all())
        .complete(true)
        .callback(take)
        .wait()
        .map_err(LinkError::of)
}

fn queue_up(query: Query, room: &Arc<Semaphore>, queue: &mpsc::Sender<Queued>) -> Option<()> {
    let bytes = query.payload().map_or(0, ZBytes::len);
    let kib = u32::try_from(bytes / 1_024 + 1).ok()?;
    let room = Arc::clone(room).try_acquire_many_owned(kib).ok()?;
    queue.try_send(Queued { query, _room: room }).ok()
}

async fn answer(intake: &Intake, Queued { query, _room }: Queued) {
    let key = query.key_expr().as_str().to_owned();
    let bytes = query.payload().map(|payload| payload.to_bytes());
    let received = intake.receive(&key, &bytes.unwrap_or_default()).await;
    // Sending may block for seconds on a congested link.
    let send = move || match received {
        Ok(answer) => {
            let text = serde_json::to_vec(&answer).unwrap_or_default();
            query.reply(key, text).wait()
        }
        // No acknowledgement: the hall keeps everything and comes again.
        Err(error) => query.reply_err(error.to_string()).wait(),
    };
    if let Ok(Err(error)) = tokio::task::spawn_blocking(send).await {
        tracing::debug!(%error, "answer was not sent");
    }
}
