//! The ESC/POS driver and our simulated printer, which python-escpos judges.

use std::time::Duration;

use zhiban_vocabulary::kiosk::Paper;
use zhiban_vocabulary::printer::PrinterHealth;
use zhiban_vocabulary::report::Observation;

use super::frame::Condition;
use super::{PrinterSimulator, Printing};
use crate::simulator::Port;
use crate::testing::{Hall, Peer, device};

const QUICK: &str = "poll_s = 0.2\ntimeout_ms = 150";

fn open(link: &str, more: &str) -> Hall {
    let settings = format!("link = {{ {link} }}\n{QUICK}\n{more}");
    Hall::open(vec![device("printer", "escpos", &settings)])
}

fn over_tcp(printer: &Port<PrinterSimulator>, more: &str) -> Hall {
    open(&format!("tcp = '{}'", printer.path()), more)
}

fn over_terminal(printer: &Port<PrinterSimulator>) -> Hall {
    open(&format!("serial = '{}'", printer.path()), "")
}

/// Every state of the printer the journal has.
fn healths(hall: &Hall) -> Vec<PrinterHealth> {
    let reports = hall.reports().into_iter();
    let printer = reports.filter_map(|report| match report.observation {
        Observation::Printer(health) => Some(health),
        _ => None,
    });
    printer.collect()
}

async fn reports(hall: &Hall, condition: Condition) {
    let expected = condition.health();
    let came = |hall: &Hall| healths(hall).last() == Some(&expected);
    hall.until(format!("{condition}"), came).await;
}

fn conditions() -> Vec<Condition> {
    let ready = Condition::default();
    let low = Condition {
        near_end: true,
        ..ready
    };
    let out = Condition {
        paper_end: true,
        offline: true,
        ..low
    };
    let cover = Condition {
        cover_open: true,
        offline: true,
        ..ready
    };
    let cutter = Condition {
        cutter: true,
        error: true,
        offline: true,
        ..ready
    };
    let hot = Condition {
        recoverable: true,
        error: true,
        ..ready
    };
    vec![ready, low, out, ready, cover, cutter, hot, ready]
}

/// python-escpos reads the same printer at the same time, and must see the same.
async fn agrees(client: &mut Peer, condition: Condition) {
    let mut ask = async |order: &str| {
        client.tell(order).await;
        client.line().await
    };
    let health = condition.health();
    let online = if health.online { "True" } else { "False" };
    assert_eq!(ask("online").await, online, "{condition}");
    let paper = match health.paper {
        Some(Paper::Ok) => "2",
        Some(Paper::Low) => "1",
        _ => "0",
    };
    assert_eq!(ask("paper").await, paper, "{condition}");
    for n in 1..=4_u8 {
        let answer = ask(&format!("query {n}")).await;
        let answer = u8::from_str_radix(&answer, 16).unwrap();
        assert_eq!(answer & 0b1001_0011, 0b0001_0010, "{condition}: n={n}");
    }
}

#[tokio::test]
async fn python_escpos_and_our_driver_see_the_same_printer() {
    let printer = Port::tcp(PrinterSimulator::default()).await.unwrap();
    let port = printer.path().rsplit(':').next().unwrap().to_owned();
    let mut client = Peer::python("escpos/peers/escpos_client.py", &[&port]).await;
    let hall = over_tcp(&printer, "");
    for condition in conditions() {
        printer.set(condition);
        agrees(&mut client, condition).await;
        reports(&hall, condition).await;
    }
    assert_eq!(healths(&hall).len(), conditions().len());
    assert_eq!(hall.status("printer").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn a_printer_on_a_terminal_is_read_and_says_who_it_is() {
    let printer = Port::pty(PrinterSimulator::default()).unwrap();
    let hall = over_terminal(&printer);
    for condition in conditions() {
        printer.set(condition);
        reports(&hall, condition).await;
    }
    let identities: Vec<_> = hall.reports().into_iter().filter_map(|report| {
        match report.observation {
            Observation::Identity(identity) => Some(identity),
            _ => None,
        }
    }).collect();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].vendor.as_deref(), Some("ZHIBAN"));
    assert_eq!(identities[0].model.as_deref(), Some("SIM-80"));
    assert_eq!(identities[0].serial.as_deref(), Some("SIM0000001"));
    assert_eq!(identities[0].firmware.as_deref(), Some("1.00 ESC/POS"));
    hall.close().await;
}

#[tokio::test]
async fn a_printer_that_does_not_print_is_degraded() {
    let printer = Port::tcp(PrinterSimulator::default()).await.unwrap();
    let hall = over_tcp(&printer, "identity = false");
    hall.says("printer", 0, "up").await;
    printer.set(conditions()[2]);
    hall.says("printer", 0, "degraded").await;
    let before = hall.said("printer").len();
    printer.set(conditions()[0]);
    hall.says("printer", before, "up").await;
    hall.close().await;
}

/// Polls are an hour apart: what comes in between was told.
#[tokio::test]
async fn with_asb_a_change_is_told_at_once() {
    let printer = Port::tcp(PrinterSimulator::default()).await.unwrap();
    let settings = format!("link = {{ tcp = '{}' }}\npoll_s = 3600\nasb = true", printer.path());
    let hall = Hall::open(vec![device("printer", "escpos", &settings)]);
    for condition in conditions() {
        printer.set(condition);
        reports(&hall, condition).await;
    }
    assert_eq!(healths(&hall).len(), conditions().len());
    hall.close().await;
}

#[tokio::test]
async fn noise_and_half_answers_change_nothing_and_the_next_poll_is_right() {
        let printer = Port::pty(PrinterSimulator::default()).unwrap();
        let hall = over_terminal(&printer);
        let [ready, low, out] = [0, 1, 2].map(|at| conditions()[at]);
        reports(&hall, ready).await;
        // A status byte that lies, half a block, half a text; then garbage.
        let noises: [&[u8]; 4] = [&[0x7E], &[0x3C, 0x00], b"_EPS", &[0xFF, 0x00, 0x81]];
        for (at, noise) in noises.into_iter().enumerate() {
            printer.behave(Printing::Noise(noise));
            tokio::time::sleep(Duration::from_millis(400)).await;
            printer.behave(Printing::Answer);
            let next = if at % 2 == 0 { low } else { ready };
            printer.set(next);
            reports(&hall, next).await;
        }
        printer.behave(Printing::Half);
        tokio::time::sleep(Duration::from_millis(300)).await;
        printer.set(out);
        printer.behave(Printing::Answer);
        reports(&hall, out).await;
        let states = healths(&hall);
        let allowed = [ready, low, out].map(Condition::health);
        assert!(states.iter().all(|state| allowed.contains(state)), "{states:?}");
        hall.close().await;
}

/// Answers come later than we wait for them: none may be taken for another question's.
#[tokio::test]
async fn late_answers_are_never_taken_for_another_question() {
    let printer = Port::pty(PrinterSimulator::default()).unwrap();
    let hall = over_terminal(&printer);
    let ready = conditions()[0];
    reports(&hall, ready).await;
    let mut seen = vec![ready];
    for condition in conditions().into_iter().skip(1) {
        printer.behave(Printing::Late(Duration::from_millis(190)));
        tokio::time::sleep(Duration::from_millis(400)).await;
        printer.set(condition);
        seen.push(condition);
        printer.behave(Printing::Answer);
        reports(&hall, condition).await;
    }
    let seen: Vec<PrinterHealth> = seen.into_iter().map(Condition::health).collect();
    let all = healths(&hall);
    assert!(all.iter().all(|health| seen.contains(health)), "{all:?}");
    hall.close().await;
}

#[tokio::test]
async fn a_printer_without_power_is_down_and_comes_back() {
    let printer = Port::tcp(PrinterSimulator::default()).await.unwrap();
    let hall = over_tcp(&printer, "");
    hall.says("printer", 0, "up").await;
    printer.behave(Printing::Silent);
    hall.says("printer", 0, "down").await;
    let detail = hall.status("printer").detail.unwrap_or_default();
    assert!(detail.ends_with("no clear answer to DLE EOT"), "{detail}");
    let before = hall.said("printer").len();
    printer.behave(Printing::Answer);
    hall.says("printer", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn a_printer_is_found_and_a_host_that_says_something_else_is_not() {
    let printer = Port::tcp(PrinterSimulator::default()).await.unwrap();
    let peer: std::net::SocketAddr = printer.path().parse().unwrap();
    let found = super::discover::ask(peer.ip(), peer.port()).await.unwrap();
    assert_eq!(found.identity.model.as_deref(), Some("SIM-80"));
    assert!((super::DRIVER.build)(found.settings).is_ok());
    printer.behave(Printing::Silent);
    assert_eq!(super::discover::ask(peer.ip(), peer.port()).await, None);
    drop(printer);
    assert_eq!(super::discover::ask(peer.ip(), peer.port()).await, None);
}
