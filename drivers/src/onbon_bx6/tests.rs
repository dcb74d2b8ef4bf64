//! The driver of BX-6 cards and our simulated card, over TCP and over a terminal.

use std::time::Duration;

use tokio::sync::oneshot;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::report::Observation;

use super::{CardConduct, CardSimulator, discover};
use crate::Order;
use crate::testing::{Hall, device, id};

const ADDRESS: u16 = 7;

fn open(link: &str, more: &str) -> Hall {
    let settings = format!("link = {{ {link} }}\nack_timeout_ms = 200\nretries = 1\n{more}");
    Hall::open(vec![device("board", "onbon-bx6", &settings)])
}

fn over_tcp(card: &CardSimulator) -> Hall {
    open(&format!("tcp = '{}'", card.path()), "")
}

async fn power(hall: &Hall, on: bool) -> Result<(), String> {
    let (order, outcome): (_, oneshot::Receiver<_>) = Order::new(Command::Power { on });
    hall.supervisor.command(&id("board"), order).unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(20), outcome);
    let ended = waiting.await.expect("an end within 20 s").unwrap();
    ended.map_err(|not_done| not_done.text)
}

async fn says_who_it_is_and_obeys(card: CardSimulator, hall: Hall) {
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
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    let hall = over_tcp(&card);
    says_who_it_is_and_obeys(card, hall).await;
}

#[tokio::test]
async fn a_card_says_who_it_is_and_obeys_over_a_terminal() {
    let card = CardSimulator::start_pty(ADDRESS).unwrap();
    let link = format!("serial = '{}', baud = 57600", card.path());
    let hall = open(&link, "address = 7");
    says_who_it_is_and_obeys(card, hall).await;
}

#[tokio::test]
async fn a_card_of_another_address_stays_as_it_is() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    let hall = open(&format!("tcp = '{}'", card.path()), "address = 8");
    hall.says("board", 0, "down").await;
    hall.close().await;
}

#[tokio::test]
async fn areas_left_behind_are_taken_away_when_asked_for() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    let hall = open(&format!("tcp = '{}'", card.path()), "remove_at_start = true");
    hall.says("board", 0, "up").await;
    hall.until("the areas are gone", |_| card.told() == ["remove all areas"])
        .await;
    hall.close().await;
}

#[tokio::test]
async fn a_locked_screen_is_not_well() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    card.behave(CardConduct::Locked);
    let hall = over_tcp(&card);
    hall.says("board", 0, "degraded").await;
    assert_eq!(power(&hall, false).await, Ok(()));
    assert!(!hall.said("board").contains(&"up".to_owned()));
    hall.close().await;
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    let hall = over_tcp(&card);
    hall.says("board", 0, "up").await;
    card.behave(CardConduct::Refuse(20));
    let refused = power(&hall, false).await;
    assert_eq!(refused, Err("wrong password".into()));
    hall.close().await;
}

#[tokio::test]
async fn a_card_that_falls_silent_is_down_and_comes_back_by_itself() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
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
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    card.behave(CardConduct::BadSum);
    let hall = over_tcp(&card);
    hall.says("board", 0, "down").await;
    assert!(hall.status("board").bad_frames >= 2);
    hall.close().await;
}

#[tokio::test]
async fn cards_are_found_on_the_hosts_given_and_nowhere_else() {
    let card = CardSimulator::start_tcp(ADDRESS).await.unwrap();
    let (host, port) = card.path().rsplit_once(':').unwrap();
    let (host, port) = (host.parse().unwrap(), port.parse().unwrap());
    // The second is nobody: nothing of this machine listens there.
    let hosts = vec![host, "127.0.0.2".parse().unwrap()];
    let found = discover::look(hosts, port).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].identity.model.as_deref(), Some("BX-6E1"));
    let built = (super::DRIVER.build)(found[0].settings.clone());
    assert_eq!(built.unwrap().line().as_deref(), Some(card.path()));
    assert!(discover::look(Vec::new(), port).await.is_empty());
}
