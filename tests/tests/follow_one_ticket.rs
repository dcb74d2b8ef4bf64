//! One ticket from the bytes of a ticket machine to the comparison of halls, stop by stop, in the
//! order of ARCHITECTURE.md. Beside it a reading of the air and a call on a window screen.

use std::time::Duration;

use serde_json::{Value, json};
use zhiban_drivers::lihe_screen::ScreenSimulator;
use zhiban_drivers::simulator::Port;
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
/// Until a quarter hour is over and its facts are at the centre.
const QUARTER: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn one_ticket_goes_from_bytes_to_the_comparison_of_halls() {
    let line = Line::lay().await;
    // 1 bytes, 2 report, 3 journal, 4 acknowledgement
    line.is_issued().await;
    // 5 follower, 6 ticket
    line.waits().await;
    // 7 sums, 8 live floor
    line.stands_on_the_floor().await;
    line.is_called_and_the_screen_shows_it().await;
    line.is_served_and_rated().await;
    line.has_good_air().await;
    line.is_read_by_all_followers().await;
    // 9 fact, 10 courier, 11 intake, 12 comparison
    line.is_compared().await;
    line.is_in_the_quarter_hour_it_came().await;
    line.was_counted_once().await;
}

/// A hall and a centre with everything the ticket passes.
struct Line {
    gateway: Running,
    hall: Hall,
    manager: Account,
    centre: Centre,
    screen: Port<ScreenSimulator>,
    _sensor: Peer,
    _folder: Folder,
}

impl Line {
    async fn lay() -> Self {
        let folder = Folder::new("follow");
        // Seven hall minutes before a quarter hour ends: seven seconds.
        let clock = ReplayClock::from_now(format!("{DAY}T01:08:00Z").parse().unwrap(), SPEED);
        let centre = Centre::start(folder.path(), Some(clock)).await;
        let port = free_port().unwrap().to_string();
        let mut sensor = Peer::start(python("modbus_sensor.py").arg(&port));
        sensor.until("ready").await;
        let screen = Port::pty(ScreenSimulator::new(1)).unwrap();
        let wired = json!([
            {"id": "th-1", "driver": "modbus", "settings": {
                "link": {"tcp": format!("127.0.0.1:{port}")}, "unit": 1, "map": "xy-md02",
                "poll_s": 0.5}},
            {"id": "screen-3", "driver": "lihe-screen", "counter": "3", "settings": {
                "link": {"serial": screen.path()}, "address": 1}},
        ]);
        let devices = ["tm-1 ticket-machine", "pad-3 evaluation-pad 3"];
        let edit = |config: &mut toml::Table| {
            clock.put(config);
            config.insert("device".into(), toml::Value::try_from(wired).unwrap());
        };
        let hall = Hall::prepare(folder.path(), STORE, &devices, edit).await;
        centre.enrol(&hall).await;
        let (gateway, manager) = hall.open().await;
        Self {
            gateway,
            hall,
            manager,
            centre,
            screen,
            _sensor: sensor,
            _folder: folder,
        }
    }

    /// A device that is mosquitto_pub: QoS 1, it ends with 0 only after the PUBACK.
    async fn publish(&self, device: usize, version: &str, kind: &str, payload: &Value) {
        let (host, port) = mqtt(&self.gateway);
        let (id, secret) = (["tm-1", "pad-3"][device], &self.hall.secrets[device]);
        let topic = format!("te/device/{id}///e/{kind}");
        let mut command = debian("mosquitto_pub");
        command.args([
            "-V", version, "-h", host, "-p", port, "-i", id, "-u", id, "-P", secret,
        ]);
        command.args(["-q", "1", "-t", &topic, "-m", &payload.to_string()]);
        let output = finish(&mut command, SOON).await;
        assert!(output.status.success(), "{kind}: {}", text(&output));
    }

    /// An event of the ticket; as soon as it is acknowledged it must be in the journal.
    async fn report(&self, seq: u32, kind: &str, mut fields: Value) {
        let more = json!({"ticket": "A001", "boot": "p1", "seq": seq});
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.publish(0, "mqttv311", kind, &fields).await;
        let path = "/api/v1/devices/tm-1/reports?limit=1";
        let found: Value = self.manager.get(path).await.unwrap();
        let last = &found["reports"][0];
        assert_eq!(last["kind"], kind, "the PUBACK came before the row");
        assert_eq!(last["payload"], fields, "kept as it was sent");
    }

    /// What the hall has at `path`, once all of `want` is found there.
    async fn shows(&self, what: &str, path: &str, want: &[(&str, Value)]) -> Value {
        shows(&self.manager, what, path, want, SOON).await
    }

    async fn is_issued(&self) {
        self.report(1, "ticket.issued", json!({"queue": "A"})).await;
        // The same number again is acknowledged and is no second report.
        self.report(1, "ticket.issued", json!({"queue": "A"})).await;
    }

    async fn waits(&self) {
        let want = [
            ("/ticket/state", json!("waiting")),
            ("/events/0/device", json!("tm-1")),
        ];
        let trail = self.shows("the ticket waits", &trail(), &want).await;
        assert_eq!(
            trail["events"].as_array().unwrap().len(),
            1,
            "once: {trail}"
        );
    }

    async fn stands_on_the_floor(&self) {
        let longest = "/totals/longest_wait_ticket";
        let want = [("/totals/waiting", json!(1)), (longest, json!("A001"))];
        self.shows("the floor shows it", "/api/v1/floor", &want)
            .await;
    }

    async fn is_called_and_the_screen_shows_it(&self) {
        let at_3 = json!({"counter": "3", "staff": "2001"});
        self.report(2, "ticket.called", at_3).await;
        // The screen's protocol knows a letter and a number, not how the ticket is printed.
        let call = "call A1 at window 3".to_owned();
        until("the screen shows the call", SOON, async || {
            let shown = self.screen.shown();
            seen(shown.contains(&call), shown)
        })
        .await;
        let path = "/api/v1/devices/screen-3/reports?limit=2";
        let want = [
            ("/reports/0/kind", json!("command.state")),
            ("/reports/0/payload/status", json!("successful")),
            ("/reports/1/kind", json!("screen.shown")),
            ("/reports/1/payload/acknowledged", json!(true)),
        ];
        self.shows("the screen acknowledged", path, &want).await;
    }

    async fn is_served_and_rated(&self) {
        let at_3 = json!({"counter": "3", "staff": "2001"});
        self.report(3, "ticket.started", at_3).await;
        self.report(4, "ticket.finished", json!({})).await;
        until("nobody is on the sign any more", SOON, async || {
            let shown = self.screen.shown();
            seen(shown.ends_with(&["serving".into(), "pause".into()]), shown)
        })
        .await;
        let pressed = json!({"score": 5, "counter": "3"});
        self.publish(1, "mqttv5", "rating.given", &pressed).await;
        let want = [
            ("/ticket/state", json!("finished")),
            ("/ticket/rating", json!(5)),
            ("/ticket/staff/staff", json!("2001")),
            ("/ticket/flags", json!([])),
        ];
        let trail = self.shows("the ticket is finished", &trail(), &want).await;
        for (nth, step) in ["issued", "called", "started", "finished"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(
                trail["events"][nth]["kind"],
                format!("ticket.{step}"),
                "{trail}"
            );
        }
    }

    /// Read by Modbus from a foreign sensor.
    async fn has_good_air(&self) {
        let temperature = "/climate/0/temperature_tenths";
        let want = [
            (temperature, json!(225)),
            ("/climate/0/in_band", json!(true)),
        ];
        self.shows("the floor shows the air", "/api/v1/floor", &want)
            .await;
    }

    async fn is_read_by_all_followers(&self) {
        until("the followers keep up", SOON, async || {
            let found: Value = self
                .manager
                .get("/api/v1/box")
                .await
                .map_err(|e| e.to_string())?;
            let followers = found["followers"].as_array().cloned().unwrap_or_default();
            // The sensor reports on and on: one may be under way.
            let level = followers
                .iter()
                .all(|follower| follower["lag"].as_i64() <= Some(1));
            seen(
                followers.len() >= 4 && level,
                found["followers"].to_string(),
            )
        })
        .await;
    }

    async fn is_compared(&self) {
        let path = format!("/api/v1/compare?from={DAY}&to={DAY}");
        let want = [
            ("/rows/0/store", json!(STORE)),
            ("/rows/0/issued", json!(1)),
            ("/rows/0/finished", json!(1)),
            ("/rows/0/waiting_n", json!(1)),
            ("/rows/0/handling_n", json!(1)),
            ("/rows/0/ratings", json!([0, 0, 0, 0, 1])),
            ("/rows/0/climate_in_band_bp", json!(10_000)),
            ("/total/issued", json!(1)),
        ];
        let what = "the centre compares it";
        let figures = shows(&self.centre.operator, what, &path, &want, QUARTER).await;
        let age = &figures["rows"][0]["data_through"];
        assert!(age.is_string(), "no figure without its age: {figures}");
    }

    async fn is_in_the_quarter_hour_it_came(&self) {
        let path = format!("/api/v1/halls/{STORE}/day?date={DAY}");
        let day: Value = self.centre.operator.get(&path).await.unwrap();
        let slots = day["slots"].as_array().unwrap();
        let slot = slots
            .iter()
            .find(|slot| slot["issued"] == 1)
            .expect("its quarter hour");
        assert_eq!(slot["start"], format!("{DAY}T01:00:00Z"), "{day}");
    }

    async fn was_counted_once(mut self) {
        assert_eq!(self.gateway.stop().await.unwrap(), Ended::Cleanly);
        assert_eq!(self.centre.running.stop().await.unwrap(), Ended::Cleanly);
        let hall = Copied::of(&self.hall.program.data, "hall.db");
        let centre = Copied::of(&self.centre.running.program.data, "central.db");
        let sql = "select count(*) from journal_report
             where device = (select id from journal_device where name = 'tm-1')";
        assert_eq!(hall.one::<i64>(sql), 4);
        let (count, wrong) = facts::compare(&hall, &centre, STORE);
        assert!(count > 0 && wrong.is_empty(), "{wrong:#?}");
    }
}

fn trail() -> String {
    format!("/api/v1/tickets/{DAY}/A001")
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
            let all_right = found == Some(value);
            seen(all_right, format!("{pointer} is {found:?} and not {value}"))?;
        }
        Ok::<_, String>(body)
    })
    .await
}
