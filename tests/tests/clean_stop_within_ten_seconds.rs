//! SIGTERM while pages stream, devices are connected and a device is in the middle of a report:
//! both programs end by themselves within ten seconds, with 0, and leave no run.json.

use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zhiban_drivers::modbus::ModbusSimulator;
use zhiban_drivers::simulator::Port;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::program::STOP_WITHIN;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wire::{RawMqtt, connect, publish};
use zhiban_tests::harness::{Ended, Running};

/// Opens a stream of events and reads its head; it stays open until dropped.
async fn stream(running: &Running, path: &str, cookie: &str) -> TcpStream {
    let address = &running.addresses.web;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK", "{path}");
    stream
}

/// Signs in once more, for a cookie one can see.
async fn cookie(running: &Running, staff: &str, password: &str) -> String {
    let body = json!({ "staff": staff, "password": password });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/session", running.url());
    let answer = client.post(url).json(&body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn stops(mut running: Running) {
    let started = Instant::now();
    let name = running.program.name.clone();
    assert_eq!(
        running.stop().await.unwrap(),
        Ended::Cleanly,
        "{name}: {}",
        running.program.log_tail()
    );
    let took = started.elapsed();
    println!("{name} stopped after {took:?}");
    assert!(took < STOP_WITHIN);
    assert!(
        !running.program.data.join("run.json").exists(),
        "{name} left run.json behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_end_in_time_while_everything_is_in_use() {
    let folder = Folder::new("stop");
    let centre = Centre::start(folder.path(), None).await;
    let sensor = Port::pty(ModbusSimulator::new(1, "xy-md02").unwrap()).unwrap();
    let devices = ["tm-1 ticket-machine", "tm-2 ticket-machine"];
    let hall = Hall::prepare(folder.path(), "stop-hall", &devices, |config| {
        let wired = json!([{"id": "th-1", "driver": "modbus", "settings": {
            "link": {"serial": sensor.path()}, "unit": 1, "map": "xy-md02", "poll_s": 0.5}}]);
        config.insert("device".into(), toml::Value::try_from(wired).unwrap());
    })
    .await;
    centre.enrol(&hall).await;
    let (gateway, manager) = hall.open().await;
    let hall_cookie = cookie(&gateway, &manager.staff, &manager.password).await;
    let operator = &centre.operator;
    let centre_cookie = cookie(&centre.running, &operator.staff, &operator.password).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(stream(&gateway, "/api/v1/floor/stream", &hall_cookie).await);
        open.push(stream(&centre.running, "/api/v1/compare/stream", &centre_cookie).await);
    }
    let address = gateway.addresses.mqtt.clone().unwrap();
    // One device is connected, one sends half a report, one half a CONNECT, one nothing.
    let _idle = RawMqtt::sign_in(&address, "tm-1", &hall.secrets[0], 5).await;
    let mut half = RawMqtt::sign_in(&address, "tm-2", &hall.secrets[1], 4).await;
    let topic = b"te/device/tm-2///e/ticket.issued";
    half.send(&publish(topic, 1, b"{\"ticket\":\"A1\",\"queue\":\"A\"}", 4)[..30])
        .await;
    let mut rude = RawMqtt::open(&address).await;
    rude.send(&connect("tm-1", "tm-1", "x", 4)[..5]).await;
    let _silent = RawMqtt::open(&address).await;
    let web = &gateway.addresses.web;
    let mut slow = TcpStream::connect(web).await.unwrap();
    slow.write_all(b"POST /api/v1/reports HTTP/1.1\r\ncontent-le")
        .await
        .unwrap();
    stops(gateway).await;
    stops(centre.running).await;
    drop(open);
}
