//! Listens to the callers of one line, asks them where they must be asked, and tells them numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::frame::{Ff68, Frame};
use super::pattern::{Field, Values};
use super::seat::{self, Seat};
use super::settings::Settings;
use super::table::{Meaning, Template};
use crate::link::framer::Framer;
use crate::link::{Direction, Tap, Wire};
use crate::{Driver, DriverError, Order, Outlet, Running, Session};

/// Bytes of one frame are closer together than this.
const GAP_MAX: Duration = Duration::from_millis(300);
const BEAT_EVERY: Duration = Duration::from_secs(30);
/// Polls in a row a caller may leave unanswered.
const MISSED_MAX: u32 = 3;
/// Deadlines that are waited for an acknowledgement that is late, before the next command.
const LATE: u32 = 3;

pub(super) struct Callers {
    settings: Settings,
}

impl Callers {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for Callers {
    fn device(&self) -> DeviceKind {
        DeviceKind::Caller
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.link.name().to_owned())
    }

    fn addresses(&self) -> Vec<String> {
        self.settings.counters.keys().map(u8::to_string).collect()
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: Settings, session: Session) -> Result<Infallible, DriverError> {
    let tap = session.line.tap().clone();
    let is_secret = settings.table.has_secrets();
    // Bytes with passwords are not noted as they come but as frames, without them.
    let noted = if is_secret { Tap::default() } else { tap.clone() };
    let wire = settings.link.open(&noted).await?;
    let mut line = Line {
        seats: BTreeMap::new(),
        last: BTreeMap::new(),
        missed: BTreeMap::new(),
        outlet: session.outlet,
        framer: Framer::default(),
        hidden: is_secret.then_some(tap),
        wire,
        settings,
    };
    let mut commands = session.commands;
    let mut beat = interval(BEAT_EVERY);
    let mut poll = interval(line.settings.poll_every);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            frames = line.receive() => {
                for frame in frames? {
                    line.take(&frame).await?;
                }
            }
            order = commands.next() => {
                if let Err((order, error)) = line.obey(order).await {
                    order.into_iter().for_each(|order| commands.give_back(order));
                    return Err(error);
                }
            }
            _ = poll.tick(), if line.settings.poll.is_some() => line.poll().await?,
            _ = beat.tick() => line.outlet.beat(),
        }
    }
}

struct Line {
    settings: Settings,
    outlet: Outlet,
    wire: Box<dyn Wire>,
    framer: Framer<Ff68>,
    /// Where frames are noted by ourselves because they may hold passwords.
    hidden: Option<Tap>,
    seats: BTreeMap<u8, Seat>,
    /// The last frame of each caller, and when it came last.
    last: BTreeMap<u8, (Frame, Instant)>,
    /// Polls without an answer.
    missed: BTreeMap<u8, u32>,
}

impl Line {
    /// Waits for bytes. Loses nothing when dropped while waiting.
    async fn receive(&mut self) -> Result<Vec<Frame>, DriverError> {
        let mut bytes = [0; 512];
        let read = if self.framer.pending() == 0 {
            self.wire.read(&mut bytes).await
        } else {
            let Ok(read) = timeout(GAP_MAX, self.wire.read(&mut bytes)).await else {
                // What began and was never finished must not wait for the bytes of the next frame.
                self.framer.forget();
                self.outlet.bad_frame();
                return Ok(Vec::new());
            };
            read
        };
        let link = &self.settings.link;
        let read = match read {
            Ok(0) => return Err(link.lost(std::io::ErrorKind::UnexpectedEof.into()).into()),
            Ok(read) => read,
            Err(error) => return Err(link.lost(error).into()),
        };
        let frames = self.framer.feed(&bytes[..read]);
        self.outlet.bad_frames(self.framer.take_bad());
        for frame in &frames {
            self.note(Direction::In, frame);
        }
        Ok(frames)
    }

    fn note(&self, direction: Direction, frame: &Frame) {
        let Some(tap) = &self.hidden else { return };
        let shown = match direction {
            Direction::In => self.settings.table.hide(frame).encode(),
            Direction::Out => frame.encode(),
        };
        tap.note(direction, &shown);
    }

    /// Reports what a frame says, answers it, and tells whether it was an acknowledgement.
    async fn take(&mut self, frame: &Frame) -> Result<bool, DriverError> {
        let address = frame.address;
        let Some(counter) = self.settings.counters.get(&address).cloned() else {
            self.outlet.bad_frame();
            tracing::debug!(address, "nobody of the settings");
            return Ok(false);
        };
        self.missed.insert(address, 0);
        if self.settings.poll.is_none() {
            self.outlet.alive().await?;
        }
        let Some((event, values)) = self.settings.table.read(frame) else {
            self.outlet.bad_frame();
            tracing::debug!(address, cmd = frame.cmd, "not in the table");
            return Ok(false);
        };
        let (means, reply) = (event.means, event.reply.clone());
        let is_again = self.is_again(frame);
        if !is_again {
            let seat = self.seats.get(&address).cloned().unwrap_or_default();
            match seat::observe(means, &values, &seat, &counter, &self.settings) {
                Ok((observation, after)) => {
                    if let Some(observation) = observation {
                        // Not every caller repeats what is not answered.
                        self.outlet.insist(observation).await?;
                    }
                    self.seats.insert(address, after);
                }
                Err(unclear) => {
                    self.outlet.bad_frame();
                    tracing::debug!(address, %unclear, "nothing to report");
                    return Ok(false);
                }
            }
        }
        // An acknowledgement may come between a press and its repetition.
        if means != Meaning::Ack {
            self.last.insert(address, (frame.clone(), Instant::now()));
        }
        if let Some(reply) = reply {
            self.reply(&reply, address, &values).await?;
        }
        Ok(means == Meaning::Ack)
    }

    /// A caller repeats what was not answered, and one that is polled its state.
    fn is_again(&self, frame: &Frame) -> bool {
        self.last.get(&frame.address).is_some_and(|(last, at)| {
            last == frame && at.elapsed() < self.settings.repeat
        })
    }

    async fn reply(
        &mut self,
        template: &Template,
        address: u8,
        values: &Values,
    ) -> Result<(), DriverError> {
        match template.fill(address, values) {
            Ok(frame) => self.send(&frame).await,
            Err(problem) => {
                tracing::debug!(address, problem, "not answered");
                Ok(())
            }
        }
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), DriverError> {
        self.note(Direction::Out, frame);
        let sent = self.wire.write_all(&frame.encode()).await;
        Ok(sent.map_err(|error| self.settings.link.lost(error))?)
    }

    /// Takes what comes until `done` says so of a frame, at most for a deadline.
    async fn until(
        &mut self,
        done: impl Fn(&Frame, bool) -> bool,
    ) -> Result<bool, DriverError> {
        let until = Instant::now() + self.settings.timeout;
        while let Ok(frames) = timeout_at(until, self.receive()).await {
            let mut is_done = false;
            for frame in frames? {
                let is_ack = self.take(&frame).await?;
                is_done |= done(&frame, is_ack);
            }
            if is_done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks every caller once. The device is well when all answer, ill when some do, down when
    /// none does.
    async fn poll(&mut self) -> Result<(), DriverError> {
        let Some(poll) = self.settings.poll.clone() else {
            return Ok(());
        };
        let addresses: Vec<u8> = self.settings.counters.keys().copied().collect();
        for address in &addresses {
            // Checked to have no fields.
            let Ok(frame) = poll.fill(*address, &Values::new()) else {
                continue;
            };
            self.send(&frame).await?;
            if !self.until(|frame, _| frame.address == *address).await? {
                *self.missed.entry(*address).or_default() += 1;
            }
            self.outlet.beat();
        }
        let missed = |address: &u8| self.missed.get(address).copied().unwrap_or(0);
        let silent: BTreeSet<u8> = addresses.iter().copied()
            .filter(|address| missed(address) >= MISSED_MAX)
            .collect();
        if silent.len() == addresses.len() {
            return Err(DriverError::Silent {
                address: addresses[0],
            });
        }
        let somebody = addresses.iter().any(|address| missed(address) == 0);
        match (silent.is_empty(), somebody) {
            (true, true) => self.outlet.alive().await?,
            (false, _) => {
                let detail = format!("no answer from addresses {silent:?}");
                self.outlet.degraded(detail).await?;
            }
            (true, false) => {}
        }
        Ok(())
    }

    /// Does what it is told. An error gives the order back, as far as it is not answered.
    async fn obey(&mut self, order: Order) -> Result<(), (Option<Order>, DriverError)> {
        let Command::Display(display) = &order.command else {
            order.failed("a caller shows and does nothing else");
            return Ok(());
        };
        let frame = match self.frame_of(display) {
            Ok(frame) => frame,
            Err(problem) => {
                order.failed(problem);
                return Ok(());
            }
        };
        let acknowledged = match self.tell(&frame).await {
            Ok(acknowledged) => acknowledged,
            Err(error) => return Err((Some(order), error)),
        };
        if let Display::Call { ticket, .. } = display {
            let seat = self.seats.entry(frame.address).or_default();
            seat.ticket = Some(ticket.clone());
        }
        let can_say = self.settings.table.means(Meaning::Ack);
        let shown = ScreenShown::of(&order.command, can_say.then_some(acknowledged));
        let delivered = self.outlet.deliver(Observation::ScreenShown(shown)).await;
        if acknowledged || !can_say {
            order.done();
        } else {
            order.put_off("the caller did not acknowledge");
        }
        delivered.map_err(|error| (None, error.into()))
    }

    /// Sends until acknowledged, or once where the table has no acknowledgement.
    async fn tell(&mut self, frame: &Frame) -> Result<bool, DriverError> {
        if !self.settings.table.means(Meaning::Ack) {
            self.send(frame).await?;
            return Ok(false);
        }
        let address = frame.address;
        let is_answer = |frame: &Frame, is_ack| is_ack && frame.address == address;
        for attempt in 0..=self.settings.retries {
            self.outlet.beat();
            self.send(frame).await?;
            if self.until(is_answer).await? {
                if attempt > 0 {
                    self.late().await?;
                }
                return Ok(true);
            }
        }
        self.late().await?;
        Ok(false)
    }

    /// An acknowledgement does not say of what. One that is late must not be the next command's.
    async fn late(&mut self) -> Result<(), DriverError> {
        for _ in 0..LATE {
            self.until(|_, _| false).await?;
            self.outlet.beat();
        }
        Ok(())
    }

    /// The frame of the template of a command's name.
    fn frame_of(&self, display: &Display) -> Result<Frame, String> {
        let (name, counter, ticket) = match display {
            Display::Call { ticket, counter } => ("call", Some(counter), Some(ticket)),
            Display::Serving { ticket } => ("serving", None, Some(ticket)),
            Display::Welcome => ("welcome", None, None),
            Display::Pause => ("pause", None, None),
            Display::Text { .. } => return Err("a caller shows no texts".into()),
        };
        let template = self.settings.table.template(name);
        let template = template.ok_or_else(|| format!("no template {name} in the settings"))?;
        let address = match counter {
            Some(counter) => self.settings.address(counter),
            // Only one that is alone can be meant.
            None if self.settings.counters.len() > 1 => None,
            None => self.settings.counters.keys().next().copied(),
        };
        let address = address.ok_or("which caller is meant is not known")?;
        let counter = self.settings.counters.get(&address).map(ToString::to_string);
        let window = counter.map(|counter| (Field::Window, counter));
        let ticket = ticket.map(|ticket| (Field::Ticket, ticket.to_string()));
        template.fill(address, &ticket.into_iter().chain(window).collect())
    }
}
