//! HTTP requests that cannot be done.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zhiban_tests::harness::Ended;

use super::{GOOD, SOON, Scene, client};

/// Method, path, body, status, and the code of the error where there is one.
const CASES: [(&str, &str, &str, u16, Option<&str>); 9] = [
    ("GET", "/api/v1/reports", "", 405, None),
    ("GET", "/api/v1/nothing", "", 404, None),
    ("DELETE", "/api/v1/reports", "", 405, None),
    ("GET", "/api/v1/floor", "", 401, Some("not-signed-in")),
    ("GET", "/assets/none.js", "", 404, None),
    ("POST", "/api/v1/session", "{\"staff\":\"1001\"}", 422, None),
    ("POST", "/api/v1/session", "{", 400, None),
    (
        "POST",
        "/api/v1/session",
        r#"{"staff":"1001","password":"wrong"}"#,
        401,
        Some("wrong-credentials"),
    ),
    (
        "POST",
        "/api/v1/setup",
        r#"{"code":"X","staff":"1","name":"x","password":"x"}"#,
        403,
        Some("wrong-code"),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_hold_no_reports_are_refused_with_the_place() {
    let mut scene = Scene::open("bad-http", |_| ()).await;
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
    let announced = announce(&scene, "/api/v1/reports", 8 << 20).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    // Whoever does not know the key of a hook is not asked for a body.
    let announced = announce(&scene, "/hooks/tm-1/wrong", 1_000).await;
    assert!(announced.starts_with("HTTP/1.1 401 "), "{announced}");
    let many = format!("{{\"reports\":[{}]}}", vec!["{}"; 1_001].join(","));
    let (status, answer) = scene.post(&scene.secret, many.into_bytes()).await;
    assert_eq!(
        (status, &answer["error"]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("reports"))
    );
    scene.good_report("bad bodies").await;
    assert_eq!(scene.gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_done_say_why() {
    let mut scene = Scene::open("bad-request", |_| ()).await;
    let url = scene.gateway.url();
    for (method, path, body, expect, code) in CASES {
        let what = format!("{method} {path} {body}");
        let request = client()
            .request(method.parse().unwrap(), format!("{url}{path}"))
            .body(body);
        let answer = request
            .header("content-type", "application/json")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), expect, "{what}");
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
async fn announce(scene: &Scene, path: &str, bytes: usize) -> String {
    let address = &scene.gateway.addresses.web;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {bytes}\r\n\
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
