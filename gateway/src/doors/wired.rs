//! The wired door: what drivers hand over, group by group, answered after the commit.

use tokio::sync::mpsc;
use zhiban_drivers::Delivery;
use zhiban_vocabulary::report::compose;

use crate::journal::{Door, Journal, Submission};

/// Most deliveries in one submission.
const GROUP: usize = 128;

/// Takes deliveries until the last driver has ended.
pub async fn run_wired(journal: Journal, mut deliveries: mpsc::Receiver<Delivery>) {
    let mut group = Vec::with_capacity(GROUP);
    while deliveries.recv_many(&mut group, GROUP).await > 0 {
        let (submissions, answers): (Vec<_>, Vec<_>) = group
            .drain(..)
            .map(|delivery| (submission(&delivery), delivery.committed))
            .unzip();
        let result = journal
            .submit(submissions)
            .await
            .map(|_| ())
            .map_err(|e| e.to_string());
        for answer in answers {
            // A driver that was restarted no longer waits.
            let _ = answer.send(result.clone());
        }
    }
}

fn submission(delivery: &Delivery) -> Submission {
    let report = &delivery.report;
    let payload = compose(&report.observation, report.time, Some(&report.origin));
    Submission {
        door: Door::Wired,
        device: report.device.clone(),
        kind: report.observation.kind().as_str().into(),
        payload: payload.into(),
        topic: None,
        redelivery: None,
    }
}
