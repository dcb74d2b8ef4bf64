//! Whatever comes in that is no report: the answer says what and where, the program lives, and a
//! good report right after is taken.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::peers::{Peer, python};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::wire::{RawMqtt, connect, connect_with, publish};
use zhiban_tests::harness::{Account, Ended, Program, Running};

const GOOD: &str = r#"{"ticket":"A1","queue":"A"}"#;
const TOPIC: &[u8] = b"te/device/tm-1//e/ticket.issued";
const SOON: Duration = Duration::from_secs(10);

struct Scene {
    _folder: Folder,
    gateway: Running,
    manager: Account,
    secret: String,
    good: u32,
}

impl Scene {
    async fn open(name: &str, edit: impl FnOnce(&mut toml::Table)) -> Self {
        let folder = Folder::new(name);
        let devices = ["tm-1 ticket-machine"];
        let hall = Hall::prepare(folder.path(), name, None, &devices, edit).await;
        let (gateway, manager) = hall.open().await;
        let secret = hall.secrets[0].clone();
        Self {
            _folder: folder,
            gateway,
            manager,
            secret,
            good: 0,
        }
    }

    fn mqtt(&self) -> &str {
        self.gateway.addresses.mqtt.as_deref().unwrap()
    }

    /// A good report right after is taken: by MQTT and by HTTP.
    async fn good_report(&mut self, after: &str) {
        self.gateway.check().unwrap();
        let mut device = RawMqtt::sign_in(self.mqtt(), "tm-1", &self.secret, 4).await;
        device.send(&publish(TOPIC, 7, GOOD.as_bytes(), 4)).await;
        assert_eq!(
            device.packet().await,
            Some(vec![0x40, 2, 0, 7]),
            "after {after}"
        );
        let body = format!(
            r#"{{"kind":"ticket.issued","ticket":"H{}","queue":"A"}}"#,
            self.good
        );
        let (status, answer) = self.post(&self.secret, body.into_bytes()).await;
        assert_eq!(
            (status, &answer["accepted"]),
            (StatusCode::OK, &json!(1)),
            "after {after}: {answer}"
        );
        self.good += 2;
    }

    async fn post(&self, secret: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let url = format!("{}/api/v1/reports", self.gateway.url());
        let request = client()
            .post(url)
            .basic_auth("tm-1", Some(secret))
            .body(body);
        let answer = request
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn newest_letter(&self) -> Value {
        let found: Value = self
            .manager
            .get("/api/v1/dead-letters?limit=1")
            .await
            .unwrap();
        found["letters"][0].clone()
    }

    async fn refusals(&self, code: &str) -> u64 {
        let text = client()
            .get(format!("{}/metrics", self.gateway.url()))
            .send()
            .await
            .unwrap();
        let text = text.text().await.unwrap();
        let label = format!("\"{code}\"");
        let line = text
            .lines()
            .find(|line| line.contains("refused") && line.contains(&label));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(SOON).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_no_report_can_be_made_of_become_dead_letters() {
    let mut scene = Scene::open("bad-payload", |_| ()).await;
    for (kind, payload, code, reason) in [
        (
            "ticket.issued",
            "{\"ticket\":",
            "bad-json",
            "EOF while parsing",
        ),
        ("ticket.issued", "[1,2]", "bad-json", "not a JSON object"),
        (
            "ticket.eaten",
            GOOD,
            "unknown-kind",
            "unknown kind \"ticket.eaten\"",
        ),
        (
            "ticket.issued",
            r#"{"ticket":"A1"}"#,
            "bad-field",
            "missing field `queue`",
        ),
        (
            "ticket.issued",
            r#"{"ticket":"A 1","queue":"A"}"#,
            "bad-field",
            "is not a ticket number",
        ),
        (
            "ticket.issued",
            r#"{"ticket":"A1","queue":"A","seq":1}"#,
            "seq-without-boot",
            "boot",
        ),
        (
            "rating.given",
            r#"{"score":6}"#,
            "bad-field",
            "a score from 1 to 5",
        ),
        (
            "day.closed",
            r#"{"day":"2026-03-02"}"#,
            "unknown-kind",
            "day.closed",
        ),
    ] {
        for version in [4, 5] {
            let topic = format!("te/device/tm-1//e/{kind}");
            let mut device = RawMqtt::sign_in(scene.mqtt(), "tm-1", &scene.secret, version).await;
            device
                .send(&publish(topic.as_bytes(), 5, payload.as_bytes(), version))
                .await;
            let answer = device.packet().await.unwrap();
            let expect: &[u8] = if version == 5 {
                &[0x40, 3, 0, 5, 0x99]
            } else {
                &[0x40, 2, 0, 5]
            };
            assert_eq!(answer, expect, "{kind} {payload}");
            let letter = scene.newest_letter().await;
            assert_eq!(letter["reason_code"], code, "{letter}");
            assert!(
                letter["reason"].as_str().unwrap().contains(reason),
                "{reason}: {letter}"
            );
            assert_eq!(
                (&letter["payload_text"], &letter["topic"]),
                (&json!(payload), &json!(topic))
            );
            assert_eq!(
                (&letter["device"], &letter["door"]),
                (&json!("tm-1"), &json!("mqtt"))
            );
        }
        scene.good_report(&format!("{kind} {payload}")).await;
    }
    // One bad report among good ones takes none of them along.
    let body = json!({"reports": [
        {"kind": "ticket.issued", "ticket": "M1", "queue": "A"},
        {"kind": "ticket.eaten", "ticket": "M2"},
        {"kind": "ticket.issued", "ticket": "M3", "queue": "A"},
        {"ticket": "M4"},
    ]});
    let (status, answer) = scene
        .post(&scene.secret, body.to_string().into_bytes())
        .await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(2)));
    let dead = answer["dead_lettered"].as_array().unwrap();
    assert_eq!(
        (&dead[0]["index"], &dead[1]["index"]),
        (&json!(1), &json!(3)),
        "{answer}"
    );
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_no_server_should_get_end_that_connection_only() {
    let mut scene = Scene::open("bad-packet", |_| ()).await;
    let hello = |version| connect("tm-1", "tm-1", &scene.secret, version);
    let after = |version, more: &[u8]| [hello(version), more.to_vec()].concat();
    let huge = publish(TOPIC, 1, &vec![b'x'; 100_000], 4);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "publish before CONNECT",
            publish(TOPIC, 1, GOOD.as_bytes(), 4),
            "not-connect",
        ),
        (
            "HTTP at the MQTT door",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "not-connect",
        ),
        (
            "CONNACK to the server",
            after(4, &[0x20, 2, 0, 0]),
            "forbidden-packet",
        ),
        (
            "CONNACK as first packet",
            vec![0x20, 2, 0, 0],
            "not-connect",
        ),
        (
            "SUBACK to the server",
            after(5, &[0x90, 4, 0, 1, 0, 0]),
            "forbidden-packet",
        ),
        ("second CONNECT", after(4, &hello(4)), "second-connect"),
        ("oversized payload", after(4, &huge), "too-large"),
        (
            "a length of 256 MB",
            after(5, &[0x32, 0xff, 0xff, 0xff, 0x7f]),
            "too-large",
        ),
        (
            "a length of five bytes",
            after(4, &[0x32, 0xff, 0xff, 0xff, 0xff, 1]),
            "malformed",
        ),
        ("QoS 3", after(4, &[0x36, 5, 0, 1, b't', 0, 1]), "malformed"),
        ("QoS 2", after(5, &[0x34, 6, 0, 1, b't', 0, 1, 0]), "qos-2"),
        (
            "MQTT 3.1",
            b"\x10\x12\x00\x06MQIsdp\x03\xc2\x00\x1e\x00\x01a\x00\x01b".to_vec(),
            "protocol-version",
        ),
        (
            "another's client id",
            connect("tm-2", "tm-1", &scene.secret, 4),
            "client-id",
        ),
        (
            "a client id with a slash",
            connect("tm/1", "tm-1", &scene.secret, 5),
            "client-id",
        ),
        (
            "a wrong secret",
            connect("tm-1", "tm-1", "wrong", 4),
            "bad-credentials",
        ),
    ];
    for (what, bytes, code) in cases {
        let before = scene.refusals(code).await;
        let mut peer = RawMqtt::open(scene.mqtt()).await;
        peer.send(&bytes).await;
        peer.until_closed().await;
        until(&format!("{what} is counted as {code}"), SOON, async || {
            let now = scene.refusals(code).await;
            seen(now > before, now)
        })
        .await;
        scene.good_report(what).await;
    }
    // Topics that would stop the router for good are answered and forgotten.
    let mut device = RawMqtt::sign_in(scene.mqtt(), "tm-1", &scene.secret, 4).await;
    for topic in ["排队机/1", "", "te/device/tm-1/\0", "a/+/b"] {
        device.send(&publish(topic.as_bytes(), 9, b"x", 4)).await;
    }
    device.packet().await;
    scene.good_report("topics that hurt the router").await;
    // Keep-alive 0 is allowed by the standard.
    let mut device = RawMqtt::open(scene.mqtt()).await;
    device
        .send(&connect_with("tm-1", "tm-1", &scene.secret, 4, 0))
        .await;
    assert_eq!(device.packet().await, Some(vec![0x20, 2, 0, 0]));
    let log = std::fs::read_to_string(&scene.gateway.program.log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_requests_that_cannot_be_done_say_why() {
    let mut scene = Scene::open("bad-http", |_| ()).await;
    let url = scene.gateway.url();
    let report = |body: &str| body.as_bytes().to_vec();
    let (status, answer) = scene.post("wrong", report(GOOD)).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::UNAUTHORIZED, &json!("wrong-credentials"))
    );
    let (status, answer) = scene.post(&scene.secret, report("{\"kind\":")).await;
    assert_eq!(
        (status, &answer["error"]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("body"))
    );
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("line 1"),
        "{answer}"
    );
    let announced = announce(&scene, 8 << 20).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let many = format!("{{\"reports\":[{}]}}", vec!["{}"; 1_001].join(","));
    let (status, answer) = scene.post(&scene.secret, many.into_bytes()).await;
    assert_eq!(
        (status, &answer["error"]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("reports"))
    );
    for (method, path, body, expect, code) in [
        (
            Method::GET,
            "/api/v1/reports",
            "",
            StatusCode::METHOD_NOT_ALLOWED,
            None,
        ),
        (
            Method::GET,
            "/api/v1/nothing",
            "",
            StatusCode::NOT_FOUND,
            None,
        ),
        (
            Method::DELETE,
            "/api/v1/reports",
            "",
            StatusCode::METHOD_NOT_ALLOWED,
            None,
        ),
        (
            Method::GET,
            "/api/v1/floor",
            "",
            StatusCode::UNAUTHORIZED,
            Some("not-signed-in"),
        ),
        (
            Method::GET,
            "/assets/none.js",
            "",
            StatusCode::NOT_FOUND,
            None,
        ),
        (
            Method::POST,
            "/api/v1/session",
            "{\"staff\":\"1001\"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            None,
        ),
        (
            Method::POST,
            "/api/v1/session",
            "{",
            StatusCode::BAD_REQUEST,
            None,
        ),
        (
            Method::POST,
            "/api/v1/session",
            r#"{"staff":"1001","password":"wrong"}"#,
            StatusCode::UNAUTHORIZED,
            Some("wrong-credentials"),
        ),
        (
            Method::POST,
            "/api/v1/setup",
            r#"{"code":"X","staff":"1","name":"x","password":"x"}"#,
            StatusCode::FORBIDDEN,
            Some("wrong-code"),
        ),
    ] {
        let what = format!("{method} {path} {body}");
        let request = client().request(method, format!("{url}{path}")).body(body);
        let answer = request
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), expect, "{what}");
        let found: Value = answer.json().await.unwrap_or_default();
        if let Some(code) = code {
            assert_eq!(found["error"]["code"], code, "{what}: {found}");
        }
    }
    for query in ["day=yesterday", "sort=colour"] {
        let path = format!("/api/v1/tickets?{query}");
        let refused = scene
            .manager
            .get::<Value>(&path)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("422"), "{refused}");
    }
    scene.good_report("bad HTTP").await;
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

/// Says that a body of `bytes` will come and reads the answer, as a client that asks first does.
async fn announce(scene: &Scene, bytes: usize) -> String {
    let address = &scene.gateway.addresses.web;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/reports HTTP/1.1\r\nhost: {address}\r\ncontent-length: {bytes}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(SOON, read)
        .await
        .expect("an answer before the body")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_with_a_bad_sum_are_dropped_and_counted() {
    // A foreign Modbus RTU sensor on a pseudo terminal; what it says can be corrupted.
    let mut sensor = Peer::start(&mut python("bad_sensor.py"));
    let path = sensor.until("/dev/").await;
    let mut scene = Scene::open("bad-sum", |config| {
        let wired = json!([{"id": "th-1", "driver": "modbus-climate", "settings": {
            "link": {"serial": path}, "unit": 1, "map": "xy-md02", "poll_s": 0.2, "timeout_ms": 200}}]);
        config.insert("device".into(), toml::Value::try_from(wired).unwrap());
    })
    .await;
    let reading = async |tenths: i64| {
        until(
            &format!("{tenths} is on the floor"),
            Duration::from_secs(20),
            async || {
                let floor: Value = scene
                    .manager
                    .get("/api/v1/floor")
                    .await
                    .map_err(|e| e.to_string())?;
                let found = &floor["climate"][0]["temperature_tenths"];
                seen(*found == tenths, found.to_string())
            },
        )
        .await;
    };
    reading(225).await;
    sensor.order("corrupt 999").await;
    sensor.until("done").await;
    sensor.until("asked 4").await;
    sensor.order("good 231").await;
    reading(231).await;
    let path = "/api/v1/devices/th-1/reports?limit=500";
    let reports: Value = scene.manager.get(path).await.unwrap();
    let text = reports.to_string();
    assert!(
        !text.contains("99.9"),
        "a reading with a bad sum was taken: {text}"
    );
    scene.good_report("a bad sum").await;
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

/// `check`, and `run`, with `text` as configuration: both must refuse with `expected` in it.
async fn refused(folder: &Path, program: &Program, text: &str, expected: &[&str]) {
    let file = folder.join("typo.toml");
    std::fs::write(&file, text).unwrap();
    for command in ["check", "run"] {
        let refused = program
            .command(&[command, &file.to_string_lossy()], Vec::new())
            .await;
        let said = refused
            .expect_err("a configuration with a mistake was used")
            .to_string();
        assert!(said.contains("typo.toml"), "the file is not named: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{expected:?} is not in: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_typo_is_refused_with_file_key_expected_and_found() {
    let folder = Folder::new("typo");
    let hall = Hall::prepare(folder.path(), "typo-hall", None, &[], |_| ()).await;
    let good = std::fs::read_to_string(&hall.program.config).unwrap();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in {good}");
        good.replace(from, to)
    };
    let config = hall.program.config.to_string_lossy().into_owned();
    hall.program
        .command(&["check", &config], Vec::new())
        .await
        .unwrap();
    let device = |settings: &str, driver: &str| {
        format!(
            "{good}\n[[device]]\nid = \"th-1\"\ndriver = \"{driver}\"\n[device.settings]\n{settings}\n"
        )
    };
    for (text, expected) in [
        (with("time_zone", "time_zon"), vec!["time_zon", "expected"]),
        (
            with("Asia/Shanghai", "Asia/Shangai"),
            vec!["time_zone", "Asia/Shangai"],
        ),
        (
            with("opens = \"00:00:00\"", "opens = 8"),
            vec!["opens", "line"],
        ),
        (
            with("127.0.0.1:0", "0.0.0.0:1883"),
            vec!["allow_plaintext", "0.0.0.0:1883"],
        ),
        (
            device("", "modbus-climat"),
            vec!["th-1", "modbus-climate", "modbus-climat"],
        ),
        (device("unit = 1", "modbus-climate"), vec!["th-1", "link"]),
        (with("[hall]", "[hall"), vec!["line 1"]),
    ] {
        refused(folder.path(), &hall.program, &text, &expected).await;
    }
    assert!(!hall.program.data.join("run.json").exists());
}

/// A port on which nothing but rubbish comes is no place to stop at.
#[tokio::test(flavor = "multi_thread")]
async fn rubbish_on_the_web_port_hurts_nobody() {
    let mut scene = Scene::open("rubbish", |_| ()).await;
    let address = scene.gateway.addresses.web.clone();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\0\0\0\0",
        b"GET",
        &[b'a'; 100_000],
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer))
            .await
            .unwrap();
    }
    scene.good_report("rubbish").await;
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}
