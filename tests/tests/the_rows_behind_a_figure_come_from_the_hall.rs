//! Somebody at the centre wants to see the tickets behind a number: the hall is asked and answers
//! at once, writes down who saw what, refuses what the person may not see, and when it is away,
//! that is said.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use zhiban_tests::harness::clock::real_now;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::firewall::Firewall;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, HttpError, Running};

const STORE: &str = "drill-hall";
const PATIENCE: Duration = Duration::from_secs(30);
const TICKETS: usize = 30;

fn today() -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    real_now().to_zoned(zone).date().to_string()
}

async fn report(hall: &Running, secret: &str) {
    let reports: Vec<_> = (1..=TICKETS)
        .map(|n| {
            let queue = if n % 3 == 0 { "B" } else { "A" };
            json!({"kind": "ticket.issued", "ticket": format!("{queue}{n:03}"), "boot": "b1",
                "seq": n, "queue": queue})
        })
        .collect();
    let client = Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(format!("{}/api/v1/reports", hall.url()))
        .basic_auth("tm-1", Some(secret))
        .json(&json!({ "reports": reports }))
        .send()
        .await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["accepted"], TICKETS, "{answer}");
}

async fn rows(who: &Account, body: &Value) -> Result<Value, HttpError> {
    who.post(&format!("/api/v1/halls/{STORE}/rows"), body).await
}

fn refused(result: Result<Value, HttpError>) -> (StatusCode, Value) {
    match result {
        Err(HttpError::Refused { status, body, .. }) => {
            let body: Value = serde_json::from_str(&body).unwrap();
            (status, body["error"].clone())
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Asks until the hall polls and has read what was reported.
async fn all_are_there(operator: &Account) {
    let asked = json!({"rows": "tickets", "day": today()});
    until("the hall shows its tickets", PATIENCE, async || {
        let answer = rows(operator, &asked)
            .await
            .map_err(|error| error.to_string())?;
        let found = answer["rows"].as_array().map_or(0, Vec::len);
        seen(found == TICKETS, answer.to_string())
    })
    .await;
}

/// A person at the centre with one role.
async fn person(centre: &Centre, staff: &str, role: &str) -> Account {
    let body = json!({"staff": staff, "name": "李娜", "roles": [role]});
    let added: Value = centre.operator.post("/api/v1/people", &body).await.unwrap();
    let once = added["one_time_password"].as_str().unwrap();
    let first = Account::sign_in(&centre.running, staff, once)
        .await
        .unwrap();
    let next = "correct horse 8";
    let body = json!({"old": once, "new": next});
    first
        .put::<Value>("/api/v1/session/password", &body)
        .await
        .unwrap();
    Account::sign_in(&centre.running, staff, next)
        .await
        .unwrap()
}

fn tickets_of_queue_a() -> Value {
    json!({"rows": "tickets", "day": today(), "queue": "A", "limit": 15})
}

/// The tickets of queue A in two pages, and what the machine reported.
async fn two_pages_and_reports(operator: &Account, asked: &Value) {
    let began = Instant::now();
    let first = rows(operator, asked).await.unwrap();
    let took = began.elapsed();
    println!("from the centre to the rows and back: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut rest = asked.clone();
    rest["after"] = first["next"].clone();
    let second = rows(operator, &rest).await.unwrap();
    let numbers: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["rows"].as_array().unwrap())
        .map(|row| row["number"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (1..=TICKETS)
        .filter(|n| n % 3 != 0)
        .map(|n| format!("A{n:03}"))
        .collect();
    assert_eq!(numbers, expected);
    assert!(second["next"].is_null(), "{second}");
    let reports = json!({"rows": "reports", "device": "tm-1", "day": today(), "limit": 5});
    let reports = rows(operator, &reports).await.unwrap();
    assert_eq!(reports["rows"][0]["payload"]["ticket"], "B030", "{reports}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_come_at_once_are_audited_and_judged_by_the_hall() {
    let folder = Folder::new("drill");
    let mut centre = Centre::start(folder.path(), None).await;
    let hall = Hall::prepare(folder.path(), STORE, &["tm-1 ticket-machine"], |_| {}).await;
    centre.enrol(&hall).await;
    let (mut running, _) = hall.open().await;
    report(&running, &hall.secrets[0]).await;
    all_are_there(&centre.operator).await;

    let asked = tickets_of_queue_a();
    two_pages_and_reports(&centre.operator, &asked).await;

    // An auditor sees tickets in a hall, and no devices.
    let auditor = person(&centre, "2001", "auditor").await;
    rows(&auditor, &asked).await.unwrap();
    let (status, error) = refused(rows(&auditor, &json!({"rows": "alarms"})).await);
    assert_eq!(
        (status, &error["reason"], &error["facts"]["why"]),
        (StatusCode::CONFLICT, &json!("hall-denied"), &json!("right"))
    );
    let past: Value = auditor.get("/api/v1/questions").await.unwrap();
    assert_eq!(
        (
            &past["questions"][0]["outcome"],
            &past["questions"][0]["asked_by"]
        ),
        (&json!("denied"), &json!("2001"))
    );

    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let kept = Copied::of(&hall.program.data, "hall.db");
    let told = "select count(*) from people_audit where address = 'centre' and action = ";
    let audited: i64 = kept.one(&format!(
        "{told} 'centre.rows' and who = '1001' and detail like '%\"queue\":\"A\"%operator%'"
    ));
    assert_eq!(audited, 2, "two pages were shown");
    let denied: i64 = kept.one(&format!("{told} 'centre.rows-refused' and who = '2001'"));
    assert_eq!(denied, 1);

    let began = Instant::now();
    let (status, error) = refused(rows(&centre.operator, &asked).await);
    assert_eq!(
        (status, &error["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("hall-away"))
    );
    assert!(error["facts"]["last_seen"].is_string(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(13));
    // It is back, and nobody needs to do anything.
    let mut running = hall.start().await;
    all_are_there(&centre.operator).await;
    for program in [&mut running, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_come_over_https_where_zenoh_does_not_get_through() {
    let folder = Folder::new("drill-https");
    let mut centre = Centre::start(folder.path(), None).await;
    let door = centre.running.addresses.door.clone().unwrap();
    let firewall = Firewall::before(door).await;
    let hall = Hall::prepare(folder.path(), STORE, &["tm-1 ticket-machine"], |config| {
        config.insert("uplink".into(), toml::toml! { centre = [] }.into());
        config["uplink"]["centre"] = vec![firewall.address.clone()].into();
    })
    .await;
    centre.enrol(&hall).await;
    let (mut running, _) = hall.open().await;
    report(&running, &hall.secrets[0]).await;
    all_are_there(&centre.operator).await;
    assert!(!firewall.lets_zenoh_through.load(Ordering::Relaxed));
    let began = Instant::now();
    let asked = json!({"rows": "tickets", "day": today()});
    rows(&centre.operator, &asked).await.unwrap();
    println!("over HTTPS: {:?}", began.elapsed());
    for program in [&mut running, &mut centre.running] {
        assert_eq!(program.stop().await.unwrap(), Ended::Cleanly);
    }
}
