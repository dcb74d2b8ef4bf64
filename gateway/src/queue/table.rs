//! Tickets as CSV.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use zhiban_kernel::web::{Result, WebError};
use zhiban_vocabulary::time::BusinessDay;

use super::api::TicketView;

/// Tickets as a table to download, UTF-8 with the mark spreadsheets look for.
pub(super) fn csv_of(
    day: BusinessDay,
    views: impl Iterator<Item = TicketView>,
) -> Result<Response> {
    let internal = |error: &dyn std::fmt::Display| WebError::Internal(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::from("\u{feff}"));
    let header = [
        "number",
        "queue",
        "class",
        "state",
        "issued_at",
        "called_at",
        "started_at",
        "ended_at",
        "waiting_s",
        "handling_s",
        "counter",
        "staff",
        "rating",
        "flags",
    ];
    writer
        .write_record(header)
        .map_err(|error| internal(&error))?;
    let time = |time: Option<Timestamp>| time.map(|t| t.to_string()).unwrap_or_default();
    let number = |value: Option<u32>| value.map(|n| n.to_string()).unwrap_or_default();
    for ticket in views {
        let record = [
            safe(ticket.number),
            safe(ticket.queue_name),
            ticket.class.into(),
            ticket.state.into(),
            time(ticket.issued_at),
            time(ticket.called_at),
            time(ticket.started_at),
            time(ticket.ended_at),
            number(ticket.waiting_s),
            number(ticket.handling_s),
            safe(ticket.counter.unwrap_or_default()),
            safe(ticket.staff.map(|person| person.name).unwrap_or_default()),
            number(ticket.rating.map(u32::from)),
            ticket.flags.join(" "),
        ];
        writer
            .write_record(record)
            .map_err(|error| internal(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| internal(&error))?;
    let name = format!("attachment; filename=\"tickets-{day}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, bytes).into_response())
}

/// A cell a spreadsheet would take for a formula is made text.
fn safe(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell
    }
}
