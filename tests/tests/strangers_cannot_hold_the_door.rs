//! Whoever comes to the door of the centre without a certificate costs it little and keeps no hall
//! out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended};

const SOON: Duration = Duration::from_secs(20);
/// More than the door has places for.
const ORIGINS: u8 = 12;
const OF_EACH: usize = 200;
const CROWDS: usize = 3;

/// Connections that never say a word, from many addresses.
async fn stand_in_the_door(door: SocketAddr) -> Vec<TcpStream> {
    let mut standing = Vec::new();
    for origin in 1..=ORIGINS {
        for _ in 0..OF_EACH {
            let socket = TcpSocket::new_v4().unwrap();
            socket
                .bind(SocketAddr::from(([127, 0, 1, origin], 0)))
                .unwrap();
            standing.push(socket.connect(door).await.unwrap());
        }
    }
    standing
}

async fn is_connected(manager: &Account) -> Result<(), String> {
    let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
    let floor = floor.map_err(|error| error.to_string())?;
    let uplink = &floor["freshness"]["uplink"];
    seen(uplink["connected"] == true, uplink.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hall_gets_in_while_strangers_stand_in_every_place() {
    let folder = Folder::new("crowd");
    let mut centre = Centre::start(folder.path(), None).await;
    let door: SocketAddr = centre
        .running
        .addresses
        .door
        .clone()
        .unwrap()
        .parse()
        .unwrap();
    let hall = Hall::prepare(folder.path(), "crowd-hall", &[], |_| {}).await;
    centre.enrol(&hall).await;
    let crowd = tokio::spawn(async move {
        // Places that are given back are taken again at once.
        let mut crowds = VecDeque::new();
        loop {
            crowds.push_back(stand_in_the_door(door).await);
            if crowds.len() > CROWDS {
                crowds.pop_front();
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut running, manager) = hall.open().await;
    until("it is connected", SOON, async || {
        is_connected(&manager).await
    })
    .await;
    crowd.abort();
    for program in [&mut running, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_before_it_brought_what_it_announced() {
    let folder = Folder::new("unread");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    for path in ["/v1/up", "/v1/renew"] {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-alpn", "http/1.1", "-connect", &door])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: centre\r\ncontent-length: 15000\r\n\r\n");
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(head.as_bytes()).await.unwrap();
        let mut said = vec![0; 4_096];
        let mut stdout = client.stdout.take().unwrap();
        let read = tokio::time::timeout(Duration::from_secs(5), stdout.read(&mut said)).await;
        let length = read.expect("an answer without the body").unwrap();
        let said = String::from_utf8_lossy(&said[..length]);
        assert!(said.starts_with("HTTP/1.1 403"), "{path}: {said}");
    }
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
}
