//! How fast reports come in. A figure, not a promise: `make bench` measures the programs.

use std::time::Instant;

use super::*;

const DEVICES: usize = 40;
const WINDOW: usize = 50;

/// Publishes `count` reports with at most [`WINDOW`] unacknowledged; the time of each answer.
async fn run(mut peer: Peer, device: String, count: usize) -> Vec<Duration> {
    let (mut read, mut write) = peer.stream.split();
    let (mut sent, mut times) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut buffer = vec![0; 4 * WINDOW];
    while times.len() < count {
        let mut bytes = Vec::new();
        while sent.len() < count && sent.len() - times.len() < WINDOW {
            let seq = sent.len() as u64 + 1;
            let (topic, payload) = issued(&device, seq);
            let packet_id = u16::try_from(seq % 60_000).unwrap() + 1;
            bytes.extend(publish(4, &topic, &payload, packet_id, 0));
            sent.push(Instant::now());
        }
        write.write_all(&bytes).await.unwrap();
        let mut length = read.read(&mut buffer).await.unwrap();
        while length % 4 != 0 {
            length += read.read(&mut buffer[length..]).await.unwrap();
        }
        for _ in 0..length / 4 {
            times.push(sent[times.len()].elapsed());
        }
    }
    times
}

/// Publishes one report each `every`, and waits for its answer.
async fn trickle(mut peer: Peer, device: String, count: u64, every: Duration) -> Vec<Duration> {
    let mut tick = tokio::time::interval(every);
    let mut times = Vec::new();
    for seq in 1..=count {
        tick.tick().await;
        let (topic, payload) = issued(&device, seq);
        let sent = Instant::now();
        peer.acknowledged(&topic, &payload, 1, 0).await;
        times.push(sent.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn answers_at_a_thousand_reports_per_second() {
    let hall = Hall::open("pace").await;
    let mut running = Vec::new();
    for n in 0..50 {
        let id = format!("tm-{n}");
        let peer = hall.device(&id).await;
        let every = Duration::from_millis(50);
        running.push(tokio::spawn(trickle(peer, id, 100, every)));
    }
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await.unwrap());
    }
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("at 1,000/s: p50 {p50:?}, p99 {p99:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn reports_per_second() {
    let count = 2_000;
    let hall = Hall::open("speed").await;
    let mut peers = Vec::new();
    for n in 0..DEVICES {
        let id = format!("tm-{n}");
        peers.push((hall.device(&id).await, id));
    }
    let started = Instant::now();
    let running: Vec<_> = peers
        .into_iter()
        .map(|(peer, id)| tokio::spawn(run(peer, id, count)))
        .collect();
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await.unwrap());
    }
    let took = started.elapsed();
    times.sort();
    let per_s = times.len() as f64 / took.as_secs_f64();
    let p99 = times[times.len() * 99 / 100];
    println!(
        "{per_s:.0} reports/s, p50 {:?}, p99 {p99:?}",
        times[times.len() / 2]
    );
    assert_eq!(hall.reports().await, DEVICES * count);
}
