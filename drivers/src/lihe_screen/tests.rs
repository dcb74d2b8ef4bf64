//! The window screen driver and our simulated screen, over a terminal and over TCP.

use std::time::Duration;

use super::{Behaviour, ScreenSimulator};
use zhiban_vocabulary::command::{Command, Display};

use crate::simulator::Port;
use crate::testing::{Hall, device, id, order};
use crate::{COMMANDS_WAITING_MAX, NotDone};

fn open(link: &str) -> Hall {
    open_with(link, "ack_timeout_ms = 200\nretries = 1")
}

fn open_with(link: &str, patience: &str) -> Hall {
    let settings = format!("link = {{ {link} }}\naddress = 3\n{patience}");
    Hall::open(vec![device("screen", "lihe-screen", &settings)])
}

fn over_terminal(screen: &Port<ScreenSimulator>) -> Hall {
    open(&format!("serial = '{}'", screen.path()))
}

fn call(ticket: &str, counter: &str) -> Display {
    Display::Call {
        ticket: ticket.parse().unwrap(),
        counter: counter.parse().unwrap(),
    }
}

fn command(hall: &Hall, display: Display) {
    let (order, _) = order(Command::Display(display));
    hall.supervisor.command(&id("screen"), order).unwrap();
}

async fn shows_everything(screen: &Port<ScreenSimulator>, hall: Hall) {
    command(&hall, call("B016", "3"));
    command(&hall, call("贵宾001", "3"));
    let ticket = "B016".parse().unwrap();
    command(&hall, Display::Serving { ticket });
    command(&hall, Display::Pause);
    command(&hall, Display::Welcome);
    hall.says("screen", 0, "welcome acknowledged").await;
    assert_eq!(
        hall.said("screen"),
        [
            "up",
            "call B016 acknowledged",
            "call 贵宾001 acknowledged",
            "serving B016 acknowledged",
            "pause acknowledged",
            "welcome acknowledged",
        ]
    );
    let text = "text 请贵宾001到3号窗口";
    let shown = ["call B16 at window 3", text, "serving", "pause", "welcome"];
    assert_eq!(screen.shown(), shown);
    hall.close().await;
}

#[tokio::test]
async fn a_screen_shows_what_it_is_told_over_a_terminal() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    let hall = over_terminal(&screen);
    shows_everything(&screen, hall).await;
}

#[tokio::test]
async fn a_screen_shows_what_it_is_told_over_tcp() {
    let screen = Port::tcp(ScreenSimulator::new(3)).await.unwrap();
    let hall = open(&format!("tcp = '{}'", screen.path()));
    shows_everything(&screen, hall).await;
}

#[tokio::test]
async fn a_call_nobody_acknowledges_is_tried_again_and_reported_so() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    let hall = over_terminal(&screen);
    hall.says("screen", 0, "up").await;
    screen.behave(Behaviour::NoAck);
    let (order, outcome) = order(Command::Display(call("B016", "3")));
    hall.supervisor.command(&id("screen"), order).unwrap();
    let put_off = NotDone::PutOff("the screen did not acknowledge".into());
    assert_eq!(outcome.await.unwrap(), Err(put_off));
    hall.says("screen", 0, "call B016 not acknowledged").await;
    assert_eq!(screen.shown(), ["call B16 at window 3"; 2]);
    screen.behave(Behaviour::Answer);
    command(&hall, call("B017", "3"));
    hall.says("screen", 0, "call B017 acknowledged").await;
    assert!(!hall.said("screen").contains(&"down".to_owned()));
    hall.close().await;
}

#[tokio::test]
async fn an_acknowledgement_with_a_wrong_sum_counts_as_none() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    let hall = over_terminal(&screen);
    hall.says("screen", 0, "up").await;
    screen.behave(Behaviour::BadSum);
    command(&hall, call("B016", "3"));
    hall.says("screen", 0, "down").await;
    assert_eq!(
        hall.said("screen"),
        ["up", "call B016 not acknowledged", "down"]
    );
    assert!(hall.status("screen").bad_frames >= 2);
    hall.close().await;
}

#[tokio::test]
async fn a_screen_that_comes_back_shows_the_newest_calls() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    screen.behave(Behaviour::Silent);
    let hall = over_terminal(&screen);
    hall.says("screen", 0, "down").await;
    let detail = hall.status("screen").detail;
    assert_eq!(detail.as_deref(), Some("address 3 does not answer"));
    let newest = COMMANDS_WAITING_MAX + 5;
    for number in 1..=newest {
        command(&hall, call(&format!("A{number}"), "3"));
    }
    screen.behave(Behaviour::Answer);
    hall.says("screen", 0, &format!("call A{newest} acknowledged"))
        .await;
    let expected =
        (newest - COMMANDS_WAITING_MAX + 1..=newest).map(|n| format!("call A{n} at window 3"));
    assert_eq!(screen.shown(), expected.collect::<Vec<_>>());
    hall.close().await;
}

#[tokio::test]
async fn a_screen_of_another_address_stays_as_it_is() {
    let screen = Port::pty(ScreenSimulator::new(4)).unwrap();
    let hall = over_terminal(&screen);
    hall.says("screen", 0, "down").await;
    assert!(screen.shown().is_empty());
    hall.close().await;
}

/// The screen shows A1 and says so too late, twice; then it is deaf to A2. The second late
/// acknowledgement must not be taken for one of A2.
#[tokio::test]
async fn a_late_acknowledgement_is_not_taken_for_the_next_call() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    let link = format!("serial = '{}'", screen.path());
    let hall = open_with(&link, "ack_timeout_ms = 100\nretries = 4");
    hall.says("screen", 0, "up").await;
    screen.answer_after(Duration::from_millis(150));
    command(&hall, call("A1", "3"));
    hall.says("screen", 0, "call A1 acknowledged").await;
    assert!(screen.shown().len() >= 2);
    screen.behave(Behaviour::NoAck);
    screen.answer_after(Duration::ZERO);
    command(&hall, call("A2", "3"));
    let answered = |hall: &Hall| {
        hall.said("screen")
            .iter()
            .any(|said| said.starts_with("call A2"))
    };
    hall.until("an answer about A2", answered).await;
    hall.says("screen", 0, "call A2 not acknowledged").await;
    hall.close().await;
}

#[tokio::test]
async fn a_call_made_while_the_screen_is_looked_for_is_not_lost() {
    let screen = Port::pty(ScreenSimulator::new(3)).unwrap();
    screen.behave(Behaviour::Silent);
    let hall = over_terminal(&screen);
    tokio::time::sleep(Duration::from_millis(100)).await;
    command(&hall, call("B016", "3"));
    hall.says("screen", 0, "down").await;
    screen.behave(Behaviour::Answer);
    hall.says("screen", 0, "call B016 acknowledged").await;
    hall.close().await;
}
