//! The world of a storm: time, network, and what goes wrong. Everything follows from the seed.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zhiban_sync::Limits;
use zhiban_sync::courier::Ticket;
use zhiban_vocabulary::envelope::{Answer, Epoch, Lane};

use crate::Sabotage;
use crate::centre::{Centre, Message};
use crate::hall::{Deed, Hall, Matter};
use crate::weather::{Fault, Weather};

/// How long a hall waits for an answer.
const ANSWER_TIME_MAX_MS: u64 = 10_000;
/// Older messages are gone with their connection.
const HELD_MAX_MS: u64 = 30_000;
/// After the faults end, everything is level by then.
pub(crate) const CALM_MS: u64 = 60_000;
/// Then two boxes that speak for one store are told from one.
const EPILOGUE_MS: u64 = 150_000;

#[derive(Debug)]
enum Event {
    Produce(usize),
    Wake {
        hall: usize,
        run: u64,
    },
    Arrive {
        from: Sender,
        message: Message,
        left_ms: u64,
    },
    Answer {
        to: Sender,
        answer: Answer,
    },
    GiveUp(Sender),
    Fault(Fault),
    HallStarts(usize),
    CentreStarts,
    CentreSyncs,
    DiskCatchesUp(usize),
}

/// A message's way back.
#[derive(Debug, Clone, Copy)]
struct Sender {
    hall: usize,
    run: u64,
    ticket: Ticket,
}

/// The way between a hall and the centre.
#[derive(Debug, Default)]
struct Way {
    cut_until_ms: u64,
    /// When the box was last put in; the connections of the one before are gone.
    since_ms: u64,
    /// What stands in a clogged way until it is released.
    clogged: Option<Vec<Event>>,
}

pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) weather: Weather,
    pub(crate) halls: Vec<Hall>,
    pub(crate) centre: Centre,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) centre_restored: bool,
    pub(crate) calm: bool,
    ways: Vec<Way>,
    events: BTreeMap<(u64, u64), Event>,
    rng: StdRng,
    number: u64,
    pub(crate) items: u64,
    pub(crate) trace: Trace,
}

/// What happened, as a number that is the same for the same run, and as text if wanted.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) hash: u64,
    pub(crate) aloud: bool,
}

impl Trace {
    fn note(&mut self, now_ms: u64, what: impl FnOnce() -> String, numbers: [u64; 3]) {
        for number in [now_ms].into_iter().chain(numbers) {
            self.hash = (self.hash ^ number)
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23);
        }
        if self.aloud {
            println!("{:>12.3} {}", now_ms as f64 / 1_000.0, what());
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>, aloud: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let weather = Weather::of(&mut rng);
        let mut world = Self {
            now_ms: 0,
            halls: Vec::new(),
            centre: Centre::default(),
            sabotage,
            centre_restored: false,
            calm: false,
            ways: Vec::new(),
            events: BTreeMap::new(),
            rng,
            number: 0,
            items: 0,
            trace: Trace { hash: 0, aloud },
            weather,
        };
        world.centre.up = true;
        world.centre.old_until_ms = world.weather.old_until_ms;
        for store in 0..world.weather.halls {
            let epoch = world.epoch();
            world.add(Hall::new(store, epoch));
        }
        let faults = world.weather.faults(&mut world.rng);
        for (at_ms, fault) in faults {
            world.at(at_ms, Event::Fault(fault));
        }
        world.at(1, Event::CentreSyncs);
        world
    }

    fn add(&mut self, hall: Hall) {
        let number = self.halls.len();
        self.halls.push(hall);
        self.ways.push(Way::default());
        self.at(self.now_ms, Event::HallStarts(number));
        self.at(self.now_ms + 1, Event::Produce(number));
        self.at(self.now_ms + 1, Event::DiskCatchesUp(number));
    }

    fn at(&mut self, ms: u64, event: Event) {
        self.number += 1;
        self.events.insert((ms, self.number), event);
    }

    fn epoch(&mut self) -> Epoch {
        Epoch(self.rng.random_range(1..1 << 53))
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..=high.max(low))
    }

    fn by_chance(&mut self, percent: u64) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// Runs the storm, then the calm, then the epilogue.
    ///
    /// # Panics
    /// When a promise is broken.
    pub(crate) fn run(&mut self) {
        self.run_until(self.weather.length_ms);
        self.end_faults();
        self.run_until(self.weather.length_ms + CALM_MS);
        self.check_level();
        let end_ms = self.weather.length_ms + CALM_MS + EPILOGUE_MS;
        for at_ms in [self.now_ms + 1, self.now_ms + 80_000] {
            self.run_until(at_ms);
            for hall in 0..self.halls.len() {
                self.produce(hall, Lane::Live);
            }
        }
        self.run_until(end_ms);
        self.check_level();
        self.check_twins();
    }

    fn run_until(&mut self, end_ms: u64) {
        while let Some(entry) = self
            .events
            .first_entry()
            .filter(|entry| entry.key().0 <= end_ms)
        {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = self.now_ms.max(at_ms);
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Produce(hall) => {
                if self.calm {
                    return;
                }
                let lane = if self.by_chance(self.weather.live_percent) {
                    Lane::Live
                } else {
                    Lane::History
                };
                self.produce(hall, lane);
                let pause = self.between(1, 2 * self.weather.item_every_ms);
                self.at(self.now_ms + pause, Event::Produce(hall));
            }
            Event::Wake { hall, run } => {
                let process = self.halls[hall].process.as_mut();
                if let Some(process) = process.filter(|process| process.run == run) {
                    process.wake_ms = u64::MAX;
                    self.pump(hall);
                }
            }
            Event::Arrive {
                from,
                message,
                left_ms,
            } => self.arrive(from, &message, left_ms),
            Event::Answer { to, answer } => self.answer(to, &answer),
            Event::GiveUp(sender) => {
                let now_ms = self.now_ms;
                if let Some(process) = self.process(sender) {
                    process.courier.lost(sender.ticket, now_ms);
                    self.pump(sender.hall);
                }
            }
            Event::Fault(fault) => self.strike(fault),
            Event::HallStarts(hall) => self.start_hall(hall),
            Event::CentreStarts => self.centre.up = true,
            Event::CentreSyncs => {
                if self.sabotage == Some(Sabotage::AckBeforeCommit) {
                    self.centre.sync();
                    let pause = self.between(1, 3_000);
                    self.at(self.now_ms + pause, Event::CentreSyncs);
                }
            }
            Event::DiskCatchesUp(hall) => {
                if self.sabotage.is_some() {
                    self.halls[hall].catch_up();
                    self.pump(hall);
                    let pause = self.between(1, 20_000);
                    self.at(self.now_ms + pause, Event::DiskCatchesUp(hall));
                }
            }
        }
    }

    fn process(&mut self, sender: Sender) -> Option<&mut crate::hall::Process> {
        let process = self.halls[sender.hall].process.as_mut();
        process.filter(|process| process.run == sender.run)
    }

    fn produce(&mut self, hall: usize, lane: Lane) {
        self.items += 1;
        let key = self.rng.random_range(0..self.weather.keys);
        let jump_ms = self.halls[hall].clock_jump_ms;
        let version = self.halls[hall].disk.facts.get(&key);
        let matter = Matter {
            id: self.items,
            key,
            version: version.map_or(1, |matter| matter.version + 1),
            value: self.rng.random_range(0..1_000_000),
            clock_ms: (1 << 40) + self.now_ms.saturating_add_signed(jump_ms),
            poison: !self.calm && self.rng.random_range(0..10_000) < self.weather.poison_per_10_000,
            novel: self.by_chance(self.weather.novel_percent),
        };
        let what = || format!("hall {hall} accepts {lane:?} {matter:?}");
        self.trace
            .note(self.now_ms, what, [6, hall as u64, matter.id]);
        self.halls[hall].accept(lane, matter, self.now_ms, self.sabotage);
        self.pump(hall);
    }

    fn start_hall(&mut self, hall: usize) {
        if self.halls[hall].process.is_some() {
            return;
        }
        self.number += 1;
        let (run, seed) = (self.number, self.rng.random());
        let limits = Limits {
            beat_every_ms: self.weather.beat_every_ms,
            ..Limits::default()
        };
        self.halls[hall].start(run, limits, seed);
        let what = || format!("hall {hall} starts");
        self.trace.note(self.now_ms, what, [1, hall as u64, run]);
        self.pump(hall);
    }

    /// Lets a hall do everything it can do now.
    fn pump(&mut self, hall: usize) {
        loop {
            // A crash between any two steps.
            if !self.calm && self.weather.crash_per_100_000 > self.rng.random_range(0..100_000) {
                return self.crash_hall(hall);
            }
            let epoch = self.epoch();
            let (now_ms, sabotage) = (self.now_ms, self.sabotage);
            match self.halls[hall].step(now_ms, epoch, sabotage) {
                Deed::Sent(ticket, message) => self.send(hall, ticket, &message),
                Deed::Settled(rows) => self.check_settled(hall, &rows),
                Deed::Other => {}
                Deed::Waits(until_ms) => return self.sleep(hall, until_ms),
            }
        }
    }

    fn sleep(&mut self, hall: usize, until_ms: u64) {
        let Some(process) = &mut self.halls[hall].process else {
            return;
        };
        assert!(until_ms > self.now_ms, "hall {hall} does not rest");
        if until_ms < process.wake_ms {
            process.wake_ms = until_ms;
            let run = process.run;
            self.at(until_ms, Event::Wake { hall, run });
        }
    }

    fn send(&mut self, hall: usize, ticket: Ticket, message: &Message) {
        let Some(process) = &self.halls[hall].process else {
            return;
        };
        let run = process.run;
        let from = Sender { hall, run, ticket };
        self.at(self.now_ms + ANSWER_TIME_MAX_MS, Event::GiveUp(from));
        let (first, last) = message.span();
        let what = || format!("hall {hall} sends {}", message.brief());
        self.trace
            .note(self.now_ms, what, [hall as u64, first, last]);
        let left_ms = self.now_ms;
        let copies = self.copies();
        for _ in 0..copies {
            let (from, message) = (from, message.clone());
            let event = Event::Arrive {
                from,
                message,
                left_ms,
            };
            self.travel(hall, event);
        }
    }

    /// How often a message arrives: lost, once, or twice.
    fn copies(&mut self) -> u32 {
        if self.calm {
            return 1;
        }
        if self.by_chance(self.weather.lost_percent) {
            return 0;
        }
        1 + u32::from(self.by_chance(self.weather.twice_percent))
    }

    fn travel(&mut self, hall: usize, event: Event) {
        let delay_ms = self.between(1, self.weather.delay_max_ms);
        let now_ms = self.now_ms;
        let way = &mut self.ways[hall];
        if now_ms < way.cut_until_ms {
            return;
        }
        match &mut way.clogged {
            Some(held) => held.push(event),
            None => self.at(now_ms + delay_ms, event),
        }
    }

    fn arrive(&mut self, from: Sender, message: &Message, left_ms: u64) {
        let failing = !self.calm && self.by_chance(self.weather.centre_fails_percent);
        let gone = self.now_ms - left_ms > HELD_MAX_MS || left_ms < self.ways[from.hall].since_ms;
        if !self.centre.up || failing || gone {
            return;
        }
        let store = self.halls[from.hall].store;
        let answer = self
            .centre
            .receive(store, message, self.now_ms, self.sabotage);
        let copies = self.copies();
        for _ in 0..copies {
            let (to, answer) = (from, answer.clone());
            self.travel(from.hall, Event::Answer { to, answer });
        }
    }

    fn answer(&mut self, to: Sender, answer: &Answer) {
        let now_ms = self.now_ms;
        let what = || format!("hall {} hears {answer:?}", to.hall);
        self.trace.note(now_ms, what, [2, to.hall as u64, to.run]);
        if let Some(process) = self.process(to) {
            process.courier.answered(to.ticket, answer, now_ms);
            self.halls[to.hall].unanswered = 0;
            self.pump(to.hall);
        }
    }

    fn crash_hall(&mut self, hall: usize) {
        let what = || format!("hall {hall} is killed");
        self.trace.note(self.now_ms, what, [3, hall as u64, 0]);
        self.halls[hall].crash();
        let pause = self.between(1, self.weather.down_max_ms);
        self.at(self.now_ms + pause, Event::HallStarts(hall));
    }

    fn strike(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        self.trace
            .note(self.now_ms, || format!("{fault:?}"), [4, 0, 0]);
        match fault {
            Fault::Cut { hall, for_ms } => {
                self.ways[hall].cut_until_ms = self.now_ms + for_ms;
            }
            Fault::Clog { hall } => {
                self.ways[hall].clogged.get_or_insert_default();
            }
            Fault::Release { hall } => self.release(hall),
            Fault::KillHall { hall } => {
                if self.halls[hall].process.is_some() {
                    self.crash_hall(hall);
                }
            }
            Fault::KillCentre { for_ms } => {
                self.centre.crash(self.sabotage);
                self.at(self.now_ms + for_ms, Event::CentreStarts);
            }
            Fault::DiskFails { hall, for_ms } => {
                self.halls[hall].full_until_ms = self.now_ms + for_ms;
            }
            Fault::ClockJumps { hall, by_ms } => self.halls[hall].clock_jump_ms += by_ms,
            Fault::BackUp { hall } => {
                let kept = (
                    self.halls[hall].disk.clone(),
                    self.halls[hall].accepted.clone(),
                );
                self.halls[hall].backup = Some(kept);
            }
            Fault::Restore { hall } => {
                let epoch = self.epoch();
                self.halls[hall].restore(epoch, self.sabotage);
                self.ways[hall].since_ms = self.now_ms;
                self.at(self.now_ms + 1, Event::HallStarts(hall));
            }
            Fault::Clone { hall } => {
                let twin = self.halls[hall].twin();
                self.add(twin);
            }
            Fault::BackUpCentre => self.centre.backup.clone_from(&self.centre.stores),
            Fault::RestoreCentre => {
                self.centre_restored = true;
                self.centre.stores = self.centre.backup.clone();
                self.centre.sync();
            }
        }
    }

    fn release(&mut self, hall: usize) {
        for event in self.ways[hall].clogged.take().into_iter().flatten() {
            self.travel(hall, event);
        }
    }

    fn end_faults(&mut self) {
        self.trace.note(self.now_ms, || "calm".into(), [5, 0, 0]);
        self.calm = true;
        self.centre.up = true;
        self.centre.old_until_ms = 0;
        self.weather.delay_max_ms = 100;
        for hall in 0..self.halls.len() {
            self.ways[hall].cut_until_ms = 0;
            self.halls[hall].full_until_ms = 0;
            self.halls[hall].catch_up();
            self.halls[hall].send_again();
            self.release(hall);
            self.start_hall(hall);
            self.pump(hall);
        }
    }
}
