//! A registered device with a good secret tries to be, to hear and to speak for another: on its
//! topics, in a will, under its client id and its name. With paho-mqtt and mosquitto's clients.

use std::time::Duration;

use serde_json::Value;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::paho::{Identity, Paho, Version};
use zhiban_tests::harness::peers::{debian, finish, text};
use zhiban_tests::harness::stage::{Hall, mqtt};
use zhiban_tests::harness::{Account, Ended, Running};

const SOON: Duration = Duration::from_secs(10);
/// Of each kind of publish and version.
const TRIES: u32 = 200;
const ISSUED: &str = r#"{"ticket":"X1","queue":"A"}"#;

/// Topics of `tm-10`, and some that only look like those of `tm-1`.
const FOREIGN_TOPICS: [&str; 8] = [
    "te/device/tm-10///e/ticket.issued",
    "te/device/tm-10/service/agent/status/health",
    "te/device/tm-10///cmd/restart/1",
    "te/device/tm-1",
    "te/device//e/ticket.issued",
    "TE/device/tm-10///e/ticket.issued",
    "排队机/1",
    "$SYS/broker/uptime",
];

const FOREIGN_FILTERS: [&str; 8] = [
    "#",
    "+/+/+/#",
    "te/device/tm-10/#",
    "te/device/+///e/+",
    "+/device/tm-10/#",
    "te/#",
    "$SYS/#",
    "$share/all/te/device/tm-10/#",
];

struct Scene {
    gateway: Running,
    manager: Account,
    intruder: String,
    victim: String,
}

async fn scene(folder: &Folder) -> Scene {
    let devices = ["tm-1 ticket-machine", "tm-10 ticket-machine"];
    let hall = Hall::prepare(folder.path(), "rights-hall", &devices, |_| ()).await;
    let (gateway, manager) = hall.open().await;
    let [intruder, victim] = <[String; 2]>::try_from(hall.secrets).unwrap();
    Scene {
        gateway,
        manager,
        intruder,
        victim,
    }
}

/// What the hall has in the name of `device`, newest first.
async fn reports(manager: &Account, device: &str) -> Vec<Value> {
    let path = format!("/api/v1/devices/{device}/reports?limit=500");
    let found: Value = manager.get(&path).await.unwrap();
    found["reports"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_appears_under_the_name_of_another() {
    let folder = Folder::new("rights");
    let mut scene = scene(&folder).await;
    let mut tries = 0;
    for version in Version::BOTH {
        let own = Identity::of("tm-10", &scene.victim);
        let mut victim = Paho::connect(&scene.gateway, version, own, &[]).await;
        assert_eq!(victim.connack, "0");
        assert_eq!(victim.subscribe("te/device/tm-10/#").await, "1");
        tries += publishes(&scene, version).await;
        tries += listens(&scene, version).await;
        tries += pretends(&scene, version).await;
        tries += with_mosquitto(&scene, version).await;
        // It hears itself, and heard nothing before; nobody disconnected it.
        let topic = "te/device/tm-10///e/ticket.issued";
        assert_eq!(
            victim
                .publish(topic, r#"{"ticket":"B1","queue":"A"}"#)
                .await,
            "0"
        );
        victim.hear().await;
        assert_eq!(
            victim.messages(),
            [format!("{topic} {}", r#"{"ticket":"B1","queue":"A"}"#)]
        );
        assert!(
            !victim.peer.said.iter().any(|line| line.starts_with("lost")),
            "{:?}",
            victim.peer.said
        );
    }
    let found = reports(&scene.manager, "tm-10").await;
    assert_eq!(
        found.len(),
        2,
        "only what the victim sent itself: {found:#?}"
    );
    letters_tell_the_story(&scene.manager).await;
    println!("n = {tries} attempts, 0 accepted");
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

async fn publishes(scene: &Scene, version: Version) -> u32 {
    let own = Identity::of("tm-1", &scene.intruder);
    let mut intruder = Paho::connect(&scene.gateway, version, own, &[]).await;
    for topic in FOREIGN_TOPICS {
        let code = intruder.publish(topic, ISSUED).await;
        // 3.1.1 has no way to say no; 5 says "not authorized".
        let expect = if version == Version::V5 { "135" } else { "0" };
        assert_eq!(code, expect, "{version:?} {topic}");
    }
    intruder
        .peer
        .order(&format!("flood {TRIES} {} {ISSUED}", FOREIGN_TOPICS[0]))
        .await;
    let flooded = intruder.peer.until("flooded").await;
    assert_eq!(
        flooded,
        format!("flooded {TRIES}"),
        "each is answered, or it would come for ever"
    );
    // The connection lives, and a good report is taken.
    let good = intruder
        .publish("te/device/tm-1///e/ticket.issued", ISSUED)
        .await;
    assert_eq!(good, "0");
    TRIES + FOREIGN_TOPICS.len() as u32
}

async fn listens(scene: &Scene, version: Version) -> u32 {
    let own = Identity::of("tm-1", &scene.intruder);
    let mut intruder = Paho::connect(&scene.gateway, version, own, &[]).await;
    for filter in FOREIGN_FILTERS {
        let code = intruder.subscribe(filter).await;
        let refused = code.parse::<u8>().is_ok_and(|code| code >= 0x80);
        assert!(refused, "{version:?} {filter}: {code}");
    }
    FOREIGN_FILTERS.len() as u32
}

async fn pretends(scene: &Scene, version: Version) -> u32 {
    let (intruder, gateway) = (scene.intruder.as_str(), &scene.gateway);
    let will = ["will=te/device/tm-10/service/agent/status/health"];
    let attempts: [(&str, Identity<'_>, &[&str]); 5] = [
        (
            "a will in another's name",
            Identity::of("tm-1", intruder),
            &will,
        ),
        (
            "another's client id",
            Identity {
                client: "tm-10",
                user: "tm-1",
                secret: intruder,
            },
            &[],
        ),
        ("another's name", Identity::of("tm-10", intruder), &[]),
        (
            "another's name, own id",
            Identity {
                client: "tm-1",
                user: "tm-10",
                secret: intruder,
            },
            &[],
        ),
        ("no secret", Identity::of("tm-10", ""), &[]),
    ];
    let count = attempts.len() as u32;
    for (what, who, options) in attempts {
        let refused = Paho::connect(gateway, version, who, options).await.connack;
        assert!(
            refused.parse::<u8>().is_ok_and(|code| code >= 0x80),
            "{version:?} {what}: {refused}"
        );
    }
    count
}

async fn with_mosquitto(scene: &Scene, version: Version) -> u32 {
    let (host, port) = mqtt(&scene.gateway);
    let base = |program: &str, client: &str, user: &str| {
        let mut command = debian(program);
        command.args([
            "-V",
            version.mosquitto(),
            "-h",
            host,
            "-p",
            port,
            "-i",
            client,
        ]);
        command.args(["-u", user, "-P", &scene.intruder]);
        command
    };
    let mut publish = base("mosquitto_pub", "tm-1", "tm-1");
    publish.args(["-q", "1", "-t", FOREIGN_TOPICS[0], "-m", ISSUED]);
    finish(&mut publish, SOON).await;
    let mut listen = base("mosquitto_sub", "tm-1", "tm-1");
    listen.args(["-W", "3", "-C", "1", "-t", "te/device/tm-10/#"]);
    let heard = finish(&mut listen, SOON).await;
    // It ends with 0 all the same; what it says tells.
    let said = text(&heard);
    assert!(
        said.trim() == "All subscription requests were denied.",
        "{said}"
    );
    let mut pretend = base("mosquitto_pub", "tm-10", "tm-1");
    pretend.args(["-q", "1", "-t", FOREIGN_TOPICS[0], "-m", ISSUED]);
    let refused = finish(&mut pretend, SOON).await;
    assert!(
        !refused.status.success(),
        "{version:?}: another's client id was accepted"
    );
    let mut will = base("mosquitto_pub", "tm-1", "tm-1");
    will.args([
        "--will-topic",
        FOREIGN_TOPICS[1],
        "--will-payload",
        "{}",
        "-t",
        "x",
        "-m",
        "x",
    ]);
    let refused = finish(&mut will, SOON).await;
    assert!(
        !refused.status.success(),
        "{version:?}: a will in another's name was accepted"
    );
    4
}

/// Each forbidden topic can be found, under the name of the one who tried.
async fn letters_tell_the_story(manager: &Account) {
    let found: Value = manager.get("/api/v1/dead-letters?limit=500").await.unwrap();
    let letters = found["letters"].as_array().unwrap();
    assert!(
        letters.iter().all(|letter| letter["device"] == "tm-1"),
        "{letters:#?}"
    );
    for topic in FOREIGN_TOPICS {
        let letter = letters.iter().find(|letter| letter["topic"] == topic);
        let letter = letter.unwrap_or_else(|| panic!("no letter tells of {topic}"));
        assert_eq!(letter["reason_code"], "topic-not-permitted");
        assert_eq!(letter["payload_text"], ISSUED);
    }
    // A device that does it all the time fills no table.
    assert!(letters.len() < 150, "{} letters", letters.len());
}
