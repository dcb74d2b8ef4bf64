//! Dead letters: what could not be taken as a report, kept with its reason.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};
use zhiban_kernel::clock::to_ms;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::Kind;

use super::model::{DeadLetter, Numbered};
use super::store;

/// Most bytes of a payload kept.
const LETTER_BYTES_MAX: usize = 64 << 10;
/// Most letters kept; beyond, the oldest go and are counted.
const LETTERS_MAX: i64 = 20_000;
/// How many have gone, among the journal's values.
pub(super) const DROPPED: &str = "dead_letters_dropped";

pub(super) fn stale_letter(report: &Numbered) -> DeadLetter {
    DeadLetter {
        door: report.door,
        device: Some(report.device.clone()),
        topic: report
            .topic
            .clone()
            .or_else(|| Some(report.kind.as_str().into())),
        code: "stale-seq",
        reason: "seq is older than the numbers kept, so it cannot be told from a duplicate".into(),
        payload: report.payload.clone(),
        size: report.payload.len(),
    }
}

pub(super) fn bury(connection: &Connection, letter: &DeadLetter, now: Timestamp) -> Result<()> {
    let kept = kept_of(letter);
    connection
        .prepare_cached(
            "insert into journal_dead_letter
                 (received_ms, door, device, topic, reason_code, reason, payload, size)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            to_ms(now),
            letter.door.as_str(),
            letter.device.as_ref().map(DeviceId::as_str),
            letter.topic,
            letter.code,
            letter.reason,
            kept,
            i64::try_from(letter.size).unwrap_or(i64::MAX),
        ])?;
    metrics::counter!("zhiban_dead_letters_total").increment(1);
    drop_old_letters(connection, connection.last_insert_rowid() - LETTERS_MAX)
}

/// Of a refused transaction the numbers are not kept: it may have been refused because a phone or
/// account number stands in it as it is.
fn kept_of(letter: &DeadLetter) -> Cow<'_, [u8]> {
    let mut kept = Cow::Borrowed(&letter.payload[..letter.payload.len().min(LETTER_BYTES_MAX)]);
    let topic = letter.topic.as_deref().unwrap_or_default();
    if topic.ends_with(Kind::KioskTxn.as_str()) {
        mask_numbers(kept.to_mut());
    }
    kept
}

/// Every run of that many digits becomes as many `*`.
fn mask_numbers(text: &mut [u8]) {
    const DIGITS_MIN: usize = 7;
    for run in text.chunk_by_mut(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        if run.len() >= DIGITS_MIN && run[0].is_ascii_digit() {
            run.fill(b'*');
        }
    }
}

fn drop_old_letters(connection: &Connection, up_to: i64) -> Result<()> {
    let sql = "delete from journal_dead_letter where id <= ?1";
    let dropped = connection.prepare_cached(sql)?.execute([up_to])?;
    if dropped > 0 {
        store::add_to_value(connection, DROPPED, i64::try_from(dropped).unwrap_or(0))?;
    }
    Ok(())
}
