//! Payloads no report can be made of become dead letters that say why.

use reqwest::StatusCode;
use serde_json::json;
use zhiban_tests::harness::Ended;
use zhiban_tests::harness::wire::{RawMqtt, publish};

use super::{GOOD, Scene};

/// Kind, payload, code of the letter, part of its reason.
const CASES: [(&str, &str, &str, &str); 8] = [
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
];

#[tokio::test(flavor = "multi_thread")]
async fn payloads_no_report_can_be_made_of_become_dead_letters() {
    let mut scene = Scene::open("bad-payload", |_| ()).await;
    for (kind, payload, code, reason) in CASES {
        for version in [4, 5] {
            let topic = format!("te/device/tm-1///e/{kind}");
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
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_report_takes_no_good_one_along() {
    let mut scene = Scene::open("mixed", |_| ()).await;
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
