//! Answers questions of the centre (下钻): somebody there wants to see the rows behind a figure. The
//! hall judges the right itself, by the one its own page asks for, and writes down who saw what,
//! before it is shown. Names of staff stay here.

mod reports;

use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use zhiban_kernel::people::note;
use zhiban_kernel::{Store, StoreError};
use zhiban_vocabulary::down::{About, Denial, Outcome, Question, ROWS_MAX, Rows};
use zhiban_vocabulary::roles::{Capability, Role};

use crate::{federation, queue};

/// Size of all rows of an answer, in bytes of JSON.
const BYTES_MAX: usize = 512 << 10;
/// Longest text of a question that is written down.
const NOTED_CHARS_MAX: usize = 300;

/// Rows of one kind, and the mark behind which there are more.
struct Page {
    rows: Vec<Value>,
    next: Option<String>,
}

/// The answer to a question.
///
/// # Errors
/// When the database refuses; then nothing was shown.
pub(crate) async fn answer(
    store: &Store,
    zone: &TimeZone,
    question: &Question,
) -> Result<Outcome, StoreError> {
    let about: Option<About> = serde_json::from_value(question.about.clone()).ok();
    let about = about.filter(|about| (1..=ROWS_MAX).contains(&about.limit));
    let denial = match &about {
        None => Some(Denial::Unknown),
        Some(about) if !may(&question.roles, needed(&about.rows)) => Some(Denial::Right),
        Some(_) => None,
    };
    write_down(store, question, denial.clone()).await?;
    let about = match (about, denial) {
        (Some(about), None) => about,
        (Some(_), Some(reason)) => return Ok(Outcome::Denied { reason }),
        (None, reason) => {
            let reason = reason.unwrap_or(Denial::Unknown);
            return Ok(Outcome::Unanswered { reason });
        }
    };
    let zone = zone.clone();
    let page = store.read(move |connection| read(connection, &about, &zone));
    let Page { rows, next } = page.await?;
    Ok(Outcome::Rows { rows, next })
}

/// The right the hall's own page of such rows asks for.
const fn needed(rows: &Rows) -> Capability {
    match rows {
        Rows::Tickets { .. } => Capability::TicketsRead,
        Rows::Reports { .. } | Rows::Alarms => Capability::DevicesRead,
    }
}

fn may(roles: &[String], needed: Capability) -> bool {
    let roles = roles.iter().filter_map(|role| Role::from_text(role));
    roles.into_iter().any(|role| role.may(needed))
}

async fn write_down(
    store: &Store,
    question: &Question,
    denial: Option<Denial>,
) -> Result<(), StoreError> {
    let asked = format!("{} as {}", question.about, question.roles.join(","));
    let asked: String = asked.chars().take(NOTED_CHARS_MAX).collect();
    let who: String = question.asked_by.chars().take(NOTED_CHARS_MAX).collect();
    let action = match denial {
        None => "centre.rows",
        Some(_) => "centre.rows-refused",
    };
    let write = move |connection: &Connection| note(connection, &who, "centre", action, &asked);
    store.write(write).await
}

fn read(connection: &Connection, about: &About, zone: &TimeZone) -> Result<Page, StoreError> {
    let after = about.after.as_deref();
    match &about.rows {
        Rows::Tickets {
            day,
            queue,
            counter,
            from,
            until,
        } => {
            let asked = queue::TicketRows {
                day: *day,
                queue: queue.as_ref(),
                counter: counter.as_ref(),
                from: *from,
                until: *until,
                after,
                limit: about.limit,
            };
            page(
                &queue::ticket_rows(connection, &asked)?,
                about.limit,
                queue::TicketRow::mark,
            )
        }
        Rows::Reports { device, day } => reports::read(connection, device, *day, about, zone),
        Rows::Alarms => {
            let rows = federation::standing_alarms(connection, after, about.limit)?;
            page(&rows, about.limit, federation::StandingAlarm::mark)
        }
    }
}

/// A page of rows, with a mark when it is full or its bytes are.
fn page<T: Serialize>(
    found: &[T],
    limit: u32,
    mark: impl Fn(&T) -> String,
) -> Result<Page, StoreError> {
    let is_full = found.len() >= limit as usize;
    let count = found.len();
    let (mut rows, mut next, mut bytes) = (Vec::with_capacity(count), None, 0);
    for row in found {
        let value =
            serde_json::to_value(row).map_err(|error| StoreError::Database(error.to_string()))?;
        bytes += value.to_string().len();
        if bytes > BYTES_MAX && !rows.is_empty() {
            break;
        }
        rows.push(value);
        next = Some(mark(row));
    }
    let is_cut = rows.len() < count;
    Ok(Page {
        rows,
        next: next.filter(|_| is_full || is_cut),
    })
}

#[cfg(test)]
mod tests;
