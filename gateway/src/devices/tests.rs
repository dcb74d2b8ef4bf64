//! Who is shut out, who may come back, and what the file keeps of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use zhiban_config::gateway::Registry;
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};

use super::change::Change;
use super::identity::{self, Verdict};
use super::standing::Turn;
use super::*;
use crate::journal::migrate;

struct Hall {
    devices: Devices,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn said(model: &str, serial: &str) -> DeviceIdentity {
    DeviceIdentity {
        model: Some(model.into()),
        serial: Some(serial.into()),
        ..DeviceIdentity::default()
    }
}

impl Hall {
    async fn open() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-devices-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
        let devices = Devices::open(store, Clock::new(None), Registry::default());
        let devices = devices.await.unwrap();
        Self { devices, folder }
    }

    /// A kiosk of this id, with its secret.
    async fn kiosk(&self, id: &str) -> Proof {
        let new = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::Kiosk,
            name: id.into(),
            counter: None,
        };
        Proof::Password(self.devices.add(new, |_| Ok(())).await.unwrap())
    }

    async fn says(&self, id: &str, who: DeviceIdentity) {
        let (id, registry) = (id.to_owned(), self.devices.0.registry.clone());
        let now = self.devices.0.clock.now();
        let write = move |connection: &Connection| {
            Ok(identity::judge(connection, &registry, &id, &who, now)?)
        };
        self.devices.0.store.write(write).await.unwrap();
        self.devices.reload().await.unwrap();
    }

    /// A person wants it so; the reason in one word when that is refused.
    async fn turn(&self, id: &str, state: State, why: Option<&str>) -> Result<(), &'static str> {
        let change = Change {
            name: None,
            counter: None,
            turn: Some(Turn {
                state,
                why: why.map(str::to_owned),
            }),
            secret_hash: None,
            settings: None,
            topics: None,
        };
        let changed = self
            .devices
            .change(id.into(), change, "1001".into(), |_| Ok(()));
        match changed.await {
            Err(StoreError::RefusedBecause { reason, .. }) => Err(reason),
            other => {
                other.unwrap();
                Ok(())
            }
        }
    }

    async fn requests(&self) -> Vec<file::Request> {
        let read = |connection: &Connection| Ok(file::requests(connection)?);
        self.devices.0.store.read(read).await.unwrap()
    }

    async fn decide(&self, granted: bool, reason: Option<&str>) {
        let request = self.requests().await.remove(0);
        let verdict = Verdict {
            granted,
            reason: reason.map(str::to_owned),
        };
        let decided = self
            .devices
            .decide(request.id, verdict, "1001".into(), |_, _| Ok(()));
        decided.await.unwrap().unwrap();
    }

    async fn device(&self, id: &str) -> Device {
        let id = id.to_owned();
        let read = move |connection: &Connection| Ok(store::find(connection, &id)?);
        self.devices.0.store.read(read).await.unwrap().unwrap()
    }

    /// What the file says last: of what, by whom, and the facts.
    async fn newest(&self, id: &str) -> (String, String, Value) {
        let id = id.to_owned();
        let read = move |connection: &Connection| Ok(file::events(connection, &id)?);
        let event = self.devices.0.store.read(read).await.unwrap().remove(0);
        let facts = serde_json::from_str(&event.detail).unwrap_or_default();
        (event.what, event.who, facts)
    }
}

#[tokio::test]
async fn a_device_whose_change_waits_comes_back_by_a_decision_only() {
    let hall = Hall::open().await;
    for (id, model) in [("k1", "A"), ("k2", "B"), ("k3", "C")] {
        hall.kiosk(id).await;
        hall.says(id, said(model, id)).await;
    }
    let third = hall.device("k3").await;
    assert_eq!(third.state, State::Suspended);
    assert_eq!(third.reason.as_deref(), Some("third-model"));
    assert_eq!(
        hall.turn("k3", State::Active, None).await,
        Err("request-open")
    );
    // Taken out of use and back it is as before, and nobody was asked in vain meanwhile.
    hall.turn("k3", State::Retired, None).await.unwrap();
    assert!(hall.requests().await.is_empty());
    assert_eq!(
        hall.turn("k3", State::Active, None).await,
        Err("request-open")
    );
    hall.turn("k3", State::Suspended, None).await.unwrap();
    assert_eq!(
        hall.device("k3").await.reason.as_deref(),
        Some("third-model")
    );
    hall.decide(true, None).await;
    assert_eq!(hall.device("k3").await.state, State::Active);
}

#[tokio::test]
async fn a_refused_device_is_told_why_and_the_file_keeps_it() {
    let hall = Hall::open().await;
    let (id, secret) = ("k1".parse().unwrap(), hall.kiosk("k1").await);
    hall.says("k1", said("A", "S1")).await;
    hall.says("k1", said("A", "S2")).await;
    assert!(hall.devices.knows(&id, &secret), "lenient: it goes on");
    hall.decide(false, Some("not ours")).await;
    assert!(!hall.devices.knows(&id, &secret));
    let told = hall.devices.shut_out(&id, &secret);
    assert_eq!(told.as_deref(), Some("refused: not ours"));
    assert_eq!(
        hall.devices
            .shut_out(&id, &Proof::Password("a guess".into())),
        None
    );
    let (what, who, facts) = hall.newest("k1").await;
    assert_eq!((what.as_str(), who.as_str()), ("decided", "1001"));
    assert_eq!(facts["granted"], false);
    assert_eq!(facts["reason"], "not ours");
    assert_eq!(facts["changes"][0]["after"], "S2");
    hall.turn("k1", State::Active, None).await.unwrap();
    assert!(hall.devices.knows(&id, &secret));
    assert_eq!(hall.devices.shut_out(&id, &secret), None);
}

#[tokio::test]
async fn a_person_suspends_and_retires_and_takes_it_back() {
    let hall = Hall::open().await;
    let (id, secret) = ("k1".parse().unwrap(), hall.kiosk("k1").await);
    hall.turn("k1", State::Suspended, Some("repair"))
        .await
        .unwrap();
    let told = hall.devices.shut_out(&id, &secret);
    assert_eq!(told.as_deref(), Some("by-hand: repair"));
    assert_eq!(hall.newest("k1").await.2["reason"], "repair");
    hall.turn("k1", State::Retired, None).await.unwrap();
    assert!(!hall.devices.knows(&id, &secret));
    assert_eq!(hall.devices.shut_out(&id, &secret), None);
    hall.turn("k1", State::Active, None).await.unwrap();
    assert!(hall.devices.knows(&id, &secret));
    let (what, who, facts) = hall.newest("k1").await;
    assert_eq!((what.as_str(), who.as_str()), ("restored", "1001"));
    assert_eq!(facts["from"], "retired");
}

#[tokio::test]
async fn nobody_comes_back_to_a_place_that_is_taken() {
    let hall = Hall::open().await;
    for id in ["k1", "k2", "k3"] {
        hall.kiosk(id).await;
    }
    hall.says("k1", said("A", "S1")).await;
    hall.turn("k1", State::Retired, None).await.unwrap();
    hall.says("k2", said("B", "S1")).await;
    assert_eq!(
        hall.turn("k1", State::Active, None).await,
        Err("serial-taken")
    );
    hall.turn("k2", State::Retired, None).await.unwrap();
    hall.says("k2", said("B", "S1")).await;
    // A model that has become one too many waits for a person.
    hall.kiosk("k4").await;
    hall.says("k3", said("C", "S3")).await;
    hall.says("k4", said("D", "S4")).await;
    hall.turn("k1", State::Active, None).await.unwrap();
    let back = hall.device("k1").await;
    assert_eq!(back.state, State::Suspended);
    assert_eq!(back.reason.as_deref(), Some("third-model"));
}

#[tokio::test]
async fn what_a_person_suspended_stays_so_whatever_is_granted() {
    let hall = Hall::open().await;
    hall.kiosk("k1").await;
    hall.says("k1", said("A", "S1")).await;
    hall.turn("k1", State::Suspended, None).await.unwrap();
    hall.says("k1", said("A", "S2")).await;
    hall.decide(true, None).await;
    let still = hall.device("k1").await;
    assert_eq!(still.identity.serial.as_deref(), Some("S2"));
    assert_eq!(still.reason.as_deref(), Some("by-hand"));
    // A change that waits in a lenient hall keeps nobody out.
    hall.says("k1", said("A", "S3")).await;
    hall.turn("k1", State::Active, None).await.unwrap();
    assert_eq!(hall.device("k1").await.state, State::Active);
}

#[tokio::test]
async fn a_place_on_a_wire_belongs_to_one_device_and_the_file_tells_of_moves() {
    let hall = Hall::open().await;
    let settings = |line: &str, unit: u8| {
        serde_json::json!({ "link": { "tcp": line }, "unit": unit, "map": "sdm630" }).to_string()
    };
    let add = async |id: &str, settings: String| {
        let new = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::EnergyMeter,
            name: id.into(),
            counter: None,
        };
        let added = hall.devices.add_wired(new, "modbus", settings, |_| Ok(()));
        reason_of(added.await)
    };
    let change = async |id: &str, settings: String| {
        let change = Change {
            name: None,
            counter: None,
            turn: None,
            secret_hash: None,
            settings: Some(settings),
            topics: None,
        };
        let changed = hall
            .devices
            .change(id.into(), change, "1001".into(), |_| Ok(()));
        reason_of(changed.await)
    };
    assert_eq!(add("m1", settings("h:502", 1)).await, None);
    assert_eq!(add("m2", settings("h:502", 1)).await, Some("address-taken"));
    assert_eq!(add("m2", settings("h:502", 2)).await, None);
    assert_eq!(
        change("m2", settings("h:502", 1)).await,
        Some("address-taken")
    );
    assert_eq!(change("m2", settings("i:502", 1)).await, None);
    let read = |connection: &Connection| Ok(file::events(connection, "m2")?);
    let events = hall.devices.0.store.read(read).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (&event.what[..], &event.detail[..]))
        .collect();
    let changed = r#"{"fields":["settings"],"settings":["link.tcp","unit"]}"#;
    let expected = [
        ("address", "h:502 → i:502"),
        ("changed", changed),
        ("address", "h:502"),
        ("registered", "energy-meter"),
    ];
    assert_eq!(told, expected);
    let before = events[1].id;
    let read = move |connection: &Connection| Ok(file::page(connection, "m2", before, 1)?);
    let older = hall.devices.0.store.read(read).await.unwrap();
    assert_eq!((older.len(), older[0].id), (1, events[2].id));
    // One that is retired has no place, and comes back to a free one only.
    hall.turn("m1", State::Retired, None).await.unwrap();
    assert_eq!(change("m2", settings("h:502", 1)).await, None);
    assert_eq!(
        hall.turn("m1", State::Active, None).await,
        Err("address-taken")
    );
}

/// Why something was refused, in one word.
fn reason_of<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Option<&'static str> {
    match result {
        Err(StoreError::RefusedBecause { reason, .. }) => Some(reason),
        other => {
            other.unwrap();
            None
        }
    }
}
