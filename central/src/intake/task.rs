//! Serves the queries of halls.
//!
//! Zenoh hands queries over on its own threads, which must never wait: what finds no room, in
//! number or in bytes, is turned away by a task that says "busy"; when even that one is behind, it
//! is let go unanswered. Either way the hall keeps everything and sends it again later. Polls wait
//! long and stand in a queue of their own, so that they never take a place of what goes up.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use rand::RngExt as _;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use zenoh::bytes::ZBytes;
use zenoh::query::{Query, Queryable};
use zenoh::{Session, Wait};
use zhiban_kernel::StoreError;
use zhiban_vocabulary::envelope::Answer;
use zhiban_vocabulary::topics;

use super::{Intake, behind, links, links::LinkError};
use crate::downlink::{Downlink, POLL_BYTES_MAX};

/// Queries waiting to be served.
const QUEUE_MAX: usize = 1_024;
/// Size of all messages waiting and being served, in KiB.
const ROOM_KIB: usize = 64 << 10;
/// Messages being committed at once; they share the groups of the writer.
const IN_FLIGHT_MAX: usize = 64;
/// Polls whose turn to be read has not come.
const POLLS_QUEUE_MAX: usize = 4_096;
/// Polls that are held: one for each session a process accepts, with room for those that ended
/// unseen.
const POLLS_MAX: usize = 16_384;
/// Answers to polls being sent at once.
const POLL_ANSWERS_MAX: usize = 8;
/// Queries waiting to hear that there is no room.
const TURNED_AWAY_MAX: usize = 1_024;
const TURNING_AWAY: usize = 4;
/// When who was turned away may come again; spread, so that they do not come together.
const BUSY_MS: std::ops::Range<u32> = 1_000..5_000;

/// The declared queryables with what they have received.
pub struct Listener {
    intake: Intake,
    downlink: Downlink,
    /// The router of its own, where it has one.
    own: Option<(Session, Queryable<()>)>,
    /// Routers of others to answer behind.
    routers: Vec<String>,
    inbox: Inbox,
    queries: mpsc::Receiver<Queued>,
    polls: mpsc::Receiver<Query>,
    turned_away: mpsc::Receiver<Query>,
}

/// Where queries of all sessions go; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    queue: mpsc::Sender<Queued>,
    polls: mpsc::Sender<Query>,
    away: mpsc::Sender<Query>,
    /// In KiB.
    room: Arc<Semaphore>,
}

/// A query, and the room it takes until it is answered.
#[derive(Debug)]
struct Queued {
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
    pub async fn open(
        intake: Intake,
        downlink: Downlink,
        listen: Vec<String>,
    ) -> Result<Self, LinkError> {
        let mut listener = Self::behind(intake, downlink, Vec::new());
        let inbox = listener.inbox.clone();
        let open = move || {
            let session = links::open_router(&listen)?;
            let queryable = declare(&session, inbox)?;
            Ok((session, queryable))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        listener.own = Some(opened.map_err(LinkError::of)??);
        Ok(listener)
    }

    /// Answers behind routers of others, each as soon as it is there.
    #[must_use]
    pub fn behind(intake: Intake, downlink: Downlink, routers: Vec<String>) -> Self {
        let (queue, queries) = mpsc::channel(QUEUE_MAX);
        let (polls_queue, polls) = mpsc::channel(POLLS_QUEUE_MAX);
        let (away, turned_away) = mpsc::channel(TURNED_AWAY_MAX);
        let inbox = Inbox {
            queue,
            polls: polls_queue,
            away,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
        };
        Self {
            intake,
            downlink,
            own: None,
            routers,
            inbox,
            queries,
            polls,
            turned_away,
        }
    }

    /// Answers until `shutdown`; what is being committed then is still answered.
    pub async fn run(self, shutdown: CancellationToken) {
        let (intake, end) = (self.intake, CancellationToken::new());
        let (downlink, sending) = (self.downlink, Arc::new(Semaphore::new(POLL_ANSWERS_MAX)));
        let keeping = join_all(
            self.routers
                .iter()
                .map(|router| behind::keep(router, self.inbox.clone(), &end)),
        );
        let answering = async {
            let served = ReceiverStream::new(self.queries)
                .take_until(shutdown.cancelled())
                .for_each_concurrent(IN_FLIGHT_MAX, move |queued| answer(intake.clone(), queued));
            let held = ReceiverStream::new(self.polls)
                .take_until(shutdown.cancelled())
                .for_each_concurrent(POLLS_MAX, move |query| {
                    answer_poll(downlink.clone(), query, Arc::clone(&sending))
                });
            let turned_away = ReceiverStream::new(self.turned_away)
                .take_until(shutdown.cancelled())
                .for_each_concurrent(TURNING_AWAY, turn_away);
            tokio::join!(served, held, turned_away);
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
pub(super) fn declare(session: &Session, inbox: Inbox) -> Result<Queryable<()>, LinkError> {
    let take = move |query: Query| {
        if let Some(query) = inbox.take(query) {
            metrics::counter!("zhiban_intake_overload_total").increment(1);
            let _ = inbox.away.try_send(query);
        }
    };
    session
        .declare_queryable(topics::all())
        .complete(true)
        .callback(take)
        .wait()
        .map_err(LinkError::of)
}

fn is_poll(query: &Query) -> bool {
    topics::store_of_down(query.key_expr().as_str()).is_some()
}

impl Inbox {
    /// Gives back what finds no room.
    fn take(&self, query: Query) -> Option<Query> {
        if is_poll(&query) {
            let too_large = query
                .payload()
                .is_some_and(|payload| payload.len() > POLL_BYTES_MAX);
            if too_large {
                return None;
            }
            return self.polls.try_send(query).err().map(|full| match full {
                TrySendError::Full(query) | TrySendError::Closed(query) => query,
            });
        }
        self.put(query)
    }

    fn put(&self, query: Query) -> Option<Query> {
        let bytes = query.payload().map_or(0, ZBytes::len);
        let kib = u32::try_from(bytes / 1_024 + 1).unwrap_or(u32::MAX);
        let Ok(place) = self.queue.try_reserve() else {
            return Some(query);
        };
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) else {
            return Some(query);
        };
        place.send(Queued { query, _room: room });
        None
    }
}

async fn turn_away(query: Query) {
    let retry_after_ms = rand::rng().random_range(BUSY_MS);
    if is_poll(&query) {
        return send(query, Ok(Downlink::busy(retry_after_ms))).await;
    }
    reply(query, Ok(Answer::Busy { retry_after_ms })).await;
}

async fn answer_poll(downlink: Downlink, mut query: Query, sending: Arc<Semaphore>) {
    let key = query.key_expr().as_str().to_owned();
    // Taken out: it is a piece of a buffer of 64 KiB, which would be kept as long as the poll.
    let bytes = query.payload_mut().map(std::mem::take);
    let bytes = bytes.map(|bytes| bytes.to_bytes().into_owned());
    let answer = downlink.poll(key, bytes.unwrap_or_default()).await;
    let _turn = sending.acquire().await;
    send(query, answer).await;
}

async fn answer(intake: Intake, Queued { query, _room }: Queued) {
    let key = query.key_expr().as_str().to_owned();
    let bytes = query
        .payload()
        .map(|payload| payload.to_bytes().into_owned());
    let received = intake.receive(&key, bytes.unwrap_or_default()).await;
    reply(query, received).await;
}

async fn reply(query: Query, answer: Result<Answer, StoreError>) {
    let text = answer.map(|answer| serde_json::to_vec(&answer).unwrap_or_default());
    send(query, text).await;
}

/// Sending may block for seconds on a congested link.
async fn send(query: Query, answer: Result<Vec<u8>, StoreError>) {
    let key = query.key_expr().clone();
    let send = move || match answer {
        Ok(bytes) => query.reply(key, bytes).wait(),
        // No acknowledgement: the hall keeps everything and comes again.
        Err(error) => query.reply_err(error.to_string()).wait(),
    };
    if let Ok(Err(error)) = tokio::task::spawn_blocking(send).await {
        tracing::debug!(%error, "answer was not sent");
    }
}
