//! All SQL that changes tickets, counters, ratings and sums. Queries for pages are in `live` and
//! `api`.

mod counters;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::{from_ms, to_ms};
use zhiban_vocabulary::facts::{CounterSums, Fact, FactRevision, QueueSums};
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::time::{BusinessDay, QuarterHour};
use zhiban_vocabulary::{CounterId, TicketNumber};

pub(super) use self::counters::{counter, counters, save_counter};
use super::counters::CounterNow;
use super::model::{Flag, State, Ticket, TicketKey};
use super::tally::{self, CounterKey, QueueKey};

type Stored<T> = std::result::Result<T, StoreError>;

fn to_json(value: &impl Serialize) -> Stored<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(error.to_string()))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Stored<T> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Database(format!("damaged row: {error}: {text}")))
}

pub(super) fn ticket(connection: &Connection, key: &TicketKey) -> Stored<Option<Ticket>> {
    let sql = "select ticket from queue_ticket where day = ?1 and number = ?2";
    let text: Option<String> = connection
        .prepare_cached(sql)?
        .query_row(params![key.day.to_string(), key.number.as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    text.as_deref().map(from_json).transpose()
}

pub(super) fn save_ticket(connection: &Connection, key: &TicketKey, ticket: &Ticket) -> Stored<()> {
    let leg = ticket.leg();
    let ms = |time: Option<Timestamp>| time.map(to_ms);
    let waiting = ticket.legs.iter().find_map(super::model::Leg::waiting_s);
    connection
        .prepare_cached(
            "insert or replace into queue_ticket
                 (day, number, ticket, state, queue, class, counter, staff, issued_ms,
                  waiting_since_ms, called_ms, started_ms, ended_ms, waiting_s, handling_s,
                  rating, flagged)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            key.day.to_string(),
            key.number.as_str(),
            to_json(ticket)?,
            ticket.state().as_str(),
            leg.queue.as_ref().map(AsRef::as_ref),
            ticket.class.as_str(),
            leg.counter.as_ref().map(AsRef::as_ref),
            leg.staff.as_ref().map(AsRef::as_ref),
            ms(ticket.issued_at()),
            ms(leg.waiting_since),
            ms(leg.called_at),
            ms(leg.started_at),
            ms(leg.ended_at),
            waiting,
            leg.handling_s(),
            ticket.rating.as_ref().map(|rating| rating.score.value()),
            !ticket.flags.is_empty(),
        ])?;
    Ok(save_legs(connection, key, ticket)?)
}

/// Notes where and when the ticket was served.
fn save_legs(connection: &Connection, key: &TicketKey, ticket: &Ticket) -> Result<()> {
    let (day, number) = (key.day.to_string(), key.number.as_str());
    let mut insert = connection
        .prepare_cached("insert or replace into queue_leg values (?1, ?2, ?3, ?4, ?5)")?;
    let clear = "delete from queue_leg where day = ?1 and number = ?2";
    connection
        .prepare_cached(clear)?
        .execute(params![day, number])?;
    for leg in &ticket.legs {
        if let (Some(counter), Some(started)) = (&leg.counter, leg.started_at) {
            let ended = leg.ended_at.map(to_ms);
            insert.execute(params![
                counter.as_str(),
                to_ms(started),
                day,
                number,
                ended
            ])?;
        }
    }
    Ok(())
}

pub(super) fn note_event(
    connection: &Connection,
    key: &TicketKey,
    journal_id: i64,
    flag: Option<Flag>,
) -> Result<()> {
    let sql = "insert into queue_event values (?1, ?2, ?3, ?4)
         on conflict do update set flag = coalesce(excluded.flag, flag)";
    connection.prepare_cached(sql)?.execute(params![
        key.day.to_string(),
        key.number.as_str(),
        journal_id,
        flag.map(Flag::as_str),
    ])?;
    Ok(())
}

/// Numbers of the tickets still in the hall on `day`.
pub(super) fn open_tickets(connection: &Connection, day: BusinessDay) -> Result<Vec<TicketKey>> {
    let sql = "select number from queue_ticket
         where day = ?1 and state in ('waiting', 'called', 'serving')";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([day.to_string()], |row| row.get::<_, String>(0))?;
    let mut keys = Vec::new();
    for number in rows {
        let number: std::result::Result<TicketNumber, _> = number?.parse();
        keys.extend(number.map(|number| TicketKey { day, number }));
    }
    Ok(keys)
}

/// Changes the sums by what the ticket adds now less what it added before.
pub(super) fn retally(
    connection: &Connection,
    day: BusinessDay,
    before: Option<&Ticket>,
    after: &Ticket,
) -> Stored<()> {
    let mut old = before.map(tally::by_quarter).unwrap_or_default();
    for (key, more) in tally::by_quarter(after) {
        let less = old.remove(&key);
        if less.as_ref() != Some(&more) {
            change_quarter(connection, day, &key, less.as_ref(), Some(&more))?;
        }
    }
    for (key, less) in old {
        change_quarter(connection, day, &key, Some(&less), None)?;
    }
    let old = before
        .map(|ticket| tally::by_counter(day, ticket))
        .unwrap_or_default();
    change_counters(connection, &old, &tally::by_counter(day, after))
}

fn change_quarter(
    connection: &Connection,
    day: BusinessDay,
    key: &QueueKey,
    less: Option<&QueueSums>,
    more: Option<&QueueSums>,
) -> Stored<()> {
    let slot_ms = to_ms(key.slot.start());
    let (queue, class) = (key.queue.as_str(), key.class.as_str());
    let sql = "select sums from queue_quarter where slot_ms = ?1 and queue = ?2 and class = ?3";
    let kept: Option<String> = connection
        .prepare_cached(sql)?
        .query_row(params![slot_ms, queue, class], |row| row.get(0))
        .optional()?;
    let mut sums: QueueSums = kept
        .as_deref()
        .map(from_json)
        .transpose()?
        .unwrap_or_default();
    if let Some(less) = less {
        sums.unmerge(less);
    }
    if let Some(more) = more {
        sums.merge(more);
    }
    connection
        .prepare_cached(
            "insert into queue_quarter (slot_ms, queue, class, day, sums)
             values (?1, ?2, ?3, ?4, ?5)
             on conflict do update set sums = excluded.sums, dirty = 1",
        )?
        .execute(params![
            slot_ms,
            queue,
            class,
            day.to_string(),
            to_json(&sums)?
        ])?;
    Ok(())
}

fn change_counters(
    connection: &Connection,
    old: &BTreeMap<CounterKey, CounterSums>,
    new: &BTreeMap<CounterKey, CounterSums>,
) -> Stored<()> {
    let none = CounterSums::default();
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (less, more) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
        if less != more {
            change_counter_day(connection, key, less, more)?;
        }
    }
    Ok(())
}

/// Takes `less` from, and adds `more` to, the sums of a counter's day.
pub(super) fn change_counter_day(
    connection: &Connection,
    key: &CounterKey,
    less: &CounterSums,
    more: &CounterSums,
) -> Stored<()> {
    let (day, counter) = (key.day.to_string(), key.counter.as_str());
    let staff = key.staff.as_ref().map_or("", |staff| staff.as_str());
    let sql = "select sums from queue_counter_day where day = ?1 and counter = ?2 and staff = ?3";
    let kept: Option<String> = connection
        .prepare_cached(sql)?
        .query_row(params![day, counter, staff], |row| row.get(0))
        .optional()?;
    let mut sums: CounterSums = kept
        .as_deref()
        .map(from_json)
        .transpose()?
        .unwrap_or_default();
    tally::subtract(&mut sums, less);
    tally::add(&mut sums, more);
    connection
        .prepare_cached(
            "insert into queue_counter_day (day, counter, staff, sums) values (?1, ?2, ?3, ?4)
             on conflict do update set sums = excluded.sums, dirty = 1",
        )?
        .execute(params![day, counter, staff, to_json(&sums)?])?;
    Ok(())
}

/// When the books of a day were closed; `None` while they are open.
pub(super) fn day_closed_at(
    connection: &Connection,
    day: BusinessDay,
) -> Result<Option<Timestamp>> {
    let sql = "select closed_ms from queue_day where day = ?1";
    let closed: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row([day.to_string()], |row| row.get(0))
        .optional()?;
    Ok(closed.map(from_ms))
}

pub(super) fn note_day_closed(
    connection: &Connection,
    day: BusinessDay,
    at: Timestamp,
) -> Result<()> {
    let sql = "insert or ignore into queue_day values (?1, ?2)";
    connection
        .prepare_cached(sql)?
        .execute(params![day.to_string(), to_ms(at)])?;
    Ok(())
}

/// The ticket that was being served at a counter at `at`, or had ended there at most `late_s`
/// seconds before.
pub(super) fn served_at(
    connection: &Connection,
    counter: &CounterId,
    at: Timestamp,
    late_s: u32,
) -> Result<Option<TicketKey>> {
    let sql = "select day, number from queue_leg
         where counter = ?1 and started_ms <= ?2
           and (ended_ms is null or ended_ms >= ?2 - ?3 * 1000)
         order by started_ms desc limit 1";
    let found: Option<(String, String)> = connection
        .prepare_cached(sql)?
        .query_row(params![counter.as_str(), to_ms(at), late_s], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let key = |(day, number): (String, String)| {
        let (day, number) = (day.parse().ok()?, number.parse().ok()?);
        Some(TicketKey { day, number })
    };
    Ok(found.and_then(key))
}

/// A press of a pad as kept.
pub(super) struct RatingRow<'r> {
    pub(super) journal_id: i64,
    pub(super) at: Timestamp,
    pub(super) score: u8,
    pub(super) counter: Option<&'r CounterNow>,
    pub(super) ticket: Option<&'r TicketKey>,
    pub(super) flag: Option<Flag>,
}

pub(super) fn note_rating(connection: &Connection, rating: &RatingRow<'_>) -> Result<()> {
    let sql = "insert or replace into queue_rating values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        rating.journal_id,
        to_ms(rating.at),
        rating.score,
        rating.counter.map(|counter| counter.counter.as_str()),
        rating
            .counter
            .and_then(|counter| counter.staff.as_ref())
            .map(AsRef::as_ref),
        rating.ticket.map(|key| key.day.to_string()),
        rating.ticket.map(|key| key.number.as_str()),
        rating.flag.map(Flag::as_str),
    ])?;
    Ok(())
}

/// Takes the changed sums of quarter hours that ended before `before`, as the next statement.
pub(super) fn take_quarters(
    connection: &Connection,
    before: Timestamp,
) -> Stored<Vec<FactRevision>> {
    let mut statement = connection.prepare_cached(
        "select slot_ms, queue, class, day, version + 1, sums from queue_quarter
         where dirty = 1 and slot_ms + 900000 <= ?1 order by slot_ms, queue, class limit 2000",
    )?;
    let mut rows = statement.query([to_ms(before)])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let class = row.get::<_, String>(2)?;
        let class = CustomerClass::ALL
            .into_iter()
            .find(|known| known.as_str() == class);
        let fact = Fact::QueueQuarter {
            slot: QuarterHour::containing(from_ms(row.get(0)?)),
            queue: parse(&row.get::<_, String>(1)?)?,
            class: class.unwrap_or_default(),
            sums: from_json(&row.get::<_, String>(5)?)?,
        };
        facts.push(FactRevision {
            version: row.get(4)?,
            day: parse_day(&row.get::<_, String>(3)?)?,
            fact,
        });
    }
    connection
        .prepare_cached(
            "update queue_quarter set dirty = 0, version = version + 1
             where (slot_ms, queue, class) in
                 (select slot_ms, queue, class from queue_quarter
                  where dirty = 1 and slot_ms + 900000 <= ?1 order by slot_ms, queue, class limit 2000)",
        )?
        .execute([to_ms(before)])?;
    Ok(facts)
}

/// Takes the changed sums of counters, as the next statement.
pub(super) fn take_counter_days(connection: &Connection) -> Stored<Vec<FactRevision>> {
    let mut statement = connection.prepare_cached(
        "select day, counter, staff, version + 1, sums from queue_counter_day where dirty = 1",
    )?;
    let mut rows = statement.query([])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let staff: String = row.get(2)?;
        let fact = Fact::CounterDay {
            counter: parse(&row.get::<_, String>(1)?)?,
            staff: if staff.is_empty() {
                None
            } else {
                Some(parse(&staff)?)
            },
            sums: from_json(&row.get::<_, String>(4)?)?,
        };
        facts.push(FactRevision {
            version: row.get(3)?,
            day: parse_day(&row.get::<_, String>(0)?)?,
            fact,
        });
    }
    let sql = "update queue_counter_day set dirty = 0, version = version + 1 where dirty = 1";
    connection.prepare_cached(sql)?.execute([])?;
    Ok(facts)
}

/// Has the closer state a fact anew; true when it is one that is kept here.
pub(super) fn mark_dirty(connection: &Connection, revision: &FactRevision) -> Result<bool> {
    let rows = match &revision.fact {
        Fact::QueueQuarter {
            slot, queue, class, ..
        } => connection
            .prepare_cached(
                "update queue_quarter set dirty = 1
                 where slot_ms = ?1 and queue = ?2 and class = ?3",
            )?
            .execute(params![to_ms(slot.start()), queue.as_str(), class.as_str()])?,
        Fact::CounterDay { counter, staff, .. } => connection
            .prepare_cached(
                "update queue_counter_day set dirty = 1
                 where day = ?1 and counter = ?2 and staff = ?3",
            )?
            .execute(params![
                revision.day.to_string(),
                counter.as_str(),
                staff.as_ref().map_or("", |staff| staff.as_str())
            ])?,
        Fact::HallQuarter { .. } | Fact::ClimateQuarter { .. } => 0,
    };
    Ok(rows > 0)
}

fn parse<T: std::str::FromStr<Err = zhiban_vocabulary::IdError>>(text: &str) -> Stored<T> {
    text.parse()
        .map_err(|error| StoreError::Database(format!("damaged row: {error}")))
}

fn parse_day(text: &str) -> Stored<BusinessDay> {
    text.parse()
        .map_err(|error| StoreError::Database(format!("damaged row: {text}: {error}")))
}

/// Waiting and in the hall at an instant of a day (F-20): taken and neither begun nor gone.
pub(super) fn counts_at(
    connection: &Connection,
    day: BusinessDay,
    at: Timestamp,
) -> Result<(u32, u32)> {
    let sql = "select count(*) filter (where started_ms is null or started_ms >= ?2), count(*)
         from queue_ticket
         where day = ?1 and issued_ms < ?2 and (ended_ms is null or ended_ms >= ?2)";
    connection
        .prepare_cached(sql)?
        .query_row(params![day.to_string(), to_ms(at)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
}

/// Notes that the hall watched `slot` to its end; false when it was noted before.
pub(super) fn note_watched(connection: &Connection, slot: QuarterHour) -> Result<bool> {
    let sql = "insert or ignore into queue_hall_quarter values (?1)";
    Ok(connection
        .prepare_cached(sql)?
        .execute([to_ms(slot.start())])?
        == 1)
}

/// Sums of a day made again from its tickets, to compare with those kept.
#[cfg(test)]
pub(super) fn recomputed(connection: &Connection) -> Stored<BTreeMap<QueueKey, QueueSums>> {
    let mut statement = connection.prepare("select ticket from queue_ticket")?;
    let mut rows = statement.query([])?;
    let mut all: BTreeMap<QueueKey, QueueSums> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let ticket: Ticket = from_json(&row.get::<_, String>(0)?)?;
        for (key, sums) in tally::by_quarter(&ticket) {
            all.entry(key).or_default().merge(&sums);
        }
    }
    Ok(all)
}

/// Tickets by state on a day.
pub(super) fn count_by_state(
    connection: &Connection,
    day: BusinessDay,
    state: State,
) -> Result<u32> {
    let sql = "select count(*) from queue_ticket where day = ?1 and state = ?2";
    connection
        .prepare_cached(sql)?
        .query_row(params![day.to_string(), state.as_str()], |row| row.get(0))
}
