//! The driver of Alpha signs and our simulated sign, over a terminal and over TCP.

use std::time::Duration;

use zhiban_vocabulary::command::{Command, Display};

use super::SignSimulator;
use crate::NotDone;
use crate::simulator::Port;
use crate::testing::{Hall, device, id, order};

fn open(link: &str) -> Hall {
    let settings = format!("link = {{ {link} }}\naddress = '03'\npause_ms = 50");
    Hall::open(vec![device("sign", "alpha-sign", &settings)])
}

async fn show(hall: &Hall, display: Display) -> Result<(), NotDone> {
    let (order, outcome) = order(Command::Display(display));
    hall.supervisor.command(&id("sign"), order).unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(20), outcome);
    waiting.await.expect("an end within 20 s").unwrap()
}

async fn shows_what_it_is_told(sign: &Port<SignSimulator>, hall: Hall) {
    let (ticket, counter) = ("A001".parse().unwrap(), "3".parse().unwrap());
    show(&hall, Display::Call { ticket, counter }).await.unwrap();
    hall.until("a call", |_| sign.text('A').as_deref() == Some("A001 -> 3"))
        .await;
    let text = "请 to 3".to_owned();
    show(&hall, Display::Text { text, speak: true }).await.unwrap();
    hall.until("a text", |_| sign.text('A').as_deref() == Some("? to 3"))
        .await;
    show(&hall, Display::Pause).await.unwrap();
    hall.until("a pause", |_| sign.text('A').as_deref() == Some("CLOSED"))
        .await;
    assert_eq!(
        hall.said("sign"),
        [
            "up",
            "call A001 sent",
            "text 请 to 3 sent",
            "pause sent",
        ]
    );
    hall.close().await;
}

/// A terminal has no data bits and no parity, but takes the settings of a port that has.
#[tokio::test]
async fn a_sign_shows_what_it_is_told_over_a_terminal() {
    let sign = Port::pty(SignSimulator::new(*b"03")).unwrap();
    let hall = open(&format!("serial = '{}', data_bits = 8, parity = 'none'", sign.path()));
    shows_what_it_is_told(&sign, hall).await;
}

#[tokio::test]
async fn a_sign_shows_what_it_is_told_over_tcp() {
    let sign = Port::tcp(SignSimulator::new(*b"03")).await.unwrap();
    let hall = open(&format!("tcp = '{}'", sign.path()));
    shows_what_it_is_told(&sign, hall).await;
}

#[tokio::test]
async fn a_sign_of_another_address_stays_as_it_is() {
    let sign = Port::tcp(SignSimulator::new(*b"04")).await.unwrap();
    let hall = open(&format!("tcp = '{}'", sign.path()));
    show(&hall, Display::Welcome).await.unwrap();
    assert_eq!(sign.text('A'), None);
    hall.close().await;
}

/// A converter closes an idle connection: the next text goes over a new one.
#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_text() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hall = open(&format!("tcp = '{}'", listener.local_addr().unwrap()));
    let (first, _) = listener.accept().await.unwrap();
    hall.says("sign", 0, "up").await;
    drop(first);
    // The close must have arrived before the text is sent.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = tokio::spawn(async move { listener.accept().await.unwrap() });
    assert_eq!(show(&hall, Display::Welcome).await, Ok(()));
    second.await.unwrap();
    assert!(!hall.said("sign").contains(&"down".to_owned()));
    hall.close().await;
}

#[tokio::test]
async fn a_sign_that_cannot_be_reached_is_down_and_is_told_when_it_is_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let hall = open(&format!("tcp = '{address}'"));
    hall.says("sign", 0, "down").await;
    let (order, outcome) = order(Command::Display(Display::Pause));
    hall.supervisor.command(&id("sign"), order).unwrap();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let back = tokio::spawn(async move { listener.accept().await.unwrap() });
    let told = tokio::time::timeout(Duration::from_secs(20), outcome).await;
    assert_eq!(told.unwrap().unwrap(), Ok(()));
    back.await.unwrap();
    hall.close().await;
}
