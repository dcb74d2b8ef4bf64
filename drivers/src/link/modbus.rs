//! Modbus master over RTU and TCP: one request, one answer, one deadline. Units on one line take
//! turns, request by request, so that a dead unit costs the others one deadline.
//!
//! RTU answers carry no number. An answer that comes after its deadline would be taken as the
//! answer to the next request to the same unit, a silently wrong value. So a unit that stayed
//! silent is left alone until its answer can no longer come, and what arrived before a request is
//! thrown away when the request is sent. TCP answers are numbered; there the connection is renewed.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{ExceptionCode, Request, Response, Slave};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialStream};
pub use zhiban_vocabulary::registers::Function;

use super::line::Tapped;
use super::{Line, Link, LinkError, Open, Tap};

/// Most registers one request may ask for.
pub const WORDS_MAX: u16 = 125;

/// How many deadlines a silent unit is left alone before its next request. Answers later than
/// this after their request cannot be told apart on RTU.
const GRACE_DEADLINES: u32 = 3;

/// A run of registers, or of bits, to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub function: Function,
    pub address: u16,
    pub words: u16,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.function {
            Function::Coil => "01 coils",
            Function::Discrete => "02 inputs",
            Function::Holding => "03 registers",
            Function::Input => "04 registers",
        };
        let last = self.address.saturating_add(self.words.saturating_sub(1));
        write!(f, "function {code} {}-{last}", self.address)
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

/// A unit on a line. Connects by itself when it has to.
pub struct Master {
    link: Link,
    line: Line,
    unit: u8,
    deadline: Duration,
    /// An answer of this unit may be on its way until then.
    doubtful_until: Option<Instant>,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Master({}, unit {})", self.link.name(), self.unit)
    }
}

impl Master {
    #[must_use]
    pub fn new(link: Link, line: Line, unit: u8, deadline: Duration) -> Self {
        // The one before us may have left a request open.
        let doubtful_until = Some(Instant::now() + deadline * GRACE_DEADLINES);
        Self {
            link,
            line,
            unit,
            deadline,
            doubtful_until,
        }
    }

    /// Reads registers or bits; never more or fewer than asked for.
    ///
    /// # Errors
    /// [`ModbusError`]. After all but an exception the link is opened anew by the next call.
    pub async fn read(&mut self, read: Read) -> Result<Vec<u16>, ModbusError> {
        let response = self.call(read, request(read)).await?;
        let words = match response {
            Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => words,
            Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
                // The last byte is filled up: bits nobody asked for.
                let asked = usize::from(read.words);
                bits.into_iter().take(asked).map(u16::from).collect()
            }
            other => return Err(self.invalid(read, format!("{other:?}"))),
        };
        if words.len() != usize::from(read.words) {
            return Err(ModbusError::WordCount {
                unit: self.unit,
                read,
                found: words.len(),
            });
        }
        Ok(words)
    }

    /// Sets one coil, as relays have them, and holds the device to its echo.
    ///
    /// # Errors
    /// [`ModbusError`]
    pub async fn switch(&mut self, address: u16, on: bool) -> Result<(), ModbusError> {
        let coil = Read {
            function: Function::Coil,
            address,
            words: 1,
        };
        match self
            .call(coil, Request::WriteSingleCoil(address, on))
            .await?
        {
            Response::WriteSingleCoil(at, set) if (at, set) == (address, on) => Ok(()),
            other => Err(self.invalid(coil, format!("{other:?}"))),
        }
    }

    async fn call(&mut self, read: Read, request: Request<'_>) -> Result<Response, ModbusError> {
        // The others have the line meanwhile.
        if let (Some(until), Link::Serial(_)) = (self.doubtful_until, &self.link) {
            sleep_until(until).await;
        }
        let line = self.line.clone();
        let mut open = line.turn().await;
        if let Open::Nothing | Open::Taken(_) = *open {
            *open = Open::Modbus(self.connect().await?);
        }
        // Taken out until the answer is in hand: also right when this future is dropped half way.
        let Open::Modbus(mut context) = std::mem::take(&mut *open) else {
            let port = self.link.name().to_owned();
            return Err(LinkError::Mixed { port }.into());
        };
        self.doubtful_until = Some(Instant::now() + self.deadline * (1 + GRACE_DEADLINES));
        context.set_slave(Slave(self.unit));
        let answer = timeout(self.deadline, context.call(request)).await;
        let answer = self.judge(read, answer);
        if matches!(answer, Ok(_) | Err(ModbusError::Exception { .. })) {
            self.doubtful_until = None;
            *open = Open::Modbus(context);
        }
        answer
    }

    async fn connect(&self) -> Result<Context, LinkError> {
        let (slave, tap) = (Slave(self.unit), self.line.tap().clone());
        match &self.link {
            Link::Tcp(peer) => {
                let stream = super::tcp::connect(peer).await?;
                Ok(tcp::attach_slave(Tapped::new(stream, tap), slave))
            }
            Link::Serial(port) => {
                let fresh = Fresh::new(super::serial::open(port).await?, tap);
                Ok(rtu::attach_slave(fresh, slave))
            }
        }
    }

    fn invalid(&self, read: Read, problem: String) -> ModbusError {
        let unit = self.unit;
        ModbusError::Invalid {
            unit,
            read,
            problem,
        }
    }

    fn judge(
        &self,
        read: Read,
        answer: Result<
            Result<Result<Response, ExceptionCode>, tokio_modbus::Error>,
            tokio::time::error::Elapsed,
        >,
    ) -> Result<Response, ModbusError> {
        let (unit, deadline) = (self.unit, self.deadline);
        match answer {
            Err(_) => Err(ModbusError::Timeout {
                unit,
                read,
                deadline,
            }),
            Ok(Err(tokio_modbus::Error::Transport(error)))
                if error.kind() != io::ErrorKind::InvalidData =>
            {
                Err(self.link.lost(error).into())
            }
            Ok(Err(error)) => Err(self.invalid(read, error.to_string())),
            Ok(Ok(Err(exception))) => Err(ModbusError::Exception {
                unit,
                read,
                exception,
            }),
            Ok(Ok(Ok(response))) => Ok(response),
        }
    }
}

/// Asked for as a plain request: the typed calls of tokio-modbus assert the word count and would
/// panic on a device that answers short.
fn request(read: Read) -> Request<'static> {
    match read.function {
        Function::Coil => Request::ReadCoils(read.address, read.words),
        Function::Discrete => Request::ReadDiscreteInputs(read.address, read.words),
        Function::Holding => Request::ReadHoldingRegisters(read.address, read.words),
        Function::Input => Request::ReadInputRegisters(read.address, read.words),
    }
}

/// A serial port that throws away what came before a request: it is no answer to it.
#[derive(Debug)]
struct Fresh {
    port: Tapped<SerialStream>,
    has_read: bool,
}

impl Fresh {
    fn new(port: SerialStream, tap: Tap) -> Self {
        Self {
            port: Tapped::new(port, tap),
            has_read: true,
        }
    }
}

impl AsyncRead for Fresh {
    fn poll_read(
        mut self: Pin<&mut Self>,
        poller: &mut Poller<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_read = true;
        Pin::new(&mut self.port).poll_read(poller, buffer)
    }
}

impl AsyncWrite for Fresh {
    fn poll_write(
        mut self: Pin<&mut Self>,
        poller: &mut Poller<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.has_read) {
            self.port.inner().clear(ClearBuffer::Input)?;
        }
        Pin::new(&mut self.port).poll_write(poller, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, poller: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_flush(poller)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, poller: &mut Poller<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.port).poll_shutdown(poller)
    }
}
