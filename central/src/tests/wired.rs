//! A real client session against the real queryable.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::Database;
use zhiban_vocabulary::envelope::Answer;

use super::{
    Folder, Make, TestHall, clock_at, committed, free_port, members, on_both, queue_quarter,
};
use crate::downlink::Downlink;
use crate::intake::{Intake, Listener, links, sums};

const TIME_MAX: Duration = Duration::from_secs(10);

struct Served {
    intake: Intake,
    store: Database,
    endpoint: String,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn serve(folder: &Folder) -> Served {
    let store = folder.store();
    let intake = Intake::new(store.clone(), clock_at("2020-01-02T12:00:00Z"), members());
    let endpoint = format!("tcp/127.0.0.1:{}", free_port());
    let shutdown = CancellationToken::new();
    let bell = intake.questions().bell().clone();
    let downlink = Downlink::new(store.clone(), members(), bell, shutdown.clone());
    let listener = Listener::open(intake.clone(), downlink, vec![endpoint.clone()]);
    let task = tokio::spawn(listener.await.unwrap().run(shutdown.clone()));
    Served {
        intake,
        store,
        endpoint,
        shutdown,
        task,
    }
}

impl Served {
    /// Sends messages one after the other in one session, as a hall does.
    async fn ask(&self, hall: &TestHall, messages: Vec<Vec<u8>>) -> Vec<Option<Answer>> {
        let (endpoint, key) = (self.endpoint.clone(), hall.key());
        let talk = move || {
            let session = links::open_client(&endpoint).unwrap();
            let ask = |message| links::ask(&session, &key, message, TIME_MAX).unwrap();
            let replies: Vec<_> = messages.into_iter().map(ask).collect();
            links::close(&session);
            replies
        };
        let replies = tokio::task::spawn_blocking(talk).await.unwrap();
        let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).unwrap();
        replies.into_iter().map(|reply| reply.map(read)).collect()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn items() -> Vec<Value> {
    let fact = |version| queue_quarter("2020-01-02", "2020-01-02T08:00:00Z", version, 10 * version);
    vec![fact(1), fact(2), fact(3)]
}

async fn counts(store: &Database) -> (u64, u64) {
    let sums = store.read(sums).await.unwrap();
    (sums.items, sums.duplicates)
}

async fn a_batch_over_zenoh_counts_once_also_when_the_answer_was_lost_and_the_centre_restarted(
    make: Make,
) {
    let folder = Folder::on(make);
    let hall = TestHall::new("wola");
    let batch = hall.batch(1, &items());
    let served = serve(&folder).await;
    // Committed, but the program ends before the answer is sent.
    served
        .intake
        .receive(&hall.key(), batch.clone())
        .await
        .unwrap();
    served.stop().await;

    let served = serve(&folder).await;
    let answers = served.ask(&hall, vec![batch.clone(), batch]).await;
    for answer in answers {
        assert_eq!(committed(&answer.unwrap()), 3);
    }
    assert_eq!(counts(&served.store).await, (3, 6));
    served.stop().await;
}

async fn a_large_batch_passes_one_for_another_store_is_refused_and_nobody_home_is_no_answer(
    make: Make,
) {
    let folder = Folder::on(make);
    let served = serve(&folder).await;
    let hall = TestHall::new("wola");
    let fact = &items()[0];
    let many: Vec<Value> = (0..1_000).map(|_| fact.clone()).collect();
    let large = hall.batch(1, &many);
    assert!(large.len() > 256 << 10, "{}", large.len());
    let foreign = TestHall::new("mokotow").batch(1, &items());
    let answers = served.ask(&hall, vec![large, foreign]).await;
    assert_eq!(committed(answers[0].as_ref().unwrap()), 1_000);
    assert!(matches!(answers[1], Some(Answer::Refused { .. })));

    let endpoint = served.endpoint.clone();
    served.stop().await;
    let open = tokio::task::spawn_blocking(move || links::open_client(&endpoint).is_ok());
    assert!(!open.await.unwrap(), "the port is closed after the stop");
}

async fn a_hall_cannot_answer_in_the_place_of_the_centre_nor_overhear_another(make: Make) {
    use zenoh::Wait as _;

    let folder = Folder::on(make);
    let served = serve(&folder).await;
    let endpoint = served.endpoint.clone();
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let hears = std::sync::Arc::clone(&heard);
    let hostile = tokio::task::spawn_blocking(move || {
        let session = links::open_client(&endpoint).unwrap();
        // Before it listens itself, or it would hear its own word.
        let _ = session.put("zhiban/1/up/0/wola", "nonsense").wait();
        let answers = std::sync::Arc::clone(&hears);
        let lie = move |query: zenoh::query::Query| {
            answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let _ = query.reply(query.key_expr().clone(), "lies").wait();
        };
        let queryable = session
            .declare_queryable("zhiban/1/up/**")
            .complete(true)
            .callback(lie)
            .wait();
        let overhear = move |_| {
            hears.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let subscriber = session.declare_subscriber("**").callback(overhear).wait();
        (session, queryable, subscriber)
    });
    let hostile = hostile.await.unwrap();
    // Declarations have had their time to spread.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let hall = TestHall::new("wola");
    let batches = (0..20).map(|n| hall.batch(3 * n + 1, &items())).collect();
    let answers = served.ask(&hall, batches).await;
    let last = committed(answers.last().unwrap().as_ref().unwrap());
    assert_eq!(last, 60);
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), 0);
    tokio::task::spawn_blocking(move || drop(hostile))
        .await
        .unwrap();
    served.stop().await;
}

on_both!(
    threads:
    a_batch_over_zenoh_counts_once_also_when_the_answer_was_lost_and_the_centre_restarted,
    a_large_batch_passes_one_for_another_store_is_refused_and_nobody_home_is_no_answer,
    a_hall_cannot_answer_in_the_place_of_the_centre_nor_overhear_another,
);
