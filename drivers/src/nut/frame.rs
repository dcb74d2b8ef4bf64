//! The lines of a NUT server, without I/O (RFC 9271).
//!
//! ```text
//! asked     LIST UPS | LIST VAR <ups> | USERNAME <name> | PASSWORD <password>
//! answered  BEGIN LIST VAR <ups>, lines of VAR <ups> <name> "<value>", END LIST VAR <ups>
//!           OK … | ERR <code>
//! ```
//!
//! Words are parted by blanks; a word in quotes may hold blanks, and `\` takes what follows as it is.

use std::fmt;

use crate::Explained;

/// Longest line, in bytes.
pub const LINE_MAX: usize = 2048;

/// One line of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Ok,
    /// The code, such as `DATA-STALE`.
    Err(String),
    /// What the list is of, such as `VAR hall`.
    Begin(Vec<String>),
    End(Vec<String>),
    /// A line of a list, such as `VAR hall ups.status "OL"`.
    Row(Vec<String>),
}

impl Reply {
    /// `None` for what a server does not say.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let mut words = words(line)?.into_iter();
        let first = words.next()?;
        let rest: Vec<String> = words.collect();
        let is_list = rest.first().is_some_and(|word| word == "LIST");
        match first.as_str() {
            "OK" => Some(Self::Ok),
            "ERR" => Some(Self::Err(rest.first()?.clone())),
            "BEGIN" if is_list => Some(Self::Begin(rest[1..].to_vec())),
            "END" if is_list => Some(Self::End(rest[1..].to_vec())),
            "VAR" | "UPS" if !rest.is_empty() => Some(Self::Row([vec![first], rest].concat())),
            _ => None,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Err(code) => write!(f, "error {code}"),
            Self::Begin(of) => write!(f, "list of {}", of.join(" ")),
            Self::End(of) => write!(f, "end of {}", of.join(" ")),
            Self::Row(words) => match &words[..] {
                [_, name @ .., value] => write!(f, "{} = {value}", name.join(" ")),
                _ => Ok(()),
            },
        }
    }
}

/// The words of a line; `None` when a quote does not end or the line is no text.
#[must_use]
pub fn words(line: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            letter if letter.is_control() => return None,
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

/// A line that is read as these words. They must not hold line breaks.
#[must_use]
pub fn line(words: &[&str]) -> Vec<u8> {
    let words = words.iter().map(|word| quote(word));
    let mut line = words.collect::<Vec<_>>().join(" ").into_bytes();
    line.push(b'\n');
    line
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Cuts what a server says into lines.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Takes bytes in and gives the lines they complete, without their ends.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend(bytes);
        let mut lines = Vec::new();
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let rest = self.0.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.0, rest);
            line.pop();
            line.pop_if(|byte| *byte == b'\r');
            lines.push(line);
        }
        lines
    }

    /// Whether what is pending can still become a line.
    #[must_use]
    pub fn too_long(&self) -> bool {
        self.0.len() > LINE_MAX
    }
}

/// Says what lines are, in either direction.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    let mut at = 0;
    let explained = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let range = at..at + line.len();
        at = range.end;
        let (text, good) = read(line);
        Explained { range, text, good }
    });
    explained.collect()
}

fn read(line: &[u8]) -> (String, bool) {
    let Some(line) = line.strip_suffix(b"\n") else {
        return ("…".into(), false);
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(reply) = Reply::read(line) {
        return (reply.to_string(), true);
    }
    let words = words(line).unwrap_or_default();
    let asked = words.first().is_some_and(|word| {
        ["LIST", "USERNAME", "PASSWORD", "LOGOUT"].contains(&word.as_str())
    });
    match asked {
        true => (words.join(" ").to_lowercase(), true),
        false => ("?".into(), false),
    }
}

/// For the fuzzer: lines are the same however they arrive, and words are read back as written.
///
/// # Panics
/// When they are not; that is what the fuzzer looks for.
pub fn fuzz(bytes: &[u8]) {
    let (mut whole, mut single) = (Lines::default(), Lines::default());
    let at_once = whole.feed(bytes);
    let one_by_one: Vec<_> = bytes.chunks(1).flat_map(|byte| single.feed(byte)).collect();
    assert_eq!(at_once, one_by_one, "lines depend on how the bytes arrive");
    for said in &at_once {
        let Some(words) = words(said) else { continue };
        // An escaped control character is read, but could not be written on one line.
        if words.iter().flat_map(|word| word.chars()).any(char::is_control) {
            continue;
        }
        let written = line(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let read = self::words(&written[..written.len() - 1]);
        assert_eq!(read, Some(words), "words are not read back as written");
    }
    let covered: usize = explain(bytes).iter().map(|piece| piece.range.len()).sum();
    assert_eq!(covered, bytes.len(), "the monitor leaves something out");
}

#[cfg(test)]
mod tests;
