//! Reports of one device on one day.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::down::About;
use zhiban_vocabulary::report::Kind;
use zhiban_vocabulary::time::BusinessDay;

use super::{Page, page};
use crate::journal::{self, RawReport};

/// Reports read at once.
const STEP: u32 = 500;
/// Newer reports that are passed over for one answer; a day further back takes several.
const PASSED_MAX: usize = 20_000;
/// 2020-01-01: a clock of before was not set.
const CLOCK_SET_S: i64 = 1_577_836_800;
const CLOCK_WRONG: SignedDuration = SignedDuration::from_hours(24);
/// Longest payload that is shown, in bytes.
const PAYLOAD_BYTES_MAX: usize = 2 << 10;

/// A report as it goes up. What a maker may put a customer's number into goes without its payload.
#[derive(Debug, Serialize)]
struct ReportRow {
    id: i64,
    at: Timestamp,
    received: Timestamp,
    kind: String,
    seq: Option<u64>,
    payload: Option<Value>,
}

impl From<RawReport> for ReportRow {
    fn from(report: RawReport) -> Self {
        let is_private = Kind::from_text(&report.kind).is_none_or(Kind::is_private);
        let payload = (!is_private && report.payload.len() <= PAYLOAD_BYTES_MAX)
            .then(|| serde_json::from_slice(&report.payload).ok())
            .flatten();
        Self {
            id: report.id,
            at: report.time,
            received: report.received,
            kind: report.kind,
            seq: report.seq,
            payload,
        }
    }
}

/// Whether what comes before these reports came before that moment, too. They stand in the order they
/// came in, but the clock may have been wrong by hours for a while, or not been set at all.
fn is_before(step: &[RawReport], from: Timestamp) -> bool {
    let set = |at: &Timestamp| at.as_second() >= CLOCK_SET_S;
    let newest = step.iter().map(|report| report.received).filter(set).max();
    newest.is_some_and(|newest| newest < from - CLOCK_WRONG)
}

/// Reports that came on that day, newest first.
pub(super) fn read(
    connection: &Connection,
    device: &DeviceId,
    day: BusinessDay,
    about: &About,
    zone: &TimeZone,
) -> Result<Page, StoreError> {
    let midnight = jiff::civil::Time::midnight();
    let (from, until) = (day.at(midnight, zone), day.next().at(midnight, zone));
    let after = about.after.as_deref().and_then(|mark| mark.parse().ok());
    let mut before: i64 = after.unwrap_or(i64::MAX);
    let (mut found, mut passed) = (Vec::new(), 0);
    while found.len() < about.limit as usize {
        let step = journal::reports_of_device(connection, device.as_str(), before, STEP)?;
        let Some(last) = step.last() else { break };
        let (id, is_over) = (last.id, is_before(&step, from));
        before = id;
        passed += step.len();
        let of_day = step
            .into_iter()
            .filter(|report| (from..until).contains(&report.received));
        found.extend(of_day.map(ReportRow::from));
        if is_over {
            break;
        }
        if passed >= PASSED_MAX && found.is_empty() {
            return Ok(Page {
                rows: Vec::new(),
                next: Some(id.to_string()),
            });
        }
    }
    found.truncate(about.limit as usize);
    page(&found, about.limit, |row| row.id.to_string())
}
