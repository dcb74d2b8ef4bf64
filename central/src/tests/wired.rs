//! A real client session against the real queryable.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::Database;
use zhiban_vocabulary::envelope::Answer;

use super::{Folder, Make, TestHall, clock_at, committed, free_port, on_both, queue_quarter};
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
    let intake = Intake::new(store.clone(), clock_at("2020-01-02T12:00:00Z"));
    let endpoint = format!("tcp/127.0.0.1:{}", free_port());
    let listener = Listener::open(intake.clone(), vec![endpoint.clone()]);
    let shutdown = CancellationToken::new();
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
    served.intake.receive(&hall.key(), &batch).await.unwrap();
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

on_both!(
    threads:
    a_batch_over_zenoh_counts_once_also_when_the_answer_was_lost_and_the_centre_restarted,
    a_large_batch_passes_one_for_another_store_is_refused_and_nobody_home_is_no_answer,
);
