//! The gateway's door for hooks, in small.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Hall, id};
use crate::{Hook, HookAnswer};

/// Plays a program that posts to the address it is given, until it is done.
pub(crate) async fn hooked(hall: &Hall, device: &str, program: impl AsyncFnOnce(String)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!(
        "http://{}/hooks/{device}/key",
        listener.local_addr().unwrap()
    );
    let door = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            take(hall, device, stream).await;
        }
    };
    tokio::select! {
        () = program(address) => {}
        () = door => {}
    }
}

async fn take(hall: &Hall, device: &str, mut stream: TcpStream) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        assert!(
            stream.read_buf(&mut bytes).await.unwrap() > 0,
            "a request that ends early"
        );
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if field(head, "content-length").parse() == Ok(body.len()) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let kind = field(&head, "content-type").to_owned();
    let (hook, answer) = Hook::new(Vec::new(), kind, body.into_bytes());
    hall.supervisor.hook(&id(device), hook).unwrap();
    let status = match answer.await.unwrap() {
        HookAnswer::Taken => "204 No Content",
        HookAnswer::Refused(_) => "400 Bad Request",
        HookAnswer::Unavailable(_) => "503 Service Unavailable",
    };
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}
