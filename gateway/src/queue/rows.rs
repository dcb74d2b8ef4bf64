//! Tickets as the centre may see them: numbers of staff, not their names.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use zhiban_kernel::StoreError;
use zhiban_kernel::clock::to_ms;
use zhiban_vocabulary::time::BusinessDay;
use zhiban_vocabulary::{CounterId, QueueId};

use super::model::Ticket;

/// Which tickets, oldest first.
#[derive(Debug, Clone)]
pub struct TicketRows<'r> {
    pub day: BusinessDay,
    pub queue: Option<&'r QueueId>,
    pub counter: Option<&'r CounterId>,
    /// Issued from then on.
    pub from: Option<Timestamp>,
    /// Issued before.
    pub until: Option<Timestamp>,
    /// The [mark](TicketRow::mark) of the last one seen.
    pub after: Option<&'r str>,
    pub limit: u32,
}

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketRow {
    #[serde(skip)]
    place_ms: i64,
    pub number: String,
    pub queue: Option<String>,
    pub class: &'static str,
    pub state: &'static str,
    pub issued_at: Option<Timestamp>,
    pub called_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub waiting_s: Option<u32>,
    pub handling_s: Option<u32>,
    pub counter: Option<String>,
    pub staff: Option<String>,
    /// 1 to 5, 5 = best
    pub rating: Option<u8>,
    pub calls: u32,
    pub flags: Vec<&'static str>,
}

impl TicketRow {
    fn new(place_ms: i64, number: String, ticket: &Ticket) -> Self {
        let leg = ticket.leg();
        Self {
            place_ms,
            number,
            queue: leg.queue.as_ref().map(ToString::to_string),
            class: ticket.class.as_str(),
            state: ticket.state().as_str(),
            issued_at: ticket.issued_at(),
            called_at: leg.called_at,
            started_at: leg.started_at,
            ended_at: leg.ended_at,
            waiting_s: leg.waiting_s(),
            handling_s: leg.handling_s(),
            counter: leg.counter.as_ref().map(ToString::to_string),
            staff: leg.staff.as_ref().map(ToString::to_string),
            rating: ticket.rating.as_ref().map(|rating| rating.score.value()),
            calls: ticket.calls,
            flags: ticket.flags.iter().map(|flag| flag.as_str()).collect(),
        }
    }

    /// Its place in the order.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{} {}", self.place_ms, self.number)
    }
}

/// Tickets of a day in the order they were issued; one whose issue nobody saw stands where it was
/// called.
///
/// # Errors
/// When the database cannot be read.
pub fn ticket_rows(
    connection: &Connection,
    asked: &TicketRows<'_>,
) -> Result<Vec<TicketRow>, StoreError> {
    let (place_ms, number) = asked
        .after
        .and_then(|mark| mark.split_once(' '))
        .and_then(|(place, number)| Some((place.parse().ok()?, number)))
        .unwrap_or((i64::MIN, ""));
    let sql = "select coalesce(issued_ms, called_ms, 0) as place, number, ticket from queue_ticket
         where day = ?1 and (?2 is null or queue = ?2) and (?3 is null or counter = ?3)
             and (?4 is null or issued_ms >= ?4) and (?5 is null or issued_ms < ?5)
             and (coalesce(issued_ms, called_ms, 0), number) > (?6, ?7)
         order by place, number limit ?8";
    let values = params![
        asked.day.to_string(),
        asked.queue.map(QueueId::as_str),
        asked.counter.map(CounterId::as_str),
        asked.from.map(to_ms),
        asked.until.map(to_ms),
        place_ms,
        number,
        asked.limit,
    ];
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut statement = connection.prepare_cached(sql)?;
    let found: Vec<(i64, String, String)> = statement
        .query_map(values, read)?
        .collect::<rusqlite::Result<_>>()?;
    let parse = |(place_ms, number, text): (i64, String, String)| {
        let ticket: Ticket = serde_json::from_str(&text)
            .map_err(|error| StoreError::Database(format!("damaged ticket {number}: {error}")))?;
        Ok(TicketRow::new(place_ms, number, &ticket))
    };
    found.into_iter().map(parse).collect()
}
