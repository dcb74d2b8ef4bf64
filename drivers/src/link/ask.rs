//! Asking a device on a shared line: one request, and the first answer that is one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::framer::{Codec, Framer};
use super::{Line, Link, LinkError, Open, Wire};
use crate::Outlet;

/// Longest wait for answers that are late, however many attempts there were.
const LATE_MAX: Duration = Duration::from_secs(30);

/// Asks and waits. For protocols whose answers do not say what they answer: after a request that
/// was not answered in time it lets what may still be on its way arrive, throws it away, and
/// opens the link anew for the next request.
#[derive(Debug)]
pub struct Asker<C: Codec> {
    pub link: Link,
    pub line: Line,
    pub outlet: Outlet,
    /// For one answer.
    pub timeout: Duration,
    /// Times a request is sent at most; at least 1.
    pub attempts: u32,
    framer: Framer<C>,
}

impl<C: Codec> Asker<C> {
    #[must_use]
    pub fn new(link: Link, line: Line, outlet: Outlet, timeout: Duration, attempts: u32) -> Self {
        Self {
            link,
            line,
            outlet,
            timeout,
            attempts: attempts.max(1),
            framer: Framer::default(),
        }
    }

    /// Sends until answered, and gives what `answer` makes of the first frame it takes; `None`
    /// when no attempt was answered. Everything else that arrives is passed over.
    ///
    /// # Errors
    /// [`LinkError`] naming the port or peer when the link breaks.
    pub async fn ask<T>(
        &mut self,
        request: &[u8],
        answer: impl Fn(&C::Frame) -> Option<T>,
    ) -> Result<Option<T>, LinkError> {
        for attempt in 1..=self.attempts {
            // The other devices of the line have their turn between two attempts.
            let line = self.line.clone();
            let mut turn = line.turn().await;
            let wire = turn.wire(&self.link, line.tap()).await?;
            let attempted = self.attempt(wire, request, &answer).await;
            match attempted {
                Ok(Some(answered)) if attempt == 1 => return Ok(Some(answered)),
                Ok(Some(answered)) => {
                    self.settle(&mut turn, attempt).await;
                    return Ok(Some(answered));
                }
                Ok(None) if attempt == self.attempts => self.settle(&mut turn, attempt).await,
                Ok(None) => {}
                Err(error) => {
                    *turn = Open::Nothing;
                    return Err(self.link.lost(error));
                }
            }
        }
        Ok(None)
    }

    async fn attempt<T>(
        &mut self,
        wire: &mut Box<dyn Wire>,
        request: &[u8],
        answer: impl Fn(&C::Frame) -> Option<T>,
    ) -> std::io::Result<Option<T>> {
        // Nothing that arrived before a request was sent can be its answer.
        self.discard(wire, Duration::ZERO).await?;
        self.framer.forget();
        wire.write_all(request).await?;
        let until = Instant::now() + self.timeout;
        while let Ok(frames) = timeout_at(until, self.receive(wire)).await {
            if let Some(answered) = frames?.iter().find_map(&answer) {
                return Ok(Some(answered));
            }
        }
        Ok(None)
    }

    /// A late answer must not be taken for that to the next request.
    async fn settle(&mut self, open: &mut Open, attempts: u32) {
        if let Open::Wire(wire) = open {
            // Each attempt may still be answered. A link that breaks meanwhile is settled as well.
            let late = (self.timeout * attempts).min(LATE_MAX);
            let _ = self.discard(wire, late).await;
        }
        *open = Open::Nothing;
    }

    /// Throws away what arrives within `time`.
    async fn discard(&mut self, wire: &mut Box<dyn Wire>, time: Duration) -> std::io::Result<()> {
        self.outlet.beat();
        let until = Instant::now() + time;
        // Of a device that never stops talking no more than that.
        let end = until + self.timeout;
        while Instant::now() < end {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left, self.receive(wire)).await {
                Ok(frames) => frames?,
                Err(_) => break,
            };
        }
        Ok(())
    }

    async fn receive(&mut self, wire: &mut Box<dyn Wire>) -> std::io::Result<Vec<C::Frame>> {
        let mut bytes = [0; 512];
        let read = match wire.read(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            some => some,
        };
        let frames = self.framer.feed(&bytes[..read]);
        self.outlet.bad_frames(self.framer.take_bad());
        Ok(frames)
    }
}
