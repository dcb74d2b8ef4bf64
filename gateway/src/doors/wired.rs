//! The wired door: what drivers hand over, group by group, answered after the commit.

use tokio::sync::mpsc;
use zhiban_drivers::Delivery;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::compose;

use crate::journal::{Door, Journal, Outcome, Submission};

/// Most deliveries in one submission.
const GROUP: usize = 128;

/// Takes deliveries until the last driver has ended.
pub async fn run_wired(journal: Journal, mut deliveries: mpsc::Receiver<Delivery>) {
    let mut group = Vec::with_capacity(GROUP);
    while deliveries.recv_many(&mut group, GROUP).await > 0 {
        let devices: Vec<_> = group
            .iter()
            .map(|delivery| delivery.report.device.clone())
            .collect();
        let (submissions, answers): (Vec<_>, Vec<_>) = group
            .drain(..)
            .map(|delivery| (submission(&delivery), delivery.committed))
            .unzip();
        let submitted = journal.submit(submissions).await;
        let result = submitted
            .map(|outcomes| tell_letters(&devices, &outcomes))
            .map_err(|error| error.to_string());
        for answer in answers {
            // A driver that was restarted no longer waits.
            let _ = answer.send(result.clone());
        }
    }
}

/// What a driver says is well formed, so a dead letter among it is a fault of ours. The driver is
/// not told: said again, it would be refused again.
fn tell_letters(devices: &[DeviceId], outcomes: &[Outcome]) {
    for (device, outcome) in devices.iter().zip(outcomes) {
        if let Outcome::DeadLettered { code, .. } = outcome {
            metrics::counter!("zhiban_wired_letters_total").increment(1);
            tracing::warn!(%device, code, "a driver's report became a dead letter");
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
