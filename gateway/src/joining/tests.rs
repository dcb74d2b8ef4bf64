//! Who may ask, who is let in, and what guessing gets.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use zhiban_config::gateway::Registry;
use zhiban_kernel::{Clock, Store};

use super::api::{DecideBody, approve, refuse};
use super::*;
use crate::journal::migrate;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 40));

struct Hall {
    joining: Joining,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hall {
    async fn open() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-joining-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
        let clock = Clock::new(None);
        let devices = Devices::open(store.clone(), clock, Registry::default());
        let joining = Joining::new(store, clock, devices.await.unwrap());
        Self { joining, folder }
    }

    fn open_window(&self) -> String {
        self.joining.open_window()
    }

    async fn ask(&self, serial: &str, token: &str) -> Answer {
        let ask = format!(r#"{{"serial":"{serial}","token":"{token}","kind":"kiosk"}}"#);
        let ask = Ask::read(ask.as_bytes()).unwrap();
        self.joining.ask(ask, ADDRESS).await.unwrap()
    }

    /// The code the device shows.
    async fn code(&self, serial: &str, token: &str) -> String {
        match self.ask(serial, token).await {
            Answer::Pending { code } => code,
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, serial: &str) -> store::Claim {
        let read = |connection: &Connection| Ok(store::waiting(connection)?);
        let waiting = self.joining.0.store.read(read).await.unwrap();
        let mut of_serial = waiting.into_iter().rev();
        of_serial.find(|claim| claim.serial == serial).unwrap()
    }

    async fn approve(&self, serial: &str, device: &str, code: &str, replace: bool) -> String {
        let body = DecideBody::approval(device, code, replace);
        let claim = self.claim(serial).await;
        match approve(&self.joining, claim, body, who()).await {
            Ok(decided) => decided.device.unwrap(),
            Err(error) => error.to_string(),
        }
    }

    async fn alarms(&self) -> Vec<String> {
        let read = |connection: &Connection| Ok(file::events(connection, "hall")?);
        let events = self.joining.0.store.read(read).await.unwrap();
        events
            .into_iter()
            .filter_map(|event| event.alarm.map(|_| event.what))
            .collect()
    }
}

fn who() -> (String, String) {
    ("2001".into(), "127.0.0.1".into())
}

const TOKEN: &str = "a token of 16 letters";
const OTHER: &str = "another token of some length";

#[tokio::test]
async fn five_wrong_keys_close_the_window_and_a_hundred_thousand_guesses_get_nothing() {
    let hall = Hall::open().await;
    assert!(!hall.joining.admits("ABCDE-FGHJK"), "shut by default");
    let key = hall.open_window();
    assert!(hall.joining.admits(&key));
    for _ in 0..4 {
        assert!(!hall.joining.admits("AAAAA-AAAAA"));
    }
    assert!(hall.joining.admits(&key), "four wrong ones are borne");
    assert!(!hall.joining.admits("AAAAA-AAAAA"));
    assert!(!hall.joining.admits(&key), "the fifth closes it");
    let _key = hall.open_window();
    let admitted = (0..100_000).filter(|n| hall.joining.admits(&format!("AAAAA{n:05}")));
    assert_eq!(admitted.count(), 0);
}

#[tokio::test]
async fn a_device_is_let_in_by_the_code_it_shows_and_gets_its_own_credential() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    assert_eq!(
        hall.code("S1", TOKEN).await,
        code,
        "asked again, the same request"
    );
    assert_eq!(hall.approve("S1", "kiosk-1", &code, false).await, "kiosk-1");
    let Answer::Approved { device, password } = hall.ask("S1", TOKEN).await else {
        panic!("not approved")
    };
    let id = device.parse().unwrap();
    assert!(hall.joining.0.devices.knows(&id, &password));
    assert!(!hall.joining.0.devices.knows(&id, TOKEN));
}

#[tokio::test]
async fn a_wrong_code_is_refused_and_the_fifth_ends_the_request() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for left in [4, 3, 2, 1] {
        let answer = hall.approve("S1", "kiosk-1", wrong, false).await;
        assert!(answer.contains(&format!("{left} more tries")), "{answer}");
    }
    hall.approve("S1", "kiosk-1", wrong, false).await;
    let read = |connection: &Connection| Ok(store::waiting(connection)?.len());
    assert_eq!(hall.joining.0.store.read(read).await.unwrap(), 0);
    let answer = hall.ask("S1", TOKEN).await;
    let refused = Answer::Refused {
        reason: "wrong code, too often".into(),
    };
    assert_eq!(answer, refused);
}

#[tokio::test]
async fn a_second_box_with_the_same_serial_is_parked_and_alarmed() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    hall.approve("S1", "kiosk-1", &code, false).await;
    let Answer::Approved { password, .. } = hall.ask("S1", TOKEN).await else {
        panic!("not approved")
    };
    let second = hall.code("S1", OTHER).await;
    assert_eq!(hall.claim("S1").await.state, store::State::Clash);
    assert_eq!(hall.alarms().await, ["serial-clash"]);
    let answer = hall.approve("S1", "kiosk-2", &second, false).await;
    assert!(answer.contains("this serial number is known"), "{answer}");
    let first = "kiosk-1".parse().unwrap();
    assert!(
        hall.joining.0.devices.knows(&first, &password),
        "the first goes on"
    );
    assert_eq!(
        hall.approve("S1", "kiosk-2", &second, true).await,
        "kiosk-2"
    );
    hall.joining.0.devices.reload().await.unwrap();
    assert!(
        !hall.joining.0.devices.knows(&first, &password),
        "now it gives way"
    );
}

#[tokio::test]
async fn two_that_race_under_one_serial_are_both_shown() {
    let hall = Hall::open().await;
    hall.code("S1", TOKEN).await;
    hall.code("S1", OTHER).await;
    let read = |connection: &Connection| Ok(store::waiting(connection)?);
    let waiting = hall.joining.0.store.read(read).await.unwrap();
    let states: Vec<_> = waiting.iter().map(|claim| claim.state).collect();
    assert_eq!(states, [store::State::Pending, store::State::Clash]);
    assert_eq!(hall.alarms().await, ["serial-clash"]);
}

#[tokio::test]
async fn a_refused_device_is_told_why_and_a_file_keeps_it() {
    let hall = Hall::open().await;
    hall.code("S1", TOKEN).await;
    let claim = hall.claim("S1").await;
    let long = "x".repeat(129);
    assert!(
        refuse(&hall.joining, claim.clone(), &long, who())
            .await
            .is_err()
    );
    refuse(&hall.joining, claim, "not ours", who())
        .await
        .unwrap();
    let read = |connection: &Connection| Ok(file::events(connection, "kiosk-s1")?);
    let events = hall.joining.0.store.read(read).await.unwrap();
    assert_eq!(events[0].what, "join-refused");
    assert!(
        events[0].detail.contains("not ours"),
        "{}",
        events[0].detail
    );
    let refused = Answer::Refused {
        reason: "not ours".into(),
    };
    assert_eq!(hall.ask("S1", TOKEN).await, refused);
}
