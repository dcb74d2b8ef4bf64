//! Our UPS, read by net-snmp and by our driver.

use zhiban_vocabulary::report::Observation;

use super::*;
use crate::testing::{Hall, device, netsnmp};

fn on_battery() -> PowerState {
    PowerState {
        source: PowerSource::Battery,
        battery: Some(Battery::Ok),
        charge_percent: Some(96),
        runtime_s: Some(1_800),
        load_percent: Some(36),
    }
}

#[tokio::test]
async fn net_snmp_reads_our_ups() {
    let ups = CardUpsSimulator::start("hall").await.unwrap();
    ups.set(&on_battery());
    let arguments = ["-v2c", "-c", "hall", "-On", ups.path(), "1.3.6.1.2.1.33"];
    let walked = netsnmp("snmpwalk", &arguments).await;
    let expected = [
        r#".1.3.6.1.2.1.33.1.1.1.0 = STRING: "TRIPP LITE""#,
        r#".1.3.6.1.2.1.33.1.1.2.0 = STRING: "SMART1500RM2UN""#,
        r#".1.3.6.1.2.1.33.1.1.3.0 = STRING: "2.1""#,
        ".1.3.6.1.2.1.33.1.2.1.0 = INTEGER: 2",
        ".1.3.6.1.2.1.33.1.2.2.0 = INTEGER: 1",
        ".1.3.6.1.2.1.33.1.2.3.0 = INTEGER: 30",
        ".1.3.6.1.2.1.33.1.2.4.0 = INTEGER: 96",
        ".1.3.6.1.2.1.33.1.4.1.0 = INTEGER: 5",
        ".1.3.6.1.2.1.33.1.4.4.1.5.1 = INTEGER: 36",
    ];
    let (last, values) = walked.split_last().unwrap();
    assert_eq!(values, expected);
    assert!(last.contains("past the end of the MIB tree"), "{last}");
}

#[tokio::test]
async fn our_driver_sees_it_go_to_battery() {
    let ups = CardUpsSimulator::start("hall").await.unwrap();
    let settings = format!("peer = '{}'\ncommunity = 'hall'\npoll_s = 0.2", ups.path());
    let hall = Hall::open(vec![device("ups", "snmp-ups", &settings)]);
    hall.says("ups", 0, "up").await;
    ups.set(&on_battery());
    let came = |hall: &Hall| {
        let power = hall.reports().into_iter().map(|report| report.observation);
        power.into_iter().any(|said| said == Observation::Power(on_battery()))
    };
    hall.until("on battery", came).await;
    hall.close().await;
}
