//! Noise on every way into the centre: handshakes of strangers, frames of zenoh within the line of a
//! member, messages that are signed and make no sense. The centre goes on, nothing of it is taken
//! for what a hall said, and another hall is heard meanwhile.
//!
//! `ZHIBAN_FRAMES` (20,000) and `ZHIBAN_SEED` (random) may be set; `make torture` asks for 1,000,000.

mod noise;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::{Value, json};
use zhiban_gateway::federation::{Member, enrol};
use zhiban_tests::harness::Ended;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_vocabulary::StoreId;

const GOOD: &str = "good-hall";
const HOSTILE: &str = "hostile-hall";
/// Lines of the hostile member at once.
const BOXES: u64 = 4;
const MEMORY_MIB_MAX: u64 = 512;
const SOON: Duration = Duration::from_secs(60);

fn from_env(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

async fn join(centre: &Centre, folder: &Folder) -> Member {
    let store: StoreId = HOSTILE.parse().unwrap();
    let path = format!("/api/v1/trust/{store}/code");
    let made: Value = centre.operator.post(&path, &json!({})).await.unwrap();
    let code = made["code"].as_str().unwrap().parse().unwrap();
    let door = centre.running.addresses.door.clone().unwrap();
    let data = folder.path().join("hostile");
    std::fs::create_dir_all(&data).unwrap();
    enrol(&data, &store, &door, &code).await.unwrap()
}

/// What `/status` of the centre counts under this name.
async fn heard(centre: &Centre, store: &str) -> Result<(u64, Value), String> {
    let halls: Result<Value, _> = centre.operator.get("/api/v1/halls").await;
    let halls = halls.map_err(|error| error.to_string())?;
    let all = halls["halls"].as_array().ok_or("no halls")?;
    let found = all.iter().find(|hall| hall["store"] == store);
    let hall = found.ok_or_else(|| halls.to_string())?;
    let last = hall["last_seen"].as_str().unwrap_or_default();
    let last: jiff::Timestamp = last.parse().map_err(|_| hall.to_string())?;
    Ok((last.as_millisecond().unsigned_abs(), hall.clone()))
}

fn memory_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() / 1_024
}

/// Frames and messages of a member, from several boxes at once.
async fn within_the_line(
    door: &str,
    member: &Arc<Member>,
    frames: u64,
    seed: u64,
) -> (u64, noise::Signed) {
    let boxes = (0..BOXES).map(|nth| {
        let runtime = tokio::runtime::Handle::current();
        let (door, member, seed) = (door.to_owned(), Arc::clone(member), seed.wrapping_add(nth));
        let count = frames / 2 / BOXES;
        tokio::task::spawn_blocking(move || {
            let in_line = noise::frames(&runtime, &door, &member, count, seed);
            let signed = noise::messages(&runtime, &door, &member, count, seed);
            (in_line, signed)
        })
    });
    let mut all = (0, noise::Signed::default());
    for one in boxes.collect::<Vec<_>>() {
        let (in_line, signed) = one.await.unwrap();
        all = (all.0 + in_line, all.1.and(&signed));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn noise_on_every_way_in_is_taken_for_nothing() {
    let frames = from_env("ZHIBAN_FRAMES", 20_000);
    let seed = from_env("ZHIBAN_SEED", rand::rng().random());
    println!("{frames} frames, ZHIBAN_SEED={seed}");
    let folder = Folder::new("hostile");
    let mut centre = Centre::start(folder.path(), None).await;
    let hall = Hall::prepare(folder.path(), GOOD, &[], |config| {
        let uplink = toml::toml! { heartbeat_s = 1 };
        config.insert("uplink".into(), uplink.into());
    })
    .await;
    centre.enrol(&hall).await;
    let (mut good, _) = hall.open().await;
    let (before, _) = until("the good hall is heard", SOON, async || {
        heard(&centre, GOOD).await
    })
    .await;
    let member = Arc::new(join(&centre, &folder).await);
    let door = centre.running.addresses.door.clone().unwrap();

    let strange = noise::strangers(&door, frames / 10, seed).await;
    let (in_line, signed) = within_the_line(&door, &member, frames, seed).await;
    centre
        .running
        .check()
        .unwrap_or_else(|error| panic!("{error}"));
    println!(
        "n = {strange} handshakes, {in_line} frames, {} messages ({} refused, {} empty, {} unanswered)",
        signed.sent, signed.refused, signed.empty, signed.unanswered
    );
    assert!(
        signed.refused > signed.sent / 2,
        "the messages hardly came in"
    );

    until("the good hall is heard as before", SOON, async || {
        let (last, hall) = heard(&centre, GOOD).await?;
        seen(last > before && hall["state"] != "silent", hall.to_string())
    })
    .await;
    let peak = memory_mib(centre.running.addresses.pid);
    println!("the centre's memory at most {peak} MiB");
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB");
    let log = std::fs::read_to_string(&centre.running.program.log).unwrap();
    assert!(
        !log.contains("panicked"),
        "{}",
        centre.running.program.log_tail()
    );
    for program in [&mut good, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
    let kept = Copied::of(&centre.running.program.data, "central.db");
    assert_eq!(kept.integrity(), "ok");
    let cursors = format!("select count(*) from intake_cursor where store <> '{GOOD}'");
    assert_eq!(
        kept.one::<i64>(&cursors),
        0,
        "something was taken from elsewhere"
    );
}
