//! The driver against a NovoSGA in small, written from its sources.

use crate::testing::{Hall, Peer, device, free_port, id};

async fn peer(port: &str) -> Peer {
    Peer::python("novosga/peers/novosga_peer.py", &[port]).await
}

fn open_with(port: &str, more: &str) -> Hall {
    let settings = format!(
        "url = 'http://127.0.0.1:{port}'\nunit = 1\nclient_id = 'hall'\nclient_secret = 'hush'\n\
         username = 'hall'\npassword = 'hush hush'\ntime_zone = 'America/Sao_Paulo'\n{more}"
    );
    Hall::open(vec![device("queue", "novosga", &settings)])
}

/// Reads often, listens to no hub.
fn polling(port: &str) -> Hall {
    open_with(port, "poll_s = 0.5")
}

/// What was said of tickets.
fn tickets(hall: &Hall) -> Vec<String> {
    let said = hall.said("queue").into_iter();
    said.filter(|said| said.contains(' ') && !said.starts_with("Identity"))
        .collect()
}

async fn until_said(hall: &Hall, count: usize) {
    let enough = |hall: &Hall| tickets(hall).len() >= count;
    hall.until(format!("{count} happenings"), enough).await;
}

/// Orders, and how many happenings there are after each.
const DAY: [(&str, usize); 14] = [
    ("issue A001 1 0", 1),
    ("issue B001 2 1", 2),
    ("call A001 3 ana", 3),
    ("recall A001", 4),
    ("start A001", 5),
    ("redirect A001 2", 6),
    ("call B001 4 rui", 7),
    ("no-show B001", 8),
    ("call A001 4 rui", 9),
    ("start A001", 10),
    ("finish A001", 11),
    ("issue A002 1 0", 12),
    ("move A002 2", 13),
    ("cancel A002", 14),
];

const SAID: [&str; 14] = [
    "issued A001 Caixa",
    "issued B001 servico-2 priority",
    "called A001 3 by ana",
    "recalled A001 3",
    "started A001 3",
    "transferred A001 servico-2",
    "called B001 4 by rui",
    "no-show B001",
    "called A001 4 by rui",
    "started A001 4",
    "finished A001",
    "issued A002 Caixa",
    "transferred A002 servico-2",
    "cancelled A002",
];

async fn live(sga: &mut Peer, hall: &Hall) {
    for (order, count) in DAY {
        sga.order(order).await;
        until_said(hall, count).await;
    }
    assert_eq!(tickets(hall), SAID);
}

#[tokio::test]
async fn a_day_is_told_by_reading_again_and_again() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hall = polling(&port);
    hall.says("queue", 0, "up").await;
    live(&mut sga, &hall).await;
    assert_eq!(hall.status("queue").bad_frames, 0);
    let times: Vec<String> = hall
        .reports()
        .iter()
        .filter_map(|report| report.time.map(|time| time.to_string()))
        .collect();
    assert_eq!(times[0], "2026-11-22T12:00:10Z", "nine in Sao Paulo");
    assert_eq!(times.len(), 12, "no time of a recall and of a move");
    hall.close().await;
}

/// Readings are half a minute apart: only the hub can be the reason.
#[tokio::test]
async fn the_hub_says_when_to_read() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hub = format!("mercure = 'http://127.0.0.1:{port}/.well-known/mercure'\npoll_s = 60");
    let hall = open_with(&port, &hub);
    hall.says("queue", 0, "up").await;
    live(&mut sga, &hall).await;
    hall.close().await;
}

#[tokio::test]
async fn without_its_hub_it_is_degraded_and_still_read() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hub = format!("mercure = 'http://127.0.0.1:{port}/.well-known/mercure'\npoll_s = 0.5");
    let hall = open_with(&port, &hub);
    hall.says("queue", 0, "up").await;
    sga.order("hub off").await;
    hall.says("queue", 0, "degraded").await;
    sga.order("issue A001 1 0").await;
    until_said(&hall, 1).await;
    hall.close().await;
}

#[tokio::test]
async fn nothing_counts_twice_after_a_restart() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hall = polling(&port);
    for (order, count) in &DAY[..11] {
        sga.order(order).await;
        until_said(&hall, *count).await;
    }
    // The driver forgets everything; the journal does not.
    sga.order("garble").await;
    hall.says("queue", 0, "down").await;
    sga.order("clear").await;
    sga.order("issue A002 1 0").await;
    until_said(&hall, 12).await;
    assert_eq!(tickets(&hall), SAID[..12]);
    hall.close().await;
}

#[tokio::test]
async fn a_server_killed_and_started_again_is_read_again() {
    let port = free_port();
    let sga = peer(&port).await;
    let hall = polling(&port);
    hall.says("queue", 0, "up").await;
    sga.kill().await;
    hall.says("queue", 0, "down").await;
    let mut sga = peer(&port).await;
    sga.order("bytes").await;
    sga.order("issue A001 1 0").await;
    until_said(&hall, 1).await;
    hall.close().await;
}

#[tokio::test]
async fn a_token_that_is_over_is_renewed() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hall = polling(&port);
    hall.says("queue", 0, "up").await;
    sga.order("expire").await;
    sga.order("issue A001 1 0").await;
    until_said(&hall, 1).await;
    assert!(!hall.said("queue").contains(&"down".to_owned()));
    hall.close().await;
}

#[tokio::test]
async fn a_call_without_its_place_waits_for_the_panel() {
    let port = free_port();
    let mut sga = peer(&port).await;
    let hall = polling(&port);
    sga.order("no-panel").await;
    sga.order("issue A001 1 0").await;
    sga.order("call A001 3 ana").await;
    until_said(&hall, 1).await;
    sga.order("issue A002 1 0").await;
    until_said(&hall, 2).await;
    assert_eq!(tickets(&hall), ["issued A001 Caixa", "issued A002 Caixa"]);
    sga.order("panel").await;
    until_said(&hall, 3).await;
    assert_eq!(tickets(&hall)[2], "called A001 3 by ana");
    hall.close().await;
}

#[tokio::test]
async fn tickets_of_other_days_are_not_told() {
    let port = free_port();
    let mut sga = peer(&port).await;
    sga.order("yesterday 20").await;
    sga.order("issue A001 1 0").await;
    let hall = polling(&port);
    until_said(&hall, 1).await;
    assert_eq!(tickets(&hall), ["issued A001 Caixa"]);
    hall.close().await;
}

#[tokio::test]
async fn more_than_can_be_told_at_once_is_told_whole_and_once() {
    let port = free_port();
    let mut sga = peer(&port).await;
    sga.order("many 500").await;
    let hall = polling(&port);
    until_said(&hall, 500).await;
    sga.order("move-all 2").await;
    until_said(&hall, 1000).await;
    // Behind all that was left to tell.
    sga.order("issue A001 1 0").await;
    hall.says("queue", 0, "issued A001 Caixa").await;
    let mut said = tickets(&hall);
    assert_eq!(said.len(), 1001);
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), 1001, "each once");
    assert_eq!(hall.status("queue").restarts, 0);
    hall.close().await;
}

#[tokio::test]
async fn no_secret_and_no_customer_is_on_the_tap_or_in_a_message() {
    let port = free_port();
    let mut sga = peer(&port).await;
    sga.order("issue A001 1 0").await;
    sga.order("call A001 3 ana").await;
    let hall = polling(&port);
    hall.says("queue", 0, "called A001 3 by ana").await;
    let (_, pieces) = hall.supervisor.pieces(&id("queue")).unwrap();
    let noted: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
    let noted = String::from_utf8_lossy(&noted);
    assert!(noted.contains("GET /api/unidades/1/atendimentos"), "{noted}");
    assert!(!noted.contains("hush") && !noted.contains("token-"), "{noted}");
    assert!(noted.contains("Caixa") && !noted.contains("Oliveira"), "{noted}");
    hall.close().await;
    let hall = open_with(&port, "queues = { 1 = 'x' }\ncounters = { 3 = '5' }");
    hall.says("queue", 0, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn wrong_credentials_are_said_without_showing_them() {
    let port = free_port();
    let _sga = peer(&port).await;
    let settings = format!(
        "url = 'http://127.0.0.1:{port}'\nunit = 1\nclient_id = 'hall'\nclient_secret = 'wrong'\n\
         username = 'hall'\npassword = 'hush hush'\ntime_zone = 'UTC'"
    );
    let hall = Hall::open(vec![device("queue", "novosga", &settings)]);
    hall.says("queue", 0, "down").await;
    let detail = hall.status("queue").detail.unwrap_or_default();
    assert!(detail.contains("/api/token: answered 401"), "{detail}");
    assert!(!detail.contains("wrong") && !detail.contains("hush"), "{detail}");
    hall.close().await;
}
