//! The driver and our simulated screens of each family, over a terminal and over TCP.

use std::time::Duration;

use zhiban_vocabulary::command::{Command, Display, Failure};

use super::family::{Family, Kuiwen, Ruize, Tally, Yinda, Yongtai, Zhongyi};
use super::{Behaviour, FamilySimulator};
use crate::testing::{Hall, device, id};
use crate::{COMMANDS_WAITING_MAX, NotDone, Order};

type Outcome = tokio::sync::oneshot::Receiver<Result<(), NotDone>>;

fn open<F: Family>(link: &str, more: &str) -> Hall {
    let family = F::NAME;
    let settings = format!("family = '{family}'\nlink = {{ {link} }}\naddress = 3\n{more}");
    Hall::open(vec![device("screen", "window-screen", &settings)])
}

fn over_terminal<F: Family>(screen: &FamilySimulator<F>, more: &str) -> Hall {
    open::<F>(&format!("serial = '{}'", screen.path()), more)
}

const PATIENCE: &str = "ack_timeout_ms = 200\nretries = 1";

fn call(ticket: &str, counter: &str) -> Display {
    Display::Call {
        ticket: ticket.parse().unwrap(),
        counter: counter.parse().unwrap(),
    }
}

fn command(hall: &Hall, display: Display) -> Outcome {
    let (order, outcome) = Order::new(Command::Display(display));
    hall.supervisor.command(&id("screen"), order).unwrap();
    outcome
}

fn why(outcome: Result<(), NotDone>) -> Option<Failure> {
    outcome.err().map(|not_done| not_done.why)
}

fn everything() -> [Display; 5] {
    let text = Display::Text {
        text: "系统升级".into(),
        speak: false,
    };
    let ticket = "B016".parse().unwrap();
    let serving = Display::Serving { ticket };
    [call("B016", "3"), serving, Display::Pause, text, Display::Welcome]
}

const TEXTS: [&str; 5] = [
    "text 请B016到3号窗口",
    "text 正在办理B016",
    "text 暂停服务",
    "text 系统升级",
    "text 欢迎光临",
];

/// Everything is done; gives what the screen showed.
async fn shown_of<F: Family>(screen: FamilySimulator<F>, hall: Hall, acknowledged: bool) -> Vec<String> {
    for display in everything() {
        let outcome = command(&hall, display).await.unwrap();
        assert_eq!(outcome, Ok(()));
    }
    let not = if acknowledged { "" } else { "not " };
    let said: Vec<String> = hall.said("screen");
    let expected = ["call B016", "serving B016", "pause", "text 系统升级", "welcome"];
    let expected: Vec<String> = expected.map(|text| format!("{text} {not}acknowledged")).into();
    assert_eq!(said[0], "up");
    assert_eq!(said[1..], expected);
    let enough = |_: &Hall| screen.shown().len() >= 5;
    hall.until("what was sent", enough).await;
    hall.close().await;
    screen.shown()
}

#[tokio::test]
async fn a_zhongyi_screen_acknowledges_everything() {
    let screen = FamilySimulator::<Zhongyi>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "");
    assert_eq!(shown_of(screen, hall, true).await, TEXTS);
    let screen = FamilySimulator::<Zhongyi>::start_tcp(3).await.unwrap();
    let hall = open::<Zhongyi>(&format!("tcp = '{}'", screen.path()), "colour = 'green'");
    assert_eq!(shown_of(screen, hall, true).await, TEXTS);
}

#[tokio::test]
async fn a_ruize_screen_is_polled_after_everything() {
    let screen = FamilySimulator::<Ruize>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "");
    assert_eq!(shown_of(screen, hall, true).await, TEXTS);
    let screen = FamilySimulator::<Ruize>::start_tcp(3).await.unwrap();
    let hall = open::<Ruize>(&format!("tcp = '{}'", screen.path()), "colour = 'green'");
    let shown = shown_of(screen, hall, true).await;
    assert_eq!(shown[..2], ["colours of 15 bytes", TEXTS[0]]);
}

#[tokio::test]
async fn families_that_never_answer_are_sent_to() {
    let screen = FamilySimulator::<Yinda>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "");
    assert_eq!(shown_of(screen, hall, false).await, TEXTS);
    let screen = FamilySimulator::<Yongtai>::start_tcp(3).await.unwrap();
    let hall = open::<Yongtai>(&format!("tcp = '{}'", screen.path()), "");
    let shown = shown_of(screen, hall, false).await;
    assert_eq!(shown[..2], ["length 15", TEXTS[0]]);
    let screen = FamilySimulator::<Kuiwen>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "");
    let shown = shown_of(screen, hall, false).await;
    assert_eq!(shown[..4], [TEXTS[0], TEXTS[0], TEXTS[0], TEXTS[1]]);
}

#[tokio::test]
async fn a_tally_board_shows_numbers_only() {
    let screen = FamilySimulator::<Tally>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "");
    assert_eq!(command(&hall, call("B016", "3")).await.unwrap(), Ok(()));
    let refused = command(&hall, Display::Pause).await.unwrap();
    assert_eq!(refused, Err("a tally screen cannot show that".into()));
    let shown = |_: &Hall| screen.shown() == ["number 16"];
    hall.until("16", shown).await;
    hall.close().await;
}

#[tokio::test]
async fn what_nobody_answers_is_tried_again_and_then_the_screen_is_down() {
    let screen = FamilySimulator::<Zhongyi>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, PATIENCE);
    assert_eq!(command(&hall, call("B016", "3")).await.unwrap(), Ok(()));
    screen.behave(Behaviour::Garble);
    let outcome = command(&hall, call("B017", "3")).await.unwrap();
    assert_eq!(why(outcome), Some(Failure::Unanswered));
    hall.says("screen", 0, "down").await;
    assert_eq!(screen.shown().len(), 3);
    let detail = hall.status("screen").detail;
    assert_eq!(detail.as_deref(), Some("zhongyi screen 3 does not answer"));
    screen.behave(Behaviour::Answer);
    assert_eq!(command(&hall, call("B018", "3")).await.unwrap(), Ok(()));
    assert_eq!(
        hall.said("screen"),
        [
            "up",
            "call B016 acknowledged",
            "call B017 not acknowledged",
            "down",
            "up",
            "call B018 acknowledged",
        ]
    );
    hall.close().await;
}

#[tokio::test]
async fn what_a_screen_refuses_has_failed() {
    let screen = FamilySimulator::<Zhongyi>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, PATIENCE);
    screen.behave(Behaviour::Refuse);
    let outcome = command(&hall, call("B016", "3")).await.unwrap();
    assert_eq!(why(outcome), Some(Failure::Refused));
    assert_eq!(hall.said("screen"), ["up", "call B016 not acknowledged"]);
    hall.close().await;
}

#[tokio::test]
async fn a_ruize_screen_that_comes_back_shows_the_newest_calls() {
    let screen = FamilySimulator::<Ruize>::start_pty(3).unwrap();
    screen.behave(Behaviour::Silent);
    let hall = over_terminal(&screen, PATIENCE);
    hall.says("screen", 0, "down").await;
    let newest = COMMANDS_WAITING_MAX + 2;
    for number in 1..=newest {
        drop(command(&hall, call(&format!("A{number}"), "3")));
    }
    screen.behave(Behaviour::Answer);
    hall.says("screen", 0, &format!("call A{newest} acknowledged")).await;
    let expected = (3..=newest).map(|n| format!("text 请A{n}到3号窗口"));
    assert_eq!(screen.shown(), expected.collect::<Vec<_>>());
    hall.close().await;
}

/// The screen shows A1 and says so too late, twice; then it is deaf to A2. The second late answer
/// must not be taken for one of A2.
#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_call() {
    let screen = FamilySimulator::<Zhongyi>::start_pty(3).unwrap();
    let hall = over_terminal(&screen, "ack_timeout_ms = 100\nretries = 4");
    screen.answer_after(Duration::from_millis(150));
    assert_eq!(command(&hall, call("A1", "3")).await.unwrap(), Ok(()));
    assert!(screen.shown().len() >= 2);
    screen.behave(Behaviour::Silent);
    let outcome = command(&hall, call("A2", "3")).await.unwrap();
    assert_eq!(why(outcome), Some(Failure::Unanswered));
    hall.close().await;
}

/// Two screens on one converter, and one that is not there: each gets what is its own.
#[tokio::test]
async fn screens_of_one_line_take_turns() {
    let screen = FamilySimulator::<Ruize>::start_pty(3).unwrap();
    let settings = |address: u32| {
        let path = screen.path();
        format!("family = 'ruize'\nlink = {{ serial = '{path}' }}\naddress = {address}\n{PATIENCE}")
    };
    let screens = vec![
        device("screen", "window-screen", &settings(3)),
        device("absent", "window-screen", &settings(4)),
    ];
    let hall = Hall::open(screens);
    hall.says("absent", 0, "down").await;
    assert_eq!(command(&hall, call("B016", "3")).await.unwrap(), Ok(()));
    assert_eq!(hall.said("screen"), ["up", "call B016 acknowledged"]);
    assert_eq!(screen.shown(), ["text 请B016到3号窗口"]);
    hall.close().await;
}
