//! Asking a device on a shared line: one request, and the first answer that is one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::framer::{Codec, Framer};
use super::{Line, Link, LinkError, Open, Wire};
use crate::Outlet;

/// Longest wait for answers that are late, however many attempts there were.
const LATE_MAX: Duration = Duration::from_secs(30);
/// Deadlines after its own in which an answer may still come.
const LATE_DEADLINES: u32 = 3;

/// Asks and waits. While an exchange is under way the wire is out of the line: a session that is
/// dropped half way takes it along, and its late answer is nobody's.
#[derive(Debug)]
pub struct Asker<C: Codec> {
    pub link: Link,
    pub line: Line,
    pub outlet: Outlet,
    /// For one answer.
    pub timeout: Duration,
    /// Times a request is sent at most; at least 1.
    pub attempts: u32,
    /// Times it is written in one attempt, and the pause between.
    pub times: (u32, Duration),
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
            times: (1, Duration::ZERO),
            framer: Framer::default(),
        }
    }

    /// Sends until answered, and gives what `answer` makes of the first frame it takes; `None`
    /// when no attempt was answered. Everything else that arrives is passed over.
    ///
    /// For protocols whose answers do not say what they answer: after a request that was not
    /// answered in time it lets what may still be on its way arrive, throws it away, and opens the
    /// link anew for the next request.
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
            let answered = self.exchange(&mut turn, request, &answer).await?;
            let is_over = answered.is_some() || attempt == self.attempts;
            if is_over && !(answered.is_some() && attempt == 1) {
                self.settle(&mut turn, attempt).await;
            }
            if is_over {
                return Ok(answered);
            }
        }
        Ok(None)
    }

    /// Sends once, and gives what `answer` makes of the first frame it takes; `None` when none
    /// came in time. A late answer is the caller's matter.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn attempt<T>(
        &mut self,
        request: &[u8],
        answer: impl Fn(&C::Frame) -> Option<T>,
    ) -> Result<Option<T>, LinkError> {
        let line = self.line.clone();
        let mut turn = line.turn().await;
        self.exchange(&mut turn, request, answer).await
    }

    /// Opens the link where it is not.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn open(&mut self) -> Result<(), LinkError> {
        let mut turn = self.line.turn().await;
        let wire = turn
            .take(&self.link, self.line.tap(), Duration::ZERO)
            .await?;
        *turn = Open::Wire(wire);
        Ok(())
    }

    /// Sends what is never answered.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn send(&mut self, request: &[u8]) -> Result<(), LinkError> {
        let line = self.line.clone();
        let mut turn = line.turn().await;
        let mut wire = turn.take(&self.link, line.tap(), Duration::ZERO).await?;
        let sent = self.write(&mut wire, request).await;
        self.put_back(&mut turn, wire, sent)
    }

    async fn exchange<T>(
        &mut self,
        turn: &mut Open,
        request: &[u8],
        answer: impl Fn(&C::Frame) -> Option<T>,
    ) -> Result<Option<T>, LinkError> {
        let late = (self.timeout * (1 + LATE_DEADLINES)).min(LATE_MAX);
        let mut wire = turn.take(&self.link, self.line.tap(), late).await?;
        let answered = async {
            self.write(&mut wire, request).await?;
            self.answer(&mut wire, answer).await
        };
        let answered = answered.await;
        self.put_back(turn, wire, answered)
    }

    fn put_back<T>(
        &self,
        turn: &mut Open,
        wire: Box<dyn Wire>,
        exchanged: std::io::Result<T>,
    ) -> Result<T, LinkError> {
        *turn = match exchanged {
            Ok(_) => Open::Wire(wire),
            Err(_) => Open::Nothing,
        };
        exchanged.map_err(|error| self.link.lost(error))
    }

    async fn write(&mut self, wire: &mut Box<dyn Wire>, request: &[u8]) -> std::io::Result<()> {
        // Nothing that arrived before a request was sent can be its answer.
        self.discard(wire, Duration::ZERO).await?;
        self.framer.forget();
        let (times, pause) = self.times;
        for time in 1..=times {
            wire.write_all(request).await?;
            if time < times {
                sleep(pause).await;
            }
        }
        Ok(())
    }

    async fn answer<T>(
        &mut self,
        wire: &mut Box<dyn Wire>,
        answer: impl Fn(&C::Frame) -> Option<T>,
    ) -> std::io::Result<Option<T>> {
        let until = Instant::now() + self.timeout;
        while let Ok(frames) = timeout_at(until, self.receive(wire)).await {
            if let Some(answered) = frames?.iter().find_map(&answer) {
                return Ok(Some(answered));
            }
        }
        Ok(None)
    }

    /// A late answer must not be taken for that to the next request.
    async fn settle(&mut self, turn: &mut Open, attempts: u32) {
        // Each attempt may still be answered. A link that breaks meanwhile is settled as well.
        let late = (self.timeout * attempts).min(LATE_MAX);
        let taken = Open::Taken(Instant::now() + late);
        if let Open::Wire(mut wire) = std::mem::replace(turn, taken) {
            let _ = self.discard(&mut wire, late).await;
        }
        *turn = Open::Nothing;
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

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::desk::Desk;
    use crate::link::framer::Front;

    /// An answer is one letter and says nothing of its question.
    #[derive(Debug)]
    struct Letters;

    impl Codec for Letters {
        type Frame = char;
        const LENGTH_MAX: usize = 1;

        fn begins(byte: u8) -> bool {
            byte.is_ascii_uppercase()
        }

        fn front(bytes: &[u8]) -> Front<char> {
            Front::Frame(bytes[0].into(), 1)
        }
    }

    async fn line() -> (TcpListener, Line, Link) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        (listener, Line::new(peer.clone()), Link::Tcp(peer))
    }

    fn asker(line: &Line, link: &Link) -> Asker<Letters> {
        let desk = Desk::new("board".parse().unwrap(), "boot-1".parse().unwrap());
        let outlet = Outlet::new(desk, crate::deliveries().0);
        let timeout = Duration::from_millis(200);
        Asker::new(link.clone(), line.clone(), outlet, timeout, 1)
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        let accepting = timeout(Duration::from_secs(20), listener.accept());
        accepting.await.unwrap().unwrap().0
    }

    async fn asked(device: &mut TcpStream) {
        let mut bytes = [0; 16];
        assert!(device.read(&mut bytes).await.unwrap() > 0);
    }

    #[tokio::test]
    async fn an_exchange_dropped_half_way_leaves_its_answer_to_nobody() {
        let (listener, line, link) = line().await;
        let mut first = asker(&line, &link);
        first.attempts = 50;
        let device = async {
            let mut device = accept(&listener).await;
            asked(&mut device).await;
            device
        };
        let _device = tokio::select! {
            device = device => device,
            answered = first.ask(b"?", |letter| Some(*letter)) => panic!("{answered:?}"),
        };
        // As when its settings change: the session ends, and the device answers all the same; on
        // the next connection, where a converter to a serial line is between.
        drop(first);
        let device = tokio::spawn(async move {
            let mut device = accept(&listener).await;
            sleep(Duration::from_millis(100)).await;
            device.write_all(b"A").await.unwrap();
            asked(&mut device).await;
            device
        });
        let mut second = asker(&line, &link);
        second.timeout = Duration::from_secs(1);
        let answered = second.attempt(b"?", |letter| Some(*letter)).await.unwrap();
        assert_eq!(answered, None, "it was to the one before");
        device.await.unwrap();
    }

    #[tokio::test]
    async fn a_wire_is_kept_from_exchange_to_exchange() {
        let (listener, line, link) = line().await;
        let device = tokio::spawn(async move {
            let mut device = accept(&listener).await;
            for _ in 0..3 {
                asked(&mut device).await;
                device.write_all(b"A").await.unwrap();
            }
        });
        let mut asker = asker(&line, &link);
        for _ in 0..3 {
            let answered = asker.ask(b"?", |letter| Some(*letter)).await.unwrap();
            assert_eq!(answered, Some('A'));
        }
        device.await.unwrap();
    }
}
