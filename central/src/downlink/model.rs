//! Pure parts: what is a poll, and how much fits into an answer.

use zhiban_sync::seal::{self, PublicKey, Purpose};
use zhiban_sync::wire::{pack, unpack};
use zhiban_vocabulary::down::{Fetched, Poll, Polled};
use zhiban_vocabulary::envelope::PROTOCOL;
use zhiban_vocabulary::topics;

use crate::intake::Refusal;
use crate::trust::Members;

/// Largest poll; a hall's is far below.
pub const POLL_BYTES_MAX: usize = 4 << 10;
/// Largest answer as it travels.
pub(super) const ANSWER_BYTES_MAX: usize = 1_000 << 10;

/// Highest number of a poll; halls keep it as a signed number.
const NUMBER_MAX: u64 = i64::MAX as u64 - 1;

/// Whether a poll that came to `key` is one of that store, and which of its keys signed it.
pub(super) fn verify(
    members: &Members,
    key: &str,
    bytes: &[u8],
) -> Result<(Poll, PublicKey), Refusal> {
    if bytes.len() > POLL_BYTES_MAX {
        return Err(Refusal::TooLarge(bytes.len()));
    }
    let short = || key.chars().take(100).collect();
    let named = topics::store_of_down(key).ok_or_else(|| Refusal::NoStore(short()))?;
    let (packed, signer) = seal::open(Purpose::Poll, &named, bytes, members.keys_of(&named))?;
    let unreadable = |error: &dyn std::fmt::Display| Refusal::Unreadable(error.to_string());
    let message = unpack(packed).map_err(|error| unreadable(&error))?;
    let poll: Poll = serde_json::from_slice(&message).map_err(|error| unreadable(&error))?;
    if poll.protocol != PROTOCOL {
        return Err(Refusal::Protocol(poll.protocol));
    }
    if poll.store != named {
        let (key, store) = (short(), poll.store);
        return Err(Refusal::WrongKey { key, store });
    }
    // The hall that holds this place must be able to count on.
    if poll.number > NUMBER_MAX {
        let found = format!(
            "number: expected at most {NUMBER_MAX}, found {}",
            poll.number
        );
        return Err(Refusal::Unreadable(found));
    }
    Ok((poll, signer))
}

/// The answer as it travels. Documents it has no room for come with the next poll.
pub(super) fn encode(mut answer: Polled) -> Vec<u8> {
    loop {
        let bytes = pack(&serde_json::to_vec(&answer).unwrap_or_default());
        if bytes.len() <= ANSWER_BYTES_MAX {
            return bytes;
        }
        match &mut answer {
            Polled::Fetched(fetched) if fetched.documents.len() > 1 => halve(fetched),
            _ => {
                tracing::error!(bytes = bytes.len(), "an answer is too large for a hall");
                return bytes;
            }
        }
    }
}

fn halve(fetched: &mut Fetched) {
    fetched.documents.truncate(fetched.documents.len() / 2);
    fetched.more = true;
    if let Some(last) = fetched.documents.last() {
        fetched.upto.change = last.change;
    }
}

#[cfg(test)]
mod tests {
    use zhiban_vocabulary::down::{Cursor, Document, Family};

    use super::*;

    #[test]
    fn an_answer_that_is_too_large_leaves_the_rest_for_the_next_poll() {
        let noise = |seed: u64| -> String {
            let mut state = seed | 1;
            let digits = std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                format!("{:08x}", state >> 32)
            });
            digits.take(60_000).collect()
        };
        let document = |change: u64| Document {
            family: Family::Drawing,
            id: change.to_string(),
            scope: "wola".into(),
            change,
            content: Some(noise(change).into()),
        };
        let fetched = Fetched {
            upto: Cursor { life: 7, change: 9 },
            documents: (1..=9).map(document).collect(),
            ..Fetched::default()
        };
        let bytes = encode(Polled::Fetched(fetched));
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "{}", bytes.len());
        let read = serde_json::from_slice(&unpack(&bytes).unwrap());
        let Polled::Fetched(read) = read.unwrap() else {
            panic!("not fetched");
        };
        assert!(read.more && (1..9).contains(&read.documents.len()));
        assert_eq!(read.upto.change, read.documents.last().unwrap().change);
    }
}
