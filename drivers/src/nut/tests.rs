//! Our driver reads a NUT server with its dummy driver, whose UPS is a file.

mod upsd;

use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};
use zhiban_vocabulary::report::Observation;

use self::upsd::Upsd;
use crate::testing::{Hall, device};

const ON_MAINS: &str = "ups.status: OL CHRG\nbattery.charge: 90\nbattery.runtime: 1200\nups.load: 17\n\
    device.mfr: EATON\ndevice.model: 9PX 2200i\ndevice.serial: GX13G45099\nups.firmware: 01.17\n";

fn open(server: &Upsd, more: &str) -> Hall {
    let settings = format!("peer = '{}'\nups = 'hall'\npoll_s = 0.2\n{more}", server.peer);
    Hall::open(vec![device("ups", "nut", &settings)])
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

#[tokio::test]
async fn a_ups_is_read_through_a_power_cut() {
    let mut server = Upsd::start(ON_MAINS).await;
    let hall = open(&server, "");
    let mains = PowerState {
        source: PowerSource::Mains,
        battery: Some(Battery::Ok),
        charge_percent: Some(90),
        runtime_s: Some(1200),
        load_percent: Some(17),
    };
    until(&hall, "on mains", |state| *state == mains).await;
    let is_identity = |hall: &Hall| {
        hall.reports().into_iter().any(|report| match report.observation {
            Observation::Identity(identity) => {
                identity.vendor.as_deref() == Some("EATON")
                    && identity.model.as_deref() == Some("9PX 2200i")
                    && identity.serial.as_deref() == Some("GX13G45099")
                    && identity.firmware.as_deref() == Some("01.17")
            }
            _ => false,
        })
    };
    hall.until("identity", is_identity).await;
    let is = |source, battery| {
        move |state: &PowerState| state.source == source && state.battery == Some(battery)
    };
    server.set("ups.status: OB DISCHRG\nbattery.charge: 60\nbattery.runtime: 700\n");
    until(&hall, "on battery", is(PowerSource::Battery, Battery::Ok)).await;
    server.set("ups.status: OB LB DISCHRG\nbattery.charge: 9\nbattery.runtime: 45.00\n");
    let nearly_gone = |state: &PowerState| {
        (state.battery, state.charge_percent, state.runtime_s)
            == (Some(Battery::Low), Some(9), Some(45))
    };
    until(&hall, "nearly gone", nearly_gone).await;
    server.set("ups.status: OL BYPASS\nbattery.charge: 9\n");
    until(&hall, "bypass", is(PowerSource::Bypass, Battery::Ok)).await;
    hall.says("ups", 0, "degraded").await;
    let before = hall.said("ups").len();
    server.set("ups.status: OL RB\nbattery.charge: 100\n");
    until(&hall, "worn", is(PowerSource::Mains, Battery::Worn)).await;
    server.set(ON_MAINS);
    hall.says("ups", before, "up").await;
    until(&hall, "on mains again", |state| *state == mains).await;
    assert_eq!(hall.status("ups").restarts, 0);
    hall.close().await;
}

#[tokio::test]
async fn a_server_that_was_away_is_read_again() {
    let mut server = Upsd::start(ON_MAINS).await;
    let hall = open(&server, "");
    hall.says("ups", 0, "up").await;
    server.kill_server().await;
    hall.says("ups", 0, "down").await;
    let before = hall.said("ups").len();
    server.start_server().await;
    hall.says("ups", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn a_ups_the_server_has_lost_is_down() {
    let mut server = Upsd::start(ON_MAINS).await;
    let hall = open(&server, "");
    hall.says("ups", 0, "up").await;
    server.kill_driver().await;
    hall.says("ups", 0, "down").await;
    let detail = hall.status("ups").detail.unwrap_or_default();
    assert!(detail.contains("refuses LIST VAR hall"), "{detail}");
    let before = hall.said("ups").len();
    server.start_driver();
    hall.says("ups", before, "up").await;
    hall.close().await;
}

#[tokio::test]
async fn a_user_is_known_and_a_ups_of_another_name_is_not() {
    let server = Upsd::start(ON_MAINS).await;
    let hall = open(&server, "username = 'zhiban'\npassword = 'open \"sesame\"'");
    hall.says("ups", 0, "up").await;
    hall.close().await;
    let settings = format!("peer = '{}'\nups = 'other'", server.peer);
    let hall = Hall::open(vec![device("ups", "nut", &settings)]);
    hall.says("ups", 0, "down").await;
    let detail = hall.status("ups").detail.unwrap_or_default();
    assert!(detail.ends_with("UNKNOWN-UPS (no UPS of this name)"), "{detail}");
    hall.close().await;
}

#[tokio::test]
async fn every_ups_of_a_server_is_found() {
    let server = Upsd::start(ON_MAINS).await;
    let peer: std::net::SocketAddr = server.peer.parse().unwrap();
    let found = super::discover::ask(peer.ip(), peer.port()).await;
    let [found] = <[_; 1]>::try_from(found).unwrap();
    assert_eq!(found.identity.model.as_deref(), Some("9PX 2200i"));
    assert_eq!(found.settings["ups"].as_str(), Some("hall"));
    assert!((super::DRIVER.build)(found.settings).is_ok());
    drop(server);
    assert!(super::discover::ask(peer.ip(), peer.port()).await.is_empty());
}
