//! Our driver reads UPS that snmpsim serves; net-snmp sets them and reads the same.

use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};
use zhiban_vocabulary::report::Observation;

use crate::testing::{Hall, SnmpSim, device};

const BATTERY_STATUS: &str = "1.3.6.1.2.1.33.1.2.1.0";
const MINUTES: &str = "1.3.6.1.2.1.33.1.2.3.0";
const CHARGE: &str = "1.3.6.1.2.1.33.1.2.4.0";
const SOURCE: &str = "1.3.6.1.2.1.33.1.4.1.0";
const ALARM: &str = "1.3.6.1.2.1.33.1.6.2.1.2.1";

async fn agent() -> SnmpSim {
    SnmpSim::serve(&[
        ("eaton", "snmp_ups/traces/eaton.snmprec"),
        ("rfc1628", "snmp_ups/traces/rfc1628.snmprec"),
        ("printer", "snmp_printer/traces/brother.snmprec"),
        ("public", "snmp_ups/traces/eaton.snmprec"),
    ])
    .await
}

fn open(agent: &SnmpSim, community: &str, version: &str) -> Hall {
    let settings = format!(
        "peer = '{}'\ncommunity = '{community}'\nversion = '{version}'\npoll_s = 0.2\ntimeout_ms = 500",
        agent.peer
    );
    Hall::open(vec![device("ups", "snmp-ups", &settings)])
}

fn states(hall: &Hall) -> Vec<PowerState> {
    let reports = hall.reports().into_iter();
    let power = reports.filter_map(|report| match report.observation {
        Observation::Power(state) => Some(state),
        _ => None,
    });
    power.collect()
}

async fn until(hall: &Hall, what: &str, is_so: impl Fn(&PowerState) -> bool) {
    let came = |hall: &Hall| states(hall).last().is_some_and(&is_so);
    hall.until(what, came).await;
}

async fn reads_the_eaton(version: &str) {
    let agent = agent().await;
    let hall = open(&agent, "eaton", version);
    let expected = PowerState {
        source: PowerSource::Mains,
        battery: Some(Battery::Ok),
        charge_percent: agent.get("eaton", "1.3.6.1.4.1.534.1.2.4.0").await.parse().ok(),
        runtime_s: agent.get("eaton", "1.3.6.1.4.1.534.1.2.1.0").await.parse().ok(),
        load_percent: agent.get("eaton", "1.3.6.1.4.1.534.1.4.1.0").await.parse().ok(),
    };
    until(&hall, "on mains", |state| *state == expected).await;
    let model = agent.get("eaton", "1.3.6.1.4.1.534.1.1.2.0").await;
    let identified = |hall: &Hall| {
        hall.reports().into_iter().any(|report| match report.observation {
            Observation::Identity(identity) => {
                identity.model.as_ref() == Some(&model)
                    && identity.serial.as_deref() == Some("GX13G45099")
            }
            _ => false,
        })
    };
    hall.until("identity", identified).await;
    assert_eq!(hall.said("ups")[0], "up");
    assert_eq!(states(&hall).len(), 1);
    hall.close().await;
}

#[tokio::test]
async fn a_recorded_ups_is_read_by_version_2c() {
    reads_the_eaton("2c").await;
}

#[tokio::test]
async fn a_recorded_ups_is_read_by_version_1() {
    reads_the_eaton("1").await;
}

#[tokio::test]
async fn what_net_snmp_sets_is_reported() {
    let agent = agent().await;
    let hall = open(&agent, "rfc1628", "2c");
    let set = async |name: &str, value: &str| {
        agent.set("rfc1628", name, "i", value).await;
        assert_eq!(agent.get("rfc1628", name).await, value);
    };
    let is = |source, battery| {
        move |state: &PowerState| state.source == source && state.battery == Some(battery)
    };
    until(&hall, "mains", is(PowerSource::Mains, Battery::Ok)).await;
    set(SOURCE, "5").await;
    until(&hall, "battery", is(PowerSource::Battery, Battery::Ok)).await;
    set(MINUTES, "2").await;
    set(CHARGE, "8").await;
    set(BATTERY_STATUS, "3").await;
    let nearly_gone = |state: &PowerState| {
        (state.battery, state.runtime_s, state.charge_percent)
            == (Some(Battery::Low), Some(120), Some(8))
    };
    until(&hall, "nearly gone", nearly_gone).await;
    assert!(!hall.said("ups").contains(&"degraded".to_owned()));
    set(SOURCE, "4").await;
    set(BATTERY_STATUS, "2").await;
    until(&hall, "bypass", is(PowerSource::Bypass, Battery::Ok)).await;
    hall.says("ups", 0, "degraded").await;
    set(SOURCE, "3").await;
    let bad = "1.3.6.1.2.1.33.1.6.3.1";
    agent.set("rfc1628", ALARM, "o", bad).await;
    until(&hall, "worn", is(PowerSource::Mains, Battery::Worn)).await;
    set(SOURCE, "2").await;
    until(&hall, "off", |state| state.source == PowerSource::Off).await;
    hall.close().await;
}

#[tokio::test]
async fn a_ups_that_was_away_is_read_again() {
    let mut agent = agent().await;
    let hall = open(&agent, "rfc1628", "2c");
    hall.says("ups", 0, "up").await;
    agent.kill().await;
    hall.says("ups", 0, "down").await;
    let before = hall.said("ups").len();
    agent.start_again().await;
    hall.says("ups", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn a_printer_is_no_ups() {
    let agent = agent().await;
    let hall = open(&agent, "printer", "2c");
    hall.says("ups", 0, "down").await;
    let detail = hall.status("ups").detail.unwrap_or_default();
    assert!(detail.ends_with("does not say where the power comes from"), "{detail}");
    hall.close().await;
}

#[tokio::test]
async fn a_ups_is_found_under_the_factorys_community() {
    let agent = agent().await;
    let peer: std::net::SocketAddr = agent.peer.parse().unwrap();
    let found = crate::link::snmp::find::<super::session::Ups>(peer.ip(), peer.port()).await.unwrap();
    assert_eq!(found.identity.serial.as_deref(), Some("GX13G45099"));
    assert!((super::DRIVER.build)(found.settings).is_ok());
}
