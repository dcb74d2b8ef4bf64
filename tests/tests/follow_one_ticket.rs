//! One ticket from the bytes of a ticket machine to the comparison of halls, stop by stop, in the
//! order of ARCHITECTURE.md. Beside it a reading of the air and a call on a window screen.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use zhiban_drivers::simulator::ScreenSimulator;
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::peers::{Peer, debian, finish, python, text};
use zhiban_tests::harness::stage::{Centre, Hall, mqtt};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, Running, facts, free_port};

const STORE: &str = "one-hall";
const DAY: &str = "2026-03-02";
/// A quarter hour in 15 s.
const SPEED: u32 = 60;
const SOON: Duration = Duration::from_secs(5);

/// A ticket machine that is mosquitto_pub: QoS 1, exit 0 only after the PUBACK.
async fn publish(gateway: &Running, secret: &str, kind: &str, payload: &Value) -> Output {
    let (host, port) = mqtt(gateway);
    let topic = format!("te/device/tm-1//e/{kind}");
    let mut command = debian("mosquitto_pub");
    command.args([
        "-h", host, "-p", port, "-i", "tm-1", "-u", "tm-1", "-P", secret,
    ]);
    command.args(["-q", "1", "-t", &topic, "-m", &payload.to_string()]);
    finish(&mut command, SOON).await
}

/// Publishes and holds PUBACK against the journal: acknowledged means it is there at once.
async fn report(gateway: &Running, manager: &Account, secret: &str, kind: &str, payload: Value) {
    let output = publish(gateway, secret, kind, &payload).await;
    assert!(output.status.success(), "{kind}: {}", text(&output));
    let found: Value = manager
        .get("/api/v1/devices/tm-1/reports?limit=1")
        .await
        .unwrap();
    let last = &found["reports"][0];
    assert_eq!(last["kind"], kind, "the PUBACK came before the row");
    assert_eq!(last["seq"], payload["seq"]);
    assert_eq!(last["payload"], payload, "kept as it was sent");
}

/// The body of `path` as soon as `want` is found in it at the JSON pointers.
async fn shows(
    account: &Account,
    what: &str,
    path: &str,
    want: &[(&str, Value)],
    within: Duration,
) -> Value {
    until(what, within, async || {
        let body: Value = account.get(path).await.map_err(|error| error.to_string())?;
        for (pointer, value) in want {
            let found = body.pointer(pointer);
            seen(
                found == Some(value),
                format!("{pointer} is {found:?} and not {value}"),
            )?;
        }
        Ok::<_, String>(body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ticket_goes_from_bytes_to_the_comparison_of_halls() {
    let folder = Folder::new("follow");
    // Five hall minutes before a quarter hour ends: five seconds.
    let clock = ReplayClock::from_now(format!("{DAY}T01:08:00Z").parse().unwrap(), SPEED);
    let mut centre = Centre::start(folder.path(), Some(clock)).await;
    let port = free_port().unwrap().to_string();
    let mut sensor = Peer::start(python("modbus_sensor.py").arg(&port));
    sensor.until("ready").await;
    let screen = ScreenSimulator::start_pty(1).unwrap();
    let devices = ["tm-1 ticket-machine", "pad-3 evaluation-pad 3"];
    let hall = Hall::prepare(
        folder.path(),
        STORE,
        Some(&centre.endpoint),
        &devices,
        |config| {
            clock.put(config);
            let wired = json!([
                {"id": "th-1", "driver": "modbus-climate", "settings": {
                    "link": {"tcp": format!("127.0.0.1:{port}")}, "unit": 1, "map": "xy-md02",
                    "poll_s": 0.5}},
                {"id": "screen-3", "driver": "lihe-screen", "counter": "3", "settings": {
                    "link": {"serial": screen.path()}, "address": 1}},
            ]);
            config.insert("device".into(), toml::Value::try_from(wired).unwrap());
        },
    )
    .await;
    let (mut gateway, manager) = hall.open().await;
    let secret = &hall.secrets[0];

    // 1 to 4: bytes, report, journal, acknowledgement.
    let number = |seq: u32, fields: Value| {
        let mut payload = json!({"ticket": "A001", "boot": "p1", "seq": seq});
        payload
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        payload
    };
    report(
        &gateway,
        &manager,
        secret,
        "ticket.issued",
        number(1, json!({"queue": "A"})),
    )
    .await;
    let again = publish(
        &gateway,
        secret,
        "ticket.issued",
        &number(1, json!({"queue": "A"})),
    )
    .await;
    assert!(again.status.success(), "a duplicate is acknowledged, too");

    // 5 and 6: the follower made a ticket of it.
    let path = format!("/api/v1/tickets/{DAY}/A001");
    let waits = [
        ("/ticket/state", json!("waiting")),
        ("/events/0/device", json!("tm-1")),
    ];
    let trail = shows(&manager, "the ticket waits", &path, &waits, SOON).await;
    assert_eq!(
        trail["events"].as_array().unwrap().len(),
        1,
        "once: {trail}"
    );

    // 8: the live floor (7, the sums, show in it).
    let on_floor = [
        ("/totals/waiting", json!(1)),
        ("/totals/longest_wait_ticket", json!("A001")),
    ];
    shows(
        &manager,
        "the floor shows it",
        "/api/v1/floor",
        &on_floor,
        SOON,
    )
    .await;

    // Called to counter 3: the screen over it shows the call.
    let at_3 = json!({"counter": "3", "staff": "2001"});
    report(
        &gateway,
        &manager,
        secret,
        "ticket.called",
        number(2, at_3.clone()),
    )
    .await;
    until("the screen shows the call", SOON, async || {
        let shown = screen.shown();
        seen(
            // The screen's protocol knows a letter and a number, not how the ticket is printed.
            shown.contains(&"call A1 at window 3".to_owned()),
            shown,
        )
    })
    .await;
    let screened = [
        ("/reports/0/kind", json!("screen.shown")),
        ("/reports/0/payload/acknowledged", json!(true)),
    ];
    shows(
        &manager,
        "the screen acknowledged",
        "/api/v1/devices/screen-3/reports?limit=1",
        &screened,
        SOON,
    )
    .await;

    report(
        &gateway,
        &manager,
        secret,
        "ticket.started",
        number(3, at_3),
    )
    .await;
    report(
        &gateway,
        &manager,
        secret,
        "ticket.finished",
        number(4, json!({})),
    )
    .await;
    let rating = rate(&gateway, &hall.secrets[1]).await;
    assert!(rating.status.success(), "{}", text(&rating));
    let done = [
        ("/ticket/state", json!("finished")),
        ("/ticket/rating", json!(5)),
        ("/ticket/staff/staff", json!("2001")),
    ];
    let trail = shows(&manager, "the ticket is finished", &path, &done, SOON).await;
    let kinds: Vec<_> = trail["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].clone())
        .collect();
    assert_eq!(
        kinds[..4],
        [
            "ticket.issued",
            "ticket.called",
            "ticket.started",
            "ticket.finished"
        ]
    );
    assert_eq!(trail["ticket"]["flags"], json!([]), "nothing was odd");

    // The air, read by Modbus from a foreign sensor.
    let air = [
        ("/climate/0/temperature_tenths", json!(225)),
        ("/climate/0/in_band", json!(true)),
    ];
    shows(
        &manager,
        "the floor shows the air",
        "/api/v1/floor",
        &air,
        SOON,
    )
    .await;

    // All followers stand at the end of the journal.
    until("the followers keep up", SOON, async || {
        let found: Value = manager
            .get("/api/v1/box")
            .await
            .map_err(|error| error.to_string())?;
        let lags: Vec<_> = found["followers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["lag"].clone())
            .collect();
        seen(
            lags.len() >= 4 && lags.iter().all(|lag| lag.as_i64() <= Some(1)),
            found["followers"].to_string(),
        )
    })
    .await;

    // 9 to 12: fact, courier, intake, comparison.
    let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
    let compared = [
        ("/rows/0/store", json!(STORE)),
        ("/rows/0/issued", json!(1)),
        ("/rows/0/finished", json!(1)),
        ("/rows/0/waiting_n", json!(1)),
        ("/rows/0/handling_n", json!(1)),
        ("/rows/0/ratings", json!([0, 0, 0, 0, 1])),
        ("/rows/0/climate_in_band_bp", json!(10_000)),
        ("/total/issued", json!(1)),
    ];
    let figures = shows(
        &centre.operator,
        "the centre compares it",
        &path,
        &compared,
        Duration::from_secs(40),
    )
    .await;
    assert!(
        figures["rows"][0]["data_through"].is_string(),
        "no figure without its age: {figures}"
    );
    let at = format!("/api/v1/halls/{STORE}/day?date={DAY}");
    let day: Value = centre.operator.get(&at).await.unwrap();
    let slot = day["slots"]
        .as_array()
        .unwrap()
        .iter()
        .find(|slot| slot["issued"] == 1);
    assert_eq!(
        slot.expect("the slot of the ticket")["start"],
        format!("{DAY}T01:00:00Z"),
        "{day}"
    );

    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
    let (hall, centre) = (
        Copied::of(&hall.program.data, "hall.db"),
        Copied::of(&centre.running.program.data, "central.db"),
    );
    assert_eq!(
        hall.one::<i64>("select count(*) from journal_report where device = 'tm-1'"),
        4
    );
    let (count, wrong) = facts::compare(&hall, &centre, STORE);
    assert!(count > 0 && wrong.is_empty(), "{wrong:#?}");
}

/// The customer presses 5 on the pad of counter 3.
async fn rate(gateway: &Running, secret: &str) -> Output {
    let (host, port) = mqtt(gateway);
    let mut command = debian("mosquitto_pub");
    command.args([
        "-V", "mqttv5", "-h", host, "-p", port, "-i", "pad-3", "-u", "pad-3", "-P", secret,
    ]);
    command.args(["-q", "1", "-t", "te/device/pad-3//e/rating.given"]);
    command.args(["-m", r#"{"score":5,"counter":"3"}"#]);
    finish(&mut command, SOON).await
}
