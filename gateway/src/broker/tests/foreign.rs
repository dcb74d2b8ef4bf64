//! Devices that speak another form: who they are, where they may speak, and that what they say is
//! kept once.

use super::*;
use crate::conventions::Topics;

const CONFIG: &str = "homeassistant/sensor/esp/t/config";
const STATE: &str = "esp-1/t";

impl Hall {
    /// Registers a device with prefixes of its own.
    async fn register_foreign(&self, id: &str, prefixes: &[&str]) -> String {
        let device = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::Other,
            name: id.to_owned(),
            counter: None,
        };
        let given: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let topics = Topics::check(&given).unwrap();
        let added = self
            .shared
            .devices
            .add_with_topics(device, topics, |_| Ok(()));
        added.await.unwrap()
    }

    /// Kind and payload of all reports.
    async fn told(&self) -> Vec<(String, String)> {
        let read = |connection: &rusqlite::Connection| {
            let sql = "select kind, cast(payload as text) from journal_report order by id";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.shared.store.read(read).await.unwrap()
    }
}

fn as_client(user: &str, secret: &str, client: &str) -> Login {
    Login {
        id: client.into(),
        ..login(user, secret)
    }
    .user(user)
}

impl Login {
    fn user(mut self, user: &str) -> Self {
        self.user = user.into();
        self
    }
}

fn temperature() -> String {
    r#"{"stat_t":"esp-1/t","dev_cla":"temperature"}"#.into()
}

#[tokio::test]
async fn the_user_says_who_it_is_and_the_client_id_may_be_anything_harmless() {
    let hall = Hall::open("foreign-id").await;
    let secret = hall.register_foreign("esp-1", &["esp-1"]).await;
    for client in ["DVES_12AB34", "a b/c", "排队机", ""] {
        hall.connected(&as_client("esp-1", &secret, client)).await;
    }
    // Version 5 would have to be told its id; a control character is never harmless.
    for login in [
        as_client("esp-1", &secret, "").v5(),
        as_client("esp-1", &secret, "a\u{7}b"),
    ] {
        let mut peer = hall.dial().await;
        peer.send(&login.bytes()).await;
        assert_ne!(peer.raw().await[3], 0, "{login:?}");
    }
    // A device of our form is known by both.
    let secret = hall.register("tm-1").await;
    let mut peer = hall.dial().await;
    peer.send(&as_client("tm-1", &secret, "DVES_12AB34").bytes())
        .await;
    assert_eq!(peer.raw().await, [0x20, 2, 0, 2]);
}

#[tokio::test]
async fn what_it_says_is_a_report_before_it_is_acknowledged() {
    let hall = Hall::open("foreign-said").await;
    let secret = hall.register_foreign("esp-1", &["esp-1"]).await;
    let mut esp = hall.connected(&login("esp-1", &secret)).await;
    esp.acknowledged(CONFIG, &temperature(), 1, 1).await;
    esp.acknowledged(STATE, "21.5", 2, 1).await;
    assert_eq!(
        hall.told().await,
        [("climate".into(), r#"{"temperature":21.5}"#.into())]
    );
    esp.acknowledged("esp-1/unknown", "what", 3, 0).await;
    esp.acknowledged("esp-2/t", "21.5", 4, 0).await;
    let config = temperature().replace("esp-1", "esp-2");
    esp.acknowledged("homeassistant/sensor/x/config", &config, 5, 1)
        .await;
    assert_eq!(
        hall.letters().await,
        [
            ("esp-1/unknown".into(), "unknown-kind".into()),
            ("esp-2/t".into(), "topic-not-permitted".into()),
            (
                "homeassistant/sensor/x/config".into(),
                "topic-not-permitted".into()
            ),
        ]
    );
    assert_eq!(hall.reports().await, 1);
}

#[tokio::test]
async fn all_reports_of_a_message_that_comes_again_are_known() {
    let hall = Hall::open("foreign-again").await;
    let secret = hall.register_foreign("esp-1", &["+/esp-1"]).await;
    let mut esp = hall.connected(&login("esp-1", &secret)).await;
    let sensor = r#"{"AM2301":{"Temperature":21.5,"DewPoint":7},"ENERGY":{"Power":60}}"#;
    esp.acknowledged("tele/esp-1/SENSOR", sensor, 9, 0).await;
    assert_eq!(hall.reports().await, 3);
    esp.acknowledged("tele/esp-1/SENSOR", sensor, 9, 8).await;
    assert_eq!(hall.reports().await, 3);
    // Said anew, not again.
    esp.acknowledged("tele/esp-1/SENSOR", sensor, 10, 0).await;
    assert_eq!(hall.reports().await, 6);
}

#[tokio::test]
async fn what_was_announced_is_known_after_a_restart_and_what_is_retained_is_no_news() {
    let hall = Hall::open("foreign-restart").await;
    let secret = hall.register_foreign("esp-1", &["esp-1"]).await;
    let login = login("esp-1", &secret);
    let mut esp = hall.connected(&login).await;
    esp.acknowledged(CONFIG, &temperature(), 1, 1).await;
    esp.acknowledged(STATE, "21.5", 2, 1).await;
    drop(esp);
    let hall = hall.restart().await;
    let mut esp = hall.connected(&login).await;
    esp.acknowledged(STATE, "21.5", 1, 1).await;
    assert_eq!(hall.reports().await, 1);
    esp.acknowledged(STATE, "21.6", 2, 1).await;
    assert_eq!(hall.reports().await, 2);
}

#[tokio::test]
async fn nobody_takes_the_discovery_topic_of_another() {
    let hall = Hall::open("foreign-theft").await;
    let one = hall.register_foreign("esp-1", &["esp-1"]).await;
    let two = hall.register_foreign("esp-2", &["esp-2"]).await;
    let mut first = hall.connected(&login("esp-1", &one)).await;
    first.acknowledged(CONFIG, &temperature(), 1, 1).await;
    let mut second = hall.connected(&login("esp-2", &two).v5()).await;
    for payload in [temperature().replace("esp-1", "esp-2"), String::new()] {
        second.send(&publish(5, CONFIG, &payload, 1, 1)).await;
        assert_eq!(second.raw().await.get(4), Some(&0x97), "{payload}");
    }
    let owner = |connection: &rusqlite::Connection| {
        let sql =
            "select device || ' ' || cast(payload as text) from broker_retained where topic = ?1";
        Ok(connection.query_row(sql, [CONFIG], |row| row.get::<_, String>(0))?)
    };
    let kept = hall.shared.store.read(owner).await.unwrap();
    assert_eq!(kept, format!("esp-1 {}", temperature()));
}

#[tokio::test]
async fn two_devices_do_not_get_the_same_prefix() {
    let hall = Hall::open("foreign-clash").await;
    hall.register_foreign("esp-1", &["site/esp"]).await;
    let device = NewDevice {
        device: "esp-2".parse().unwrap(),
        kind: DeviceKind::Other,
        name: "esp-2".into(),
        counter: None,
    };
    let topics = Topics::check(&["site".into()]).unwrap();
    let added = hall
        .shared
        .devices
        .add_with_topics(device, topics, |_| Ok(()));
    let refused = added.await.unwrap_err().to_string();
    assert!(refused.contains("esp-1"), "{refused}");
}

#[tokio::test]
async fn it_hears_what_the_hall_says_and_nothing_of_others() {
    let mut hall = Hall::open("foreign-words").await;
    let secret = hall.register_foreign("esp-1", &["esp-1"]).await;
    let mut esp = hall.connected(&login("esp-1", &secret)).await;
    esp.subscribed("homeassistant/status", 0).await;
    assert_eq!(
        esp.message().await,
        ("homeassistant/status".into(), "online".into(), true)
    );
    esp.subscribed("spBv1.0/STATE/zhiban", 1).await;
    let (topic, state, retained) = esp.message().await;
    assert_eq!((topic.as_str(), retained), ("spBv1.0/STATE/zhiban", true));
    assert!(
        state.starts_with(r#"{"online":true,"timestamp":"#),
        "{state}"
    );
    for filter in ["#", "esp-2/#", "homeassistant/#/x", "te/device/+/#"] {
        esp.send(&subscribe(4, filter, 0)).await;
        assert_eq!(esp.raw().await[4], 0x80, "{filter}");
    }
    // A device of our form has no part in this.
    let mut ours = hall.device("tm-1").await;
    ours.send(&subscribe(4, "homeassistant/status", 0)).await;
    assert_eq!(ours.raw().await[4], 0x80);
    let stopping = async {
        hall.stop().await;
    };
    let hearing = async {
        let first = esp.message().await;
        (first, esp.message().await)
    };
    let ((), (status, state)) = tokio::join!(stopping, hearing);
    assert_eq!(
        status,
        ("homeassistant/status".into(), "offline".into(), true)
    );
    assert!(
        state.1.starts_with(r#"{"online":false,"timestamp":"#),
        "{state:?}"
    );
}

#[tokio::test]
async fn a_lost_device_is_reported_by_its_own_will() {
    let hall = Hall::open("foreign-will").await;
    let secret = hall.register_foreign("esp-1", &["esp-1"]).await;
    let will = login("esp-1", &secret).will("esp-1/LWT", "offline", true);
    let mut esp = hall.connected(&will).await;
    let config = r#"{"stat_t":"esp-1/t","avty_t":"esp-1/LWT"}"#;
    esp.acknowledged(CONFIG, config, 1, 1).await;
    esp.acknowledged("esp-1/LWT", "online", 2, 1).await;
    esp.reset();
    eventually(async || hall.reports().await == 2).await;
    let (kind, payload) = hall.told().await.remove(1);
    assert_eq!(kind, "device.health");
    assert!(payload.contains(r#""status":"down""#), "{payload}");
    // A will elsewhere is no will of its own.
    let mut peer = hall.dial().await;
    let elsewhere = login("esp-1", &secret).will("esp-2/LWT", "offline", true);
    peer.send(&elsewhere.bytes()).await;
    assert_ne!(peer.raw().await[3], 0);
}

#[tokio::test]
async fn a_node_that_says_what_nobody_understands_is_asked_to_say_it_all() {
    let hall = Hall::open("foreign-rebirth").await;
    let secret = hall.register_foreign("node-1", &["spBv1.0/g/+/n1"]).await;
    let mut node = hall.connected(&login("node-1", &secret)).await;
    node.subscribed("spBv1.0/g/NCMD/n1", 1).await;
    // One metric with alias 5 and a number, seq 7.
    let data = "\u{12}\u{6}\u{10}\u{5}\u{20}\u{3}\u{50}\u{1}\u{18}\u{7}";
    node.send(&publish(4, "spBv1.0/g/NDATA/n1", data, 1, 0))
        .await;
    let mut raw = node.raw().await;
    if raw[0] >> 4 == 4 {
        raw = node.raw().await;
    }
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(
        text.contains("spBv1.0/g/NCMD/n1") && text.contains("Node Control/Rebirth"),
        "{text}"
    );
    eventually(async || hall.letters().await.len() == 1).await;
}

#[tokio::test]
async fn numbers_of_a_kind_nobody_knows_are_kept_as_measurements() {
    let hall = Hall::open("foreign-numbers").await;
    let mut device = hall.device("tm-1").await;
    let (water, flow) = ("te/device/tm-1///m/water", r#"{"flow":3.5,"level":2}"#);
    device.acknowledged(water, flow, 1, 0).await;
    device.acknowledged(water, flow, 1, 8).await;
    let told = hall.told().await;
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["measurement", "measurement"]);
    assert_eq!(told[0].1, r#"{"name":"water.flow","value":3.5}"#);
    device.acknowledged(water, r#"{"flow":"much"}"#, 2, 0).await;
    assert_eq!(
        hall.letters().await,
        [(water.into(), "unknown-kind".into())]
    );
}
