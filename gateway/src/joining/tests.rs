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
        let authority = Authority::open(&folder.join("authority.pem"), "hall").unwrap();
        let joining = Joining::new(store, clock, devices.await.unwrap(), Arc::new(authority));
        Self { joining, folder }
    }

    /// Whether somebody who says this may speak.
    async fn admits(&self, key: &str) -> bool {
        self.joining.admits(key).await.is_some()
    }

    /// Asks with the key of a new window.
    async fn ask(&self, serial: &str, token: &str) -> Answer {
        let key = self.joining.open_window();
        let pass = self.joining.admits(&key).await.unwrap();
        self.ask_by(serial, token, &pass).await.unwrap()
    }

    async fn ask_by(&self, serial: &str, token: &str, pass: &Pass) -> Result<Answer, StoreError> {
        let ask = format!(
            r#"{{"serial":"{serial}","token":"{token}","kind":"kiosk","model":"{serial}"}}"#
        );
        let ask = Ask::read(ask.as_bytes()).unwrap();
        self.joining.ask(ask, ADDRESS, pass).await
    }

    async fn waiting(&self) -> Vec<store::Claim> {
        let now = self.joining.0.clock.now();
        let read = move |connection: &Connection| Ok(store::waiting(connection, now)?);
        self.joining.0.store.read(read).await.unwrap()
    }

    /// The code the device shows.
    async fn code(&self, serial: &str, token: &str) -> String {
        match self.ask(serial, token).await {
            Answer::Pending { code } => code,
            other => panic!("{other:?}"),
        }
    }

    /// Name and password of a device that was let in.
    async fn password(&self, serial: &str, token: &str) -> (DeviceId, String) {
        match self.ask(serial, token).await {
            Answer::Approved {
                device,
                credential: Credential::Password(password),
                ..
            } => (device.parse().unwrap(), password),
            other => panic!("{other:?}"),
        }
    }

    fn knows(&self, device: &DeviceId, password: &str) -> bool {
        let proof = Proof::Password(password.to_owned());
        self.joining.0.devices.knows(device, &proof)
    }

    async fn claim(&self, serial: &str) -> store::Claim {
        let mut of_serial = self.waiting().await.into_iter().rev();
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
        let read = |connection: &Connection| Ok(devices::file::events(connection, "hall")?);
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
    assert!(!hall.admits("ABCDE-FGHJK").await, "shut by default");
    let key = hall.joining.open_window();
    assert!(hall.admits(&key).await);
    for _ in 0..4 {
        assert!(!hall.admits("AAAAA-AAAAA").await);
    }
    assert!(hall.admits(&key).await, "four wrong ones are borne");
    assert!(!hall.admits("AAAAA-AAAAA").await);
    assert!(!hall.admits(&key).await, "the fifth closes it");
    // Each guess goes to an open window, with letters a key has.
    let mut closed = 0;
    for guess in 0..100_000_u32 {
        if hall.joining.window().is_none() {
            closed += 1;
            let _key = hall.joining.open_window();
        }
        let letter = |at: u32| char::from(b'A' + u8::try_from(guess >> (at * 3) & 7).unwrap());
        let guess: String = (0..10).map(letter).collect();
        assert!(!hall.admits(&guess).await, "{guess}");
    }
    assert_eq!(closed, 20_000, "after five guesses each");
}

#[tokio::test]
async fn a_guess_counts_however_it_is_dressed_up() {
    let hall = Hall::open().await;
    let key = hall.joining.open_window();
    assert!(
        !hall.admits(&format!("{key}-----")).await,
        "that is a token"
    );
    for guess in ["AAAAA-AAAAA----", "A-A-A-A-A-A-A", "AAAAA", "", "-"] {
        assert!(!hall.admits(guess).await);
    }
    assert!(!hall.admits(&key).await, "five wrong ones closed it");
}

#[tokio::test]
async fn a_device_that_tries_yesterdays_key_closes_nobody_out() {
    let hall = Hall::open().await;
    let yesterdays = hall.joining.open_window();
    let key = hall.joining.open_window();
    for _ in 0..20 {
        assert!(!hall.admits(&yesterdays).await);
    }
    assert!(hall.admits(&key).await);
}

#[tokio::test]
async fn a_key_is_good_for_one_device() {
    let hall = Hall::open().await;
    let key = hall.joining.open_window();
    // Two that both got in with it; one asks first.
    let (one, other) = (
        hall.joining.admits(&key).await,
        hall.joining.admits(&key).await,
    );
    assert!(hall.ask_by("S1", TOKEN, &one.unwrap()).await.is_ok());
    let second = hall.ask_by("S2", OTHER, &other.unwrap()).await;
    let refused = second.unwrap_err().to_string();
    assert!(refused.contains("claim key"), "{refused}");
    assert!(!hall.admits(&key).await);
    assert_eq!(hall.waiting().await.len(), 1);
}

#[tokio::test]
async fn many_that_ask_at_once_with_one_key_are_one() {
    let hall = Hall::open().await;
    let key = hall.joining.open_window();
    let pass = hall.joining.admits(&key).await.unwrap();
    let tokens: Vec<String> = (0..20).map(|n| format!("a token of device {n}")).collect();
    let asks = tokens.iter().map(|token| hall.ask_by(token, token, &pass));
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(hall.waiting().await.len(), 1);
}

#[tokio::test]
async fn who_gave_way_fetches_no_credential_any_more() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    hall.approve("S1", "kiosk-1", &code, false).await;
    hall.password("S1", TOKEN).await;
    let code = hall.code("s1", OTHER).await;
    hall.approve("s1", "kiosk-1", &code, true).await;
    let (device, password) = hall.password("s1", OTHER).await;
    // The first asks again, with the token it still has.
    let refused = Answer::Refused {
        reason: "another device took its place".into(),
    };
    let answer = hall.ask_by("S1", TOKEN, &Pass::Token).await.unwrap();
    assert_eq!(answer, refused);
    assert!(hall.knows(&device, &password));
}

#[tokio::test]
async fn a_request_has_one_answer_and_one_place_to_hear_it() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    let ask = format!(r#"{{"serial":"S1","token":"{TOKEN}","kind":"kiosk"}}"#);
    let ask = Ask::read(ask.as_bytes()).unwrap();
    let first = hall.joining.take_place(&ask);
    let second = hall.joining.take_place(&ask);
    assert!(first.is_cancelled() && !second.is_cancelled());
    hall.approve("S1", "kiosk-1", &code, false).await;
    hall.password("S1", TOKEN).await;
    // Lost on the way: it may ask again, until it is there.
    let (device, password) = hall.password("S1", TOKEN).await;
    let _presence = hall.joining.0.devices.connected(&device, ADDRESS, 1);
    let answer = hall.ask("S1", TOKEN).await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert!(hall.knows(&device, &password));
}

#[tokio::test]
async fn who_waits_comes_back_with_its_token_and_asks_for_nobody_else() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    hall.joining.close_window();
    let pass = hall.joining.admits(TOKEN).await.unwrap();
    assert_eq!(pass, Pass::Token);
    let again = hall.ask_by("S1", TOKEN, &pass).await.unwrap();
    assert_eq!(again, Answer::Pending { code });
    assert!(hall.ask_by("S2", TOKEN, &pass).await.is_err());
    assert!(hall.ask_by("S1", OTHER, &pass).await.is_err());
    assert!(!hall.admits(OTHER).await);
    let claim = hall.claim("S1").await;
    refuse(&hall.joining, claim, "not ours", who())
        .await
        .unwrap();
    assert!(hall.admits(TOKEN).await, "it hears why");
}

#[tokio::test]
async fn a_request_nobody_decides_about_is_forgotten() {
    let hall = Hall::open().await;
    hall.code("S1", TOKEN).await;
    let write = |connection: &Connection| {
        Ok(connection.execute("update joining_claim set asked_ms = 1", [])?)
    };
    hall.joining.0.store.write(write).await.unwrap();
    assert_eq!(hall.waiting().await.len(), 0);
    assert!(!hall.admits(TOKEN).await);
    hall.code("S2", OTHER).await;
    let read = |connection: &Connection| Ok(store::find(connection, 1)?.unwrap().state);
    let state = hall.joining.0.store.read(read).await.unwrap();
    assert_eq!(state, store::State::Refused);
}

#[tokio::test]
async fn a_third_model_of_kiosk_waits_for_another_decision() {
    let hall = Hall::open().await;
    for (serial, token) in [
        ("S1", TOKEN),
        ("S2", OTHER),
        ("S3", "a third token of sixteen"),
    ] {
        let code = hall.code(serial, token).await;
        hall.approve(serial, &format!("kiosk-{serial}"), &code, false)
            .await;
    }
    let read = |connection: &Connection| {
        let sql = "select device || ' ' || reason from devices_device where state = 'suspended'";
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    };
    let parked: String = hall.joining.0.store.read(read).await.unwrap();
    assert_eq!(parked, "kiosk-S3 third-model");
    // It waits, however long that takes, and then gets its credential.
    let third = "a third token of sixteen";
    assert!(matches!(
        hall.ask("S3", third).await,
        Answer::Pending { .. }
    ));
    let write = |connection: &Connection| {
        let day_before = "update joining_claim set decided_ms = decided_ms - 86400000";
        Ok(connection.execute(day_before, [])?)
    };
    hall.joining.0.store.write(write).await.unwrap();
    let mut decisions = hall.joining.decisions();
    decisions.mark_unchanged();
    hall.joining.0.devices.grant("kiosk-S3").await;
    decisions.changed().await.unwrap();
    hall.joining.close_window();
    assert!(hall.admits(third).await, "its own token opens");
    let (device, password) = hall.password("S3", third).await;
    assert!(hall.knows(&device, &password));
    assert_eq!(hall.alarms().await, Vec::<String>::new());
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
    let (device, password) = hall.password("S1", TOKEN).await;
    assert_eq!(device.as_str(), "kiosk-1");
    assert!(hall.knows(&device, &password));
    assert!(!hall.knows(&device, TOKEN));
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
    assert_eq!(hall.waiting().await.len(), 0);
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
    let (first, password) = hall.password("S1", TOKEN).await;
    let second = hall.code("S1", OTHER).await;
    assert_eq!(hall.claim("S1").await.state, store::State::Clash);
    assert_eq!(hall.alarms().await, ["serial-clash"]);
    let answer = hall.approve("S1", "kiosk-2", &second, false).await;
    assert!(answer.contains("this serial number is known"), "{answer}");
    assert!(hall.knows(&first, &password), "the first goes on");
    assert_eq!(
        hall.approve("S1", "kiosk-2", &second, true).await,
        "kiosk-2"
    );
    hall.joining.0.devices.reload().await.unwrap();
    assert!(!hall.knows(&first, &password), "now it gives way");
}

#[tokio::test]
async fn two_that_race_under_one_serial_are_both_shown() {
    let hall = Hall::open().await;
    hall.code("S1", TOKEN).await;
    hall.code("S1", OTHER).await;
    let waiting = hall.waiting().await;
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
    let read = |connection: &Connection| Ok(devices::file::events(connection, "kiosk-s1")?);
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

#[tokio::test]
async fn who_guesses_codes_at_once_has_no_more_tries() {
    let hall = Hall::open().await;
    let code = hall.code("S1", TOKEN).await;
    let claim = hall.claim("S1").await;
    let guesses = (0..50).filter(|guess| format!("{guess:06}") != code);
    let tries = guesses.map(|guess| {
        let body = DecideBody::approval("kiosk-1", &format!("{guess:06}"), false);
        approve(&hall.joining, claim.clone(), body, who())
    });
    let answers = futures_util::future::join_all(tries).await;
    let compared = answers.iter().filter_map(|answer| answer.as_ref().err());
    let compared = compared.filter(|error| error.to_string().contains("not the code"));
    assert_eq!(compared.count(), 5);
    let late = DecideBody::approval("kiosk-1", &code, false);
    assert!(
        approve(&hall.joining, claim.clone(), late, who())
            .await
            .is_err()
    );
    assert!(
        refuse(&hall.joining, claim, "late", who()).await.is_err(),
        "decided already"
    );
}
