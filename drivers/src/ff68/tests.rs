//! The driver and callers in Python, with an encoder of their own, over TCP.

use std::time::Duration;

use zhiban_vocabulary::command::{Command, Display};

use crate::link::Direction;
use crate::testing::{Hall, Peer, device, free_port, id, order};
use crate::{NotDone, supervise::DriverState};

/// A table as somebody would write it down from a manual: letters as commands, text as data.
const TABLE: &str = r#"
counters = { 1 = "3", 2 = "4" }
best = 1
window_queue = "B"
queues = { 7 = "贵宾" }
windows = { 9 = "VIP" }
events = [
    { cmd = 0x51, data = "{employee:ascii4} {password:ascii6}", means = "login", reply = "ack" },
    { cmd = 0x4E, means = "logout", reply = "ack" },
    { cmd = 0x54, means = "call-next", reply = "ack" },
    { cmd = 0x55, data = "{ticket:ascii}", means = "call-next", reply = "ack" },
    { cmd = 0x50, means = "recall", reply = "ack" },
    { cmd = 0x52, means = "recall" },
    { cmd = 0x53, means = "start", reply = "ack" },
    { cmd = 0x4C, means = "finish", reply = "ack" },
    { cmd = 0x46, means = "no-show", reply = "ack" },
    { cmd = 0x45, data = "01", means = "pause", reply = "ack" },
    { cmd = 0x45, data = "02", means = "busy", reply = "ack" },
    { cmd = 0x45, data = "00", means = "resume", reply = "ack" },
    { cmd = 0x42, data = "51 {queue:u8}", means = "transfer-queue", reply = "ack" },
    { cmd = 0x42, data = "4E {window:u8}", means = "transfer-window", reply = "ack" },
    { cmd = 0x59, data = "{score:ascii}", means = "evaluation", reply = "ack" },
    { cmd = 0x06, means = "ack" },
    { cmd = 0x00, means = "nothing" },
]
[templates]
ack = { cmd = 0x15 }
ask = { cmd = 0x01 }
call = { cmd = 0x4E, data = "{ticket:ascii6} {window:u8}" }
"#;

struct Line {
    hall: Hall,
    caller: Peer,
}

impl Line {
    async fn open(more: &str) -> Self {
        let port = free_port();
        let mut caller = Peer::python("ff68/peers/caller.py", &[&port]).await;
        let settings = format!("link = {{ tcp = '127.0.0.1:{port}' }}\n{more}\n{TABLE}");
        let hall = Hall::open(vec![device("callers", "ff68", &settings)]);
        caller.wait_for("connected").await;
        Self { hall, caller }
    }

    async fn order(&mut self, order: &str) {
        self.caller.tell(order).await;
        if ["answer", "late"].iter().any(|word| order.starts_with(word)) {
            // What it answers from now on, before anybody asks.
            self.caller.wait_for(&format!("done {order}")).await;
        }
    }

    /// Says something and waits until it is acknowledged, which is after it is on disk.
    async fn press(&mut self, frame: &str) {
        self.order(&format!("say {frame}")).await;
        let address = frame.split_whitespace().next().unwrap().to_owned();
        self.caller.wait_for(&format!("got {address} 15 ")).await;
    }

    async fn call(&self, ticket: &str, counter: &str) -> Result<(), NotDone> {
        let call = Display::Call {
            ticket: ticket.parse().unwrap(),
            counter: counter.parse().unwrap(),
        };
        let (order, outcome) = order(Command::Display(call));
        self.hall.supervisor.command(&id("callers"), order).unwrap();
        outcome.await.unwrap()
    }

    fn said(&self) -> Vec<String> {
        self.hall.said("callers")
    }
}

#[tokio::test]
async fn a_day_at_a_counter() {
    let mut line = Line::open("").await;
    line.order("answer 4E 1 06").await;
    line.press("1 51 32303031 736563726574").await;
    line.press("1 54").await;
    assert_eq!(line.call("B016", "3").await, Ok(()));
    line.caller.wait_for("got 1 4E 42303136202003").await;
    for press in ["1 50", "1 53", "1 59 31", "1 4C", "1 45 01", "1 45 02", "1 45 00"] {
        line.press(press).await;
    }
    line.press("1 55 41303037").await;
    line.press("1 46").await;
    line.press("1 55 41303038").await;
    line.press("1 42 51 07").await;
    line.press("1 55 41303039").await;
    line.press("1 42 4E 09").await;
    line.press("1 4E").await;
    assert_eq!(
        line.said(),
        [
            "up",
            "counter 3 open 2001",
            "call-next at 3 by 2001",
            "call B016 acknowledged",
            "recalled B016 3",
            "started B016 3",
            "rated 5 (1) at 3 by 2001",
            "finished B016",
            "counter 3 break 2001",
            "counter 3 busy 2001",
            "counter 3 open 2001",
            "called A007 3 by 2001",
            "no-show A007",
            "called A008 3 by 2001",
            "transferred A008 贵宾",
            "called A009 3 by 2001",
            "transferred A009 B at VIP",
            "counter 3 closed -",
        ]
    );
    line.hall.close().await;
}

#[tokio::test]
async fn passwords_are_nowhere() {
    let mut line = Line::open("").await;
    line.press("1 51 32303031 736563726574").await;
    // Not in the table like this: nobody knows what is a password in it.
    line.order("say 1 51 736563726574").await;
    line.hall.until("a strange frame", |hall| hall.status("callers").bad_frames == 1).await;
    let (driver, pieces) = line.hall.supervisor.pieces(&id("callers")).unwrap();
    let noted: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
    assert!(!noted.windows(6).any(|bytes| bytes == b"secret"), "{noted:02x?}");
    let read = pieces.iter().filter(|piece| piece.direction == Direction::In);
    let bytes: Vec<u8> = read.flat_map(|piece| piece.bytes.clone()).collect();
    let explained = (driver.explain)(&bytes);
    let texts: Vec<&str> = explained.iter().map(|piece| piece.text.as_str()).collect();
    let stars = "2A 2A 2A 2A 2A 2A";
    let login = format!("1: 51 32 30 30 31 {stars}");
    assert_eq!(texts, [login, format!("1: 51 {stars}")]);
    line.hall.close().await;
}

#[tokio::test]
async fn what_comes_again_at_once_is_one_press() {
    let mut line = Line::open("repeat_ms = 60000").await;
    line.press("1 55 41303037").await;
    line.press("1 55 41303037").await;
    line.press("2 55 41303037").await;
    line.press("1 50").await;
    line.press("1 50").await;
    let called = ["up", "called A007 3", "called A007 4", "recalled A007 3"];
    assert_eq!(line.said(), called);
    line.order("say 1 00").await;
    line.press("1 50").await;
    assert_eq!(line.said().len(), 5);
    line.hall.close().await;
}

#[tokio::test]
async fn nobody_pressing_in_time_is_no_rating() {
    let mut line = Line::open("repeat_ms = 0").await;
    line.press("1 59").await;
    line.press("1 59 35").await;
    line.order("say 1 59 36").await;
    line.press("1 59 31").await;
    assert_eq!(line.said(), ["up", "rated 1 (5) at 3 by -", "rated 5 (1) at 3 by -"]);
    assert_eq!(line.hall.status("callers").bad_frames, 1);
    line.hall.close().await;
}

#[tokio::test]
async fn noise_and_strangers_are_counted_and_do_no_harm() {
    let mut line = Line::open("").await;
    line.order("raw FF 68 FA FA 68 01").await;
    line.hall.until("the beginning is given up", |hall| hall.status("callers").bad_frames == 1).await;
    line.order("bad 1 55 41303037").await;
    line.order("say 9 55 41303037").await;
    line.order("say 1 53").await;
    line.press("1 55 41303037").await;
    assert_eq!(line.said(), ["up", "called A007 3"]);
    // The false beginning, the wrong sum, the stranger, a start of nobody knows which ticket.
    assert!(line.hall.status("callers").bad_frames >= 4);
    line.hall.close().await;
}

#[tokio::test]
async fn what_the_journal_refuses_is_acknowledged_when_it_takes_again() {
    let mut line = Line::open("").await;
    line.press("1 54").await;
    line.hall.refuse(u32::MAX);
    line.order("say 1 55 41303037").await;
    let answered = line.caller.wait_for("got 1 15 ");
    let in_vain = tokio::time::timeout(Duration::from_millis(500), answered).await;
    assert!(in_vain.is_err(), "nothing is on disk");
    line.hall.refuse(0);
    line.caller.wait_for("got 1 15 ").await;
    assert_eq!(line.said(), ["up", "call-next at 3 by nobody", "called A007 3"]);
    assert_eq!(line.hall.status("callers").restarts, 0);
    line.hall.close().await;
}

#[tokio::test]
async fn a_press_nobody_answers_is_not_lost_when_the_journal_refuses() {
    let mut line = Line::open("").await;
    line.press("1 55 41303037").await;
    line.hall.refuse(2);
    line.order("say 1 52").await;
    line.press("1 53").await;
    assert_eq!(line.said(), ["up", "called A007 3", "recalled A007 3", "started A007 3"]);
    assert_eq!(line.hall.status("callers").restarts, 0);
    line.hall.close().await;
}

#[tokio::test]
async fn a_converter_that_goes_and_comes_is_found_again() {
    let mut line = Line::open("").await;
    line.press("1 55 41303037").await;
    line.order("drop 1").await;
    line.hall.says("callers", 0, "down").await;
    line.caller.wait_for("connected").await;
    line.press("1 55 41303038").await;
    line.hall.says("callers", 3, "called A008 3").await;
    line.hall.close().await;
}

#[tokio::test]
async fn callers_that_are_asked_are_well_ill_or_down() {
    let mut line = Line::open("poll = 'ask'\npoll_ms = 50\ntimeout_ms = 100\nrepeat_ms = 5000").await;
    line.order("answer 01 1 55 41303037").await;
    line.order("answer 01 2 00").await;
    line.hall.says("callers", 0, "up").await;
    line.hall.says("callers", 0, "called A007 3").await;
    line.order("answer 01 2").await;
    line.hall.says("callers", 0, "degraded").await;
    line.order("answer 01 1").await;
    line.hall.says("callers", 0, "down").await;
    line.order("answer 01 1 00").await;
    line.order("answer 01 2 00").await;
    line.hall.says("callers", 4, "up").await;
    let calls = line.said().iter().filter(|said| said.starts_with("called")).count();
    assert_eq!(calls, 1, "a state that is asked again is one event");
    line.hall.close().await;
}

#[tokio::test]
async fn a_number_nobody_acknowledges_has_failed_and_a_late_answer_is_not_the_next_ones() {
    let mut line = Line::open("timeout_ms = 500\nretries = 1").await;
    let put_off = Err(NotDone::PutOff("the caller did not acknowledge".into()));
    let refused = |why: &str| Err(NotDone::Refused(why.into()));
    assert_eq!(line.call("B016", "3").await, put_off);
    line.order("late 0.75").await;
    line.order("answer 4E 1 06").await;
    assert_eq!(line.call("B017", "3").await, Ok(()));
    line.order("answer 4E 1").await;
    assert_eq!(line.call("B018", "3").await, put_off);
    assert_eq!(line.call("贵宾1", "3").await, refused("ticket 贵宾1 does not fit"));
    assert_eq!(line.call("B1", "9").await, refused("which caller is meant is not known"));
    let (order, outcome) = order(Command::Display(Display::Pause));
    line.hall.supervisor.command(&id("callers"), order).unwrap();
    let missing = refused("no template pause in the settings");
    assert_eq!(outcome.await.unwrap(), missing);
    assert_eq!(line.hall.status("callers").state, DriverState::Running);
    line.hall.close().await;
}
