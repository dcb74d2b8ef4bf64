//! Plays the devices of one hall that speak MQTT: each says what it has to say when its hall time
//! comes, and not before the gateway holds what it depends on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zhiban_vocabulary::report::Kind;
use zhiban_vocabulary::{BootId, DeviceId};

use crate::harness::MqttDevice;
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

/// What is needed to play a hall.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'s> {
    pub plan: &'s HallPlan,
    /// Secrets of `plan.devices`, in their order.
    pub secrets: &'s [String],
    /// The gateway's MQTT address.
    pub address: &'s str,
    pub clock: ReplayClock,
}

/// Starts all devices of a hall. Each task ends when its device has nothing more to say, and gives
/// the device back so that it stays connected.
pub fn play(
    scene: Scene<'_>,
    boot: &BootId,
    progress: &Arc<Progress>,
    tasks: &mut JoinSet<Result<MqttDevice, Refused>>,
) {
    let plan = scene.plan;
    let stage = Arc::new(Stage {
        hall: plan.hall.store.to_string(),
        reports: plan.reports.clone(),
        done: plan
            .reports
            .iter()
            .map(|_| AtomicBool::new(false))
            .collect(),
        moved: Notify::new(),
        clock: scene.clock,
        progress: Arc::clone(progress),
    });
    let mut own = vec![Vec::new(); plan.devices.len()];
    for (index, report) in plan.reports.iter().enumerate() {
        own[report.device].push(index);
    }
    for ((device, secret), own) in plan.devices.iter().zip(scene.secrets).zip(own) {
        let device = MqttDevice::connect(&device.id, secret, scene.address, boot.clone());
        tasks.spawn(Arc::clone(&stage).play(device, own));
    }
}

impl Stage {
    async fn play(
        self: Arc<Self>,
        mut device: MqttDevice,
        own: Vec<usize>,
    ) -> Result<MqttDevice, Refused> {
        let (mut next, mut acknowledged, mut reconnects) = (0, 0, 0);
        while acknowledged < own.len() {
            // Listens before it looks, so that nothing moves unseen in between.
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let (mut wait, mut blocked) = (LOOK_AROUND, false);
            while next < own.len() && device.has_room() {
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
                device.report(own[next], report.at, &report.observation);
                self.progress.sent.fetch_add(1, Ordering::Relaxed);
                next += 1;
            }
            tokio::select! {
                token = device.acknowledged() => match token {
                    Ok(token) => {
                        acknowledged += 1;
                        self.acknowledge(token);
                    }
                    Err(code) => {
                        let (hall, device) = (self.hall.clone(), device.id.clone());
                        return Err(Refused { hall, device, code });
                    }
                },
                () = sleep(wait) => {}
                () = &mut moved, if blocked => {}
            }
            let lost = device.reconnects();
            self.progress
                .reconnects
                .fetch_add((lost - reconnects).into(), Ordering::Relaxed);
            reconnects = lost;
        }
        Ok(device)
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
