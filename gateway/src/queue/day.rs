//! Closes the books of each day by a report of the hall about itself, so that the journal alone
//! tells what became of every ticket.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::report::{DayClosed, Observation, Origin, compose};
use zhiban_vocabulary::time::BusinessDay;

use super::store;
use crate::devices::HALL;
use crate::journal::{Door, Journal, Submission};

const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Closes each day at `closes` until `shutdown`. A day that passed while the box was off is
/// closed at the next start; the journal keeps it from being closed twice.
pub async fn run_day_close(
    journal: Journal,
    closes: Time,
    zone: TimeZone,
    shutdown: CancellationToken,
) {
    let clock = journal.clock();
    loop {
        if let Err(error) = close_due(&journal, closes, &zone).await {
            tracing::warn!(%error, "closing the day will be tried again");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(clock.real_wait(LOOK_EVERY)) => {}
        }
    }
}

async fn close_due(journal: &Journal, closes: Time, zone: &TimeZone) -> Result<(), StoreError> {
    let now = journal.clock().now();
    let Some(last) = last_due(now, closes, zone) else {
        return Ok(());
    };
    let by = zone.clone();
    let open = journal
        .store()
        .read(move |connection| days_to_close(connection, last, &by))
        .await?;
    for day in open {
        journal
            .submit(vec![closing(day, day.at(closes, zone))])
            .await?;
    }
    Ok(())
}

/// The latest day whose closing time has come.
fn last_due(now: Timestamp, closes: Time, zone: &TimeZone) -> Option<BusinessDay> {
    let today = BusinessDay::of(now, zone);
    if today.at(closes, zone) <= now {
        return Some(today);
    }
    today.0.yesterday().ok().map(BusinessDay)
}

/// Days with tickets, or with counters that are still open, that nobody closed yet.
fn days_to_close(
    connection: &rusqlite::Connection,
    last: BusinessDay,
    zone: &TimeZone,
) -> Result<Vec<BusinessDay>, StoreError> {
    let sql = "select distinct day from queue_ticket where day <= ?1
         and day not in (select day from queue_day) order by day";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([last.to_string()], |row| row.get::<_, String>(0))?;
    let mut days = Vec::new();
    for day in rows {
        days.extend(day?.parse::<BusinessDay>());
    }
    // A counter left open on a day without tickets must not book the whole night.
    if days.last() != Some(&last)
        && store::day_closed_at(connection, last)?.is_none()
        && store::counters(connection)?.iter().any(|now| {
            now.state != CounterState::Closed && BusinessDay::of(now.since, zone) <= last
        })
    {
        days.push(last);
    }
    Ok(days)
}

/// Its number is made of the day, so that the journal knows it again.
fn closing(day: BusinessDay, at: Timestamp) -> Submission {
    let boot = format!("day-{day}")
        .parse()
        .expect("a day is a valid boot id");
    let origin = Origin { boot, seq: 0 };
    let observation = Observation::DayClosed(DayClosed { day });
    Submission {
        door: Door::Hall,
        device: HALL.parse().expect("a valid device id"),
        kind: observation.kind().as_str().into(),
        payload: compose(&observation, Some(at), Some(&origin)).into(),
        topic: None,
        redelivery: None,
    }
}
