//! Our server, read by upsc of Debian's nut-client and by our driver.

use zhiban_vocabulary::report::Observation;

use super::*;
use crate::simulator::Port;
use crate::testing::{Hall, debian, device};

fn nearly_gone() -> PowerState {
    PowerState {
        source: PowerSource::Battery,
        battery: Some(Battery::Low),
        charge_percent: Some(9),
        runtime_s: Some(45),
        load_percent: Some(17),
    }
}

#[tokio::test]
async fn upsc_reads_our_server() {
    let server = Port::tcp(NutSimulator::new("hall")).await.unwrap();
    server.set(&nearly_gone());
    let upsc = async |arguments: &[&str]| {
        let output = debian("upsc").args(arguments).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    assert!(upsc(&["-l", server.path()]).await.starts_with("hall\n"));
    let ups = format!("hall@{}", server.path());
    let all = upsc(&[&ups]).await;
    let expected = "battery.charge: 9\nbattery.runtime: 45\ndevice.mfr: EATON\n\
        device.model: 9PX 2200i\ndevice.serial: GX13G45099\ndevice.type: ups\n\
        driver.name: usbhid-ups\nups.firmware: 01.17\nups.load: 17\nups.status: OB DISCHRG LB\n";
    assert!(all.ends_with(expected) || all.starts_with(expected), "{all}");
    assert!(upsc(&[&ups, "ups.status"]).await.contains("OB DISCHRG LB\n"));
    assert!(upsc(&[&ups, "ups.colour"]).await.contains("Variable not supported"));
    let other = format!("yard@{}", server.path());
    assert!(upsc(&[&other]).await.contains("Unknown UPS"));
}

#[tokio::test]
async fn our_driver_reads_our_server() {
    let server = Port::tcp(NutSimulator::new("hall")).await.unwrap();
    let settings = format!("peer = '{}'\nups = 'hall'\npoll_s = 0.2", server.path());
    let hall = Hall::open(vec![device("ups", "nut", &settings)]);
    hall.says("ups", 0, "up").await;
    server.set(&nearly_gone());
    let came = |hall: &Hall| {
        let mut reports = hall.reports().into_iter();
        reports.any(|report| report.observation == Observation::Power(nearly_gone()))
    };
    hall.until("nearly gone", came).await;
    hall.close().await;
}
