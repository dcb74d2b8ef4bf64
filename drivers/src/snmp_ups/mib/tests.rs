use proptest::prelude::*;

use super::*;
use crate::link::snmp::{Oid, Value};

const EATON: &str = include_str!("../traces/eaton.snmprec");
const RFC1628: &str = include_str!("../traces/rfc1628.snmprec");

fn said(walk: &Walk) -> String {
    state(walk).map_or_else(|| "nothing".into(), |state| format!("{state:?}"))
}

fn check(recording: &str, changes: &[(&[u32], i64)], expected: &str) {
    let mut walk = Walk::from_recording(recording);
    for (column, value) in changes {
        walk = walk.with(&[column, &[0][..]].concat(), Value::Integer(*value));
    }
    assert!(said(&walk).contains(expected), "{changes:?}\n gave {}", said(&walk));
}

#[test]
fn the_recorded_eaton_is_on_mains_and_says_who_it_is() {
    let walk = Walk::from_recording(EATON);
    let expected = PowerState {
        source: PowerSource::Mains,
        battery: Some(Battery::Ok),
        charge_percent: Some(100),
        runtime_s: Some(17_218),
        load_percent: Some(9),
    };
    assert_eq!(state(&walk), Some(expected));
    let identity = identity(&walk);
    assert_eq!(identity.vendor.as_deref(), Some("Eaton"));
    assert_eq!(identity.model.as_deref(), Some("Eaton 9PX 2200i RT 3U"));
    assert_eq!(identity.serial.as_deref(), Some("GX13G45099"));
    assert_eq!(identity.firmware.as_deref(), Some("INV: 01.17.4945"));
}

#[test]
fn eatons_own_values_mean_what_they_should() {
    check(EATON, &[(XUPS_SOURCE, 5)], "source: Battery");
    check(EATON, &[(XUPS_SOURCE, 4)], "source: Bypass");
    check(EATON, &[(XUPS_SOURCE, 2)], "source: Off");
    check(EATON, &[(XUPS_SOURCE, 10)], "source: Mains");
    check(EATON, &[(XUPS_SOURCE, 1)], "nothing");
    check(EATON, &[(MG_BATTERY_LOW, 1)], "battery: Some(Low)");
    check(EATON, &[(MG_BATTERY_REPLACE, 1)], "battery: Some(Worn)");
    check(EATON, &[(MG_BATTERY_FAULT, 1)], "battery: Some(Worn)");
}

#[test]
fn values_of_the_ups_mib_mean_what_they_should() {
    let all = "source: Mains, battery: Some(Ok), charge_percent: Some(96), \
               runtime_s: Some(2460), load_percent: Some(36)";
    check(RFC1628, &[], all);
    let sources = ["Off", "Mains", "Bypass", "Battery", "Mains", "Mains"];
    for (source, expected) in (2..).zip(sources) {
        check(RFC1628, &[(OUTPUT_SOURCE, source)], &format!("source: {expected}"));
    }
    check(RFC1628, &[(OUTPUT_SOURCE, 1)], "nothing");
    let other = [(OUTPUT_SOURCE, 1), (SECONDS_ON_BATTERY, 12)];
    check(RFC1628, &other, "source: Battery");
    check(RFC1628, &[(BATTERY_STATUS, 1)], "battery: None");
    check(RFC1628, &[(BATTERY_STATUS, 3)], "battery: Some(Low)");
    check(RFC1628, &[(BATTERY_STATUS, 4)], "battery: Some(Low)");
    check(RFC1628, &[(CHARGE_REMAINING, 101)], "charge_percent: None");
    check(RFC1628, &[(MINUTES_REMAINING, -1)], "runtime_s: None");
    check(RFC1628, &[(MINUTES_REMAINING, i64::MAX)], "runtime_s: None");
    let bad = Value::Oid(Oid(ALARM_BATTERY_BAD.to_vec()));
    let walk = Walk::from_recording(RFC1628).with(&[ALARM, &[7]].concat(), bad);
    assert!(said(&walk).contains("battery: Some(Worn)"));
    assert_eq!(state(&Walk::default()), None);
}

proptest! {
    #[test]
    fn no_values_make_the_mapping_panic(
        values in proptest::collection::vec(
            (0..STATE.len() + IDENTITY.len(), any::<i64>(), any::<Vec<u8>>(), 0..4_u8), 0..30),
    ) {
        let columns = [STATE, IDENTITY].concat();
        let mut walk = Walk::default();
        for (column, number, octets, kind) in values {
            let value = match kind {
                0 => Value::Octets(octets),
                1 => Value::Oid(Oid(ALARM_BATTERY_BAD.to_vec())),
                2 => Value::Integer(number),
                _ => Value::Integer(number % 12),
            };
            walk = walk.with(&[columns[column], &[0]].concat(), value);
        }
        let charge = state(&walk).and_then(|state| state.charge_percent);
        prop_assert!(charge.is_none_or(|charge| charge <= 100));
        prop_assert!(identity(&walk).model.is_none_or(|model| !model.is_empty()));
    }
}
