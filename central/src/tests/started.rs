//! The whole program but its `main`, with real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zhiban_config::CentralConfig;

use super::postgres_server::Place;
use super::{Folder, Make, free_port, on_both};
use crate::aggregator::Aggregator;

fn config(folder: &Folder) -> CentralConfig {
    let text = format!(
        "[centre]\nname = \"示范公司\"\ntime_zone = \"Europe/Warsaw\"\ndata = {:?}\n\
         [web]\nlisten = \"127.0.0.1:0\"\n[door]\nlisten = \"127.0.0.1:0\"\n[zenoh]\nlisten = \"tcp/127.0.0.1:{}\"\n",
        folder.path(),
        free_port()
    );
    let database = folder.place.as_ref().map_or(String::new(), Place::config);
    let text = text + &database;
    CentralConfig::parse(Path::new("central.toml"), &text).unwrap()
}

async fn send(web: SocketAddr, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(web).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n"
    );
    let text = format!("{request}\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn healthy(web: SocketAddr) -> bool {
    let text = answer(send(web, "GET /health", "").await).await;
    text.starts_with("HTTP/1.1 200") && text.contains("\"zenoh\"") && text.contains("\"web\"")
}

async fn it_proves_its_health_and_stops_in_time_with_a_stream_open(make: Make) {
    let folder = Folder::on(make);
    let running = Aggregator::start(&config(&folder), Path::new("central.toml"))
        .await
        .unwrap();
    let (web, shutdown) = (running.web, running.tasks.shutdown.clone());
    let file: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(file["web"], json!(web.to_string()));

    let deadline = Instant::now() + Duration::from_secs(20);
    while !healthy(web).await {
        assert!(Instant::now() < deadline, "never healthy");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let code = running.setup_code.clone().unwrap();
    let body = json!({"code": code, "staff": "1001", "name": "王芳",
        "password": "correct horse 7"});
    let text = answer(send(web, "POST /api/v1/setup", &body.to_string()).await).await;
    let cookie = text
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.unwrap().split(';').next().unwrap();

    let head =
        format!("GET /api/v1/compare/stream HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n");
    let mut stream = TcpStream::connect(web).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("event: changed") {
        let mut bytes = [0; 1_024];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let stopping = Instant::now();
    shutdown.cancel();
    running.run().await;
    assert!(stopping.elapsed() < Duration::from_secs(10));
    assert!(!folder.path().join("run.json").exists());
}

async fn a_port_that_is_taken_is_named(make: Make) {
    let folder = Folder::on(make);
    let mut config = config(&folder);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config.web.listen = taken.local_addr().unwrap();
    let error = Aggregator::start(&config, Path::new("central.toml"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&config.web.listen.to_string()), "{error}");
}

on_both!(
    threads:
    it_proves_its_health_and_stops_in_time_with_a_stream_open,
    a_port_that_is_taken_is_named,
);
