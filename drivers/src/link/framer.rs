//! Cutting a stream of bytes into frames: the same for every protocol, given what a frame is.

use std::fmt;

use crate::Explained;

/// What a frame of a protocol is, as a pure function of bytes.
pub trait Codec {
    type Frame: fmt::Display + fmt::Debug + PartialEq;

    /// Longest frame, in bytes: what is longer without being one is broken.
    const LENGTH_MAX: usize;

    /// Whether a frame can begin with this byte.
    fn begins(byte: u8) -> bool;

    /// What the bytes at the front are. Given a byte that begins a frame, first of at least one.
    fn front(bytes: &[u8]) -> Front<Self::Frame>;
}

/// What the bytes at the front of a buffer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front<F> {
    /// A frame of so many bytes.
    Frame(F, usize),
    /// Could still become a frame.
    Incomplete,
    /// Will never be one; to be said as early as it can be known.
    Broken,
}

/// Collects bytes until they are frames.
#[derive(Debug)]
pub struct Framer<C: Codec> {
    pending: Vec<u8>,
    /// Bytes that began well and went wrong, since last asked.
    bad: u64,
    codec: std::marker::PhantomData<C>,
}

impl<C: Codec> Default for Framer<C> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            bad: 0,
            codec: std::marker::PhantomData,
        }
    }
}

/// A frame, broken bytes or noise, with its length.
enum Cut<F> {
    Frame(F, usize),
    Broken,
    Noise(usize),
}

fn cut<C: Codec>(bytes: &[u8]) -> Option<Cut<C::Frame>> {
    let begin = bytes.iter().position(|byte| C::begins(*byte));
    match begin {
        None if bytes.is_empty() => None,
        None => Some(Cut::Noise(bytes.len())),
        // Never shown more than a frame may have: it must not matter how much has come already.
        Some(0) => match C::front(&bytes[..bytes.len().min(C::LENGTH_MAX)]) {
            Front::Frame(frame, length) => Some(Cut::Frame(frame, length)),
            Front::Incomplete if bytes.len() < C::LENGTH_MAX => None,
            Front::Incomplete | Front::Broken => Some(Cut::Broken),
        },
        Some(noise) => Some(Cut::Noise(noise)),
    }
}

impl<C: Codec> Framer<C> {
    /// Takes bytes in and gives the frames they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<C::Frame> {
        self.pending.extend(bytes);
        let mut frames = Vec::new();
        while let Some(cut) = cut::<C>(&self.pending) {
            let length = match cut {
                Cut::Noise(length) => length,
                Cut::Frame(frame, length) => {
                    frames.push(frame);
                    length
                }
                Cut::Broken => {
                    // Only the first byte: the true beginning may be inside.
                    self.bad += 1;
                    1
                }
            };
            self.pending.drain(..length);
        }
        frames
    }

    /// Forgets what is incomplete, because too much time has passed for it to be one frame.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// Bytes waiting to become a frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Broken frames since the last call.
    pub fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad)
    }
}

/// Says what bytes are, for people: every frame, and what lies between.
#[must_use]
pub fn explain<C: Codec>(bytes: &[u8]) -> Vec<Explained> {
    let mut pieces: Vec<Explained> = Vec::new();
    let mut at = 0;
    let mut put = |start: usize, length: usize, text: String, good: bool| {
        let joins = pieces
            .last()
            .is_some_and(|last| !last.good && !good && last.text == text);
        if let (true, Some(last)) = (joins, pieces.last_mut()) {
            last.range.end = start + length;
            return;
        }
        pieces.push(Explained {
            range: start..start + length,
            text,
            good,
        });
    };
    while at < bytes.len() {
        let (length, text, good) = match cut::<C>(&bytes[at..]) {
            Some(Cut::Frame(frame, length)) => (length, frame.to_string(), true),
            Some(Cut::Noise(length)) => (length, "?".into(), false),
            Some(Cut::Broken) => (1, "?".into(), false),
            None => (bytes.len() - at, "…".into(), false),
        };
        put(at, length, text, good);
        at += length;
    }
    pieces
}

/// For the fuzzer: however the bytes arrive, the same frames come of them.
///
/// # Panics
/// When they do not; that is what the fuzzer looks for.
pub fn fuzz<C: Codec>(bytes: &[u8]) {
    let (mut whole, mut single) = (Framer::<C>::default(), Framer::<C>::default());
    let at_once = whole.feed(bytes);
    let one_by_one: Vec<_> = bytes.chunks(1).flat_map(|byte| single.feed(byte)).collect();
    assert_eq!(at_once, one_by_one, "frames depend on how the bytes arrive");
    assert_eq!(whole.bad, single.bad, "so does what is counted as broken");
    let explained = explain::<C>(bytes);
    let good = explained.iter().filter(|piece| piece.good).count();
    assert_eq!(at_once.len(), good, "the monitor sees other frames");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `< digits >`
    struct Angles;

    impl Codec for Angles {
        type Frame = String;
        const LENGTH_MAX: usize = 6;

        fn begins(byte: u8) -> bool {
            byte == b'<'
        }

        fn front(bytes: &[u8]) -> Front<String> {
            let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit());
            let end = 1 + digits.count();
            match bytes.get(end) {
                None => Front::Incomplete,
                Some(b'>') => {
                    let text = String::from_utf8_lossy(&bytes[1..end]).into_owned();
                    Front::Frame(text, end + 1)
                }
                Some(_) => Front::Broken,
            }
        }
    }

    #[test]
    fn frames_are_found_between_noise() {
        let bytes = b"ab<12><3<4>cd<56";
        fuzz::<Angles>(bytes);
        let mut framer = Framer::<Angles>::default();
        assert_eq!(framer.feed(bytes), ["12", "4"]);
        assert_eq!(framer.take_bad(), 1);
        assert_eq!(framer.feed(b"7>"), ["567"]);
        let texts: Vec<String> = explain::<Angles>(bytes)
            .into_iter()
            .map(|piece| format!("{:?} {}", piece.range, piece.text))
            .collect();
        assert_eq!(
            texts,
            [
                "0..2 ?",
                "2..6 12",
                "6..8 ?",
                "8..11 4",
                "11..13 ?",
                "13..16 …"
            ]
        );
    }

    #[test]
    fn what_never_ends_is_given_up() {
        fuzz::<Angles>(b"<12345678<1>");
        let mut framer = Framer::<Angles>::default();
        assert_eq!(framer.feed(b"<12345678<1>"), ["1"]);
        // Also when its end has come, too late.
        fuzz::<Angles>(b"<12345678>");
        assert_eq!(framer.feed(b"<12345678>"), [""; 0]);
    }
}
