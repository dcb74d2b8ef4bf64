//! Plays the devices of one hall: each says what it has to say when its hall time
//! comes, and not before the gateway holds what it depends on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::Kind;

use super::voices::Voice;
use crate::harness::clock::ReplayClock;
use crate::replay::{HallPlan, PlannedReport};

/// Longest sleep without looking around.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// A device the gateway does not let in.
#[derive(Debug, thiserror::Error)]
#[error("hall {hall}: device {device} is refused: {code:?}")]
pub struct Refused {
    pub hall: String,
    pub device: DeviceId,
    pub code: rumqttc::ConnectReturnCode,
}

/// How far all devices of all halls are.
#[derive(Debug, Default)]
pub struct Progress {
    pub sent: AtomicU64,
    pub acknowledged: AtomicU64,
    pub reconnects: AtomicU64,
    pub ratings: AtomicU64,
}

/// One hall being played.
#[derive(Debug)]
struct Stage {
    hall: String,
    reports: Vec<PlannedReport>,
    done: Vec<AtomicBool>,
    /// Something was acknowledged.
    moved: Notify,
    clock: ReplayClock,
    progress: Arc<Progress>,
}

/// Starts all devices of a hall; `voices` are those of its planned devices, in their order. Each
/// task ends when its device has nothing more to say, and gives the voice back so that it stays
/// connected.
pub fn play(
    plan: &HallPlan,
    voices: Vec<Voice>,
    clock: ReplayClock,
    progress: &Arc<Progress>,
    tasks: &mut JoinSet<Result<Voice, Refused>>,
) {
    let stage = Arc::new(Stage {
        hall: plan.hall.store.to_string(),
        reports: plan.reports.clone(),
        done: plan
            .reports
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect(),
        moved: Notify::new(),
        clock,
        progress: Arc::clone(progress),
    });
    let mut own = vec![Vec::new(); plan.devices.len()];
    for (index, report) in plan.reports.iter().enumerate() {
        own[report.device].push(index);
    }
    for ((device, voice), own) in plan.devices.iter().zip(voices).zip(own) {
        tasks.spawn(Arc::clone(&stage).play(device.id.clone(), voice, own));
    }
}

impl Stage {
    async fn play(
        self: Arc<Self>,
        device: DeviceId,
        mut voice: Voice,
        own: Vec<usize>,
    ) -> Result<Voice, Refused> {
        let (mut next, mut acknowledged, mut reconnects) = (0, 0, 0);
        while acknowledged < own.len() {
            // Listens before it looks, so that nothing moves unseen in between.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let (mut wait, mut blocked) = (LOOK_AROUND, false);
            while next < own.len() && voice.has_room() {
                let report = &self.reports[own[next]];
                let ahead = self.clock.wait_for(report.at);
                if !ahead.is_zero() {
                    wait = ahead.min(LOOK_AROUND);
                    break;
                }
                blocked = !report.after.iter().all(|index| self.is_done(*index));
                if blocked {
                    break;
                }
                voice.report(own[next], report.at, &report.observation);
                self.progress.sent.fetch_add(1, Ordering::Relaxed);
                next += 1;
            }
            tokio::select! {
                token = voice.acknowledged() => match token {
                    Ok(token) => {
                        acknowledged += 1;
                        self.acknowledge(token);
                    }
                    Err(code) => {
                        let hall = self.hall.clone();
                        return Err(Refused { hall, device, code });
                    }
                },
                () = sleep(wait) => {}
                () = &mut moved, if blocked => {}
            }
            let lost = voice.reconnects();
            self.progress
                .reconnects
                .fetch_add((lost - reconnects).into(), Ordering::Relaxed);
            reconnects = lost;
        }
        Ok(voice)
    }

    fn is_done(&self, index: usize) -> bool {
        self.done[index].load(Ordering::Acquire)
    }

    fn acknowledge(&self, index: usize) {
        self.done[index].store(true, Ordering::Release);
        self.moved.notify_waiters();
        self.progress.acknowledged.fetch_add(1, Ordering::Relaxed);
        if self.reports[index].observation.kind() == Kind::RatingGiven {
            self.progress.ratings.fetch_add(1, Ordering::Relaxed);
        }
    }
}
