//! Reads the keys and reports a rating for each press.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, interval};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;

use super::device::Keyboard;
use super::event::{Event, Events, Said};
use super::settings::Settings;
use crate::link::framer::Framer;
use crate::link::{Direction, Tap};
use crate::{Driver, DriverError, NotTaken, Outlet, Running, Session};

const BEAT_EVERY: Duration = Duration::from_secs(30);

pub(super) struct HidPad {
    settings: Settings,
}

impl HidPad {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for HidPad {
    fn device(&self) -> DeviceKind {
        DeviceKind::EvaluationPad
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.path.clone())
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: Settings, session: Session) -> Result<Infallible, DriverError> {
    let path = settings.path.clone();
    let trouble = |what: &str, error: std::io::Error| {
        DriverError::Device(format!("{path}: {what}: {error}"))
    };
    let keyboard = Keyboard::open(&path).map_err(|error| trouble("cannot be opened", error))?;
    if settings.grab {
        keyboard.grab().map_err(|error| trouble("keys cannot be taken", error))?;
    }
    let mut pad = Pad {
        settings,
        tap: session.line.tap().clone(),
        outlet: session.outlet,
        pressed: BTreeMap::new(),
    };
    pad.outlet.alive().await?;
    if let Some(identity) = keyboard.identity() {
        pad.outlet.deliver(Observation::Identity(identity)).await?;
    }
    let mut framer = Framer::<Events>::default();
    let mut bytes = [0; 24 * 64];
    let mut beat = interval(BEAT_EVERY);
    loop {
        tokio::select! {
            read = keyboard.read(&mut bytes) => {
                let read = read.map_err(|error| trouble("lost", error))?;
                if read == 0 {
                    return Err(trouble("lost", std::io::ErrorKind::UnexpectedEof.into()));
                }
                for event in framer.feed(&bytes[..read]) {
                    pad.take(&event).await?;
                }
            }
            _ = beat.tick() => pad.outlet.beat(),
        }
    }
}

struct Pad {
    settings: Settings,
    outlet: Outlet,
    tap: Tap,
    /// When each digit was pressed last, by presses that are on disk.
    pressed: BTreeMap<u8, Instant>,
}

impl Pad {
    async fn take(&mut self, event: &Event) -> Result<(), NotTaken> {
        let code = match event.said() {
            Said::Pressed(code) => code,
            Said::Dropped | Said::Nonsense => {
                self.outlet.bad_frame();
                return Ok(());
            }
            Said::Released(_) | Said::Held(_) | Said::Other => return Ok(()),
        };
        // Other keys are nobody's business, least of all when it is not a pad that was plugged in.
        let Some(digit) = self.settings.keys.get(&code).copied() else {
            return Ok(());
        };
        self.tap.note(Direction::In, &event.encode());
        let repeat = self.settings.repeat;
        if let Some(last) = self.pressed.get_mut(&digit)
            && last.elapsed() < repeat
        {
            *last = Instant::now();
            return Ok(());
        }
        let Some(score) = self.settings.best.score(digit) else {
            return Ok(());
        };
        let rating = Rating {
            raw: Some(digit.to_string()),
            ..Rating::of(score)
        };
        // Further presses wait in the kernel meanwhile.
        self.outlet.insist(Observation::Rating(rating)).await?;
        self.pressed.insert(digit, Instant::now());
        Ok(())
    }
}
