//! The driver of BX-6 cards and our simulated card, over TCP and over a terminal.

use std::time::Duration;

use zhiban_vocabulary::command::{Command, Display};
use zhiban_vocabulary::report::Observation;

use super::frame::lamps::Lamps;
use super::{CardConduct, CardSimulator, discover};
use crate::NotDone;
use crate::picture::{Bitmap, Font};
use crate::simulator::Port;
use crate::testing::{Hall, device, id, order};

const ADDRESS: u16 = 7;

fn open(link: &str, more: &str) -> Hall {
    let settings = format!("link = {{ {link} }}\nack_timeout_ms = 200\nretries = 1\n{more}");
    Hall::open(vec![device("board", "onbon-bx6", &settings)])
}

fn over_tcp(card: &Port<CardSimulator>) -> Hall {
    open(&format!("tcp = '{}'", card.path()), "")
}

async fn tell(hall: &Hall, command: Command) -> Result<(), NotDone> {
    let (order, outcome) = order(command);
    hall.supervisor.command(&id("board"), order).unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(20), outcome);
    waiting.await.expect("an end within 20 s").unwrap()
}

async fn power(hall: &Hall, on: bool) -> Result<(), NotDone> {
    tell(hall, Command::Power { on }).await
}

async fn show(hall: &Hall, display: Display) -> Result<(), NotDone> {
    tell(hall, Command::Display(display)).await
}

fn call(ticket: &str) -> Display {
    Display::Call {
        ticket: ticket.parse().unwrap(),
        counter: "3".parse().unwrap(),
    }
}

fn text(text: &str) -> Display {
    Display::Text {
        text: text.into(),
        speak: false,
    }
}

/// The font that is taken by itself where `deploy/setup/system.sh` ran.
fn drawn(text: &str, width: u16, height: u16) -> Bitmap {
    let font = Font::installed().unwrap();
    font.draw(text, width, height).unwrap().picture
}

async fn says_who_it_is_and_obeys(card: Port<CardSimulator>, hall: Hall) {
    hall.says("board", 0, "up").await;
    assert_eq!(power(&hall, false).await, Ok(()));
    assert!(!card.is_on());
    assert_eq!(power(&hall, true).await, Ok(()));
    assert!(card.is_on());
    assert_eq!(card.told(), ["switch off", "switch on"]);
    let identities: Vec<_> = hall
        .reports()
        .into_iter()
        .filter_map(|report| match report.observation {
            Observation::Identity(identity) => Some(identity),
            _ => None,
        })
        .collect();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].model.as_deref(), Some("BX-6E1"));
    assert_eq!(identities[0].serial.as_deref(), Some("6E11904170000001"));
    assert_eq!(identities[0].firmware.as_deref(), Some("19041700"));
    hall.close().await;
}

#[tokio::test]
async fn a_card_says_who_it_is_and_obeys_over_tcp() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    says_who_it_is_and_obeys(card, hall).await;
}

#[tokio::test]
async fn a_card_says_who_it_is_and_obeys_over_a_terminal() {
    let card = Port::pty(CardSimulator::new(ADDRESS)).unwrap();
    let link = format!("serial = '{}', baud = 57600", card.path());
    let hall = open(&link, "address = 7");
    says_who_it_is_and_obeys(card, hall).await;
}

#[tokio::test]
async fn a_board_shows_what_we_drew_on_every_kind_of_screen() {
    let screens = [
        (Lamps::OneColour, "white"),
        (Lamps::TwoColours, "green"),
        (Lamps::ThreeColours, "yellow"),
        (Lamps::AllColours, "red"),
    ];
    for (lamps, colour) in screens {
        let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
        card.wear(160, 48, lamps);
        let more = format!("x = 9\ny = 8\nheight = 32\ncolour = '{colour}'");
        let hall = open(&format!("tcp = '{}'", card.path()), &more);
        assert_eq!(show(&hall, call("B016")).await, Ok(()));
        let expected = drawn("请B016号到3号窗口", 151, 32);
        assert_eq!(card.seen(0), Some(expected), "{lamps:?}");
        assert_eq!(card.told(), ["show area 0, 151×32 at 9,8"]);
        assert_eq!(hall.said("board")[2..], ["call B016 acknowledged"]);
        hall.close().await;
    }
}

#[tokio::test]
async fn a_board_shows_every_sentence_over_a_terminal() {
    let card = Port::pty(CardSimulator::new(ADDRESS)).unwrap();
    let link = format!("serial = '{}', baud = 57600", card.path());
    let more = "welcome = ''\nserving = \"{ticket}\\n办理中\"\nkeep_programme = true";
    let hall = open(&link, more);
    let ticket = "B016".parse().unwrap();
    assert_eq!(show(&hall, Display::Serving { ticket }).await, Ok(()));
    assert_eq!(card.seen(0), Some(drawn("B016\n办理中", 128, 32)));
    assert_eq!(show(&hall, Display::Pause).await, Ok(()));
    assert_eq!(card.seen(0), Some(drawn("暂停服务", 128, 32)));
    assert_eq!(show(&hall, Display::Welcome).await, Ok(()));
    assert_eq!(card.seen(0), None);
    let shown = "show area 0, 128×32 at 0,0 beside the programme";
    assert_eq!(card.told(), [shown, shown, "remove areas [0]"]);
    let said = ["serving B016 acknowledged", "pause acknowledged", "welcome acknowledged"];
    assert_eq!(hall.said("board")[2..], said);
    hall.close().await;
}

#[tokio::test]
async fn a_text_nobody_could_read_is_not_shown() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    let long = text(&"请排队".repeat(8));
    let failed = show(&hall, long).await.unwrap_err();
    assert_eq!(failed, NotDone::Refused("the text is too long for 128×32 pixels".into()));
    assert!(card.told().is_empty());
    hall.close().await;
}

#[tokio::test]
async fn characters_the_font_lacks_are_said_until_the_next_text() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    assert_eq!(show(&hall, text("号\u{E000}")).await, Ok(()));
    assert_eq!(show(&hall, text("号")).await, Ok(()));
    let health = hall.reports().into_iter().filter_map(|report| match report.observation {
        Observation::Health(health) => Some(health.detail.unwrap_or_default()),
        _ => None,
    });
    let expected = ["", "the font lacks \u{E000}", ""];
    assert_eq!(health.collect::<Vec<_>>(), expected);
    hall.close().await;
}

#[tokio::test]
async fn an_area_beside_the_screen_is_said_and_the_board_still_switched() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = open(&format!("tcp = '{}'", card.path()), "x = 64\nwidth = 65");
    hall.says("board", 0, "degraded").await;
    let failed = show(&hall, call("A1")).await.unwrap_err();
    assert_eq!(failed, NotDone::Refused("the area 65×32 at 64,0 is not on the screen of 128×32".into()));
    assert_eq!(power(&hall, false).await, Ok(()));
    hall.close().await;
}

#[tokio::test]
async fn a_card_nobody_told_of_its_screen_shows_nothing() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    card.behave(CardConduct::Blank);
    let hall = over_tcp(&card);
    hall.says("board", 0, "degraded").await;
    let failed = show(&hall, call("A1")).await.unwrap_err();
    assert_eq!(failed, NotDone::Refused("nobody told the card what its screen is like".into()));
    hall.close().await;
}

#[tokio::test]
async fn a_text_that_is_refused_is_not_reported_as_shown() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    hall.says("board", 0, "up").await;
    card.behave(CardConduct::Refuse(4));
    let refused = show(&hall, call("A1")).await;
    assert_eq!(refused, Err(NotDone::Refused("the card refuses: out of memory".into())));
    hall.says("board", 0, "call A1 not acknowledged").await;
    hall.close().await;
}

#[tokio::test]
async fn a_card_of_another_address_stays_as_it_is() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = open(&format!("tcp = '{}'", card.path()), "address = 8");
    hall.says("board", 0, "down").await;
    hall.close().await;
}

#[tokio::test]
async fn areas_left_behind_are_taken_away_when_asked_for() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = open(&format!("tcp = '{}'", card.path()), "remove_at_start = true");
    hall.says("board", 0, "up").await;
    hall.until("the areas are gone", |_| card.told() == ["remove all areas"])
        .await;
    hall.close().await;
}

#[tokio::test]
async fn a_locked_screen_is_not_well() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    card.behave(CardConduct::Locked);
    let hall = over_tcp(&card);
    hall.says("board", 0, "degraded").await;
    assert_eq!(power(&hall, false).await, Ok(()));
    assert!(!hall.said("board").contains(&"up".to_owned()));
    hall.close().await;
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    hall.says("board", 0, "up").await;
    card.behave(CardConduct::Refuse(20));
    let refused = power(&hall, false).await;
    assert_eq!(refused, Err(NotDone::Refused("the card refuses: wrong password".into())));
    hall.close().await;
}

#[tokio::test]
async fn a_card_that_falls_silent_is_down_and_comes_back_by_itself() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let hall = over_tcp(&card);
    hall.says("board", 0, "up").await;
    card.behave(CardConduct::Silent);
    assert!(power(&hall, false).await.is_err());
    hall.says("board", 0, "down").await;
    card.behave(CardConduct::Answer);
    let down = hall.said("board").len();
    hall.says("board", down, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn answers_with_a_wrong_sum_count_as_none() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    card.behave(CardConduct::BadSum);
    let hall = over_tcp(&card);
    hall.says("board", 0, "down").await;
    assert!(hall.status("board").bad_frames >= 2);
    hall.close().await;
}

#[tokio::test]
async fn cards_are_found_on_the_hosts_given_and_nowhere_else() {
    let card = Port::tcp(CardSimulator::new(ADDRESS)).await.unwrap();
    let (host, port) = card.path().rsplit_once(':').unwrap();
    let (host, port) = (host.parse().unwrap(), port.parse().unwrap());
    // The second is nobody: nothing of this machine listens there.
    let hosts = vec![host, "127.0.0.2".parse().unwrap()];
    let found = discover::look(hosts, port).await.found;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].identity.model.as_deref(), Some("BX-6E1"));
    let built = (super::DRIVER.build)(found[0].settings.clone());
    assert_eq!(built.unwrap().line().as_deref(), Some(card.path()));
    assert!(discover::look(Vec::new(), port).await.found.is_empty());
}
