//! The driver and our simulated terminal; and both before the published schema, where it is there.

use std::time::Duration;

use zhiban_vocabulary::kiosk::{CashBox, KioskHealth, Paper};
use zhiban_vocabulary::report::Observation;

use super::frame::Ask;
use super::{Placement, TerminalSimulator, discover};
use crate::simulator::Port;
use crate::testing::{Hall, Peer, device, id};
use crate::{Places, find};

async fn terminal(placement: Placement) -> Port<TerminalSimulator> {
    TerminalSimulator::start(placement).await.unwrap()
}

fn open(url: &str) -> Hall {
    open_with(url, 60.0)
}

/// Readings far apart: only events can be the reason for a report.
fn open_with(url: &str, poll_s: f64) -> Hall {
    let settings = format!("url = '{url}'\npoll_s = {poll_s:?}");
    Hall::open(vec![device("kiosk", "xfs4iot", &settings)])
}

fn kiosk(hall: &Hall) -> Option<KioskHealth> {
    let reports = hall.reports().into_iter().rev();
    reports.into_iter().find_map(|report| match report.observation {
        Observation::KioskHealth(health) => Some(health),
        _ => None,
    })
}

async fn until(hall: &Hall, what: &str, is_so: impl Fn(&KioskHealth) -> bool) {
    hall.until(what, |hall| kiosk(hall).is_some_and(|health| is_so(&health))).await;
}

async fn a_terminal_is_watched(placement: Placement) {
    let terminal = terminal(placement).await;
    let hall = open(&terminal.url());
    until(&hall, "well", |health| {
        health.in_service && health.paper == Some(Paper::Ok) && health.cash_box == Some(CashBox::Ok)
    })
    .await;
    terminal.set_paper(Paper::Low);
    until(&hall, "paper low", |health| health.paper == Some(Paper::Low)).await;
    terminal.set_paper(Paper::Jammed);
    until(&hall, "a jam", |health| {
        health.paper == Some(Paper::Jammed) && health.faults == ["ReceiptPrinter.paper.upper=jammed"]
    })
    .await;
    terminal.set_paper(Paper::Ok);
    terminal.set_cash_box(CashBox::Full);
    until(&hall, "a full box", |health| health.cash_box == Some(CashBox::Full)).await;
    terminal.set_cash_box(CashBox::Removed);
    until(&hall, "no box", |health| health.cash_box == Some(CashBox::Removed)).await;
    terminal.set_card_reader("hardwareError");
    until(&hall, "a broken reader", |health| !health.in_service).await;
    terminal.report_error("hardware");
    until(&hall, "why", |health| health.faults.contains(&"CardReader.error=hardware".to_owned())).await;
    terminal.set_card_reader("online");
    until(&hall, "all well but the box", |health| {
        health.in_service && health.faults == ["BillAcceptor.unitBox1=missing"]
    })
    .await;
    let said = hall.said("kiosk");
    assert_eq!(said[0], "up");
    assert!(said[1].contains("SimReceiptPrinter, SimBillAcceptor, SimCardReader"), "{}", said[1]);
    let printers = said.iter().filter(|said| said.starts_with("Printer(")).count();
    assert_eq!(printers, 4, "ok, low, jammed, ok: {said:?}");
    assert_eq!(hall.status("kiosk").bad_frames, 0);
    assert_eq!(hall.status("kiosk").restarts, 0);
    only_what_is_allowed(&terminal);
    hall.close().await;
}

/// Every command that came to the terminal is on the whitelist.
fn only_what_is_allowed(terminal: &Port<TerminalSimulator>) {
    let messages = terminal.messages();
    let commands = messages.iter().filter(|text| text.contains("\"type\":\"command\""));
    let mut count = 0;
    for command in commands {
        let message: serde_json::Value = serde_json::from_str(command).unwrap();
        let name = message["header"]["name"].as_str().unwrap();
        assert!(Ask::ALL.iter().any(|ask| ask.name() == name), "{command}");
        assert!(message["header"]["requestId"].as_u64() > Some(0), "{command}");
        count += 1;
    }
    assert!(count > 10);
}

#[tokio::test]
async fn a_terminal_of_2021_is_watched() {
    a_terminal_is_watched(Placement::Payload).await;
}

#[tokio::test]
async fn a_terminal_of_2023_is_watched() {
    a_terminal_is_watched(Placement::Header).await;
}

#[tokio::test]
async fn a_terminal_that_is_switched_off_and_on_is_watched_again() {
    let first = terminal(Placement::Payload).await;
    let url = first.url();
    let hall = open(&url);
    hall.says("kiosk", 0, "up").await;
    drop(first);
    hall.says("kiosk", 0, "down").await;
    let detail = hall.status("kiosk").detail.unwrap_or_default();
    assert!(!detail.is_empty());
    // The port is another, so the gateway is told.
    let second = terminal(Placement::Payload).await;
    hall.supervisor.add(device("kiosk", "xfs4iot", &format!("url = '{}'", second.url())));
    let up_again = |hall: &Hall| hall.said("kiosk").iter().filter(|said| *said == "up").count() == 2;
    hall.until("up again", up_again).await;
    hall.close().await;
}

#[tokio::test]
async fn a_terminal_that_does_not_answer_in_time_is_down_and_comes_back() {
    let terminal = terminal(Placement::Payload).await;
    let hall = open_with(&terminal.url(), 0.5);
    hall.says("kiosk", 0, "up").await;
    terminal.answer_after(Duration::from_secs(11));
    hall.says("kiosk", 0, "down").await;
    let detail = hall.status("kiosk").detail.unwrap_or_default();
    assert!(detail.contains("no answer within 10 s: Common.Status") || detail.contains("GetStorage"), "{detail}");
    terminal.answer_after(Duration::ZERO);
    let up_again = |hall: &Hall| hall.said("kiosk").iter().filter(|said| *said == "up").count() == 2;
    hall.until("up again", up_again).await;
    hall.close().await;
}

#[tokio::test]
async fn what_is_no_terminal_is_said() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let hall = open(&format!("ws://{address}/xfs4iot/v1.0"));
    hall.says("kiosk", 0, "down").await;
    let detail = hall.status("kiosk").detail.unwrap_or_default();
    assert!(detail.contains("404"), "{detail}");
    hall.close().await;
}

#[tokio::test]
async fn a_terminal_is_found_at_its_port() {
    let terminal = terminal(Placement::Header).await;
    let url = terminal.url();
    let port: u16 = url.split([':', '/']).nth(4).unwrap().parse().unwrap();
    let ports: &'static [u16] = Box::leak(Box::new([1, port]));
    let places = Places {
        hosts: vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()],
        ports: Vec::new(),
    };
    let found = discover::look(places, ports).await.found;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].settings["url"].as_str(), Some(url.as_str()));
    assert_eq!(found[0].identity.vendor.as_deref(), Some("Zhiban"));
    let kind = find("xfs4iot").unwrap();
    assert!((kind.build)(found[0].settings.clone()).is_ok());
    assert!((kind.discover.unwrap())(Places::default()).await.found.is_empty());
}

#[tokio::test]
async fn the_monitor_reads_what_passed() {
    let terminal = terminal(Placement::Payload).await;
    let hall = open(&terminal.url());
    hall.says("kiosk", 0, "up").await;
    until(&hall, "a reading", |_| true).await;
    let (kind, pieces) = hall.supervisor.pieces(&id("kiosk")).unwrap();
    let texts: Vec<String> = pieces
        .iter()
        .flat_map(|piece| (kind.explain)(&piece.bytes))
        .map(|explained| explained.text)
        .collect();
    assert!(texts.iter().any(|text| text == "1: ServicePublisher.GetServices?"), "{texts:?}");
    hall.close().await;
}

/// Runs where `ZHIBAN_XFS_SCHEMA` names the published `JsonSchema-2021-1.json`: every message our
/// client and our terminal sent is valid, and one that is not is seen.
#[tokio::test]
#[ignore = "needs ZHIBAN_XFS_SCHEMA, the published schema"]
async fn every_message_is_valid_by_the_published_schema() {
    let Some(schema) = std::env::var_os("ZHIBAN_XFS_SCHEMA") else {
        panic!("ZHIBAN_XFS_SCHEMA does not name the schema");
    };
    let terminal = terminal(Placement::Payload).await;
    let hall = open(&terminal.url());
    until(&hall, "well", |health| health.in_service).await;
    for paper in [Paper::Low, Paper::Out, Paper::Jammed, Paper::Ok] {
        terminal.set_paper(paper);
        until(&hall, "paper", |health| health.paper == Some(paper)).await;
    }
    for cash_box in [CashBox::High, CashBox::Full, CashBox::Removed, CashBox::Ok] {
        terminal.set_cash_box(cash_box);
        until(&hall, "box", |health| health.cash_box == Some(cash_box)).await;
    }
    terminal.set_card_reader("hardwareError");
    terminal.report_error("hardware");
    until(&hall, "an error", |health| health.faults.iter().any(|fault| fault.contains("error="))).await;
    hall.close().await;
    let schema = schema.into_string().unwrap();
    let mut judge = Peer::python("xfs4iot/peers/validate.py", &[&schema]).await;
    let mut messages = terminal.messages();
    let trace = include_str!("traces/schema_2021.txt");
    messages.extend(trace.lines().filter(|line| line.starts_with('{')).map(str::to_owned));
    let mut commands = 0;
    for message in &messages {
        judge.tell(message).await;
        assert_eq!(judge.line().await, "ok", "{message}");
        commands += usize::from(message.contains("\"type\":\"command\""));
    }
    println!("{} messages are valid, {commands} of them commands", messages.len());
    let bogus = trace.replace("\"threshold\":\"low\"", "\"threshold\":\"bogus\"");
    let bogus = bogus.lines().find(|line| line.contains("bogus")).unwrap();
    judge.tell(bogus).await;
    let verdict = judge.line().await;
    assert!(verdict.starts_with("bad payload/threshold"), "{verdict}");
}
