//! The driver of font cards and our simulated card, over TCP and over a terminal.

use std::time::Duration;

use tokio::sync::oneshot;
use zhiban_vocabulary::command::{Command, Display};

use super::{BoardSimulator, Conduct};
use crate::NotDone;
use crate::simulator::Port;
use crate::testing::{Hall, device, id, order};

const ADDRESS: u16 = 7;

fn open(link: &str, more: &str) -> Hall {
    let settings = format!(
        "link = {{ {link} }}\ncard = '5k'\nwidth = 64\nheight = 16\nspeak_calls = true\n{more}"
    );
    Hall::open(vec![device("board", "onbon-k", &settings)])
}

const QUICK: &str = "ack_timeout_ms = 200\nretries = 1";

fn over_tcp(board: &Port<BoardSimulator>) -> Hall {
    open(&format!("tcp = '{}'", board.path()), QUICK)
}

fn call(ticket: &str) -> Command {
    Command::Display(Display::Call {
        ticket: ticket.parse().unwrap(),
        counter: "3".parse().unwrap(),
    })
}

fn text(text: &str) -> Command {
    Command::Display(Display::Text {
        text: text.into(),
        speak: false,
    })
}

fn command(hall: &Hall, command: Command) -> oneshot::Receiver<Result<(), NotDone>> {
    let (order, outcome) = order(command);
    hall.supervisor.command(&id("board"), order).unwrap();
    outcome
}

async fn ended(outcome: oneshot::Receiver<Result<(), NotDone>>) -> Result<(), NotDone> {
    let waiting = tokio::time::timeout(Duration::from_secs(20), outcome);
    waiting.await.expect("an end within 20 s").unwrap()
}

async fn shows_everything(board: &Port<BoardSimulator>, hall: Hall) {
    command(&hall, call("B016"));
    let ticket = "B016".parse().unwrap();
    command(&hall, Command::Display(Display::Serving { ticket }));
    command(&hall, Command::Display(Display::Pause));
    command(&hall, Command::Display(Display::Welcome));
    command(&hall, text("Z[ロ"));
    let off = command(&hall, Command::Power { on: false });
    assert_eq!(ended(off).await, Ok(()));
    assert_eq!(
        hall.said("board"),
        [
            "up",
            "call B016 acknowledged",
            "serving B016 acknowledged",
            "pause acknowledged",
            "welcome acknowledged",
            "text Z[ロ acknowledged",
        ]
    );
    assert_eq!(
        board.told(),
        [
            "show, area 0 请B016号到3号窗口, spoken",
            "show, area 0 正在办理B016号",
            "show, area 0 暂停服务",
            "show, area 0 欢迎光临",
            "show, area 0 Z[ロ",
            "switch off",
        ]
    );
    assert_eq!(board.texts(), ["Z[ロ"]);
    assert!(!board.is_on());
    hall.close().await;
}

#[tokio::test]
async fn a_board_shows_what_it_is_told_over_tcp() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&board);
    shows_everything(&board, hall).await;
}

#[tokio::test]
async fn a_board_shows_what_it_is_told_over_a_terminal() {
    let board = Port::pty(BoardSimulator::new(ADDRESS)).unwrap();
    let link = format!("serial = '{}', baud = 57600", board.path());
    let hall = open(&link, &format!("address = 7\n{QUICK}"));
    shows_everything(&board, hall).await;
}

#[tokio::test]
async fn a_board_of_another_address_stays_as_it_is() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let link = format!("tcp = '{}'", board.path());
    let hall = open(&link, &format!("address = 8\n{QUICK}"));
    hall.says("board", 0, "down").await;
    assert!(board.told().is_empty());
    hall.close().await;
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_the_board_stays_up() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&board);
    hall.says("board", 0, "up").await;
    board.behave(Conduct::Refuse(12));
    let refused = ended(command(&hall, call("B016"))).await;
    assert_eq!(refused, Err(NotDone::Refused("the card refuses: font is missing".into())));
    board.behave(Conduct::Answer);
    assert_eq!(ended(command(&hall, call("B017"))).await, Ok(()));
    let said = ["up", "call B016 not acknowledged", "call B017 acknowledged"];
    assert_eq!(hall.said("board"), said);
    hall.close().await;
}

/// Busy passes; so it is told again, as often as a frame that is not answered.
#[tokio::test]
async fn a_busy_card_is_told_again() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&board);
    hall.says("board", 0, "up").await;
    board.behave(Conduct::Refuse(3));
    let refused = ended(command(&hall, call("B016"))).await;
    assert_eq!(refused, Err(NotDone::PutOff("the card says: busy".into())));
    assert_eq!(board.told().len(), 2);
    hall.close().await;
}

#[tokio::test]
async fn a_board_that_falls_silent_is_down_and_comes_back_by_itself() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&board);
    hall.says("board", 0, "up").await;
    board.behave(Conduct::Silent);
    let failed = ended(command(&hall, call("B016"))).await;
    assert_eq!(failed, Err(NotDone::PutOff("the card does not answer".into())));
    hall.says("board", 0, "down").await;
    let said = ["up", "call B016 not acknowledged", "down"];
    assert_eq!(hall.said("board"), said);
    let later = command(&hall, call("B017"));
    board.behave(Conduct::Answer);
    assert_eq!(ended(later).await, Ok(()));
    assert_eq!(board.texts(), ["请B017号到3号窗口"]);
    hall.close().await;
}

#[tokio::test]
async fn an_answer_with_a_wrong_sum_counts_as_none() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    board.behave(Conduct::BadSum);
    let hall = over_tcp(&board);
    hall.says("board", 0, "down").await;
    assert!(hall.status("board").bad_frames >= 2);
    hall.close().await;
}

/// The board shows A1 and says so too late; then it is deaf to A2. The late acknowledgement must
/// not be taken for one of A2.
async fn a_late_acknowledgement_is_for_nothing(board: Port<BoardSimulator>, link: &str) {
    let hall = open(link, "ack_timeout_ms = 150\nretries = 3");
    hall.says("board", 0, "up").await;
    board.answer_after(Duration::from_millis(220));
    assert_eq!(ended(command(&hall, call("A1"))).await, Ok(()));
    assert!(board.told().len() >= 2);
    board.behave(Conduct::NoAck);
    board.answer_after(Duration::ZERO);
    assert!(ended(command(&hall, call("A2"))).await.is_err());
    hall.says("board", 0, "call A2 not acknowledged").await;
    hall.close().await;
}

#[tokio::test]
async fn a_late_acknowledgement_is_for_nothing_over_tcp() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let link = format!("tcp = '{}'", board.path());
    a_late_acknowledgement_is_for_nothing(board, &link).await;
}

#[tokio::test]
async fn a_late_acknowledgement_is_for_nothing_over_a_terminal() {
    let board = Port::pty(BoardSimulator::new(ADDRESS)).unwrap();
    let link = format!("serial = '{}'", board.path());
    a_late_acknowledgement_is_for_nothing(board, &link).await;
}

#[tokio::test]
async fn an_empty_greeting_clears_the_board() {
    let board = Port::tcp(BoardSimulator::new(ADDRESS)).await.unwrap();
    let link = format!("tcp = '{}'", board.path());
    let hall = open(&link, "welcome = ''\nsay = '请{ticket}号'");
    command(&hall, call("A1"));
    let cleared = command(&hall, Command::Display(Display::Welcome));
    assert_eq!(ended(cleared).await, Ok(()));
    let told = ["show, area 0 请A1号到3号窗口, saying 请A1号", "clear"];
    assert_eq!(board.told(), told);
    assert!(board.texts().is_empty());
    hall.close().await;
}
