//! Listens for queue hosts and reports what they call and show.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{interval, timeout};
use zhiban_vocabulary::device::{DeviceKind, ScreenText};
use zhiban_vocabulary::queue::{TicketEvent, TicketStep};
use zhiban_vocabulary::report::Observation;
use zhiban_vocabulary::{CounterId, IdError, TicketNumber};

use super::frame::{Answer, BadLine, Call, Ended, Lines, Request};
use super::settings::{Calls, Settings};
use crate::link::{Direction, Tap};
use crate::{Driver, DriverError, NotTaken, Outlet, Running, Session};

const BEAT_EVERY: Duration = Duration::from_secs(30);
/// A host that does not read its answers for so long is gone.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// A host that lost its power is noticed within a few minutes.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Counters whose last call is remembered.
const CALLED_MAX: usize = 1_000;

pub(crate) struct LegacyText {
    settings: Settings,
}

impl LegacyText {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Driver for LegacyText {
    fn device(&self) -> DeviceKind {
        DeviceKind::QueueSystem
    }

    fn line(&self) -> Option<String> {
        Some(self.settings.listen.to_string())
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Err(error) = serve(self.settings, session).await;
            error
        })
    }
}

async fn serve(settings: Settings, session: Session) -> Result<Infallible, DriverError> {
    let listen = settings.listen;
    let broken = |error| DriverError::Device(format!("{listen}: cannot listen: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(broken)?;
    let service = Arc::new(Service {
        settings,
        outlet: session.outlet,
        tap: session.line.tap().clone(),
        called: Mutex::default(),
    });
    let mut connections = JoinSet::new();
    let mut beat = interval(BEAT_EVERY);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted.map_err(broken)?;
                if service.admits(peer, connections.len()) {
                    connections.spawn(Arc::clone(&service).serve(stream, peer));
                }
            }
            Some(ended) = connections.join_next() => ended.map_err(|error| panicked(&error))??,
            _ = beat.tick() => service.outlet.beat(),
        }
    }
}

fn panicked(error: &JoinError) -> DriverError {
    DriverError::Device(format!("connection ended: {error}"))
}

/// Why a line was answered with -1.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    BadLine(#[from] BadLine),
    #[error("{0}: expected {1}")]
    BadName(&'static str, &'static str),
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

struct Service {
    settings: Settings,
    outlet: Outlet,
    tap: Tap,
    /// The last ticket called at each counter: the same one again is a recall.
    called: Mutex<BTreeMap<CounterId, TicketNumber>>,
}

impl Service {
    fn admits(&self, peer: SocketAddr, connections: usize) -> bool {
        if !self.settings.welcomes(peer.ip()) {
            tracing::debug!(%peer, "not among the peers of the settings");
            return false;
        }
        if connections >= self.settings.connections {
            tracing::debug!(%peer, connections, "too many connections");
            return false;
        }
        true
    }

    /// Serves one host until it goes. Ends in an error only when nothing can be taken any more.
    async fn serve(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr) -> Result<(), NotTaken> {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%peer, %error, "keepalive not set");
        }
        let mut lines = Lines::default();
        loop {
            let (ended, goes_on) = self.receive(&mut stream, &mut lines).await;
            for line in ended {
                let answer = self.answer(line, peer).await;
                let sent = self.send(&mut stream, answer.as_ref().copied()).await;
                answer?;
                if !sent {
                    return Ok(());
                }
            }
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Waits for bytes or for their absence. Gives the lines that have ended, and whether more can
    /// come.
    async fn receive(&self, stream: &mut TcpStream, lines: &mut Lines) -> (Vec<Ended>, bool) {
        let began = lines.is_pending();
        let patience = if began {
            self.settings.silence
        } else {
            self.settings.idle
        };
        let mut bytes = [0; 1024];
        match timeout(patience, stream.read(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => {
                self.tap.note(Direction::In, &bytes[..read]);
                (lines.feed(&bytes[..read]), true)
            }
            // A host may close its side at once and still wait for the answer.
            Ok(Ok(_)) => (lines.end().into_iter().collect(), false),
            Ok(Err(_)) => (Vec::new(), false),
            Err(_) => (lines.end().into_iter().collect(), began),
        }
    }

    async fn send(&self, stream: &mut TcpStream, answer: Result<Answer, &NotTaken>) -> bool {
        let answer = answer.unwrap_or(Answer::Refused).as_str().as_bytes();
        self.tap.note(Direction::Out, answer);
        let sending = timeout(ANSWER_TIME_MAX, stream.write_all(answer));
        matches!(sending.await, Ok(Ok(())))
    }

    /// What a line is answered with; an error when it could not be kept.
    async fn answer(&self, line: Ended, peer: SocketAddr) -> Result<Answer, NotTaken> {
        match self.take(line).await {
            Ok(answer) => {
                self.outlet.alive().await?;
                Ok(answer)
            }
            Err(Refusal::NotTaken(error)) => Err(error),
            Err(refusal) => {
                self.outlet.bad_frame();
                tracing::debug!(%peer, %refusal, "line refused");
                Ok(Answer::Refused)
            }
        }
    }

    /// Resolves when what the line says is on disk.
    async fn take(&self, line: Ended) -> Result<Answer, Refusal> {
        match Request::parse(&line?, self.settings.encoding)? {
            Request::Watch => return Ok(Answer::Here),
            Request::Screen {
                call: Some(call), ..
            } if self.settings.calls == Calls::Screen => self.call(&call).await?,
            Request::Screen { address, text, .. } => self.show(&address, text).await?,
            Request::Voice(call) if self.settings.calls == Calls::Voice => self.call(&call).await?,
            Request::Voice(call) => self.speak(&call).await?,
        }
        Ok(Answer::Taken)
    }

    async fn call(&self, call: &Call) -> Result<(), Refusal> {
        let (ticket, counter) = self.names(call)?;
        // Held until the call is on disk: the same call on a second connection comes after it.
        let mut called = self.called.lock().await;
        let again = called.get(&counter) == Some(&ticket);
        let step = if again {
            TicketStep::Recalled {
                counter: counter.clone(),
            }
        } else {
            TicketStep::Called {
                counter: counter.clone(),
                staff: None,
            }
        };
        let event = TicketEvent {
            ticket: ticket.clone(),
            step,
        };
        self.outlet.deliver(Observation::Ticket(event)).await?;
        if called.len() >= CALLED_MAX {
            called.clear();
        }
        called.insert(counter, ticket);
        Ok(())
    }

    async fn show(&self, address: &str, text: String) -> Result<(), Refusal> {
        let counter = self.settings.screen(address);
        let counter = counter.ok_or(Refusal::BadName("address", "one of the settings"))?;
        // A call whose line has no text of its own; the voice line is the event.
        if text.is_empty() {
            return Ok(());
        }
        self.text(counter, text, false).await
    }

    async fn speak(&self, call: &Call) -> Result<(), Refusal> {
        let (ticket, counter) = self.names(call)?;
        let text = format!("请{ticket}号到{counter}号窗口");
        self.text(Some(counter), text, true).await
    }

    async fn text(
        &self,
        counter: Option<CounterId>,
        text: String,
        speak: bool,
    ) -> Result<(), Refusal> {
        let text = ScreenText {
            counter,
            text,
            speak,
        };
        Ok(self.outlet.deliver(Observation::ScreenText(text)).await?)
    }

    fn names(&self, call: &Call) -> Result<(TicketNumber, CounterId), Refusal> {
        let bad = |error: IdError| Refusal::BadName(error.kind, error.expected);
        let ticket = call.ticket.parse().map_err(bad)?;
        let counter = self.settings.window(&call.window);
        let counter = counter.ok_or(Refusal::BadName("window", "one of the settings"))?;
        Ok((ticket, counter))
    }
}
