use proptest::prelude::*;

use super::*;
use crate::link::snmp::{Oid, Value};

const BROTHER: &str = include_str!("../traces/brother.snmprec");
const OFFICE: &str = include_str!("../traces/office.snmprec");

fn health(walk: &Walk) -> PrinterHealth {
    Printer::read(walk).unwrap().health()
}

fn office() -> Walk {
    Walk::from_recording(OFFICE)
}

fn row(column: &[u32], index: &[u32]) -> Vec<u32> {
    [column, index].concat()
}

#[test]
fn the_recorded_brother_is_ready_and_says_who_it_is() {
    let walk = Walk::from_recording(BROTHER);
    let ready = PrinterHealth {
        online: true,
        paper: Some(Paper::Ok),
        cover_open: Some(false),
        cutter_fault: None,
        toner: Some(Supply::Ok),
        faults: Vec::new(),
    };
    assert_eq!(health(&walk), ready);
    assert_eq!(trouble(&ready), None);
    let identity = identity(&walk);
    assert_eq!(identity.vendor.as_deref(), Some("Brother"));
    assert_eq!(identity.model.as_deref(), Some("Brother MFC-L2710DW series"));
    assert_eq!(identity.mac.as_deref(), Some("3c:2a:f4:bf:f5:1b"));
    assert_eq!(identity.serial, None);
}

/// Every bit of the error state by itself, the highest first.
#[test]
fn bits_are_counted_from_the_highest() {
    let check = |octets: &[u8], expected: &str| {
        let name = row(ERROR_STATE, &[1]);
        let walk = office().with(&name, Value::Octets(octets.to_vec()));
        let health = health(&walk);
        let said = (health.paper.unwrap(), health.toner.unwrap(), trouble(&health));
        assert_eq!(format!("{said:?}"), expected, "{octets:02X?}");
    };
    check(&[0x00], "(Ok, Ok, None)");
    check(&[], "(Ok, Ok, None)");
    check(&[0x80], "(Low, Ok, None)");
    check(&[0x40], "(Out, Ok, Some(\"paper-out\"))");
    check(&[0x20], "(Ok, Low, None)");
    check(&[0x10], "(Ok, Out, Some(\"toner-out\"))");
    check(&[0x08], "(Ok, Ok, Some(\"cover-open\"))");
    check(&[0x04], "(Jammed, Ok, Some(\"jammed\"))");
    check(&[0x02], "(Ok, Ok, Some(\"offline\"))");
    check(&[0x01], "(Ok, Ok, Some(\"service-requested\"))");
    check(&[0x00, 0x80], "(Ok, Ok, Some(\"input-tray-missing\"))");
    check(&[0x00, 0x40], "(Ok, Ok, Some(\"output-tray-missing\"))");
    check(&[0x00, 0x20], "(Ok, Ok, Some(\"supply-missing\"))");
    check(&[0x00, 0x08], "(Ok, Ok, Some(\"output-full\"))");
    check(&[0xC0, 0x00], "(Out, Ok, Some(\"paper-out\"))");
}

#[test]
fn levels_below_zero_are_no_amounts() {
    // Without the error state only levels speak.
    let check = |levels: [i64; 2], paper: Option<Paper>| {
        let mut walk = Walk::default().with(&row(PRINTER_STATUS, &[1]), Value::Integer(3));
        for (tray, level) in (1..).zip(levels) {
            walk = walk.with(&row(INPUT_LEVEL, &[1, tray]), Value::Integer(level));
        }
        assert_eq!(health(&walk).paper, paper, "{levels:?}");
    };
    check([400, 0], Some(Paper::Ok));
    check([-3, 0], Some(Paper::Ok));
    check([0, 0], Some(Paper::Out));
    check([-2, 0], None);
    check([-2, -1], None);
    let check = |level: i64, toner: Option<Supply>| {
        let walk = Walk::default()
            .with(&row(PRINTER_STATUS, &[1]), Value::Integer(3))
            .with(&row(SUPPLY_TYPE, &[1, 1]), Value::Integer(21))
            .with(&row(SUPPLY_LEVEL, &[1, 1]), Value::Integer(level));
        assert_eq!(health(&walk).toner, toner, "{level}");
    };
    check(7000, Some(Supply::Ok));
    check(-3, Some(Supply::Ok));
    check(0, Some(Supply::Out));
    check(-2, None);
    check(-1, None);
    // A drum that is used up is no toner.
    let drum = Walk::default()
        .with(&row(PRINTER_STATUS, &[1]), Value::Integer(3))
        .with(&row(SUPPLY_TYPE, &[1, 1]), Value::Integer(9))
        .with(&row(SUPPLY_LEVEL, &[1, 1]), Value::Integer(0));
    assert_eq!(health(&drum).toner, None);
}

#[test]
fn alerts_are_told_with_the_printers_words() {
    let alert = |severity: i64, code: i64, text: &str| {
        office()
            .with(&row(ALERT_SEVERITY, &[1, 1]), Value::Integer(severity))
            .with(&row(ALERT_CODE, &[1, 1]), Value::Integer(code))
            .with(&row(ALERT_TEXT, &[1, 1]), Value::Octets(text.into()))
    };
    let check = |walk: &Walk, expected: &str| {
        let health = health(walk);
        let said = (health.paper.unwrap(), health.toner.unwrap(), health.faults);
        assert_eq!(format!("{said:?}"), expected);
    };
    check(&office(), "(Ok, Ok, [])");
    check(&alert(4, 807, "Tray 1 low"), "(Low, Ok, [\"Tray 1 low\"])");
    check(&alert(4, 808, "Tray 2 empty"), "(Low, Ok, [\"Tray 2 empty\"])");
    check(&alert(3, 808, "Load paper"), "(Out, Ok, [\"Load paper\"])");
    check(&alert(3, 8, "Jam\r\nin tray 2 "), "(Jammed, Ok, [\"Jam  in tray 2\"])");
    check(&alert(3, 1101, ""), "(Ok, Out, [\"alert 1101\"])");
    check(&alert(4, 1104, "Toner low"), "(Ok, Low, [\"Toner low\"])");
    // 1: neither critical nor a warning.
    check(&alert(1, 8, "Sleep"), "(Ok, Ok, [])");
}

#[test]
fn only_the_first_printer_counts_and_something_else_is_none() {
    let other = office().with(&row(ERROR_STATE, &[2]), Value::Octets(vec![0x40]));
    assert_eq!(health(&other), health(&office()));
    assert_eq!(Printer::read(&Walk::default()), None);
    let ups = include_str!("../../snmp_ups/traces/eaton.snmprec");
    assert_eq!(Printer::read(&Walk::from_recording(ups)), None);
    let down = office().with(&row(DEVICE_STATUS, &[1]), Value::Integer(5));
    assert!(!health(&down).online);
}

proptest! {
    #[test]
    fn no_values_make_the_mapping_panic(
        values in proptest::collection::vec(
            (0..STATE.len() + IDENTITY.len(), proptest::collection::vec(0..3_u32, 0..4), any::<i64>(), any::<Vec<u8>>(), 0..4_u8),
            0..30,
        ),
    ) {
        let columns = [STATE, IDENTITY].concat();
        let mut walk = Walk::default();
        for (column, index, number, octets, kind) in values {
            let value = match kind {
                0 => Value::Octets(octets),
                1 => Value::Oid(Oid(index.clone())),
                _ => Value::Integer(number % 2000),
            };
            walk = walk.with(&row(columns[column], &index), value);
        }
        let health = Printer::read(&walk).map(|printer| printer.health());
        prop_assert!(health.is_none_or(|health| health.faults.len() <= FAULTS_MAX));
        prop_assert!(identity(&walk).model.is_none_or(|model| !model.is_empty()));
    }
}
