//! Modbus master over RTU and TCP: one request, one answer, one deadline.
//!
//! RTU answers carry no number. An answer that comes after its deadline would be taken as the
//! answer to the next request, a silently wrong value. So after any failed exchange the context
//! and the port are given up, and before the next request the line is listened to and everything
//! that still arrives is thrown away. TCP answers are numbered; there the connection is renewed.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, Slave};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialStream};

use super::serial::SerialPort;
use super::{Link, LinkError};

/// Most registers one request may ask for.
pub const WORDS_MAX: u16 = 125;

/// How often the deadline a silent line is listened to before the next request. Answers later
/// than this after their request cannot be told apart on RTU.
const DRAIN_DEADLINES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// 03
    Holding,
    /// 04
    Input,
}

/// A run of registers to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub function: Function,
    pub address: u16,
    pub words: u16,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.function {
            Function::Holding => "03",
            Function::Input => "04",
        };
        let last = self.address.saturating_add(self.words.saturating_sub(1));
        write!(f, "function {code} registers {}-{last}", self.address)
    }
}

/// A request without a usable answer; names unit and registers.
#[derive(Debug, thiserror::Error)]
pub enum ModbusError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("unit {unit}, {read}: no answer within {deadline:?}")]
    Timeout {
        unit: u8,
        read: Read,
        deadline: Duration,
    },
    #[error("unit {unit}, {read}: refused: {exception}")]
    Exception {
        unit: u8,
        read: Read,
        exception: ExceptionCode,
    },
    #[error("unit {unit}, {read}: {found} words answered")]
    WordCount { unit: u8, read: Read, found: usize },
    #[error("unit {unit}, {read}: answer is not valid: {problem}")]
    Invalid {
        unit: u8,
        read: Read,
        problem: String,
    },
}

/// A unit behind a link. Connects by itself when it has to.
pub struct Master {
    link: Link,
    unit: u8,
    deadline: Duration,
    context: Option<Context>,
    /// An answer may still be on its way.
    doubtful: bool,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Master({}, unit {})", self.link.name(), self.unit)
    }
}

impl Master {
    #[must_use]
    pub fn new(link: Link, unit: u8, deadline: Duration) -> Self {
        Self {
            link,
            unit,
            deadline,
            context: None,
            // The one before us may have left a request open.
            doubtful: true,
        }
    }

    /// Reads registers; never more or fewer words than asked for.
    ///
    /// # Errors
    /// [`ModbusError`]. After all but an exception the link is opened anew by the next call.
    pub async fn read(&mut self, read: Read) -> Result<Vec<u16>, ModbusError> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.connect().await?,
        };
        // Until the answer is in hand: also true when this future is dropped half way.
        self.doubtful = true;
        let answer = timeout(self.deadline, context.call(request(read))).await;
        let answer = self.judge(read, answer);
        if matches!(answer, Ok(_) | Err(ModbusError::Exception { .. })) {
            self.doubtful = false;
            self.context = Some(context);
        }
        answer
    }

    async fn connect(&mut self) -> Result<Context, LinkError> {
        let slave = Slave(self.unit);
        match &self.link {
            Link::Tcp(peer) => Ok(tcp::attach_slave(super::tcp::connect(peer).await?, slave)),
            Link::Serial(port) => {
                let mut stream = super::serial::open(port)?;
                if self.doubtful {
                    drain(port, &mut stream, self.deadline * DRAIN_DEADLINES).await?;
                }
                Ok(rtu::attach_slave(stream, slave))
            }
        }
    }

    fn judge(
        &self,
        read: Read,
        answer: Result<
            Result<Result<Response, ExceptionCode>, tokio_modbus::Error>,
            tokio::time::error::Elapsed,
        >,
    ) -> Result<Vec<u16>, ModbusError> {
        let unit = self.unit;
        let invalid = |problem: String| ModbusError::Invalid {
            unit,
            read,
            problem,
        };
        let response = match answer {
            Err(_) => {
                let deadline = self.deadline;
                return Err(ModbusError::Timeout {
                    unit,
                    read,
                    deadline,
                });
            }
            Ok(Err(tokio_modbus::Error::Transport(error)))
                if error.kind() != std::io::ErrorKind::InvalidData =>
            {
                return Err(self.link.lost(error).into());
            }
            Ok(Err(error)) => return Err(invalid(error.to_string())),
            Ok(Ok(Err(exception))) => {
                return Err(ModbusError::Exception {
                    unit,
                    read,
                    exception,
                });
            }
            Ok(Ok(Ok(response))) => response,
        };
        let words = match response {
            Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => words,
            other => return Err(invalid(format!("{other:?}"))),
        };
        if words.len() != usize::from(read.words) {
            let found = words.len();
            return Err(ModbusError::WordCount { unit, read, found });
        }
        Ok(words)
    }
}

/// Asked for as a plain request: the typed calls of tokio-modbus assert the word count and would
/// panic on a device that answers short.
fn request(read: Read) -> Request<'static> {
    match read.function {
        Function::Holding => Request::ReadHoldingRegisters(read.address, read.words),
        Function::Input => Request::ReadInputRegisters(read.address, read.words),
    }
}

/// Throws away whatever arrives until the line has been listened to for `listen`.
async fn drain(
    port: &SerialPort,
    stream: &mut SerialStream,
    listen: Duration,
) -> Result<(), LinkError> {
    let lost = |source: std::io::Error| LinkError::Lost {
        port: port.path.clone(),
        source,
    };
    let clear =
        |stream: &SerialStream| stream.clear(ClearBuffer::Input).map_err(|e| lost(e.into()));
    clear(stream)?;
    let until = Instant::now() + listen;
    let mut late = [0; 256];
    let mut dropped = 0;
    while let Ok(read) = timeout_at(until, stream.read(&mut late)).await {
        dropped += match read.map_err(lost)? {
            0 => return Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
            some => some,
        };
    }
    if dropped > 0 {
        let port = Cow::Borrowed(port.path.as_str());
        tracing::info!(%port, dropped, "late bytes thrown away");
    }
    clear(stream)
}
