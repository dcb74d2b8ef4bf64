//! One device from CONNACK to the end.
//!
//! One task does all of it: reads, commits (several batches at once, settled in order of
//! arrival), hears from the router, writes. Nothing in it waits for the device, so a device that
//! neither reads nor writes holds up only itself.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use rumqttd::local::LinkRx;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use zhiban_kernel::{StoreError, crash_point};
use zhiban_vocabulary::DeviceId;

use super::Shared;
use super::answer;
use super::frame::{self, Stage};
use super::intake::{Batch, Settled};
use super::limit::Bucket;
use super::line::{self, Line};
use super::listen::{self, Awaiting};
use super::outbox::Outbox;
use super::packet::{self, Connect, Packet, Publish, Version};
use super::refusal::Refusal;
use super::rights::Rights;
use super::seat::Seat;
use super::sessions::Parked;
use super::watchdog::WATCHDOG;
use crate::conventions::Translator;
use crate::devices::Proof;

/// Silence after which a device that asked for no keep-alive is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// What a v5 device that asked for none is told instead; one and a half times it is the above.
const KEEP_ALIVE_INSTEAD_S: u16 = 400;
/// A device that reads nothing for this long is closed.
const READ_TIME_MAX: Duration = Duration::from_secs(30);
/// Messages and bytes of one device that may wait for their commit.
const IN_FLIGHT_MAX: usize = answer::RECEIVE_MAX as usize;
const IN_FLIGHT_BYTES_MAX: usize = 4 << 20;
/// Answers a device may leave unread before nothing more is read from it.
const UNREAD_BYTES_MAX: usize = 512 << 10;
/// How long messages under way may take when the connection ends.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(4);
/// Pause before a device is closed because nothing can be stored, so that it does not come back
/// at once.
const STORE_FAILS_PAUSE: Duration = Duration::from_millis(500);

/// A batch after its commit.
struct Committed {
    messages: usize,
    bytes: usize,
    result: Result<Vec<Settled>, StoreError>,
}

/// How a connection ended.
pub(super) enum End {
    Refused(Refusal),
    /// DISCONNECT.
    Left {
        with_will: bool,
    },
    /// The network closed.
    Lost,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl End {
    /// Not after a take-over: the device is here, and its "gone" must not come after its "here".
    /// Not when the gateway stops or cannot store: it is not the device that failed, and the
    /// journal would say so at each restart.
    fn publishes_will(&self) -> bool {
        match self {
            Self::Left { with_will } => *with_will,
            Self::Refused(Refusal::TakenOver | Refusal::ShuttingDown | Refusal::StoreFailing) => {
                false
            }
            Self::Refused(_) | Self::Lost => true,
        }
    }
}

pub(super) struct Connection<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) line: Line<S>,
    pub(super) version: Version,
    pub(super) device: DeviceId,
    pub(super) rights: Rights,
    /// Of a device that speaks another form.
    pub(super) translator: Option<Translator>,
    pub(super) number: u64,
    pub(super) seat: Seat,
    pub(super) link: Option<LinkRx>,
    /// SUBSCRIBEs the router has not answered yet.
    pub(super) awaiting: VecDeque<Awaiting>,
    pub(super) outbox: Outbox,
    /// Largest packet the device takes.
    pub(super) packet_bytes_max: usize,
    /// Seconds the session outlives the connection; `None` for ever.
    pub(super) session_s: Option<u32>,
    address: IpAddr,
    /// Falls when a person retires the device or gives it a new secret.
    expelled: CancellationToken,
    receive_max: u16,
    will: Option<Publish>,
    under_way: FuturesOrdered<BoxFuture<'static, Committed>>,
    messages_under_way: usize,
    bytes_under_way: usize,
    bucket: Bucket,
    /// Not before this is more read: the device is over its rate.
    read_from: Option<Instant>,
    silence_max: Duration,
    heard: Instant,
    /// When the device last took something, or had nothing to take.
    wrote: Instant,
    busy: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<S> {
    /// Takes up the session and says CONNACK.
    pub(super) async fn start(
        shared: Arc<Shared>,
        line: Line<S>,
        connect: Connect,
        seat: Seat,
        number: u64,
        proof: &Proof,
        address: IpAddr,
    ) -> Self {
        let device = seat.device().clone();
        let mqtt = &shared.mqtt;
        let per_message = Duration::from_secs(1) / mqtt.messages_per_s.max(1);
        let now = Instant::now();
        let mut connection = Self {
            bucket: Bucket::new(per_message, mqtt.burst),
            version: connect.version,
            rights: shared.rights_of(&device),
            translator: None,
            device,
            number,
            seat,
            link: None,
            awaiting: VecDeque::new(),
            outbox: Outbox::default(),
            packet_bytes_max: connect.packet_bytes_max,
            session_s: connect.session_s,
            address,
            expelled: CancellationToken::new(),
            receive_max: connect.receive_max,
            will: connect.will,
            under_way: FuturesOrdered::new(),
            messages_under_way: 0,
            bytes_under_way: 0,
            read_from: None,
            silence_max: silence_max(connect.keep_alive),
            heard: now,
            wrote: now,
            busy: false,
            line,
            shared,
        };
        if connection.device.as_str() != WATCHDOG {
            connection.be_present(proof);
        }
        connection.take_up_form().await;
        connection
            .take_up_session(connect.clean_start, connect.keep_alive)
            .await;
        connection
    }

    /// Known as connected from now on. What was taken back while this connection waited for its
    /// seat ends it at once.
    fn be_present(&mut self, proof: &Proof) {
        let (devices, device) = (&self.shared.devices, &self.device);
        self.expelled = devices.connected(device, self.address, self.number);
        if !devices.knows(device, proof) {
            self.expelled.cancel();
        }
        tracing::info!(%device, address = %self.address, "device connected");
    }

    async fn take_up_session(&mut self, clean_start: bool, keep_alive: u16) {
        let shared = Arc::clone(&self.shared);
        let parked = shared.sessions.resume(&self.device, clean_start);
        let keep_alive = (keep_alive == 0).then_some(KEEP_ALIVE_INSTEAD_S);
        let size_max = shared.mqtt.packet_bytes_max;
        let (present, out) = (parked.is_some(), &mut self.line.output);
        answer::connack(out, self.version, present, size_max, keep_alive);
        let Some(parked) = parked else { return };
        self.outbox = parked.outbox;
        let receive_max = self.receive_max;
        self.outbox
            .resume(&mut self.line.output, self.version, receive_max);
        if parked.linked {
            self.open_link(true).await;
        }
    }

    pub(super) async fn run_to_end(
        mut self,
        leave: CancellationToken,
        shutdown: CancellationToken,
    ) {
        let end = self.run(&leave, &shutdown).await;
        self.finish(end).await;
    }

    async fn run(&mut self, leave: &CancellationToken, shutdown: &CancellationToken) -> End {
        let alarm = sleep_until(self.next_alarm().into());
        tokio::pin!(alarm);
        loop {
            if self.may_read()
                && let Err(end) = self.take_packets().await
            {
                return end;
            }
            self.outbox
                .pump(&mut self.line.output, self.version, self.receive_max);
            let (may_read, unsent) = (self.may_read(), self.line.is_unsent());
            if !unsent {
                // Nothing to read is not a refusal to read.
                self.wrote = Instant::now();
            }
            let ready = self.read_from;
            self.line.make_room(self.busy);
            let step = tokio::select! {
                () = leave.cancelled() => Err(Refusal::TakenOver.into()),
                () = shutdown.cancelled() => Err(Refusal::ShuttingDown.into()),
                () = self.expelled.cancelled() => Err(Refusal::Expelled.into()),
                Some(done) = self.under_way.next() => self.settle(done).await,
                heard = listen::next(&mut self.link), if self.outbox.has_room() =>
                    self.hear(heard).await,
                written = line::write(&mut self.line.writer, &mut self.line.output, &mut self.line.held),
                    if unsent => self.note_written(written.is_ok()),
                read = self.line.reader.read_buf(&mut self.line.input), if may_read =>
                    self.note_read(read.unwrap_or(0)),
                () = until(ready), if ready.is_some() => { self.read_from = None; Ok(()) }
                () = &mut alarm => self.check_times(alarm.as_mut()),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn may_read(&self) -> bool {
        self.read_from.is_none()
            && self.messages_under_way < IN_FLIGHT_MAX
            && self.bytes_under_way < IN_FLIGHT_BYTES_MAX
            && self.line.output.len() < UNREAD_BYTES_MAX
    }

    fn note_read(&mut self, count: usize) -> Result<(), End> {
        match count {
            0 => Err(End::Lost),
            _ => {
                self.heard = Instant::now();
                // The buffer was filled: more is waiting.
                self.busy = self.line.input.len() == self.line.input.capacity();
                Ok(())
            }
        }
    }

    fn note_written(&mut self, is_open: bool) -> Result<(), End> {
        self.wrote = Instant::now();
        is_open.then_some(()).ok_or(End::Lost)
    }

    /// Wakes at least every [`READ_TIME_MAX`], because writing may come to a halt at any time.
    fn next_alarm(&self) -> Instant {
        (self.heard + self.silence_max).min(Instant::now() + READ_TIME_MAX)
    }

    fn check_times(&self, alarm: std::pin::Pin<&mut Sleep>) -> Result<(), End> {
        // A device that is held back by its rate is not silent.
        if self.heard.elapsed() >= self.silence_max && self.may_read() {
            return Err(Refusal::Silent(self.silence_max.as_secs()).into());
        }
        if self.line.is_unsent() && self.wrote.elapsed() >= READ_TIME_MAX {
            return Err(Refusal::DoesNotRead.into());
        }
        let soon = Instant::now() + Duration::from_millis(100);
        alarm.reset(self.next_alarm().max(soon).into());
        Ok(())
    }

    /// Takes all whole packets that were read; those of one read are committed together.
    async fn take_packets(&mut self) -> Result<(), End> {
        let mut batch = Batch::default();
        let mut count = 0;
        let taken = loop {
            if self.messages_under_way + batch.len() >= IN_FLIGHT_MAX {
                break Ok(());
            }
            match self.next_packet() {
                Ok(Some(Packet::Publish(publish))) => {
                    self.sort(&mut batch, publish);
                }
                Ok(Some(packet)) => {
                    if let Err(end) = self.handle(packet).await {
                        break Err(end);
                    }
                }
                Ok(None) => break Ok(()),
                Err(refusal) => break Err(refusal.into()),
            }
            count += 1;
        };
        self.commit(batch);
        if count > 0 {
            self.read_from = self.bucket.take(count, Instant::now());
        }
        taken
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, Refusal> {
        let size_max = self.shared.mqtt.packet_bytes_max as usize;
        let frame = frame::next(&mut self.line.input, Stage::Connected, size_max)?;
        frame
            .map(|frame| packet::read(frame, self.version))
            .transpose()
    }

    async fn handle(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::PubAck(packet_id) => self.outbox.acknowledge(packet_id),
            Packet::Subscribe { packet_id, filters } => {
                self.subscribe(packet_id, filters).await;
            }
            Packet::Unsubscribe { packet_id, filters } => {
                self.unsubscribe(packet_id, filters).await;
            }
            Packet::Ping => answer::pong(&mut self.line.output),
            Packet::Disconnect { with_will } => return Err(End::Left { with_will }),
            // Taken by the caller, which commits them together.
            Packet::Publish(_) => {}
        }
        Ok(())
    }

    fn commit(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let (messages, bytes) = (batch.len(), batch.bytes());
        self.messages_under_way += messages;
        self.bytes_under_way += bytes;
        let shared = Arc::clone(&self.shared);
        let committed = async move {
            let result = batch.commit(&shared).await;
            Committed {
                messages,
                bytes,
                result,
            }
        };
        self.under_way.push_back(committed.boxed());
    }

    /// Acknowledges what is on disk, and only then lets others hear of it.
    async fn settle(&mut self, done: Committed) -> Result<(), End> {
        self.messages_under_way -= done.messages;
        self.bytes_under_way -= done.bytes;
        crash_point!("mqtt: on disk, not acknowledged");
        let Ok(settled) = done.result else {
            return Err(Refusal::StoreFailing.into());
        };
        self.shared.store_fails.store(false, Ordering::Relaxed);
        for message in settled {
            if let Some(packet_id) = message.packet_id {
                let out = &mut self.line.output;
                answer::puback(out, self.version, packet_id, message.reason);
            }
            if let Some(passing) = message.passing {
                self.shared.pass(&self.device, passing, true).await;
            }
        }
        Ok(())
    }

    async fn finish(mut self, end: End) {
        if let End::Refused(refusal) = &end {
            self.shared
                .refuse(refusal, Some(&self.device), self.address);
        }
        tracing::debug!(device = %self.device, "device disconnected");
        if matches!(end, End::Refused(Refusal::ShuttingDown)) {
            self.say_goodbye();
        }
        let parked = self.park().await;
        self.settle_rest().await;
        let will = self.will.take().filter(|_| end.publishes_will());
        if let Some(will) = will {
            self.publish_will(will).await;
        }
        let Self { seat, mut line, .. } = self;
        seat.give_up(parked).await;
        if let End::Refused(refusal) = &end {
            if *refusal == Refusal::StoreFailing {
                tokio::time::sleep(STORE_FAILS_PAUSE).await;
            }
            answer::disconnect(&mut line.output, self.version, refusal.reason());
        }
        line.part().await;
    }

    /// Closes the link to the router and keeps what the session needs to go on.
    async fn park(&mut self) -> Option<Parked> {
        let linked = self.seat.is_linked();
        self.seat.unlink().await;
        let until = match self.session_s {
            Some(0) => return None,
            Some(seconds) => Some(Instant::now() + Duration::from_secs(seconds.into())),
            None => None,
        };
        self.hear_rest().await;
        Some(Parked {
            outbox: std::mem::take(&mut self.outbox),
            linked,
            until,
        })
    }

    async fn settle_rest(&mut self) {
        let rest = async {
            while let Some(done) = self.under_way.next().await {
                if self.settle(done).await.is_err() {
                    break;
                }
            }
        };
        // What takes longer is still committed; the device only is not told.
        let _ = tokio::time::timeout(SETTLE_TIME_MAX, rest).await;
    }

    async fn publish_will(&mut self, will: Publish) {
        let mut batch = Batch::default();
        self.sort(&mut batch, without_time(will));
        self.commit(batch);
        self.settle_rest().await;
    }
}

/// A will is written when the device connects; what it tells of happens now.
fn without_time(will: Publish) -> Publish {
    let fields = serde_json::from_slice::<serde_json::Map<_, _>>(&will.payload);
    let Ok(mut fields) = fields else { return will };
    if !will.topic.starts_with(b"te/") || fields.remove("time").is_none() {
        return will;
    }
    let payload = serde_json::Value::Object(fields).to_string().into();
    Publish { payload, ..will }
}

fn silence_max(keep_alive: u16) -> Duration {
    match keep_alive {
        0 => SILENCE_MAX,
        seconds => Duration::from_secs(seconds.into()) * 3 / 2,
    }
}

async fn until(ready: Option<Instant>) {
    if let Some(ready) = ready {
        sleep_until(ready.into()).await;
    }
}
