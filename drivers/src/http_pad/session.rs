//! Takes requests, reports the ratings in them, and answers when those are on disk.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, interval};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::report::Observation;

use super::request::Fields;
use super::settings::Settings;
use crate::link::{Direction, Tap};
use crate::{Driver, DriverError, Hook, HookAnswer, NotTaken, Outlet, Running, Session};

const BEAT_EVERY: Duration = Duration::from_secs(30);
/// Ratings remembered to know those that come again.
const REMEMBERED_MAX: usize = 64;

pub(super) struct HttpPad {
    settings: Settings,
}

impl HttpPad {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for HttpPad {
    fn device(&self) -> DeviceKind {
        DeviceKind::EvaluationPad
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: Settings, session: Session) -> Result<Infallible, DriverError> {
    let mut hooks = session.hooks;
    let mut pad = Pad {
        settings,
        tap: session.line.tap().clone(),
        outlet: session.outlet,
        recent: Vec::new(),
    };
    let mut beat = interval(BEAT_EVERY);
    loop {
        tokio::select! {
            hook = hooks.next() => pad.answer(hook).await?,
            _ = beat.tick() => pad.outlet.beat(),
        }
    }
}

struct Pad {
    settings: Settings,
    outlet: Outlet,
    tap: Tap,
    recent: Vec<(Rating, Instant)>,
}

impl Pad {
    async fn answer(&mut self, hook: Hook) -> Result<(), NotTaken> {
        let fields = Fields::read(&hook.query, &hook.content_type, &hook.body);
        let rating = match fields.and_then(|fields| self.settings.rating(&fields)) {
            Ok(rating) => rating,
            Err(bad) => {
                self.outlet.bad_frame();
                hook.answer(HookAnswer::Refused(bad.to_string()));
                return Ok(());
            }
        };
        note(&self.tap, rating.as_ref());
        match self.take(rating).await {
            Ok(()) => {
                hook.answer(HookAnswer::Taken);
                Ok(())
            }
            Err(error) => {
                hook.answer(HookAnswer::Unavailable(error.to_string()));
                Err(error)
            }
        }
    }

    /// Resolves when the rating is on disk. One that comes again is there already: its answer was
    /// lost, or somebody pressed twice.
    async fn take(&mut self, rating: Option<Rating>) -> Result<(), NotTaken> {
        if let Some(rating) = rating {
            let repeat = self.settings.repeat;
            self.recent.retain(|(_, at)| at.elapsed() < repeat);
            if !self.recent.iter().any(|(other, _)| *other == rating) {
                self.outlet.deliver(Observation::Rating(rating.clone())).await?;
                self.recent.truncate(REMEMBERED_MAX - 1);
                self.recent.insert(0, (rating, Instant::now()));
            }
        }
        self.outlet.alive().await
    }
}

/// Notes what was understood and nothing else: requests carry tokens and names.
fn note(tap: &Tap, rating: Option<&Rating>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let raw = rating.and_then(|rating| rating.raw.as_deref());
    form.append_pair("score", raw.unwrap_or_default());
    if let Some(rating) = rating {
        let fields = [
            ("ticket", rating.ticket.as_ref().map(ToString::to_string)),
            ("counter", rating.counter.as_ref().map(ToString::to_string)),
            ("employee", rating.staff.as_ref().map(ToString::to_string)),
        ];
        for (name, text) in fields {
            text.iter().for_each(|text| {
                form.append_pair(name, text);
            });
        }
    }
    tap.note(Direction::In, form.finish().as_bytes());
}
