//! Devices that know nothing of Zhiban: in Home Assistant's form (ha-mqtt-discoverable), in
//! Tasmota's (its documented messages by paho-mqtt), as edge nodes of Sparkplug B (pysparkplug and
//! the npm package sparkplug-client). A person gives each its prefixes and a secret; that is all.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use zhiban_kernel::Clock;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, installed, node, python};
use zhiban_tests::harness::stage::{Hall, mqtt};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, free_port};

const SOON: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

/// Registers a device with its prefixes; gives its secret.
async fn register(manager: &Account, device: &str, topics: &[&str]) -> String {
    let body = json!({"device": device, "kind": "other", "topics": topics});
    let added: Value = manager.post("/api/v1/devices", &body).await.unwrap();
    added["secret"].as_str().unwrap().to_owned()
}

fn start(mut command: Command, gateway: &Running, words: &[&str]) -> Peer {
    let (host, port) = mqtt(gateway);
    Peer::start(command.args([host, port]).args(words))
}

async fn of_device(manager: &Account, device: &str) -> Value {
    let path = format!("/api/v1/devices/{device}");
    manager.get(&path).await.unwrap()
}

/// Kind and payload of all reports, oldest first.
async fn told(manager: &Account, device: &str) -> Vec<(String, Value)> {
    let path = format!("/api/v1/devices/{device}/reports?limit=500");
    let found: Value = manager.get(&path).await.unwrap();
    let reports = found["reports"].as_array().unwrap().iter().rev();
    let read = |report: &Value| {
        let kind = report["kind"].as_str().unwrap().to_owned();
        (kind, report["payload"].clone())
    };
    reports.map(read).collect()
}

/// Waits until a report of this kind and payload is there.
async fn tells(manager: &Account, device: &str, kind: &str, payload: Value) {
    let what = format!("{device} tells {kind} {payload}");
    until(&what, SOON, async || {
        let told = told(manager, device).await;
        let fits = told.iter().any(|(found, said)| {
            let mut said = said.clone();
            if payload.get("time").is_none() {
                said.as_object_mut().map(|said| said.remove("time"));
            }
            found == kind && said == payload
        });
        seen(fits, format!("{told:#?}"))
    })
    .await;
}

async fn letters(manager: &Account) -> String {
    let found: Value = manager.get("/api/v1/dead-letters").await.unwrap();
    found.to_string()
}

async fn is_down(manager: &Account, device: &str) {
    until("its will says that it is gone", SOON, async || {
        let found = of_device(manager, device).await;
        seen(found["health"]["status"] == "down", found.to_string())
    })
    .await;
}

/// A hall whose door has the same port after a restart.
async fn hall(folder: &Folder, name: &str) -> Hall {
    let port = free_port().unwrap();
    Hall::prepare(folder.path(), name, &[], |config| {
        let Some(toml::Value::Table(mqtt)) = config.get_mut("mqtt") else {
            panic!("no mqtt")
        };
        mqtt.insert("listen".into(), format!("127.0.0.1:{port}").into());
        mqtt.insert("tasmota_offset".into(), "+08:00".into());
    })
    .await
}

async fn do_it(peer: &mut Peer, order: &str) {
    peer.order(order).await;
    peer.until("stored").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_assistant_device_is_heard_kept_once_and_missed_when_it_is_gone() {
    let folder = Folder::new("foreign-ha");
    let hall = hall(&folder, "ha-hall").await;
    let (gateway, manager) = hall.open().await;
    let secret = register(&manager, "ha-1", &["hmd/+/Hall"]).await;
    let words = ["ha-1", &secret, "Hall"];
    let mut device = start(python("ha_device.py"), &gateway, &words);
    device.until("connected 0").await;
    device.until("status online").await;
    for order in [
        "temperature 21.54",
        "door on",
        "power 60",
        "pressure 1013.2",
        "strange 7h",
        "here",
    ] {
        do_it(&mut device, order).await;
    }
    // Acknowledged is on disk: nothing here has to be waited for.
    let told_once = told(&manager, "ha-1").await;
    for (kind, payload) in [
        ("climate", json!({"temperature": 21.5})),
        ("input.state", json!({"input": "Hall.door", "on": true})),
        ("energy", json!({"power": 60.0})),
        (
            "measurement",
            json!({"name": "Hall.pressure", "value": 1013.2, "unit": "hPa"}),
        ),
        (
            "measurement",
            json!({"name": "Hall.strange", "value": "7h"}),
        ),
        ("device.health", json!({"status": "up"})),
    ] {
        let wanted = (kind.to_owned(), payload);
        assert!(told_once.contains(&wanted), "{wanted:?}: {told_once:#?}");
    }
    let alarm = told_once.iter().find(|(kind, _)| kind == "device.alarm");
    let name = &alarm.unwrap().1["alarm"];
    assert_eq!(name, "needs-mapping:Hall.strange");
    until("the hall knows who it is", SOON, async || {
        let found = of_device(&manager, "ha-1").await;
        let fits = found["vendor"] == "Own Build" && found["firmware"] == "1.2";
        seen(
            fits && found["topics"] == json!(["hmd/+/Hall"]),
            found.to_string(),
        )
    })
    .await;

    let (mut gateway, manager) = it_comes_back(gateway, &hall, manager, &mut device).await;
    do_it(&mut device, "delete strange").await;
    let cleared = json!({"alarm": "needs-mapping:Hall.strange", "severity": "cleared"});
    tells(&manager, "ha-1", "device.alarm", cleared).await;
    device.process.kill().await.unwrap();
    is_down(&manager, "ha-1").await;
    assert_eq!(letters(&manager).await.matches("not-permitted").count(), 0);

    another_name_is_another_device(&gateway, &manager).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}

/// The program stops and starts again; the library connects by itself.
async fn it_comes_back(
    mut gateway: Running,
    hall: &Hall,
    manager: Account,
    device: &mut Peer,
) -> (Running, Account) {
    let before = told(&manager, "ha-1").await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    let gateway = hall.start().await;
    let manager = manager_of(&gateway, &manager).await;
    device.until("status online").await;
    // Retained and unchanged, as after every connection of such a device.
    do_it(device, "temperature 21.54").await;
    do_it(device, "door on").await;
    assert_eq!(told(&manager, "ha-1").await, before);
    do_it(device, "temperature 22.0").await;
    let air = json!({"temperature": 22.0});
    tells(&manager, "ha-1", "climate", air).await;
    (gateway, manager)
}

/// A device with a credential of its own cannot speak for `Hall`.
async fn another_name_is_another_device(gateway: &Running, manager: &Account) {
    let secret = register(manager, "ha-2", &["hmd/+/Yard"]).await;
    let before = told(manager, "ha-1").await;
    let mut thief = start(python("ha_device.py"), gateway, &["ha-2", &secret, "Yard"]);
    thief.until("connected 0").await;
    do_it(&mut thief, "power 1").await;
    thief.process.kill().await.unwrap();
    let config = json!({"stat_t": "hmd/sensor/Hall/temperature/state"}).to_string();
    let (host, port) = mqtt(gateway);
    let mut command = python("paho_device.py");
    command.args(["4", host, port, "any-id", "ha-2", &secret]);
    let mut thief = Peer::start(&mut command);
    thief.until("connected 0").await;
    for order in [
        format!("publish homeassistant/sensor/Hall/temperature/config {config}"),
        "publish hmd/sensor/Hall/temperature/state 99".to_owned(),
    ] {
        thief.order(&order).await;
        thief.until("published").await;
    }
    assert_eq!(told(manager, "ha-1").await, before);
    assert_eq!(
        letters(manager)
            .await
            .matches("topic-not-permitted")
            .count(),
        2
    );
    let body = json!({"device": "ha-3", "kind": "other", "topics": ["hmd/sensor"]});
    let clash = manager.post::<Value>("/api/v1/devices", &body).await;
    assert!(clash.is_err(), "two devices with the same prefix");
}

async fn manager_of(gateway: &Running, before: &Account) -> Account {
    let account = Account::sign_in(gateway, &before.staff, &before.password).await;
    account.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tasmota_plug_is_heard_with_its_own_time() {
    let folder = Folder::new("foreign-tasmota");
    let hall = hall(&folder, "tasmota-hall").await;
    let (mut gateway, manager) = hall.open().await;
    let secret = register(&manager, "plug-1", &["+/tasmota_345678"]).await;
    let words = ["plug-1", &secret, "tasmota_345678", "A4CF12345678"];
    let mut plug = start(python("tasmota_device.py"), &gateway, &words);
    plug.until("connected 0").await;
    plug.until("announced").await;
    let now = Clock::new(None).now().round(jiff::Unit::Second).unwrap();
    let local = now
        .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)))
        .datetime();
    do_it(&mut plug, &format!("sensor {local} 21.5 60")).await;
    do_it(&mut plug, "switch ON").await;
    let time = now.to_string();
    let air = json!({"temperature": 21.5, "humidity": 41.0, "time": time});
    tells(&manager, "plug-1", "climate", air).await;
    let meter = json!({"energy_wh": 3185, "power": 60.0, "voltage": 230.0, "time": time});
    tells(&manager, "plug-1", "energy", meter).await;
    tells(
        &manager,
        "plug-1",
        "input.state",
        json!({"input": "Switch1", "on": true}),
    )
    .await;
    tells(&manager, "plug-1", "device.health", json!({"status": "up"})).await;
    until("the hall knows who it is", SOON, async || {
        let found = of_device(&manager, "plug-1").await;
        seen(
            found["model"] == "Sonoff POW" && found["connected"] == true,
            found.to_string(),
        )
    })
    .await;
    assert_eq!(letters(&manager).await.matches("plug-1").count(), 0);
    the_same_address_twice_is_quarantined(&gateway, &manager).await;
    plug.process.kill().await.unwrap();
    is_down(&manager, "plug-1").await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}

/// A second plug that says it is the first.
async fn the_same_address_twice_is_quarantined(gateway: &Running, manager: &Account) {
    let secret = register(manager, "plug-2", &["+/tasmota_other"]).await;
    let words = ["plug-2", &secret, "tasmota_other", "A4CF12345678"];
    let mut twin = start(python("tasmota_device.py"), gateway, &words);
    twin.until("connected 0").await;
    until("the second is shut out", SOON, async || {
        let found = of_device(manager, "plug-2").await;
        let fits = found["state"] == "suspended" && found["reason"] == "serial-clash";
        seen(fits && found["connected"] == false, found.to_string())
    })
    .await;
    assert_eq!(of_device(manager, "plug-1").await["state"], "active");
}

fn pysparkplug() -> Command {
    let mut command = python("sparkplug_node.py");
    command.env("PYTHONPATH", installed("paho1"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_node_is_born_heard_asked_again_and_missed() {
    let folder = Folder::new("foreign-sparkplug");
    let hall = hall(&folder, "spark-hall").await;
    let (mut gateway, manager) = hall.open().await;
    let secret = register(&manager, "node-1", &["spBv1.0/hall/+/n1"]).await;
    let mut edge = start(pysparkplug(), &gateway, &["node-1", &secret, "hall", "n1"]);
    edge.until("born").await;
    let state = edge.until("host spark-hall ").await;
    assert!(state.contains(r#""online":true"#), "{state}");
    tells(&manager, "node-1", "climate", json!({"temperature": 20.5})).await;
    tells(
        &manager,
        "node-1",
        "measurement",
        json!({"name": "Mode", "value": "auto"}),
    )
    .await;
    tells(&manager, "node-1", "device.health", json!({"status": "up"})).await;
    edge.order("temperature 21.5").await;
    tells(&manager, "node-1", "climate", json!({"temperature": 21.5})).await;
    edge.order("alias 7 22.5").await;
    tells(&manager, "node-1", "climate", json!({"temperature": 22.5})).await;
    edge.order("tank 40").await;
    edge.order("tank 41").await;
    tells(
        &manager,
        "node-1",
        "measurement",
        json!({"name": "tank/Level", "value": 41}),
    )
    .await;
    edge.order("past 5.5").await;
    tells(&manager, "node-1", "climate", json!({"temperature": 5.5})).await;
    history_is_marked(&manager).await;
    // No number was missing so far.
    tokio::time::sleep(SHORT).await;
    assert!(
        !edge.said.iter().any(|line| line.starts_with("command")),
        "{:?}",
        edge.said
    );
    edge.order("skip").await;
    edge.order("temperature 23.5").await;
    tells(&manager, "node-1", "climate", json!({"temperature": 23.5})).await;
    edge.until("command Node Control/Rebirth True").await;
    edge.order("leave").await;
    is_down(&manager, "node-1").await;
    drop(edge);

    let mut edge = start(pysparkplug(), &gateway, &["node-1", &secret, "hall", "n1"]);
    edge.until("host ").await;
    until("it is back", SOON, async || {
        let found = of_device(&manager, "node-1").await;
        seen(found["health"]["status"] == "up", found.to_string())
    })
    .await;
    edge.order("alias 99 1").await;
    edge.until("command Node Control/Rebirth True").await;
    // Killed: its will, which is at QoS 0.
    edge.process.kill().await.unwrap();
    is_down(&manager, "node-1").await;
    let mut edge = start(pysparkplug(), &gateway, &["node-1", &secret, "hall", "n1"]);
    edge.until(r#"host spark-hall {"online":true"#).await;
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    edge.until(r#"host spark-hall {"online":false"#).await;
}

/// What was an hour ago is booked there, and does not pass for now.
async fn history_is_marked(manager: &Account) {
    let found: Value = manager.get("/api/v1/devices/node-1/reports").await.unwrap();
    let reports = found["reports"].as_array().unwrap();
    let past = reports
        .iter()
        .find(|report| report["payload"]["temperature"] == 5.5);
    assert_eq!(past.unwrap()["clock"], "late", "{past:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_node_that_is_asked_says_everything_again_and_nothing_is_counted_twice() {
    let folder = Folder::new("foreign-npm");
    let hall = hall(&folder, "npm-hall").await;
    let (mut gateway, manager) = hall.open().await;
    let secret = register(&manager, "node-2", &["spBv1.0/hall/+/n2"]).await;
    let (_, port) = mqtt(&gateway);
    let mut command = node("sparkplug_client.js");
    let mut edge = Peer::start(command.args([port, "node-2", &secret, "hall", "n2"]));
    edge.until("born").await;
    tells(&manager, "node-2", "climate", json!({"temperature": 19.5})).await;
    edge.order("skip").await;
    edge.order("temperature 20.5").await;
    edge.until("rebirth").await;
    edge.until("born").await;
    edge.order("temperature 21.5").await;
    tells(&manager, "node-2", "climate", json!({"temperature": 21.5})).await;
    let told = told(&manager, "node-2").await;
    let airs = told.iter().filter(|(kind, _)| kind == "climate").count();
    assert_eq!(airs, 3, "{told:#?}");
    edge.process.kill().await.unwrap();
    is_down(&manager, "node-2").await;
    assert_eq!(letters(&manager).await.matches("node-2").count(), 0);
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}
