//! A hall's devices, and what they say of themselves over the years.

use rusqlite::params;
use zhiban_vocabulary::device::DeviceIdentity;

use super::*;
use crate::devices::model::NewDevice;
use crate::devices::store::Way;
use crate::journal::migrate;

struct Hall {
    connection: Connection,
    registry: Registry,
    /// Seconds; each step takes one.
    now: i64,
}

impl Hall {
    fn new(changes: Changes) -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let registry = Registry {
            changes,
            ..Registry::default()
        };
        Self {
            connection,
            registry,
            now: 1_800_000_000,
        }
    }

    fn clock(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_second(self.now).unwrap()
    }

    fn add(&mut self, device: &str, kind: DeviceKind) {
        let new = NewDevice {
            device: device.parse().unwrap(),
            kind,
            name: device.into(),
            counter: None,
        };
        let now = self.clock();
        store::add(&self.connection, &new, Way::Secret(b"hash"), now).unwrap();
    }

    fn says(&mut self, device: &str, model: &str, serial: &str) {
        let said = DeviceIdentity {
            vendor: Some("Maker".into()),
            model: Some(model.into()),
            serial: Some(serial.into()),
            ..DeviceIdentity::default()
        };
        let now = self.clock();
        judge(&self.connection, &self.registry, device, &said, now).unwrap();
    }

    fn comes_from(&mut self, device: &str, address: &str) {
        let now = self.clock();
        judge_address(&self.connection, &self.registry, device, address, now).unwrap();
    }

    fn decide(&mut self, what: &str, granted: bool) {
        let requests = file::requests(&self.connection).unwrap();
        let request = requests.iter().find(|request| request.what == what);
        let id = request.expect(what).id;
        let now = self.clock();
        let (connection, registry) = (&self.connection, &self.registry);
        let verdict = Verdict {
            granted,
            reason: None,
        };
        decide(connection, registry, id, &verdict, "2001", now).unwrap();
    }

    /// What waits: device, what, before, after.
    fn waits(&self) -> Vec<String> {
        let requests = file::requests(&self.connection).unwrap();
        requests
            .into_iter()
            .map(|r| format!("{} {} {} > {}", r.device, r.what, r.before, r.after))
            .collect()
    }

    fn state(&self, device: &str) -> String {
        let found = store::find(&self.connection, device).unwrap().unwrap();
        let reason = found.reason.unwrap_or_default();
        format!("{} {reason}", found.state.as_str()).trim().into()
    }

    fn known(&self, device: &str) -> Device {
        store::find(&self.connection, device).unwrap().unwrap()
    }

    /// What its file says, oldest first.
    fn file(&self, device: &str) -> Vec<String> {
        let events = file::events(&self.connection, device).unwrap();
        events.into_iter().rev().map(|event| event.what).collect()
    }
}

#[test]
fn a_kiosk_that_moves_goes_on_in_a_lenient_hall_until_somebody_decides() {
    let mut hall = Hall::new(Changes::Lenient);
    hall.add("kiosk-1", DeviceKind::Kiosk);
    hall.comes_from("kiosk-1", "10.0.0.5");
    hall.comes_from("kiosk-1", "10.0.0.9");
    assert_eq!(hall.waits(), ["kiosk-1 address 10.0.0.5 > 10.0.0.9"]);
    assert_eq!(hall.state("kiosk-1"), "active");
    hall.decide("address", true);
    assert_eq!(hall.known("kiosk-1").address.unwrap(), "10.0.0.9");
    assert_eq!(hall.file("kiosk-1"), ["address", "address", "decided"]);
}

#[test]
fn a_kiosk_that_moves_is_parked_in_a_strict_hall_and_let_in_by_a_person() {
    let mut hall = Hall::new(Changes::Strict);
    hall.add("kiosk-1", DeviceKind::Kiosk);
    hall.comes_from("kiosk-1", "10.0.0.5");
    hall.comes_from("kiosk-1", "10.0.0.9");
    assert_eq!(hall.state("kiosk-1"), "suspended address");
    hall.decide("address", true);
    assert_eq!(hall.state("kiosk-1"), "active");
    hall.comes_from("kiosk-1", "10.0.0.9");
    assert_eq!(hall.waits(), [""; 0]);
}

#[test]
fn other_devices_may_move() {
    let mut hall = Hall::new(Changes::Strict);
    hall.add("pad-1", DeviceKind::EvaluationPad);
    hall.comes_from("pad-1", "10.0.0.5");
    hall.comes_from("pad-1", "10.0.0.9");
    assert_eq!(hall.state("pad-1"), "active");
    assert_eq!(hall.known("pad-1").address.unwrap(), "10.0.0.9");
    assert_eq!(hall.file("pad-1"), ["address", "address"]);
}

#[test]
fn one_that_moves_back_leaves_nothing_to_decide() {
    let mut hall = Hall::new(Changes::Lenient);
    hall.add("kiosk-1", DeviceKind::Kiosk);
    hall.comes_from("kiosk-1", "10.0.0.5");
    hall.comes_from("kiosk-1", "10.0.0.9");
    hall.comes_from("kiosk-1", "10.0.0.5");
    assert_eq!(hall.waits(), [""; 0]);
    assert_eq!(hall.known("kiosk-1").address.unwrap(), "10.0.0.5");
    hall.says("kiosk-1", "K1", "S1");
    hall.says("kiosk-1", "K2", "S1");
    assert!(hall.waits()[0].contains(r#""part":"model","before":"K1","after":"K2""#));
    hall.says("kiosk-1", "K1", "S1");
    assert_eq!(hall.waits(), [""; 0]);
}

#[test]
fn any_device_that_is_another_one_is_parked_in_a_strict_hall() {
    let mut hall = Hall::new(Changes::Strict);
    hall.add("ups-1", DeviceKind::Ups);
    hall.says("ups-1", "U1", "S1");
    hall.says("ups-1", "U1", "S2");
    assert_eq!(hall.state("ups-1"), "suspended identity");
    hall.decide("identity", true);
    assert_eq!(hall.state("ups-1"), "active");
    assert_eq!(hall.known("ups-1").identity.serial.unwrap(), "S2");
}

#[test]
fn what_was_refused_stays_refused_whatever_else_is_granted() {
    let mut hall = Hall::new(Changes::Lenient);
    hall.add("kiosk-1", DeviceKind::Kiosk);
    hall.comes_from("kiosk-1", "10.0.0.5");
    hall.says("kiosk-1", "K1", "S1");
    hall.comes_from("kiosk-1", "10.0.0.9");
    hall.says("kiosk-1", "K2", "S1");
    hall.decide("identity", false);
    assert_eq!(hall.state("kiosk-1"), "suspended refused");
    hall.decide("address", true);
    assert_eq!(hall.state("kiosk-1"), "suspended refused");
    assert_eq!(hall.known("kiosk-1").identity.model.unwrap(), "K1");
}

#[test]
fn a_third_model_waits_however_lenient_the_hall_is() {
    let mut hall = Hall::new(Changes::Lenient);
    for (device, model) in [("kiosk-1", "K1"), ("kiosk-2", "K2"), ("kiosk-3", "K1")] {
        hall.add(device, DeviceKind::Kiosk);
        hall.says(device, model, device);
        assert_eq!(hall.state(device), "active");
    }
    hall.add("kiosk-4", DeviceKind::Kiosk);
    hall.says("kiosk-4", "K3", "kiosk-4");
    assert_eq!(hall.waits(), ["kiosk-4 third-model K1, K2 > K3"]);
    assert_eq!(hall.state("kiosk-4"), "suspended third-model");
    hall.decide("third-model", true);
    assert_eq!(hall.state("kiosk-4"), "active");
}

#[test]
fn a_granted_change_of_model_may_be_one_model_too_many() {
    let mut hall = Hall::new(Changes::Lenient);
    for (device, model) in [("kiosk-1", "K1"), ("kiosk-2", "K2"), ("kiosk-3", "K2")] {
        hall.add(device, DeviceKind::Kiosk);
        hall.says(device, model, device);
    }
    hall.says("kiosk-3", "K3", "kiosk-3");
    hall.decide("identity", true);
    assert_eq!(hall.waits(), ["kiosk-3 third-model K1, K2 > K3"]);
    assert_eq!(hall.state("kiosk-3"), "suspended third-model");
}

#[test]
fn a_serial_number_has_one_owner_and_a_person_says_who() {
    let mut hall = Hall::new(Changes::Lenient);
    for device in ["ups-1", "ups-2", "ups-3"] {
        hall.add(device, DeviceKind::Ups);
    }
    hall.says("ups-1", "U", "S1");
    hall.says("ups-3", "U", "S3");
    hall.says("ups-2", "U", "S1");
    assert_eq!(hall.waits(), ["ups-2 serial-clash ups-1 > S1"]);
    assert_eq!(hall.state("ups-2"), "suspended serial-clash");
    assert_eq!(hall.state("ups-1"), "active");
    // Before anybody decides it says another number that is taken: that one counts.
    hall.says("ups-2", "U", "S3");
    assert_eq!(hall.waits(), ["ups-2 serial-clash ups-3 > S3"]);
    hall.decide("serial-clash", true);
    assert_eq!(hall.state("ups-2"), "active");
    assert_eq!(hall.state("ups-1"), "active");
    assert_eq!(hall.state("ups-3"), "retired");
}

#[test]
fn a_serial_number_is_the_same_with_blanks_around_it_and_in_any_case() {
    let mut hall = Hall::new(Changes::Lenient);
    for (device, serial) in [("ups-1", "SN-7  "), ("ups-2", " sn-7")] {
        hall.add(device, DeviceKind::Ups);
        hall.says(device, "U", serial);
    }
    assert_eq!(hall.state("ups-2"), "suspended serial-clash");
}

#[test]
fn a_number_that_is_none_clashes_with_nobody() {
    let mut hall = Hall::new(Changes::Strict);
    for device in ["ups-1", "ups-2"] {
        hall.add(device, DeviceKind::Ups);
        hall.says(device, "U", "00000000");
        assert_eq!(hall.state(device), "active");
    }
}

#[test]
fn a_device_that_changes_its_mind_all_the_time_fills_no_disk() {
    let mut hall = Hall::new(Changes::Lenient);
    hall.add("kiosk-1", DeviceKind::Kiosk);
    for round in 0..500 {
        hall.says("kiosk-1", &format!("K{}", round % 2), "S1");
    }
    assert!(hall.file("kiosk-1").len() <= 60);
    // What else happens to it is written and alarmed still.
    hall.add("kiosk-2", DeviceKind::Kiosk);
    hall.says("kiosk-2", "K0", "S2");
    hall.says("kiosk-1", "K0", "S2");
    let file = hall.file("kiosk-1");
    assert!(
        file.iter().any(|what| what.contains("serial-clash")),
        "{file:?}"
    );
    let now = hall.clock();
    for part in 0..500 {
        let name = format!("input-{part}");
        let at = ("input.state", &name[..]);
        store::note_part(&hall.connection, "kiosk-1", at, now, "{}").unwrap();
    }
    let late = hall.clock();
    let first = ("input.state", "input-0");
    store::note_part(&hall.connection, "kiosk-1", first, late, "news").unwrap();
    let parts = crate::devices::parts::parts(&hall.connection, "kiosk-1").unwrap();
    assert_eq!((parts.len(), &parts[0].state[..]), (256, "news"));
}

#[test]
fn a_wired_device_that_gave_way_does_not_come_back_by_a_restart() {
    let mut hall = Hall::new(Changes::Lenient);
    let wired = |device: &str| {
        let new = NewDevice {
            device: device.parse().unwrap(),
            kind: DeviceKind::Ups,
            name: device.into(),
            counter: None,
        };
        (new, "nut", "{}".to_owned())
    };
    let now = hall.clock();
    let both = [wired("ups-1"), wired("ups-2")];
    crate::devices::sync_wired(&hall.connection, &both, now).unwrap();
    store::retire(&hall.connection, "ups-1").unwrap();
    let suspend = "update devices_device set state = 'suspended', reason = 'identity'
         where device = ?1";
    hall.connection.execute(suspend, params!["ups-2"]).unwrap();
    crate::devices::sync_wired(&hall.connection, &both, now).unwrap();
    assert_eq!(hall.state("ups-1"), "retired");
    assert_eq!(hall.state("ups-2"), "suspended identity");
    crate::devices::sync_wired(&hall.connection, &[], now).unwrap();
    assert_eq!(hall.state("ups-1"), "retired unlisted");
    assert_eq!(hall.state("ups-2"), "retired unlisted");
    crate::devices::sync_wired(&hall.connection, &both, now).unwrap();
    assert_eq!(hall.state("ups-1"), "active");
    assert_eq!(hall.state("ups-2"), "active");
}
