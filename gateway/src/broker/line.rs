//! The bytes between the door and one device.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// Room made for one read. Idle connections keep little; a busy one reads many packets at once.
const READ_BYTES: usize = 4 << 10;
const READ_BYTES_BUSY: usize = 32 << 10;
/// How long the last words may take, and how long their reader may take to close.
const LAST_WORDS_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Line<S> {
    pub(super) reader: ReadHalf<S>,
    pub(super) writer: WriteHalf<S>,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    /// Whether TLS may still hold some of what was written.
    pub(super) held: bool,
}

impl<S: AsyncRead + AsyncWrite> Line<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            held: false,
        }
    }

    /// Whether something has not left yet.
    pub(super) fn is_unsent(&self) -> bool {
        self.held || !self.output.is_empty()
    }

    /// Makes room for the next read.
    pub(super) fn make_room(&mut self, busy: bool) {
        if self.input.capacity() - self.input.len() < READ_BYTES {
            self.input
                .reserve(if busy { READ_BYTES_BUSY } else { READ_BYTES });
        }
    }

    /// Sends what is left and closes. Waits for the other end to close too: closing with unread
    /// bytes would reset the connection and take the last words with it.
    pub(super) async fn part(mut self) {
        let last_words = async {
            self.writer.write_all_buf(&mut self.output).await?;
            self.writer.shutdown().await?;
            let mut rest = [0; 1_024];
            while self.reader.read(&mut rest).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        // Who does not listen to the end has chosen so.
        let _ = tokio::time::timeout(LAST_WORDS_TIME, last_words).await;
    }
}

/// Writes some of the output of a line, and when all is written, what TLS still holds of it. Takes
/// the parts of the line, so that another may be read meanwhile; may be dropped at any time.
///
/// # Errors
/// When the network closed.
pub(super) async fn write<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    output: &mut BytesMut,
    held: &mut bool,
) -> std::io::Result<()> {
    if !output.is_empty() {
        *held = true;
        if writer.write_buf(output).await? == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
    }
    if output.is_empty() {
        writer.flush().await?;
        *held = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, BufStream};

    use super::*;

    #[tokio::test]
    async fn what_a_layer_below_holds_back_is_sent_on() {
        let (mut device, door) = tokio::io::duplex(64);
        // Holds back what is less than its buffer, as TLS does while the network takes no more.
        let mut line = Line::new(BufStream::with_capacity(64, 4_096, door));
        line.output.extend_from_slice(&[7; 1_000]);
        let writing = async {
            while line.is_unsent() {
                write(&mut line.writer, &mut line.output, &mut line.held)
                    .await
                    .unwrap();
            }
        };
        let mut read = [0; 1_000];
        let both = async { tokio::join!(writing, device.read_exact(&mut read)).1 };
        let got = tokio::time::timeout(Duration::from_secs(10), both).await;
        let got = got.expect("something is held back for ever");
        assert_eq!((got.unwrap(), read), (1_000, [7; 1_000]));
        assert!(!line.is_unsent());
    }
}
