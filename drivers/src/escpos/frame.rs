//! The bytes of ESC/POS status, without I/O.
//!
//! ```text
//! asked     10 04 n     real-time status, n = 1 printer, 2 why offline, 3 error, 4 roll paper
//!           1D 61 mask  tell of changes by itself (ASB)
//!           1D 49 n     text about itself, n = 65 firmware, 66 maker, 67 model, 68 serial number
//! answered  0xx1xx10                               one byte of real-time status
//!           0xx1xx00 0xx0xxxx 0xx0xxxx 0xx0xxxx    ASB
//!           5F text 00                             text
//! ```
//!
//! An answer does not say which question it answers, and has no sum: four bits of each byte are
//! all there is. So every answer must also have the form documented for its question
//! ([`Question::takes`]), and the session believes a change only when it was told twice.

use std::fmt;

use zhiban_vocabulary::kiosk::Paper;
use zhiban_vocabulary::printer::PrinterHealth;

use crate::Explained;
use crate::link::framer::{self, Codec, Framer, Front};

/// Longest text a printer may give about itself.
pub const TEXT_MAX: usize = 80;

const DLE: u8 = 0x10;
const EOT: u8 = 0x04;
const GS: u8 = 0x1D;
const TEXT: u8 = 0x5F;
/// The bits that are fixed in the first byte of any status, and what they are in each kind.
const FIXED: u8 = 0b1001_0011;
const FIXED_STATUS: u8 = 0b0001_0010;
const FIXED_ASB: u8 = 0b0001_0000;
/// Fixed to 0 in the other bytes of an ASB block.
const ASB_ZERO: u8 = 0b1001_0000;
/// What ASB is to tell of: online or offline, errors, roll paper. Not the cash drawer.
const ASB_MASK: u8 = 0x0E;

const OFFLINE: u8 = 0x08;
const COVER: u8 = 0x04;
const FEEDING: u8 = 0x08;
const STOPPED: u8 = 0x20;
const ERROR: u8 = 0x40;
const CUTTER: u8 = 0x08;
const UNRECOVERABLE: u8 = 0x20;
const RECOVERABLE: u8 = 0x40;
const NEAR_END: u8 = 0x0C;
const END: u8 = 0x60;
const ASB_COVER: u8 = 0x20;
const ASB_MECHANICAL: u8 = 0x04;
const ASB_NEAR_END: u8 = 0x03;
const ASB_END: u8 = 0x0C;

/// What DLE EOT can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Printer = 1,
    Offline = 2,
    Error = 3,
    Paper = 4,
}

impl Question {
    pub const ALL: [Self; 4] = [Self::Printer, Self::Offline, Self::Error, Self::Paper];

    /// Whether a status byte has the form documented for this question.
    #[must_use]
    pub fn takes(self, byte: u8) -> bool {
        let whole = |pair: u8| byte & pair == 0 || byte & pair == pair;
        is_status(byte) && (self != Self::Paper || (whole(NEAR_END) && whole(END)))
    }
}

/// Whether a byte can be an answer to DLE EOT.
#[must_use]
pub fn is_status(byte: u8) -> bool {
    byte & FIXED == FIXED_STATUS
}

/// What GS I can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Firmware = 65,
    Maker = 66,
    Model = 67,
    Serial = 68,
}

impl About {
    const ALL: [Self; 4] = [Self::Firmware, Self::Maker, Self::Model, Self::Serial];
}

/// What is said to a printer; none of it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Status(Question),
    About(About),
    /// The mask of GS a; 0 switches it off.
    TellChanges(u8),
}

impl Command {
    /// Tells of everything a [`Condition`] holds.
    pub const TELL_CHANGES: Self = Self::TellChanges(ASB_MASK);

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(self) -> [u8; 3] {
        match self {
            Self::Status(question) => [DLE, EOT, question as u8],
            Self::About(about) => [GS, b'I', about as u8],
            Self::TellChanges(mask) => [GS, b'a', mask],
        }
    }

    /// The command that three bytes are.
    #[must_use]
    pub fn decode(bytes: [u8; 3]) -> Option<Self> {
        let [first, second, n] = bytes;
        match (first, second) {
            (DLE, EOT) => {
                let mut all = Question::ALL.into_iter();
                all.find(|question| *question as u8 == n).map(Self::Status)
            }
            (GS, b'I') => {
                let mut all = About::ALL.into_iter();
                all.find(|about| *about as u8 == n).map(Self::About)
            }
            (GS, b'a') => Some(Self::TellChanges(n)),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(Question::Printer) => f.write_str("printer?"),
            Self::Status(Question::Offline) => f.write_str("why offline?"),
            Self::Status(Question::Error) => f.write_str("error?"),
            Self::Status(Question::Paper) => f.write_str("paper?"),
            Self::About(about) => write!(f, "{}?", format!("{about:?}").to_lowercase()),
            Self::TellChanges(mask) => write!(f, "tell changes {mask:02X}"),
        }
    }
}

/// What a printer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Status(u8),
    Asb([u8; 4]),
    /// Printable ASCII.
    Text(String),
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(byte) => write!(f, "status {byte:02X}"),
            Self::Asb(block) => write!(f, "changed: {}", Condition::from_asb(*block)),
            Self::Text(text) => write!(f, "text {text}"),
        }
    }
}

impl Frame {
    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Status(byte) => vec![*byte],
            Self::Asb(block) => block.to_vec(),
            Self::Text(text) => [&[TEXT], text.as_bytes(), &[0]].concat(),
        }
    }
}

/// Cuts what a printer says into frames.
pub type Parser = Framer<EscPos>;

/// What a printer says; see the module.
#[derive(Debug)]
pub struct EscPos;

impl Codec for EscPos {
    type Frame = Frame;
    const LENGTH_MAX: usize = TEXT_MAX + 2;

    fn begins(byte: u8) -> bool {
        is_status(byte) || byte & FIXED == FIXED_ASB || byte == TEXT
    }

    fn front(bytes: &[u8]) -> Front<Frame> {
        match bytes.first() {
            None => Front::Incomplete,
            Some(&TEXT) => front_text(bytes),
            Some(&byte) if is_status(byte) => Front::Frame(Frame::Status(byte), 1),
            Some(_) => front_asb(bytes),
        }
    }
}

fn front_asb(bytes: &[u8]) -> Front<Frame> {
    let rest = bytes.iter().take(4).skip(1);
    // As early as it can be known: a status byte behind must not be swallowed.
    if rest.clone().any(|byte| byte & ASB_ZERO != 0) {
        return Front::Broken;
    }
    match bytes.first_chunk() {
        Some(block) => Front::Frame(Frame::Asb(*block), 4),
        None => Front::Incomplete,
    }
}

fn front_text(bytes: &[u8]) -> Front<Frame> {
    let text = &bytes[1..];
    let is_printable = |byte: &&u8| (0x20..0x7F).contains(*byte);
    let length = text.iter().take_while(is_printable).count();
    if length > TEXT_MAX {
        return Front::Broken;
    }
    match text.get(length) {
        None => Front::Incomplete,
        Some(0) => {
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            Front::Frame(Frame::Text(text), length + 2)
        }
        Some(_) => Front::Broken,
    }
}

/// What a printer is like, whichever way it said so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition {
    pub offline: bool,
    pub cover_open: bool,
    pub near_end: bool,
    pub paper_end: bool,
    pub cutter: bool,
    pub unrecoverable: bool,
    /// Over by itself, such as a hot head.
    pub recoverable: bool,
    /// Said to be in error, without a cause.
    pub error: bool,
    pub feeding: bool,
}

impl Condition {
    /// From the answers to all of [`Question::ALL`], in this order.
    #[must_use]
    pub fn from_answers(answers: [u8; 4]) -> Self {
        let [printer, offline, error, paper] = answers;
        let has = |byte: u8, bit: u8| byte & bit == bit;
        Self {
            offline: has(printer, OFFLINE),
            cover_open: has(offline, COVER),
            feeding: has(offline, FEEDING),
            near_end: has(paper, NEAR_END),
            paper_end: has(paper, END) || has(offline, STOPPED),
            cutter: has(error, CUTTER),
            unrecoverable: has(error, UNRECOVERABLE),
            recoverable: has(error, RECOVERABLE),
            error: has(offline, ERROR),
        }
    }

    /// The answers of a printer in this condition.
    #[must_use]
    pub fn answer(self, question: Question) -> u8 {
        let bits = match question {
            Question::Printer => bits(&[(self.offline, OFFLINE)]),
            Question::Offline => bits(&[
                (self.cover_open, COVER),
                (self.feeding, FEEDING),
                (self.paper_end, STOPPED),
                (self.is_faulty(), ERROR),
            ]),
            Question::Error => bits(&[
                (self.cutter, CUTTER),
                (self.unrecoverable, UNRECOVERABLE),
                (self.recoverable, RECOVERABLE),
            ]),
            Question::Paper => bits(&[
                (self.near_end || self.paper_end, NEAR_END),
                (self.paper_end, END),
            ]),
        };
        FIXED_STATUS | bits
    }

    #[must_use]
    pub fn from_asb(block: [u8; 4]) -> Self {
        let [first, errors, paper, _] = block;
        let has = |byte: u8, bit: u8| byte & bit == bit;
        Self {
            offline: has(first, OFFLINE),
            cover_open: has(first, ASB_COVER),
            feeding: has(first, 0x40),
            near_end: has(paper, ASB_NEAR_END),
            paper_end: has(paper, ASB_END),
            cutter: has(errors, CUTTER),
            unrecoverable: has(errors, UNRECOVERABLE),
            recoverable: has(errors, RECOVERABLE),
            error: has(errors, ASB_MECHANICAL),
        }
    }

    /// The ASB block of a printer in this condition, its cash drawer closed.
    #[must_use]
    pub fn to_asb(self) -> [u8; 4] {
        let first = bits(&[
            (self.offline, OFFLINE),
            (self.cover_open, ASB_COVER),
            (self.feeding, 0x40),
        ]);
        let errors = bits(&[
            (self.cutter, CUTTER),
            (self.unrecoverable, UNRECOVERABLE),
            (self.recoverable, RECOVERABLE),
            (self.error, ASB_MECHANICAL),
        ]);
        let paper = bits(&[
            (self.near_end || self.paper_end, ASB_NEAR_END),
            (self.paper_end, ASB_END),
        ]);
        [FIXED_ASB | 0x04 | first, errors, paper, 0]
    }

    fn is_faulty(self) -> bool {
        self.cutter || self.unrecoverable || self.recoverable || self.error
    }

    /// What keeps it from printing, for people; `None` when nothing does.
    #[must_use]
    pub fn trouble(self) -> Option<String> {
        let mut troubles = self.faults();
        let others = [
            (self.paper_end, "paper-out"),
            (self.cover_open, "cover-open"),
            (self.cutter, "cutter"),
            (self.offline, "offline"),
        ];
        let others = others.iter().filter(|(is_so, _)| *is_so);
        troubles.extend(others.map(|(_, name)| (*name).to_owned()));
        (!troubles.is_empty()).then(|| troubles.join(", "))
    }

    fn faults(self) -> Vec<String> {
        let unnamed = self.error && !self.cutter && !self.unrecoverable && !self.recoverable;
        let faults = [
            (self.unrecoverable, "unrecoverable-error"),
            (self.recoverable, "recoverable-error"),
            (unnamed, "error"),
        ];
        let faults = faults.iter().filter(|(is_so, _)| *is_so);
        faults.map(|(_, name)| (*name).to_owned()).collect()
    }

    #[must_use]
    pub fn health(self) -> PrinterHealth {
        let paper = match (self.paper_end, self.near_end) {
            (true, _) => Paper::Out,
            (false, true) => Paper::Low,
            (false, false) => Paper::Ok,
        };
        PrinterHealth {
            online: !self.offline,
            paper: Some(paper),
            cover_open: Some(self.cover_open),
            cutter_fault: Some(self.cutter),
            toner: None,
            faults: self.faults(),
        }
    }
}

fn bits(pairs: &[(bool, u8)]) -> u8 {
    let set = pairs.iter().filter(|(is_set, _)| *is_set);
    set.fold(0, |bits, (_, bit)| bits | bit)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = self.trouble();
        match (trouble, self.near_end) {
            (Some(trouble), _) => f.write_str(&trouble),
            (None, true) => f.write_str("paper low"),
            (None, false) => f.write_str("ready"),
        }
    }
}

/// Says what bytes are, in either direction. Commands pass alone: bytes that are commands from
/// first to last are no answers.
#[must_use]
pub fn explain(bytes: &[u8]) -> Vec<Explained> {
    let (commands, rest) = bytes.as_chunks::<3>();
    let commands: Option<Vec<Command>> = commands.iter().map(|c| Command::decode(*c)).collect();
    let commands = commands.filter(|commands| rest.is_empty() && !commands.is_empty());
    let Some(commands) = commands else {
        return framer::explain::<EscPos>(bytes);
    };
    let explained = commands.iter().enumerate().map(|(at, command)| Explained {
        range: 3 * at..3 * at + 3,
        text: command.to_string(),
        good: true,
    });
    explained.collect()
}

#[cfg(test)]
mod tests;
