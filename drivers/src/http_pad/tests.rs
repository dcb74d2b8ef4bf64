//! The driver and bodies made by Python's encoders.

use crate::link::replay;
use crate::testing::{Hall, Peer, device, id};
use crate::{Hook, HookAnswer};

fn open(settings: &str) -> Hall {
    Hall::open(vec![device("pad", "http-pad", settings)])
}

async fn send(hall: &Hall, query: &[(&str, &str)], content_type: &str, body: Vec<u8>) -> HookAnswer {
    let query = query.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    let (hook, answer) = Hook::new(query, content_type.into(), body);
    hall.supervisor.hook(&id("pad"), hook).unwrap();
    answer.await.unwrap()
}

/// Has Python make a body of the fields, and sends it.
async fn sent(hall: &Hall, page: &mut Peer, kind: &str, fields: &str) -> HookAnswer {
    page.tell(&format!("{kind} {fields}")).await;
    let line = page.line().await;
    let mut words = line.split_whitespace().skip(1);
    let content_type = words.next().unwrap();
    let body = replay::hex(words.next().unwrap_or_default()).unwrap();
    send(hall, &[], content_type, body).await
}

const FULL: &str = r#"{"token":"","Service":"QueueCity.AddScore","QueueNum":"A001","ItemScore":"1",
"ItemContent":"非常满意","EmpNo":"2001","WindowID":"12","ScoreMode":"评价器","Valid":"1"}"#;

#[tokio::test]
async fn a_page_rates_with_a_form_and_with_json() {
    let hall = open("best = 1\nwindows = { 12 = '3' }\nrepeat_s = 0");
    let mut page = Peer::python("http_pad/peers/pad.py", &[]).await;
    let full = FULL.replace('\n', " ");
    assert_eq!(sent(&hall, &mut page, "form", &full).await, HookAnswer::Taken);
    // The answer says that it is on disk.
    assert_eq!(hall.said("pad")[0], "rated 5 (1) at 3 by 2001 for A001");
    let numbers = full.replace("\"ItemScore\":\"1\"", "\"ItemScore\":4");
    assert_eq!(sent(&hall, &mut page, "json", &numbers).await, HookAnswer::Taken);
    let query = [("ItemScore", "2"), ("WindowID", "贵宾")];
    assert_eq!(send(&hall, &query, "", Vec::new()).await, HookAnswer::Taken);
    assert_eq!(
        hall.said("pad")[1..],
        ["up", "rated 2 (4) at 3 by 2001 for A001", "rated 4 (2) at 贵宾 by -"]
    );
    hall.close().await;
}

#[tokio::test]
async fn nobody_pressing_in_time_is_no_rating_and_no_error() {
    let hall = open("best = 5\nfields = { score = 'data.score' }");
    let mut page = Peer::python("http_pad/peers/pad.py", &[]).await;
    for fields in [r#"{"data":{"score":""}}"#, r#"{"data":{"score":null}}"#] {
        assert_eq!(sent(&hall, &mut page, "json", fields).await, HookAnswer::Taken);
    }
    assert_eq!(hall.said("pad"), ["up"]);
    let fields = r#"{"data":{"score":3}}"#;
    assert_eq!(sent(&hall, &mut page, "json", fields).await, HookAnswer::Taken);
    assert_eq!(hall.said("pad"), ["up", "rated 3 (3) at - by -"]);
    assert_eq!(hall.status("pad").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_counted() {
    let hall = open("best = 5");
    let refused = |answer: HookAnswer| match answer {
        HookAnswer::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let query = [("ItemScore", "9")];
    let why = refused(send(&hall, &query, "", Vec::new()).await);
    assert_eq!(why, "ItemScore: expected 1 to 5, or nothing");
    let why = refused(send(&hall, &[], "application/json", b"{".to_vec()).await);
    assert_eq!(why, "body: not a JSON object: line 1 column 1");
    let why = refused(send(&hall, &[], "image/png", vec![1]).await);
    assert_eq!(why, "body: expected a form or a JSON object, found image/png");
    assert_eq!(hall.status("pad").bad_frames, 3);
    assert!(hall.said("pad").is_empty());
    hall.close().await;
}

#[tokio::test]
async fn a_rating_sent_twice_is_one() {
    let hall = open("best = 5\nrepeat_s = 3600");
    let rate = async |ticket: &str| {
        let query = [("ItemScore", "5"), ("QueueNum", ticket)];
        assert_eq!(send(&hall, &query, "", Vec::new()).await, HookAnswer::Taken);
    };
    rate("A1").await;
    rate("A1").await;
    rate("A2").await;
    rate("A1").await;
    let said = ["rated 5 (5) at - by - for A1", "up", "rated 5 (5) at - by - for A2"];
    assert_eq!(hall.said("pad"), said);
    hall.close().await;
}

#[tokio::test]
async fn what_the_journal_refuses_is_not_called_taken() {
    let hall = open("best = 5");
    hall.refuse(1);
    let query = [("ItemScore", "5")];
    let answer = send(&hall, &query, "", Vec::new()).await;
    assert!(matches!(answer, HookAnswer::Unavailable(_)), "{answer:?}");
    assert!(hall.said("pad").is_empty());
    // The driver comes back by itself, and what the pad sends again is no repetition.
    assert_eq!(send(&hall, &query, "", Vec::new()).await, HookAnswer::Taken);
    hall.says("pad", 0, "rated 5 (5) at - by -").await;
    hall.close().await;
}

#[tokio::test]
async fn the_monitor_sees_the_rating_and_no_token() {
    let hall = open("best = 5");
    let query = [("ItemScore", "5"), ("QueueNum", "A1"), ("token", "secret")];
    assert_eq!(send(&hall, &query, "", Vec::new()).await, HookAnswer::Taken);
    let (driver, pieces) = hall.supervisor.pieces(&id("pad")).unwrap();
    let texts = pieces.iter().flat_map(|piece| (driver.explain)(&piece.bytes));
    let texts: Vec<String> = texts.map(|piece| piece.text).collect();
    assert_eq!(texts, ["score 5, ticket A1"]);
    hall.close().await;
}
