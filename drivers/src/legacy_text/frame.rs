//! The lines of the legacy text service, without I/O.
//!
//! ```text
//! screen   1|ADDRESS|TEXT|MODE|TICKET,WINDOW      the last field may be empty
//! voice    2|LANGUAGE|TICKET|WINDOW|WHO           WHO is said by nobody
//! watch    WATCH_MANAGE                           asks whether the service is there
//! answer   0, -1, or 9999 to a watch              no newline
//! ```
//!
//! In the field a line has no end: the old service takes what one read gives it as one line. Here a
//! newline, a carriage return or a zero byte ends a line, and so does a short silence.

use std::fmt;

use encoding_rs::GBK;
use serde::Deserialize;

use crate::Explained;

/// Longest line in bytes; the old service keeps 128 of it.
pub const LINE_BYTES_MAX: usize = 512;

const WATCH: &str = "WATCH_MANAGE";
const FIELDS: usize = 5;

/// How text is written in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Encoding {
    #[default]
    #[serde(rename = "gbk")]
    Gbk,
    #[serde(rename = "utf-8")]
    Utf8,
}

/// What a queue host asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Screen {
        address: String,
        text: String,
        call: Option<Call>,
    },
    Voice(Call),
    Watch,
}

/// Ticket and window as the host names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub ticket: String,
    pub window: String,
}

/// Why a line is not a request. Never tells what stood in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("not text in the encoding of the settings")]
    NotText,
    #[error("a control character")]
    Control,
    #[error("{0} fields, expected {FIELDS}")]
    Fields(usize),
    #[error("first field: expected 1 or 2")]
    Kind,
    #[error("{0}: empty")]
    Empty(&'static str),
    #[error("last field: expected TICKET,WINDOW")]
    Call,
}

/// What the host is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Taken,
    Refused,
    /// To a watch.
    Here,
}

impl Answer {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "0",
            Self::Refused => "-1",
            Self::Here => "9999",
        }
    }
}

/// Collects bytes until they are lines.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    too_long: bool,
}

/// A line that has ended, without its end; an error when it was too long.
pub type Ended = Result<Vec<u8>, BadLine>;

impl Lines {
    /// Takes bytes in and gives the lines they end.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Ended> {
        let mut lines = Vec::new();
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r' | 0) {
                lines.extend(self.end());
            } else if self.pending.len() < LINE_BYTES_MAX {
                self.pending.push(*byte);
            } else {
                self.too_long = true;
            }
        }
        lines
    }

    /// Nothing came for a while, or nothing will come: what is there is a line. Empty ones are none.
    pub fn end(&mut self) -> Option<Ended> {
        let line = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.too_long) {
            return Some(Err(BadLine::TooLong));
        }
        (!line.is_empty()).then_some(Ok(line))
    }

    /// Whether a line has begun.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

impl Request {
    /// # Errors
    /// [`BadLine`], which says what was expected.
    pub fn parse(line: &[u8], encoding: Encoding) -> Result<Self, BadLine> {
        let text = decode(line, encoding).ok_or(BadLine::NotText)?;
        if text.chars().any(char::is_control) {
            return Err(BadLine::Control);
        }
        if text == WATCH {
            return Ok(Self::Watch);
        }
        // The text is split, not its bytes: 7C is `|`, and also the second half of some characters.
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        match fields[..] {
            ["1", address, text, _mode, call] => Self::screen(address, text, call),
            ["2", _language, ticket, window, _who] => Ok(Self::Voice(Call::new(ticket, window)?)),
            [_, _, _, _, _] => Err(BadLine::Kind),
            _ => Err(BadLine::Fields(fields.len())),
        }
    }

    fn screen(address: &str, text: &str, call: &str) -> Result<Self, BadLine> {
        let call = match call.split_once(',') {
            None if call.is_empty() => None,
            Some(("", "")) => None,
            Some((ticket, window)) => Some(Call::new(ticket.trim(), window.trim())?),
            None => return Err(BadLine::Call),
        };
        if address.is_empty() {
            return Err(BadLine::Empty("address"));
        }
        if text.is_empty() && call.is_none() {
            return Err(BadLine::Empty("text"));
        }
        Ok(Self::Screen {
            address: address.to_owned(),
            text: text.to_owned(),
            call,
        })
    }
}

impl Call {
    fn new(ticket: &str, window: &str) -> Result<Self, BadLine> {
        if ticket.is_empty() {
            return Err(BadLine::Empty("ticket"));
        }
        if window.is_empty() {
            return Err(BadLine::Empty("window"));
        }
        Ok(Self {
            ticket: ticket.to_owned(),
            window: window.to_owned(),
        })
    }
}

fn decode(line: &[u8], encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(line).ok().map(str::to_owned),
        Encoding::Gbk => {
            let (text, wrong) = GBK.decode_without_bom_handling(line);
            (!wrong).then(|| text.into_owned())
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Screen {
                address,
                text,
                call,
            } => {
                write!(f, "screen {address}: {text}")?;
                call.iter().try_for_each(|call| write!(f, " ({call})"))
            }
            Self::Voice(call) => write!(f, "voice: {call}"),
            Self::Watch => f.write_str("watch"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.ticket, self.window)
    }
}

/// Says what bytes are, for people. Lines with newlines are told apart; what else came together is
/// one line, as the old service has it.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    for line in bytes.split_inclusive(is_end) {
        let range = start..start + line.len();
        start = range.end;
        let content = match line.split_last() {
            Some((end, content)) if is_end(end) => content,
            _ => line,
        };
        if let Some((text, good)) = meaning(content) {
            pieces.push(Explained { range, text, good });
        }
    }
    pieces
}

/// `None` for an empty line.
fn meaning(line: &[u8]) -> Option<(String, bool)> {
    let answers = [Answer::Taken, Answer::Refused, Answer::Here];
    if answers.iter().any(|answer| answer.as_str().as_bytes() == line) {
        return Some((format!("answer {}", String::from_utf8_lossy(line)), true));
    }
    if line.is_empty() {
        return None;
    }
    if line.len() > LINE_BYTES_MAX {
        return Some((BadLine::TooLong.to_string(), false));
    }
    // Chinese text in GBK is next to never valid UTF-8.
    let read = Request::parse(line, Encoding::Utf8);
    let read = read.or_else(|_| Request::parse(line, Encoding::Gbk));
    Some(match read {
        Ok(request) => (request.to_string(), true),
        Err(bad) => (bad.to_string(), false),
    })
}

/// For the fuzzer: however the bytes arrive, the same lines come of them, none longer than allowed,
/// and the monitor sees as many requests as the driver.
///
/// # Panics
/// When that is not so.
pub fn fuzz(bytes: &[u8]) {
    let (mut whole, mut single) = (Lines::default(), Lines::default());
    let mut at_once = whole.feed(bytes);
    at_once.extend(whole.end());
    let mut one_by_one: Vec<Ended> = bytes.chunks(1).flat_map(|byte| single.feed(byte)).collect();
    one_by_one.extend(single.end());
    assert_eq!(at_once, one_by_one, "lines depend on how the bytes arrive");
    let lines = at_once.iter().flatten();
    assert!(lines.clone().all(|line| (1..=LINE_BYTES_MAX).contains(&line.len())));
    let taken = |line: &&Vec<u8>| {
        [Encoding::Utf8, Encoding::Gbk].iter().any(|encoding| Request::parse(line, *encoding).is_ok())
    };
    let requests = lines.filter(taken).count();
    let explained = explain(bytes);
    let shown = explained.iter().filter(|piece| piece.good && !piece.text.starts_with("answer"));
    assert_eq!(requests, shown.count(), "the monitor sees other requests");
}

#[cfg(test)]
mod tests;
