//! One question, one answer: on a wire that may still hold other answers, noise and ASB blocks.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use zhiban_vocabulary::device::DeviceIdentity;

use super::frame::{About, Command, Condition, Frame, Parser, Question};
use crate::link::Wire;

/// After an answer, how long it must be quiet: two answers to one question are none.
const QUIET: Duration = Duration::from_millis(20);
/// Times one question is asked for two answers that agree.
const ASKS_MAX: u32 = 5;
/// How many times the time for an answer an answer may be late and still come.
const OVERDUE: u32 = 5;

/// What came of one question.
enum Asked {
    Is(u8),
    /// No answer of the documented form, or more than one.
    Unclear,
    /// No answer in time; it may still come.
    Nothing,
}

/// A wire with a printer at its end.
#[derive(Debug)]
pub(super) struct Printer {
    wire: Box<dyn Wire>,
    parser: Parser,
    timeout: Duration,
    /// What the printer told by itself since last asked.
    told: Option<Condition>,
    bad: u64,
}

impl Printer {
    pub(super) fn new(wire: Box<dyn Wire>, timeout: Duration) -> Self {
        Self {
            wire,
            parser: Parser::default(),
            timeout,
            told: None,
            bad: 0,
        }
    }

    /// Bytes that could not be used, since last asked.
    pub(super) fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad) + self.parser.take_bad()
    }

    /// The answers to all questions; `None` when one was not to be had.
    pub(super) async fn poll(&mut self) -> io::Result<Option<[u8; 4]>> {
        self.drain(Duration::ZERO).await?;
        self.told = None;
        let mut answers = [0; 4];
        for (answer, question) in answers.iter_mut().zip(Question::ALL) {
            match self.believed(question).await? {
                Some(believed) => *answer = believed,
                None => {
                    self.drain(OVERDUE * self.timeout).await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(answers))
    }

    /// What the printer told by itself since the last call, if anything.
    pub(super) fn take_told(&mut self) -> Option<Condition> {
        self.told.take()
    }

    /// Waits for the printer to tell something by itself.
    pub(super) async fn listen(&mut self) -> io::Result<Condition> {
        loop {
            if let Some(told) = self.told.take() {
                return Ok(told);
            }
            self.receive().await?;
        }
    }

    /// What two answers in a row say. An answer does not tell its question: when a stray one is on
    /// the wire, every answer comes one question late, and the second of two is still this one's.
    async fn believed(&mut self, question: Question) -> io::Result<Option<u8>> {
        let mut before = None;
        for _ in 0..ASKS_MAX {
            match self.ask(question).await? {
                Asked::Is(answer) if before == Some(answer) => return Ok(before),
                Asked::Is(answer) => before = Some(answer),
                Asked::Unclear => before = None,
                Asked::Nothing => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Asks once. The answer is the one status byte of the documented form that comes in time and
    /// is followed by no other.
    async fn ask(&mut self, question: Question) -> io::Result<Asked> {
        self.send(Command::Status(question)).await?;
        let is_status = |frame| match frame {
            Frame::Status(byte) => Some(byte),
            _ => None,
        };
        let answers = self.answered(self.timeout, is_status).await?;
        let Some(first) = answers.first().copied() else {
            return Ok(Asked::Nothing);
        };
        let more = self.answered(QUIET, is_status).await?;
        if answers.len() + more.len() > 1 || !question.takes(first) {
            self.bad += 1;
            return Ok(Asked::Unclear);
        }
        Ok(Asked::Is(first))
    }

    /// Whether there is a printer at all.
    pub(super) async fn is_there(&mut self) -> io::Result<bool> {
        Ok(self.believed(Question::Paper).await?.is_some())
    }

    /// Listens for so long and believes nothing of it.
    pub(super) async fn drain(&mut self, time: Duration) -> io::Result<()> {
        self.answered(time, |_| None::<()>).await?;
        self.parser.forget();
        Ok(())
    }

    pub(super) async fn tell_changes(&mut self) -> io::Result<()> {
        self.wire.write_all(&Command::TELL_CHANGES.encode()).await
    }

    /// What the printer says about itself. It answers when it has printed what it was given, or
    /// not at all: the first question without an answer is the last one.
    pub(super) async fn identity(&mut self) -> io::Result<DeviceIdentity> {
        let mut identity = DeviceIdentity::default();
        for about in [About::Maker, About::Model, About::Firmware, About::Serial] {
            let Some(text) = self.about(about).await? else {
                self.drain(OVERDUE * self.timeout).await?;
                break;
            };
            let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            match about {
                About::Maker => identity.vendor = text,
                About::Model => identity.model = text,
                About::Firmware => identity.firmware = text,
                About::Serial => identity.serial = text,
            }
        }
        Ok(identity)
    }

    async fn about(&mut self, about: About) -> io::Result<Option<String>> {
        self.send(Command::About(about)).await?;
        let is_text = |frame| match frame {
            Frame::Text(text) => Some(text),
            _ => None,
        };
        Ok(self.answered(self.timeout, is_text).await?.pop())
    }

    /// Nothing that arrived before a question can be its answer, nor the rest of it.
    async fn send(&mut self, command: Command) -> io::Result<()> {
        self.drain(Duration::ZERO).await?;
        self.wire.write_all(&command.encode()).await
    }

    /// Reads until something that is an answer comes, or the time is over. Gives all answers that
    /// came in one piece.
    async fn answered<T>(
        &mut self,
        time: Duration,
        is_answer: impl Fn(Frame) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let until = Instant::now() + time;
        while let Ok(frames) = timeout_at(until, self.receive()).await {
            let answers: Vec<T> = frames?.into_iter().filter_map(&is_answer).collect();
            if !answers.is_empty() {
                return Ok(answers);
            }
        }
        Ok(Vec::new())
    }

    async fn receive(&mut self) -> io::Result<Vec<Frame>> {
        let mut bytes = [0; 256];
        let read = match self.wire.read(&mut bytes).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            some => some,
        };
        let frames = self.parser.feed(&bytes[..read]);
        for frame in &frames {
            if let Frame::Asb(block) = frame {
                self.told = Some(Condition::from_asb(*block));
            }
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests;
