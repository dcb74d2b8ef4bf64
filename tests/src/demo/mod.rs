//! `make demo`: one centre and a gateway per hall, all real programs, living through recorded days
//! of real halls. The devices of the halls are played from here, through the real doors: ticket
//! machines, callers and evaluation pads over MQTT, climate sensors and window screens over pseudo
//! terminals.
//!
//! In the order of a run: [`options`], [`prepare`] (what is to be replayed), [`cast`] (who plays what
//! in the first hall), [`fleet`] (the programs), [`wired`] and [`showroom`] (devices on wires),
//! [`feed`] and [`voices`] (what the devices say), [`live`] (progress and the end), [`summary`] (held
//! against the file).

pub mod cast;
pub mod feed;
pub mod fleet;
pub mod foreign;
pub mod host;
pub mod kiosks;
pub mod life;
pub mod live;
pub mod options;
pub mod prepare;
pub mod showroom;
pub mod summary;
pub mod table;
pub mod voices;
pub mod wired;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use fleet::Fleet;
use live::Outcome;
use options::Options;

/// Runs the demo to its end; the exit code says whether everything is as it should be.
///
/// # Errors
/// Anything that keeps the demo from running, in words for the person who started it.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    let replay = prepare::prepare(&options)?;
    replay.describe();
    let started = tokio::select! {
        started = Fleet::start(&options, &replay) => started,
        () = stop.asked() => {
            println!("\nstopped while starting");
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut fleet = started?;
    let outcome = match fleet.introduce(&options).await {
        Ok(centre) => live::run(&options, &replay, &mut fleet, centre, &mut stop).await,
        Err(error) => Err(error),
    };
    let all_clean = fleet.stop().await;
    Ok(match outcome? {
        Outcome::Stopped | Outcome::CaughtUp if all_clean => ExitCode::SUCCESS,
        Outcome::Stopped | Outcome::CaughtUp | Outcome::Different => ExitCode::FAILURE,
    })
}

/// Ctrl-C, or SIGTERM from a service manager.
#[derive(Debug)]
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits until somebody wants the demo to stop.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
