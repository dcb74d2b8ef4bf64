//! The line a device hangs on: one wire, shared by all devices on it, and what passed over it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, timeout_at};

use super::{Link, LinkError, Wire};

/// Pieces kept of each line, and bytes kept of each piece.
const PIECES_MAX: usize = 200;
const PIECE_BYTES_MAX: usize = 1024;
/// Bytes in the same direction closer together than this are one piece.
const GAP: Duration = Duration::from_millis(30);

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    In,
    /// To the device.
    Out,
}

/// Bytes that passed on a line.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Counts up with every piece of the line.
    pub number: u64,
    pub at: Instant,
    pub direction: Direction,
    /// At most 1 KiB of it.
    pub bytes: Vec<u8>,
}

/// Where the bytes of a line are written down for the bus monitor; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    pieces: VecDeque<Piece>,
    next: u64,
    last: Option<Instant>,
}

impl Tap {
    /// Notes bytes; for links that are no [`Wire`], such as datagrams.
    pub fn note(&self, direction: Direction, bytes: &[u8]) {
        let now = Instant::now();
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let joins = record.last.is_some_and(|last| now - last < GAP);
        record.last = Some(now);
        if let Some(piece) = record.pieces.back_mut()
            && joins
            && piece.direction == direction
        {
            let room = PIECE_BYTES_MAX.saturating_sub(piece.bytes.len());
            piece.bytes.extend(bytes.iter().take(room));
            return;
        }
        if record.pieces.len() >= PIECES_MAX {
            record.pieces.pop_front();
        }
        record.next += 1;
        let piece = Piece {
            number: record.next,
            at: now,
            direction,
            bytes: bytes.iter().copied().take(PIECE_BYTES_MAX).collect(),
        };
        record.pieces.push_back(piece);
    }

    /// The newest pieces, oldest first.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.pieces.iter().cloned().collect()
    }
}

/// The line of one port or peer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Line(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    tap: Tap,
    /// Fair: whoever asked first is served first.
    open: tokio::sync::Mutex<Open>,
}

/// What is open on a line at the moment, for whoever has its turn.
#[derive(Default)]
pub enum Open {
    #[default]
    Nothing,
    Wire(Box<dyn Wire>),
    Modbus(tokio_modbus::client::Context),
    /// The wire was taken out: closed if it never comes back, and until then something may arrive
    /// that was asked for over it.
    Taken(Instant),
}

impl Line {
    pub(crate) fn new(name: String) -> Self {
        Self(Arc::new(Inner {
            name,
            tap: Tap::default(),
            open: tokio::sync::Mutex::default(),
        }))
    }

    /// The same line with nothing open and nobody waiting; what passed is remembered.
    pub(crate) fn anew(&self) -> Self {
        Self(Arc::new(Inner {
            name: self.0.name.clone(),
            tap: self.0.tap.clone(),
            open: tokio::sync::Mutex::default(),
        }))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    #[must_use]
    pub fn tap(&self) -> &Tap {
        &self.0.tap
    }

    /// Waits for its turn on the wire. To be held for one exchange, or one attempt at it, never
    /// longer: the other devices of the line wait.
    pub async fn turn(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().await
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Wire(_) => "Wire",
            Self::Modbus(_) => "Modbus",
            Self::Taken(_) => "Taken",
        })
    }
}

impl Open {
    /// Takes the plain wire out of a line, opened when it is not, for an exchange whose answer may
    /// come within `late`. To be put back when the exchange is over. Who is dropped before that
    /// takes the wire along, and the next one opens it anew and hears out what still comes.
    ///
    /// # Errors
    /// [`LinkError`] naming the port or peer; also when the line carries Modbus.
    pub async fn take(
        &mut self,
        link: &Link,
        tap: &Tap,
        late: Duration,
    ) -> Result<Box<dyn Wire>, LinkError> {
        let wire = match std::mem::take(self) {
            Self::Nothing => link.open(tap).await?,
            Self::Wire(wire) => wire,
            Self::Taken(until) => {
                *self = Self::Taken(until);
                let mut wire = link.open(tap).await?;
                // One that breaks meanwhile breaks for whoever asked for it.
                let _ = timeout_at(until, hear_out(&mut wire)).await;
                wire
            }
            modbus @ Self::Modbus(_) => {
                *self = modbus;
                let port = link.name().to_owned();
                return Err(LinkError::Mixed { port });
            }
        };
        *self = Self::Taken(Instant::now() + late);
        Ok(wire)
    }
}

/// Reads and throws away until the wire breaks.
async fn hear_out(wire: &mut Box<dyn Wire>) -> std::io::Result<()> {
    let mut bytes = [0; 256];
    while wire.read(&mut bytes).await? > 0 {}
    Ok(())
}

/// A wire whose bytes are noted.
#[derive(Debug)]
pub(super) struct Tapped<W> {
    wire: W,
    tap: Tap,
}

impl<W> Tapped<W> {
    pub(super) fn new(wire: W, tap: Tap) -> Self {
        Self { wire, tap }
    }

    pub(super) fn inner(&self) -> &W {
        &self.wire
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Tapped<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.wire).poll_read(context, buffer);
        let read = &buffer.filled()[before..];
        if matches!(polled, Poll::Ready(Ok(()))) && !read.is_empty() {
            self.tap.note(Direction::In, read);
        }
        polled
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Tapped<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.wire).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.tap.note(Direction::Out, &bytes[..written]);
        }
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_of_one_answer_are_one_piece() {
        let tap = Tap::default();
        tap.note(Direction::Out, b"ask");
        tap.note(Direction::In, b"an");
        tokio::time::advance(Duration::from_millis(10)).await;
        tap.note(Direction::In, b"swer");
        tokio::time::advance(Duration::from_millis(100)).await;
        tap.note(Direction::In, b"more");
        let pieces = tap.pieces();
        let texts: Vec<&[u8]> = pieces.iter().map(|piece| &piece.bytes[..]).collect();
        assert_eq!(texts, [&b"ask"[..], b"answer", b"more"]);
        let numbers: Vec<u64> = pieces.iter().map(|piece| piece.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn a_talkative_line_keeps_its_newest_pieces() {
        let tap = Tap::default();
        for n in 0..=255_u8 {
            tap.note(Direction::In, &[n]);
            tap.note(Direction::Out, &vec![n; 2 * PIECE_BYTES_MAX]);
        }
        let pieces = tap.pieces();
        assert_eq!(pieces.len(), PIECES_MAX);
        let last = pieces.last().unwrap();
        assert_eq!((last.bytes[0], last.bytes.len()), (255, PIECE_BYTES_MAX));
    }
}
