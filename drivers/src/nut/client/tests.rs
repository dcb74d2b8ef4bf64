//! The client against servers that answer wrong, late or without end.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

const TIME: Duration = Duration::from_millis(200);

/// Says the same to everybody who connects, whatever they ask; then holds the line.
async fn server(says: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut wire, _) = listener.accept().await.unwrap();
            wire.write_all(says).await.unwrap();
            std::mem::forget(wire);
        }
    });
    peer
}

async fn check(says: &'static [u8], expected: &str) {
    let peer = server(says).await;
    let mut client = Client::connect(peer, TIME, &Tap::default()).await.unwrap();
    let said = match client.vars("hall").await {
        Ok(vars) => format!("{vars:?}"),
        Err(error) => error.to_string(),
    };
    assert!(said.contains(expected), "{}: {said}", says.escape_ascii());
}

#[tokio::test]
async fn only_a_whole_list_of_the_right_ups_is_taken() {
    let good = b"BEGIN LIST VAR hall\nVAR hall a \"1\"\nEND LIST VAR hall\n";
    check(good, "{\"a\": \"1\"}").await;
    check(b"", "no answer to LIST VAR hall within 0.2 s").await;
    check(b"BEGIN LIST VAR hall\nVAR hall a \"1\"\n", "no answer").await;
    check(b"BEGIN LIST VAR other\n", "makes no sense: list of VAR other").await;
    let other = b"BEGIN LIST VAR hall\nVAR other a \"1\"\nEND LIST VAR hall\n";
    check(other, "makes no sense: other a = 1").await;
    let early = b"BEGIN LIST VAR hall\nEND LIST VAR other\n";
    check(early, "makes no sense: end of VAR other").await;
    check(b"ERR DATA-STALE\n", "DATA-STALE (the server has lost the UPS)").await;
    check(b"220 mail ready\n", "makes no sense: \"220 mail ready\"").await;
    check(&[b'x'; 3 * 1024], "a line that does not end").await;
}

#[tokio::test]
async fn the_tap_never_has_the_password() {
    let peer = server(b"OK\nOK\n").await;
    let tap = Tap::default();
    let mut client = Client::connect(peer, TIME, &tap).await.unwrap();
    let user = User {
        name: "zhiban".into(),
        password: "open sesame".into(),
    };
    client.sign_in(&user).await.unwrap();
    let passed: Vec<u8> = tap.pieces().into_iter().flat_map(|piece| piece.bytes).collect();
    let passed = String::from_utf8(passed).unwrap();
    assert!(passed.contains("USERNAME zhiban"), "{passed}");
    assert!(passed.contains("PASSWORD \"***\"") && !passed.contains("sesame"), "{passed}");
}
