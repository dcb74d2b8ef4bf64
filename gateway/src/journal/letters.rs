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
    let letter = without_numbers(letter);
    let kept = &letter.payload[..letter.payload.len().min(LETTER_BYTES_MAX)];
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
fn without_numbers(letter: &DeadLetter) -> Cow<'_, DeadLetter> {
    let topic = letter.topic.as_deref().unwrap_or_default();
    if !(is_of_transaction(topic.as_bytes()) || is_of_transaction(&letter.payload)) {
        return Cow::Borrowed(letter);
    }
    let text = |text: &String| String::from_utf8_lossy(&masked(text.as_bytes())).into_owned();
    Cow::Owned(DeadLetter {
        topic: letter.topic.as_ref().map(text),
        reason: text(&letter.reason),
        payload: masked(&letter.payload).into(),
        ..letter.clone()
    })
}

/// Whether a topic or a payload names a transaction, or what only a transaction has.
fn is_of_transaction(text: &[u8]) -> bool {
    let marks = [Kind::KioskTxn.as_str(), "number_hash", "amount_fen"];
    let stands_in = |mark: &str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
    marks.into_iter().any(stands_in)
}

/// With `*` for every digit of a number of that many, however people part it: `138-0000 1111`.
fn masked(text: &[u8]) -> Vec<u8> {
    const DIGITS_MIN: usize = 7;
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"-_. ()+/".contains(byte);
    let mut masked = text.to_vec();
    for run in masked.chunk_by_mut(|a, b| is_part(a) == is_part(b)) {
        if run.iter().filter(|byte| byte.is_ascii_digit()).count() < DIGITS_MIN {
            continue;
        }
        for digit in run.iter_mut().filter(|byte| byte.is_ascii_digit()) {
            *digit = b'*';
        }
    }
    masked
}

fn drop_old_letters(connection: &Connection, up_to: i64) -> Result<()> {
    let sql = "delete from journal_dead_letter where id <= ?1";
    let dropped = connection.prepare_cached(sql)?.execute([up_to])?;
    if dropped > 0 {
        store::add_to_value(connection, DROPPED, i64::try_from(dropped).unwrap_or(0))?;
    }
    Ok(())
}
