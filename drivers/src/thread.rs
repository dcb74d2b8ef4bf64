//! One thread per line, so that a driver that blocks stops nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// How often a thread shows that it moves.
const PULSE_EVERY: Duration = Duration::from_millis(500);
/// Looks without a pulse in between after which a thread counts as stuck.
const MISSED_MAX: u32 = 4;

/// Where drivers run.
#[derive(Debug, Clone)]
pub enum Threads {
    PerLine,
    /// All on this runtime; nothing is ever stuck.
    Shared(Handle),
}

/// The thread of one line.
#[derive(Debug)]
pub(crate) struct LineThread {
    handle: Handle,
    end: CancellationToken,
    given_up: CancellationToken,
    /// `None` on a shared runtime.
    pulse: Option<Arc<AtomicU64>>,
    seen: u64,
    missed: u32,
}

impl Threads {
    /// A thread that cannot be started leaves the line on the caller's runtime: worse apart, but
    /// it works.
    pub(crate) fn open(&self, line: &str) -> LineThread {
        let own = match self {
            Self::PerLine => spawn(line)
                .inspect_err(|error| tracing::error!(line, %error, "no thread for the line"))
                .ok(),
            Self::Shared(_) => None,
        };
        own.unwrap_or_else(|| LineThread {
            handle: match self {
                Self::PerLine => Handle::current(),
                Self::Shared(handle) => handle.clone(),
            },
            end: CancellationToken::new(),
            given_up: CancellationToken::new(),
            pulse: None,
            seen: 0,
            missed: 0,
        })
    }
}

fn spawn(line: &str) -> std::io::Result<LineThread> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let end = CancellationToken::new();
    let pulse = Arc::new(AtomicU64::new(1));
    let (until, beats) = (end.clone(), Arc::clone(&pulse));
    let name: String = line.chars().rev().take(15).collect();
    let name = name.chars().rev().collect();
    std::thread::Builder::new().name(name).spawn(move || {
        runtime.block_on(async {
            while tokio::time::timeout(PULSE_EVERY, until.cancelled())
                .await
                .is_err()
            {
                beats.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Tasks that are left are dropped here, and with them the port.
        runtime.shutdown_background();
    })?;
    Ok(LineThread {
        handle,
        end,
        given_up: CancellationToken::new(),
        pulse: Some(pulse),
        seen: 0,
        missed: 0,
    })
}

impl LineThread {
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Falls when another thread has taken over.
    pub(crate) fn given_up(&self) -> CancellationToken {
        self.given_up.clone()
    }

    /// To be asked at a steady rhythm.
    pub(crate) fn is_stuck(&mut self) -> bool {
        let Some(pulse) = &self.pulse else {
            return false;
        };
        let now = pulse.load(Ordering::Relaxed);
        self.missed = if now == self.seen { self.missed + 1 } else { 0 };
        self.seen = now;
        self.missed >= MISSED_MAX
    }

    pub(crate) fn give_up(&self) {
        self.given_up.cancel();
        self.end.cancel();
    }

    /// Ends the thread once its tasks have had a moment to end themselves.
    pub(crate) fn end(self) {
        let end = self.end;
        self.handle.spawn(async move {
            tokio::time::sleep(PULSE_EVERY).await;
            end.cancel();
        });
    }
}
