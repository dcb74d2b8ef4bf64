//! Devices that publish with QoS 1 as cheaply as can be: packets are made beforehand, and
//! acknowledgements are only counted and timed, so that the door is what is measured.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use zhiban_tests::harness::wire::{connect, publish};

/// Reports of one device on their way at once.
pub(crate) const WINDOW: usize = 100;
const PUBACK_BYTES: usize = 4;

/// A device that is connected.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    device: String,
    boot: String,
    seq: u64,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) events: usize,
    pub(crate) took: Duration,
    /// From sending to acknowledgement, ascending.
    pub(crate) answers: Vec<Duration>,
}

impl Run {
    /// Events per second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }

    /// The answer time `percent` of all answers kept.
    pub(crate) fn answer(&self, percent: usize) -> Duration {
        let last = self.answers.len().saturating_sub(1);
        self.answers
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// One report, as everything in this bench writes it.
pub(crate) fn payload(device: &str, boot: &str, seq: u64) -> Vec<u8> {
    format!(
        r#"{{"ticket":"{device}-{seq}","queue":"A","class":"ordinary","time":"{}","boot":"{boot}","seq":{seq}}}"#,
        zhiban_tests::harness::clock::real_now()
    )
    .into_bytes()
}

impl Client {
    pub(crate) async fn connect(
        address: &str,
        device: &str,
        secret: &str,
        boot: &str,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)
            .await
            .context("nobody listens")?;
        stream.set_nodelay(true)?;
        stream
            .write_all(&connect(device, device, secret, 4))
            .await?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).await?;
        ensure!(connack[3] == 0, "{device} was refused: {connack:02x?}");
        Ok(Self {
            stream,
            device: device.into(),
            boot: boot.into(),
            seq: 0,
        })
    }

    fn packet(&mut self) -> Vec<u8> {
        self.seq += 1;
        let topic = format!("te/device/{}///e/ticket.issued", self.device);
        let packet_id = u16::try_from(self.seq % 60_000).unwrap_or(0) + 1;
        publish(
            topic.as_bytes(),
            packet_id,
            &payload(&self.device, &self.boot, self.seq),
            4,
        )
    }

    /// As fast as it is acknowledged.
    async fn pour(mut self, packets: Vec<Vec<u8>>) -> anyhow::Result<(Self, Vec<Duration>)> {
        let count = packets.len();
        let (mut read, mut write) = self.stream.split();
        let (mut sent, mut answers) = (VecDeque::with_capacity(WINDOW), Vec::with_capacity(count));
        let (mut next, mut part) = (0, 0);
        let mut buffer = [0; PUBACK_BYTES * WINDOW];
        let mut bytes = Vec::new();
        while answers.len() < count {
            bytes.clear();
            while next < count && sent.len() < WINDOW {
                bytes.extend(&packets[next]);
                sent.push_back(Instant::now());
                next += 1;
            }
            write.write_all(&bytes).await?;
            let got = read.read(&mut buffer).await?;
            ensure!(got > 0, "{} was disconnected", self.device);
            part += got;
            while part >= PUBACK_BYTES {
                part -= PUBACK_BYTES;
                let at: Instant = sent.pop_front().context("more answers than reports")?;
                answers.push(at.elapsed());
            }
        }
        Ok((self, answers))
    }

    /// One report each `every`.
    async fn trickle(
        mut self,
        count: usize,
        every: Duration,
    ) -> anyhow::Result<(Self, Vec<Duration>)> {
        let mut answers = Vec::with_capacity(count);
        let mut tick = tokio::time::interval(every);
        let mut puback = [0; PUBACK_BYTES];
        for _ in 0..count {
            let packet = self.packet();
            tick.tick().await;
            let sent = Instant::now();
            self.stream.write_all(&packet).await?;
            self.stream.read_exact(&mut puback).await?;
            answers.push(sent.elapsed());
        }
        Ok((self, answers))
    }
}

/// All clients at once, as fast as they are acknowledged.
pub(crate) async fn pour(clients: Vec<Client>, each: usize) -> anyhow::Result<(Vec<Client>, Run)> {
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let packets = (0..each).map(|_| client.packet()).collect();
        tasks.spawn(client.pour(packets));
    }
    collect(tasks).await
}

/// All clients together `per_second`, for `seconds`.
pub(crate) async fn trickle(
    clients: Vec<Client>,
    per_second: usize,
    seconds: usize,
) -> anyhow::Result<(Vec<Client>, Run)> {
    let count = clients.len();
    let every = Duration::from_secs_f64(count as f64 / per_second as f64);
    let mut tasks = JoinSet::new();
    for (nth, client) in clients.into_iter().enumerate() {
        let begin = every.mul_f64(nth as f64 / count as f64);
        tasks.spawn(async move {
            tokio::time::sleep(begin).await;
            client.trickle(per_second * seconds / count, every).await
        });
    }
    collect(tasks).await
}

async fn collect(
    mut tasks: JoinSet<anyhow::Result<(Client, Vec<Duration>)>>,
) -> anyhow::Result<(Vec<Client>, Run)> {
    let started = Instant::now();
    let (mut clients, mut run) = (Vec::new(), Run::default());
    while let Some(done) = tasks.join_next().await {
        let (client, answers) = done??;
        clients.push(client);
        run.answers.extend(answers);
    }
    run.took = started.elapsed();
    run.events = run.answers.len();
    run.answers.sort_unstable();
    Ok((clients, run))
}
