//! Hands the sums of ended quarter hours to the outbox, in one transaction with the note that
//! they were handed over.
//!
//! A quarter hour is closed when its end is a moment past and the queue has read everything that
//! arrived before. Reports that come later re-open it: the sum is stated again as the next
//! version.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use zhiban_config::GatewayConfig;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_kernel::{StoreError, crash_point};
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::envelope::{Item, Lane};
use zhiban_vocabulary::facts::{Fact, FactRevision, HallSums};
use zhiban_vocabulary::time::{BusinessDay, QuarterHour};

use super::follower::QueueFollower;
use super::store;
use crate::climate;
use crate::federation;
use crate::journal::{Follower, Journal, has_unread_before, set_value, value};

/// How long after its end a quarter hour is closed.
const GRACE: SignedDuration = SignedDuration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The hall did not watch a quarter hour if it was off for longer than this in it.
const ABSENCE_MAX: SignedDuration = SignedDuration::from_secs(120);
/// How often the hall notes that it is there.
const NOTE_EVERY: SignedDuration = SignedDuration::from_secs(30);
const WATCHED_UNTIL: &str = "watched_until_ms";
/// Quarter hours stated at once after a long night.
const SLOTS_MAX: usize = 400;

/// Closes quarter hours until it is told to stop.
#[derive(Debug, Clone)]
pub struct SlotCloser {
    journal: Journal,
    zone: TimeZone,
    opens: Time,
    closes: Time,
    climate: climate::Rule,
    absence_max: SignedDuration,
}

impl SlotCloser {
    #[must_use]
    pub fn new(journal: Journal, config: &GatewayConfig) -> Self {
        let hall = &config.hall;
        // A replay that runs faster than the machine is not away.
        let speed = journal.clock().replay_speed().unwrap_or(1);
        Self {
            absence_max: ABSENCE_MAX * i32::try_from(speed).unwrap_or(i32::MAX),
            journal,
            zone: hall.zone(),
            opens: hall.opens,
            closes: hall.closes,
            climate: climate::Rule::new(config),
        }
    }

    pub async fn run(self, shutdown: CancellationToken) {
        let clock = self.journal.clock();
        loop {
            if let Err(error) = self.close_ended().await {
                tracing::warn!(%error, "closing quarter hours will be tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(clock.real_wait(LOOK_EVERY)) => {}
            }
        }
    }

    async fn close_ended(&self) -> Result<(), StoreError> {
        let now = self.journal.clock().now();
        // Looked up first without the writer: most times there is nothing to do.
        let due = self
            .journal
            .store()
            .read(move |c| Self::is_due(c, now))
            .await?;
        if !due {
            return Ok(());
        }
        let closer = self.clone();
        self.journal
            .store()
            .write(move |connection| closer.close(connection, now))
            .await
    }

    fn is_due(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
        let noted = from_ms(value(connection, WATCHED_UNTIL)?);
        if now.duration_since(noted) >= NOTE_EVERY {
            return Ok(true);
        }
        let sql = "select exists (select 1 from queue_quarter
             where dirty = 1 and slot_ms + 900000 <= ?1)";
        let until = to_ms(closed_before(now));
        Ok(connection
            .prepare_cached(sql)?
            .query_row([until], |row| row.get(0))?)
    }

    fn close(&self, connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
        let until = closed_before(now);
        if has_unread_before(connection, QueueFollower::NAME, until)? {
            return Ok(());
        }
        for slot in self.watched(connection, until)? {
            self.state_hall(connection, slot, now)?;
        }
        let mut facts = store::take_quarters(connection, until)?;
        facts.extend(climate::take_quarters(connection, until, &self.climate)?);
        // Counters change with every ticket: stated once a quarter hour, and with late reports.
        if !facts.is_empty() || Self::turned(connection, until)? {
            facts.extend(store::take_counter_days(connection)?);
        }
        for fact in facts {
            federation::put(connection, Lane::History, &Item::Fact(fact), now)?;
        }
        crash_point!("quarter hour: stated, not noted");
        set_value(connection, WATCHED_UNTIL, to_ms(now))?;
        Ok(())
    }

    /// Whether a quarter hour ended since the last look.
    fn turned(connection: &Connection, until: Timestamp) -> Result<bool, StoreError> {
        let noted = closed_before(from_ms(value(connection, WATCHED_UNTIL)?));
        Ok(QuarterHour::containing(noted) != QuarterHour::containing(until))
    }

    /// Quarter hours in opening time that ended since the last look, unless the hall was away.
    fn watched(
        &self,
        connection: &Connection,
        until: Timestamp,
    ) -> Result<Vec<QuarterHour>, StoreError> {
        let noted_ms = value(connection, WATCHED_UNTIL)?;
        if noted_ms == 0 {
            return Ok(Vec::new());
        }
        let noted = from_ms(noted_ms);
        let absent = until.duration_since(noted) > self.absence_max + GRACE;
        // The slot in progress at the last look may have ended in between.
        let first = QuarterHour::containing(noted.checked_sub(GRACE * 2).unwrap_or(noted));
        let ended = std::iter::successors(Some(first), |slot| Some(slot.next()))
            .take_while(|slot| slot.end() <= until)
            .take(SLOTS_MAX);
        let whole = |slot: &QuarterHour| !absent || slot.end() <= noted;
        Ok(ended
            .filter(|slot| whole(slot) && self.is_open_at(*slot))
            .collect())
    }

    fn is_open_at(&self, slot: QuarterHour) -> bool {
        let day = BusinessDay::of(slot.start(), &self.zone);
        slot.start() >= day.at(self.opens, &self.zone)
            && slot.start() < day.at(self.closes, &self.zone)
    }

    fn state_hall(
        &self,
        connection: &Connection,
        slot: QuarterHour,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !store::note_watched(connection, slot)? {
            return Ok(());
        }
        let day = BusinessDay::of(slot.start(), &self.zone);
        let (waiting_at_end, in_hall_at_end) = store::counts_at(connection, day, slot.end())?;
        let open = store::counters(connection)?
            .into_iter()
            .filter(|counter| counter.state == CounterState::Open)
            .count();
        let sums = HallSums {
            waiting_at_end,
            in_hall_at_end,
            counters_open_at_end: u32::try_from(open).unwrap_or(u32::MAX),
        };
        let fact = FactRevision {
            version: 1,
            day,
            fact: Fact::HallQuarter { slot, sums },
        };
        federation::put(connection, Lane::History, &Item::Fact(fact), now)?;
        Ok(())
    }
}

/// Has a fact stated anew with what holds today; false for one that is never stated twice.
///
/// # Errors
/// When the database refuses.
pub fn restate(connection: &Connection, revision: &FactRevision) -> rusqlite::Result<bool> {
    match &revision.fact {
        Fact::ClimateQuarter { device, slot, .. } => climate::mark_dirty(connection, device, *slot),
        _ => store::mark_dirty(connection, revision),
    }
}

/// Everything that ended before this is closed.
fn closed_before(now: Timestamp) -> Timestamp {
    now.checked_sub(GRACE).unwrap_or(now)
}
