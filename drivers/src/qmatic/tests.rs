//! The driver behind the gateway's own door for requests: bodies in, reports and answers out.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::frame;
use crate::testing::{Hall, device, id};
use crate::{Hook, HookAnswer};

fn open(settings: &str) -> Hall {
    Hall::open(vec![device("queue", "qmatic", settings)])
}

async fn post(hall: &Hall, body: &str) -> HookAnswer {
    let (hook, answer) = Hook::new(
        Vec::new(),
        "application/json".into(),
        body.as_bytes().to_vec(),
    );
    hall.supervisor.hook(&id("queue"), hook).unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer);
    answer.await.expect("an answer").unwrap()
}

fn trace(name: &str) -> (Vec<String>, Vec<String>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/qmatic/traces/");
    let text = std::fs::read_to_string(format!("{folder}{name}.txt")).unwrap();
    let of = |prefix: &str, keep: &str| {
        let lines = text.lines().filter(|line| line.starts_with(prefix));
        let rest = lines.map(|line| line.strip_prefix(keep).unwrap_or(line).to_owned());
        rest.collect::<Vec<_>>()
    };
    (of("{", ""), of("= ", "= "))
}

/// What was said of tickets.
fn tickets(hall: &Hall) -> Vec<String> {
    let said = hall.said("queue").into_iter();
    said.filter(|said| said.contains(' ') && !said.starts_with("counter "))
        .collect()
}

#[tokio::test]
async fn a_visit_is_told_from_its_ticket_to_its_end() {
    for name in ["visit", "other_ends"] {
        let hall = open("branch = 1");
        let (bodies, expected) = trace(name);
        for body in bodies {
            assert_eq!(post(&hall, &body).await, HookAnswer::Taken);
        }
        assert_eq!(tickets(&hall), expected);
        assert!(hall.said("queue").contains(&"up".to_owned()));
        assert_eq!(hall.status("queue").bad_frames, 0);
        let timed = hall.reports();
        let events = timed.iter().filter(|report| report.time.is_some());
        let counters = hall.said("queue").iter().filter(|said| said.starts_with("counter ")).count();
        assert_eq!(events.count(), expected.len() + counters);
        hall.close().await;
    }
}

#[tokio::test]
async fn an_event_delivered_again_counts_once_also_after_a_restart() {
    let hall = open("");
    let (bodies, expected) = trace("visit");
    for body in &bodies {
        for _ in 0..3 {
            assert_eq!(post(&hall, body).await, HookAnswer::Taken);
        }
    }
    assert_eq!(tickets(&hall), expected);
    // Settings read anew are another session; nothing of the last is remembered but the journal.
    let wired = device("queue", "qmatic", "");
    hall.supervisor.add(wired);
    for body in &bodies {
        assert_eq!(post(&hall, body).await, HookAnswer::Taken);
    }
    assert_eq!(tickets(&hall), expected);
    hall.close().await;
}

#[tokio::test]
async fn an_answer_comes_after_the_commit() {
    let hall = open("");
    let (bodies, _) = trace("visit");
    assert_eq!(post(&hall, &bodies[0]).await, HookAnswer::Taken);
    assert_eq!(tickets(&hall).len(), 1, "on disk before the answer");
    hall.refuse(1);
    let call = &bodies[2];
    let answer = post(&hall, call).await;
    assert!(matches!(&answer, HookAnswer::Unavailable(why) if why.contains("disk full")), "{answer:?}");
    assert_eq!(tickets(&hall).len(), 1);
    assert_eq!(post(&hall, call).await, HookAnswer::Taken, "asked again");
    assert_eq!(tickets(&hall).len(), 2);
    assert_eq!(hall.status("queue").restarts, 0);
    hall.close().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_place() {
    let hall = open("branch = 1");
    let check = async |body: String, expected: &str| match post(&hall, &body).await {
        HookAnswer::Refused(why) => assert!(why.contains(expected), "{body}\n gave {why}"),
        other => panic!("{body}\n gave {other:?}"),
    };
    let event = |name: &str, parameters: serde_json::Value| {
        let serde_json::Value::Object(parameters) = parameters else {
            unreachable!()
        };
        let time = "2026-11-22T05:00:00Z".parse().unwrap();
        frame::write(name, time, None, &parameters).to_string()
    };
    use serde_json::json;
    check("{".into(), "body: expected a JSON object").await;
    check(event("VISIT_CREATE", json!({})), "parameters.branchId: expected a number, found nothing").await;
    check(event("VISIT_CREATE", json!({"branchId": 1})), "parameters.visitId: expected a number").await;
    check(
        event("VISIT_CREATE", json!({"branchId": 1, "visitId": 7, "ticket": "A 1"})),
        "parameters.ticket: expected a ticket number, found \"A 1\"",
    )
    .await;
    check(
        event("VISIT_CREATE", json!({"branchId": 1, "visitId": 7, "ticket": "A1"})),
        "parameters.queueName: expected",
    )
    .await;
    check(
        event("VISIT_END", json!({"branchId": 1, "visitId": 8})),
        "parameters.ticket: expected a ticket number, for a visit not seen before",
    )
    .await;
    check(
        event("VISIT_CALL", json!({"branchId": 1, "visitId": 7, "ticket": "A1"})),
        "parameters.servicePointLogicId: expected the number of a counter, found nothing",
    )
    .await;
    assert_eq!(hall.status("queue").bad_frames, 7);
    assert!(tickets(&hall).is_empty());
    let elsewhere = event("VISIT_END", json!({"branchId": 2, "visitId": 8}));
    assert_eq!(post(&hall, &elsewhere).await, HookAnswer::Taken);
    let unknown = event("VISIT_SMELL", json!({}));
    assert_eq!(post(&hall, &unknown).await, HookAnswer::Taken);
    assert_eq!(hall.status("queue").bad_frames, 8, "counted");
    assert!(tickets(&hall).is_empty());
    hall.close().await;
}

#[tokio::test]
async fn the_table_says_what_an_event_means() {
    let hall = open("events = { OURS = 'finished', VISIT_END = 'nothing' }");
    let (bodies, _) = trace("visit");
    post(&hall, &bodies[0]).await;
    post(&hall, &bodies[6]).await;
    post(&hall, &bodies[6].replace("VISIT_END", "OURS")).await;
    assert_eq!(tickets(&hall)[1..], ["finished A007"]);
    hall.close().await;
}

#[tokio::test]
async fn the_monitor_sees_what_was_understood_and_no_customer() {
    let hall = open("");
    let (bodies, _) = trace("visit");
    let named = bodies[0].replace("\"type\":", "\"customerName\":\"Maria\",\"type\":");
    assert!(named.contains("Maria"));
    assert_eq!(post(&hall, &named).await, HookAnswer::Taken);
    let (driver, pieces) = hall.supervisor.pieces(&id("queue")).unwrap();
    let said = (driver.explain)(&pieces[0].bytes);
    assert!(said[0].text.starts_with("VISIT_CREATE 2016-01-11"), "{said:?}");
    assert!(matches!(post(&hall, "Maria").await, HookAnswer::Refused(_)));
    let (_, pieces) = hall.supervisor.pieces(&id("queue")).unwrap();
    let noted: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
    let noted = String::from_utf8_lossy(&noted);
    assert!(noted.contains("A007") && !noted.contains("Maria"), "{noted}");
    assert!(noted.contains("(5 bytes, no event)"), "{noted}");
    hall.close().await;
}

#[tokio::test]
async fn our_address_is_registered_and_not_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let orchestra = listener.local_addr().unwrap();
    let hall = open(&format!("orchestra = 'http://{orchestra}'\nhook = 'http://gw:80/x?key=hush'"));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = vec![0; 1024];
    let length = stream.read(&mut asked).await.unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
    let expected = "GET /qpevents/hooks/register?url=http%3A%2F%2Fgw%3A80%2Fx%3Fkey%3Dhush HTTP/1.1";
    assert!(asked.starts_with(expected), "{asked}");
    hall.says("queue", 0, "up").await;
    let (_, pieces) = hall.supervisor.pieces(&id("queue")).unwrap();
    let noted: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
    assert!(!String::from_utf8_lossy(&noted).contains("hush"));
    hall.close().await;
}

#[tokio::test]
async fn an_orchestra_that_does_not_register_us_is_degraded_and_still_heard() {
    let port = crate::testing::free_port();
    let hall = open(&format!("orchestra = 'http://127.0.0.1:{port}'\nhook = 'http://gw/x'"));
    hall.says("queue", 0, "degraded").await;
    let (bodies, _) = trace("visit");
    assert_eq!(post(&hall, &bodies[0]).await, HookAnswer::Taken);
    assert_eq!(tickets(&hall).len(), 1);
    assert!(!hall.said("queue").contains(&"up".to_owned()), "well only when registered");
    hall.close().await;
}
