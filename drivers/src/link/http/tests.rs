use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::Explained;

/// A peer that answers one request with these bytes and gives what it was asked.
async fn peer(answer: &'static str) -> (Base, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let mut length = 0;
        // Every request of these tests ends with its head or with a brace or a sign.
        while !asked[..length].ends_with(b"\r\n\r\n")
            && !asked[..length].ends_with(b"}")
            && !asked[..length].ends_with(b"%21")
        {
            length += stream.read(&mut asked[length..]).await.unwrap();
        }
        for byte in answer.as_bytes().chunks(1) {
            stream.write_all(byte).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    let base = Base::read("url", &format!("http://{address}/fqm/")).unwrap();
    (base, asked)
}

fn notes(tap: &Tap) -> Vec<String> {
    let pieces = tap.pieces().into_iter();
    let text = |piece: super::super::Piece| String::from_utf8_lossy(&piece.bytes).into_owned();
    pieces.map(text).collect()
}

#[tokio::test]
async fn an_answer_in_single_bytes_is_one_answer() {
    let answer = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 05:23:01 GMT\r\n\
                  Transfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n3\r\n3]\n\r\n0\r\n\r\n";
    let (base, asked) = peer(answer).await;
    let tap = Tap::default();
    let client = Client::new(base, tap.clone()).authorized("Bearer hush");
    let answer = client.get("/tickets/?chunk=1").await.unwrap();
    assert_eq!(answer.json::<Vec<u32>>().unwrap(), [1, 2, 3]);
    assert_eq!(
        answer.date.unwrap().to_string(),
        "2026-11-22T05:23:01Z",
        "the peer's clock"
    );
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with("GET /fqm/tickets/?chunk=1 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked
            .to_lowercase()
            .contains("authorization: bearer hush\r\n"),
        "{asked}"
    );
    assert_eq!(notes(&tap), ["GET /fqm/tickets/?chunk=1\n", "200\n[1,2,3]"]);
}

#[tokio::test]
async fn a_body_is_sent_and_noted_but_no_secret_is() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"token\": \"hush\"}";
    let (base, asked) = peer(ok).await;
    let tap = Tap::default();
    let client = Client::new(base, tap.clone());
    let pairs = [("user", "ana maria"), ("password", "hush!")];
    let answer = client.post_secrets("/token", &pairs).await.unwrap();
    assert_eq!(answer.json::<Value>().unwrap()["token"], "hush");
    let asked = asked.await.unwrap();
    assert!(
        asked.ends_with("user=ana+maria&password=hush%21"),
        "{asked}"
    );
    let said = notes(&tap).concat();
    assert_eq!(said, "POST /fqm/token\n(not noted)200\n(not noted)");
    let (base, asked) = peer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let client = Client::new(base, tap.clone());
    client
        .put("/x", &serde_json::json!({"a": 1}))
        .await
        .unwrap();
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("PUT /fqm/x HTTP/1.1"), "{asked}");
    assert!(asked.ends_with("{\"a\":1}"), "{asked}");
    let (base, asked) = peer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let client = Client::new(base, tap.clone());
    client.post("/x", &serde_json::json!({})).await.unwrap();
    assert!(asked.await.unwrap().starts_with("POST /fqm/x HTTP/1.1"));
    let (base, asked) = peer("HTTP/1.1 204 No Content\r\n\r\n").await;
    let tap = Tap::default();
    let client = Client::new(base, tap.clone());
    let pairs = [("url", "http://a/b?hush")];
    client.get_secrets("/hook", &pairs).await.unwrap();
    let asked = asked.await.unwrap();
    let expected = "GET /fqm/hook?url=http%3A%2F%2Fa%2Fb%3Fhush HTTP/1.1";
    assert!(asked.starts_with(expected), "{asked}");
    assert!(!notes(&tap).concat().contains("hush"));
}

#[tokio::test]
async fn what_is_no_success_says_so() {
    let check = async |answer: &'static str, expected: &str| {
        let (base, _asked) = peer(answer).await;
        let client = Client::new(base, Tap::default());
        let error = match client.get("/a?b=c").await {
            Ok(answer) => answer.json::<Value>().unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        "/fqm/a: answered 401: no",
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]",
        "cannot be read",
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[1",
        "/fqm/a: answer cannot be read: EOF",
    )
    .await;
    check("SSH-2.0-OpenSSH\r\n\r\n", "connection broken").await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        "/fqm/a: answer cannot be read: longer than 4194304 bytes",
    )
    .await;
    let base = Base::read("url", "http://127.0.0.1:1").unwrap();
    let error = Client::new(base, Tap::default())
        .get("/")
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("127.0.0.1:1: cannot connect"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let base = Base::read("url", &format!("http://{address}")).unwrap();
    let error = Client::new(base, Tap::default()).get("/slow").await;
    let expected = format!("http://{address}/slow: no answer within 10 s");
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn events_come_as_they_are_sent() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\
                  :\n\nid: a\ndata: {\"id\":1}\n\ndata: {\"id\":2}\n\n";
    let (base, asked) = peer(answer).await;
    let tap = Tap::default();
    let client = Client::new(base, tap.clone());
    let mut events = client.events("/hub?topic=/x").await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().data, "{\"id\":1}");
    assert_eq!(events.next().await.unwrap().unwrap().data, "{\"id\":2}");
    assert_eq!(events.next().await.unwrap(), None);
    assert_eq!(events.take_bad(), 0);
    let noted = notes(&tap).concat();
    assert!(noted.contains("EVENT") && !noted.contains("id"), "{noted}");
    let asked = asked.await.unwrap().to_lowercase();
    assert!(asked.contains("accept: text/event-stream"), "{asked}");
}

#[test]
fn only_plain_http_addresses_are_taken() {
    let check = |text: &str, expected: &str| {
        let answer = match Base::read("url", text) {
            Ok(base) => format!("{base:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    };
    check("http://fqm.lan", "peer: \"fqm.lan:80\", path: \"\"");
    check("http://[::1]:8080/a/", "peer: \"[::1]:8080\", path: \"/a\"");
    check(
        "https://fqm.lan",
        "settings.url: expected http://host:port (TLS",
    );
    check("fqm.lan:80", "settings.url");
    check("http://a:b@fqm.lan", "settings.url");
    check("http://fqm.lan/?token=1", "settings.url");
    check("", "settings.url");
}

#[test]
fn a_secret_is_never_shown() {
    let secret = Secret("hush".into());
    assert_eq!(format!("{secret:?}"), "Secret");
    let error = Secret("hush hush".into()).check("token").unwrap_err();
    assert!(!error.to_string().contains("hush"), "{error}");
    assert!(Secret(String::new()).check("token").is_err());
    assert_eq!(secret.check("token").unwrap().reveal(), "hush");
}

#[test]
fn the_monitor_says_what_was_asked_and_answered() {
    let said = |bytes: &[u8]| {
        let pieces = explain(bytes).into_iter();
        let text = |piece: Explained| format!("{:?} {} {}", piece.range, piece.text, piece.good);
        pieces.map(text).collect::<Vec<_>>()
    };
    assert_eq!(said(b"GET /a\n"), ["0..6 GET /a true"]);
    assert_eq!(said(b"200\n[1]"), ["0..3 200 true", "4..7 JSON true"]);
    assert_eq!(said(b"401\n[1"), ["0..3 401 false", "4..6 … false"]);
    assert!(said(b"").is_empty());
}
