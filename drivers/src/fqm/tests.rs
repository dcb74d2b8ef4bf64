//! The driver against what a real FQM was recorded to answer, and against a real FQM where there
//! is one.

use std::path::PathBuf;

use tokio::process::Command;
use zhiban_vocabulary::report::{Observation, Origin};

use crate::testing::{Hall, Peer, device, free_port};

async fn recorded(port: &str, trace: &str) -> Peer {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fqm/traces");
    Peer::python("fqm/peers/recorded_fqm.py", &[port, folder, trace]).await
}

fn open_with(port: &str, token: &str, more: &str) -> Hall {
    let settings =
        format!("url = 'http://127.0.0.1:{port}'\ntoken = '{token}'\npoll_s = 0.5\n{more}");
    Hall::open(vec![device("queue", "fqm", &settings)])
}

fn open(port: &str) -> Hall {
    open_with(port, "recorded", "")
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

const DAY: [&str; 7] = [
    "issued 101 cash",
    "issued 102 task-2",
    "called 101 1",
    "called 101 1",
    "called 102 2",
    "no-show 102",
    "transferred 101 cash",
];

#[tokio::test]
async fn a_day_is_told_as_it_happens() {
    let port = free_port();
    let mut fqm = recorded(&port, "00_empty").await;
    let hall = open(&port);
    hall.says("queue", 0, "up").await;
    for (trace, count) in [
        ("01_issued", 2),
        ("02_called", 3),
        ("03_called_again", 4),
        ("04_unattended", 6),
        ("05_put_back", 7),
    ] {
        fqm.order(&format!("play {trace}")).await;
        until_said(&hall, count).await;
    }
    assert_eq!(tickets(&hall), DAY);
    fqm.order("play 07_reset").await;
    until_said(&hall, 8).await;
    assert_eq!(tickets(&hall)[7], "issued 101 cash", "all tickets deleted");
    let said = hall.said("queue");
    let is_identity = |said: &String| said.starts_with("Identity") && said.contains("FQM");
    assert_eq!(said.iter().filter(|said| is_identity(said)).count(), 1);
    assert_eq!(hall.status("queue").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn times_are_those_of_fqm() {
    let port = free_port();
    let _fqm = recorded(&port, "04_unattended").await;
    let hall = open(&port);
    until_said(&hall, 5).await;
    let of_tickets = |report: &&zhiban_vocabulary::report::Report| report.time.is_some();
    let timed = hall.reports();
    let times: Vec<_> = timed.iter().filter(of_tickets).collect();
    assert_eq!(times.len(), 4, "two issues, two calls, no time of a no-show");
    assert!(times.is_sorted_by_key(|report| report.time));
    hall.close().await;
}

#[tokio::test]
async fn nothing_counts_twice_after_a_restart_of_fqm_and_of_the_gateway() {
    let port = free_port();
    let fqm = recorded(&port, "04_unattended").await;
    let hall = open(&port);
    until_said(&hall, 5).await;
    fqm.kill().await;
    hall.says("queue", 0, "down").await;
    let mut fqm = recorded(&port, "04_unattended").await;
    let up_again =
        |hall: &Hall| hall.said("queue").iter().filter(|said| *said == "up").count() == 2;
    hall.until("up again", up_again).await;
    fqm.order("play 05_put_back").await;
    until_said(&hall, 6).await;
    let told = tickets(&hall);
    assert_eq!(told.len(), 6, "{told:?}");
    let first = origins(&hall);
    hall.close().await;

    // Another run of the gateway: the journal knows the reports by their numbers.
    let hall = open(&port);
    until_said(&hall, 6).await;
    assert_eq!(origins(&hall), first);
    hall.close().await;
}

fn origins(hall: &Hall) -> Vec<Origin> {
    let reports = hall.reports().into_iter();
    let of_tickets =
        reports.filter(|report| matches!(report.observation, Observation::Ticket(_)));
    let mut origins: Vec<_> = of_tickets.map(|report| report.origin).collect();
    origins.sort();
    origins
}

/// Whatever is delivered is refused here, and would end the session.
#[tokio::test]
async fn what_is_told_is_not_delivered_again_at_every_reading() {
    let port = free_port();
    let _fqm = recorded(&port, "04_unattended").await;
    let hall = open(&port);
    until_said(&hall, 5).await;
    hall.refuse(1);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(hall.status("queue").restarts, 0);
    assert_eq!(hall.status("queue").detail, None);
    hall.close().await;
}

#[tokio::test]
async fn more_than_one_chunk_is_read_and_single_bytes_are_put_together() {
    let port = free_port();
    let mut fqm = recorded(&port, "08_two_chunks").await;
    fqm.order("bytes").await;
    let hall = open(&port);
    until_said(&hall, 32).await;
    let expected: Vec<String> = (101..=132).map(|number| format!("issued {number} cash")).collect();
    assert_eq!(tickets(&hall), expected);
    hall.close().await;
}

/// FQM keeps what is old in front, and never says where a day begins.
#[tokio::test]
async fn tickets_of_other_days_are_not_told() {
    for old in [1, 29, 30, 31, 95, 600] {
        let port = free_port();
        let mut fqm = recorded(&port, "00_empty").await;
        fqm.order("play 08_two_chunks").await;
        fqm.order(&format!("old {old}")).await;
        let hall = open(&port);
        until_said(&hall, 32).await;
        let said = tickets(&hall);
        assert_eq!((said.len(), &said[0][..]), (32, "issued 101 cash"), "{old}");
        assert_eq!(said[31], "issued 132 cash");
        hall.close().await;
    }
}

#[tokio::test]
async fn tables_name_counters_and_queues() {
    let port = free_port();
    let _fqm = recorded(&port, "04_unattended").await;
    let tables = "counters = { 1 = 'VIP', 2 = '8' }\nqueues = { 2 = '新装' }";
    let hall = open_with(&port, "recorded", tables);
    until_said(&hall, 5).await;
    assert_eq!(
        tickets(&hall),
        ["issued 101 cash", "issued 102 新装", "called 101 VIP", "called 102 8", "no-show 102"]
    );
    hall.close().await;
}

#[tokio::test]
async fn a_wrong_token_is_said() {
    let port = free_port();
    let _fqm = recorded(&port, "00_empty").await;
    let hall = open_with(&port, "wrong", "");
    hall.says("queue", 0, "down").await;
    let detail = hall.status("queue").detail.unwrap_or_default();
    assert!(detail.contains("answered 4"), "{detail}");
    hall.close().await;
}

#[tokio::test]
async fn noise_in_place_of_an_answer_is_no_ticket_and_soon_over() {
    let port = free_port();
    let mut fqm = recorded(&port, "01_issued").await;
    let hall = open(&port);
    until_said(&hall, 2).await;
    fqm.order("garble").await;
    hall.says("queue", 0, "down").await;
    fqm.order("play 02_called").await;
    until_said(&hall, 3).await;
    assert_eq!(tickets(&hall), DAY[..3]);
    hall.close().await;
}

#[tokio::test]
async fn a_journal_that_refuses_gets_it_told_again() {
    let port = free_port();
    let mut fqm = recorded(&port, "00_empty").await;
    let hall = open(&port);
    hall.says("queue", 0, "up").await;
    hall.refuse(2);
    fqm.order("play 01_issued").await;
    until_said(&hall, 2).await;
    assert_eq!(tickets(&hall), DAY[..2]);
    hall.close().await;
}

/// The token is in no note of the bus monitor, nor who the customers are.
#[tokio::test]
async fn neither_the_token_nor_a_customer_is_on_the_tap() {
    let port = free_port();
    let _fqm = recorded(&port, "01_issued").await;
    let hall = open(&port);
    until_said(&hall, 2).await;
    let (_, pieces) = hall.supervisor.pieces(&crate::testing::id("queue")).unwrap();
    let noted: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
    let noted = String::from_utf8_lossy(&noted);
    assert!(noted.contains("GET /api/v1/tickets/?chunk=1"), "{noted}");
    assert!(!noted.contains("recorded"), "{noted}");
    assert!(noted.contains("\"number\":\"101\""), "{noted}");
    assert!(noted.contains("\"name\":\"cash\""), "of a task: {noted}");
    assert!(!noted.contains("\"name\":\"x\""), "of a customer: {noted}");
    hall.close().await;
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Runs where `ZHIBAN_FQM` names a checkout of mrf345/FQM that can be started, with its Python in
/// `venv`.
#[tokio::test]
#[ignore = "needs ZHIBAN_FQM, a checkout of FQM"]
async fn a_real_fqm_is_read() {
    let Some(checkout) = std::env::var_os("ZHIBAN_FQM").map(PathBuf::from) else {
        panic!("ZHIBAN_FQM does not name a checkout of FQM");
    };
    let port = free_port();
    let folder = std::env::temp_dir().join(format!("zhiban-fqm-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fqm/peers/real_fqm.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(checkout).arg(&port).arg(&folder);
    let mut fqm = Peer::start(command);
    fqm.wait_for("ready").await;
    let hall = open_with(&port, TOKEN, "time_zone = 'UTC'");
    hall.says("queue", 0, "up").await;
    for (order, count) in [
        ("issue 1", 1),
        ("issue 2", 2),
        ("pull 1", 3),
        ("again 2 1", 4),
        ("pull 2", 5),
        ("status 3 Unattended", 6),
        ("status 2 Waiting", 7),
    ] {
        fqm.order(order).await;
        until_said(&hall, count).await;
    }
    assert_eq!(tickets(&hall), DAY);
    fqm.order("stop").await;
    hall.says("queue", 0, "down").await;
    fqm.order("start").await;
    fqm.order("pull 1").await;
    until_said(&hall, 8).await;
    for _ in 0..35 {
        fqm.order("issue 1").await;
    }
    until_said(&hall, 43).await;
    fqm.order("reset").await;
    fqm.order("issue 2").await;
    until_said(&hall, 44).await;
    let said = tickets(&hall);
    assert_eq!(said[7], "called 101 1");
    assert_eq!((&said[8][..], &said[42][..]), ("issued 103 cash", "issued 137 cash"));
    assert_eq!(said[43], "issued 101 task-2", "after all tickets were deleted");
    let boots = hall.reports();
    let distinct: std::collections::BTreeSet<_> = boots.iter().map(|report| &report.origin).collect();
    assert_eq!(distinct.len(), boots.len());
    hall.close().await;
    drop(fqm);
    let _ = std::fs::remove_dir_all(folder);
}
