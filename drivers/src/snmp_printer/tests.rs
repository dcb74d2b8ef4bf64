//! Our driver reads printers that snmpsim serves; net-snmp sets them and reads the same.

use zhiban_vocabulary::kiosk::Paper;
use zhiban_vocabulary::printer::{PrinterHealth, Supply};
use zhiban_vocabulary::report::Observation;

use crate::testing::{Hall, SnmpSim, device};

const DEVICE_STATUS: &str = "1.3.6.1.2.1.25.3.2.1.5.1";
const ERROR_STATE: &str = "1.3.6.1.2.1.25.3.5.1.2.1";

async fn agent() -> SnmpSim {
    SnmpSim::serve(&[
        ("brother", "snmp_printer/traces/brother.snmprec"),
        ("office", "snmp_printer/traces/office.snmprec"),
        ("ups", "snmp_ups/traces/eaton.snmprec"),
        ("public", "snmp_printer/traces/brother.snmprec"),
    ])
    .await
}

fn open(agent: &SnmpSim, community: &str, version: &str) -> Hall {
    let settings = format!(
        "peer = '{}'\ncommunity = '{community}'\nversion = '{version}'\npoll_s = 0.2\ntimeout_ms = 500",
        agent.peer
    );
    Hall::open(vec![device("printer", "snmp-printer", &settings)])
}

fn healths(hall: &Hall) -> Vec<PrinterHealth> {
    let reports = hall.reports().into_iter();
    let printer = reports.filter_map(|report| match report.observation {
        Observation::Printer(health) => Some(health),
        _ => None,
    });
    printer.collect()
}

async fn until(hall: &Hall, what: &str, is_so: impl Fn(&PrinterHealth) -> bool) {
    let came = |hall: &Hall| healths(hall).last().is_some_and(&is_so);
    hall.until(what, came).await;
}

fn ready() -> PrinterHealth {
    PrinterHealth {
        online: true,
        paper: Some(Paper::Ok),
        cover_open: Some(false),
        cutter_fault: None,
        toner: Some(Supply::Ok),
        faults: Vec::new(),
    }
}

async fn reads_the_brother(version: &str) {
    let agent = agent().await;
    let hall = open(&agent, "brother", version);
    until(&hall, "ready", |health| *health == ready()).await;
    let is_identity = |hall: &Hall| {
        hall.reports().into_iter().find_map(|report| match report.observation {
            Observation::Identity(identity) => Some(identity),
            _ => None,
        })
    };
    hall.until("identity", |hall| is_identity(hall).is_some()).await;
    let identity = is_identity(&hall).unwrap();
    let model = agent.get("brother", "1.3.6.1.2.1.25.3.2.1.3.1").await;
    assert_eq!(identity.model, Some(model));
    assert_eq!(identity.vendor.as_deref(), Some("Brother"));
    assert_eq!(identity.mac.as_deref(), Some("3c:2a:f4:bf:f5:1b"));
    assert_eq!(hall.said("printer")[0], "up");
    assert_eq!(healths(&hall).len(), 1);
    assert_eq!(hall.status("printer").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn a_recorded_printer_is_read_by_version_2c() {
    reads_the_brother("2c").await;
}

#[tokio::test]
async fn a_recorded_printer_is_read_by_version_1() {
    reads_the_brother("1").await;
}

#[tokio::test]
async fn what_net_snmp_sets_is_reported() {
    let agent = agent().await;
    let hall = open(&agent, "office", "2c");
    until(&hall, "ready", |health| *health == ready()).await;
    agent.set("office", ERROR_STATE, "x", "40").await;
    assert_eq!(agent.get("office", ERROR_STATE).await, "@");
    until(&hall, "paper out", |health| health.paper == Some(Paper::Out)).await;
    hall.says("printer", 0, "degraded").await;
    agent.set("office", ERROR_STATE, "x", "0A00").await;
    agent.set("office", DEVICE_STATUS, "i", "5").await;
    let open_and_offline = |health: &PrinterHealth| {
        health.cover_open == Some(true) && !health.online && health.paper == Some(Paper::Ok)
    };
    until(&hall, "cover open, offline", open_and_offline).await;
    agent.set("office", ERROR_STATE, "x", "00").await;
    agent.set("office", DEVICE_STATUS, "i", "2").await;
    let alerts = "1.3.6.1.2.1.43.18.1.1";
    agent.set("office", &format!("{alerts}.7.1.1"), "i", "8").await;
    agent.set("office", &format!("{alerts}.8.1.1"), "s", "Jam in tray 2").await;
    agent.set("office", &format!("{alerts}.2.1.1"), "i", "3").await;
    let jammed = |health: &PrinterHealth| {
        health.paper == Some(Paper::Jammed) && health.faults == ["Jam in tray 2"]
    };
    until(&hall, "jammed", jammed).await;
    let before = hall.said("printer").len();
    agent.set("office", &format!("{alerts}.2.1.1"), "i", "1").await;
    until(&hall, "ready again", |health| *health == ready()).await;
    hall.says("printer", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn an_agent_that_was_away_is_read_again() {
    let mut agent = agent().await;
    let hall = open(&agent, "office", "2c");
    hall.says("printer", 0, "up").await;
    agent.kill().await;
    hall.says("printer", 0, "down").await;
    let before = hall.said("printer").len();
    agent.start_again().await;
    hall.says("printer", before, "up").await;
    assert!(hall.status("printer").restarts >= 1);
    hall.close().await;
}

#[tokio::test]
async fn a_wrong_community_and_a_ups_are_down_and_say_so() {
    let agent = agent().await;
    let check = async |community: &str, expected: &str| {
        let hall = open(&agent, community, "2c");
        hall.says("printer", 0, "down").await;
        let detail = hall.status("printer").detail.unwrap_or_default();
        assert!(detail.contains(expected), "{detail}");
        assert!(!detail.contains("wrong-secret"), "{detail}");
        hall.close().await;
    };
    check("wrong-secret", "no answer to 3 requests").await;
    check("ups", "has no printer to tell of").await;
}

#[tokio::test]
async fn a_printer_is_found_under_the_factorys_community() {
    let agent = agent().await;
    let peer: std::net::SocketAddr = agent.peer.parse().unwrap();
    let found = crate::link::snmp::find::<super::session::Printer>(peer.ip(), peer.port()).await.unwrap();
    assert_eq!(found.identity.vendor.as_deref(), Some("Brother"));
    assert_eq!(found.settings["peer"].as_str(), Some(agent.peer.as_str()));
    assert!((super::DRIVER.build)(found.settings).is_ok());
}
