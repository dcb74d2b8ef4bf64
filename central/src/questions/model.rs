//! Pure parts: what an answer may hold, and how it is told.

use zhiban_vocabulary::down::{Denial, Outcome, ROWS_MAX};

/// Longest word or mark a hall may give.
const WORD_CHARS_MAX: usize = 200;

/// An answer with no more than was asked for, whatever the hall sent.
pub(super) fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Rows { mut rows, next } => {
            rows.truncate(ROWS_MAX as usize);
            let next = next.map(|mark| mark.chars().take(WORD_CHARS_MAX).collect());
            Outcome::Rows { rows, next }
        }
        Outcome::Denied { reason } => Outcome::Denied {
            reason: short(reason),
        },
        Outcome::Unanswered { reason } => Outcome::Unanswered {
            reason: short(reason),
        },
    }
}

fn short(reason: Denial) -> Denial {
    match reason {
        Denial::Other(word) => Denial::Other(word.chars().take(WORD_CHARS_MAX).collect()),
        known => known,
    }
}

/// What is kept of an outcome: its word, a reason, how many rows.
pub(super) fn told(outcome: &Outcome) -> (&'static str, Option<&str>, Option<i64>) {
    match outcome {
        Outcome::Rows { rows, .. } => ("rows", None, i64::try_from(rows.len()).ok()),
        Outcome::Denied { reason } => ("denied", Some(reason.as_str()), None),
        Outcome::Unanswered { reason } => ("unanswered", Some(reason.as_str()), None),
    }
}
