//! Both panels in a real browser, at a real hall with a little of a day and a real centre: every
//! page at three widths in two languages, axe without a violation. Pictures in target/screenshots.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use zhiban_drivers::simulator::Port;
use zhiban_drivers::{lihe_screen::ScreenSimulator, modbus::ModbusSimulator};
use zhiban_tests::harness::Running;
use zhiban_tests::harness::clock::ReplayClock;
use zhiban_tests::harness::configs::{Folder, centre, enrol};
use zhiban_tests::harness::peers::{debian, workspace};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};

const DAY: &str = "2026-03-02";
const TICKETS: u32 = 60;
/// Some 150 pages are drawn and judged; on two busy cores that takes its time.
const WALK_WITHIN: Duration = Duration::from_secs(900);

/// A morning, by HTTP: most tickets done, some waiting, counters open, ratings, one dead letter.
async fn morning(gateway: &Running, secret: &str) {
    let mut seq = 0;
    let mut reports = Vec::new();
    let mut add = |kind: &str, minute: u32, mut fields: Value| {
        seq += 1;
        let time = format!("{DAY}T{:02}:{:02}:00Z", 1 + minute / 60, minute % 60);
        let more = json!({"kind": kind, "boot": "b1", "seq": seq, "time": time});
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        reports.push(fields);
    };
    for counter in ["1", "2", "3"] {
        let state = if counter == "3" { "break" } else { "open" };
        add(
            "counter.state",
            0,
            json!({"counter": counter, "state": state, "staff": format!("200{counter}")}),
        );
    }
    for nth in 0..TICKETS {
        let (ticket, counter) = (format!("A{:03}", nth + 1), (nth % 2 + 1).to_string());
        add(
            "ticket.issued",
            nth,
            json!({"ticket": ticket, "queue": "A"}),
        );
        if nth > 50 {
            continue;
        }
        add(
            "ticket.called",
            nth + 2,
            json!({"ticket": ticket, "counter": counter, "staff": format!("200{counter}")}),
        );
        if nth % 9 == 8 {
            add("ticket.no-show", nth + 3, json!({"ticket": ticket}));
            continue;
        }
        add(
            "ticket.started",
            nth + 3,
            json!({"ticket": ticket, "counter": counter}),
        );
        add("ticket.finished", nth + 5, json!({"ticket": ticket}));
        add(
            "rating.given",
            nth + 5,
            json!({"score": 5 - nth % 3, "counter": counter, "ticket": ticket}),
        );
    }
    add("ticket.eaten", 60, json!({"ticket": "A001"}));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{}/api/v1/reports", gateway.url()))
        .basic_auth("tm-1", Some(secret));
    let answer = request
        .json(&json!({ "reports": reports }))
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer["dead_lettered"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
}

/// Node and a browser; without them this test fails, and says what brings them.
fn walk() -> Command {
    let panel = workspace().join("gateway/panel");
    let browser = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).find_map(|folder| {
        browser
            .iter()
            .map(|name| folder.join(name))
            .find(|file| file.is_file())
    });
    let chromium = there.expect("no browser: run `make setup`");
    assert!(
        panel.join("node_modules").exists(),
        "the panel is not installed: run `make panel`"
    );
    assert!(
        panel.join("dist/hall.html").exists(),
        "the panel is not built: run `make panel`"
    );
    let mut command = debian("sh");
    command
        .arg(workspace().join("deploy/setup/panel.sh"))
        .args(["node", "e2e/walk.mjs"]);
    command.env("CHROMIUM", chromium);
    command
}

/// As people reach the panels: within TLS.
fn encrypt(config: &mut toml::Table) {
    let web = config["web"].as_table_mut().unwrap();
    web.insert("tls".into(), toml::toml! { listen = "127.0.0.1:0" }.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_panels_work_in_a_browser_and_have_no_barriers() {
    let folder = Folder::new("browser");
    let clock = ReplayClock::from_now(format!("{DAY}T02:02:00Z").parse().unwrap(), 1);
    let (central, mut config) = centre(folder.path()).unwrap();
    clock.put(&mut config);
    encrypt(&mut config);
    central.write_config(&config).unwrap();
    let mut central = central.start().await.unwrap();
    let sensor = Port::pty(ModbusSimulator::new(1, "xy-md02").unwrap()).unwrap();
    let screen = Port::pty(ScreenSimulator::new(1)).unwrap();
    let devices = ["tm-1 ticket-machine", "pad-1 evaluation-pad 1"];
    let hall = Hall::prepare(folder.path(), "browser-hall", &devices, |config| {
        clock.put(config);
        encrypt(config);
        let wired = json!([
            {"id": "th-1", "name": "大厅温湿度", "driver": "modbus", "settings": {
                "link": {"serial": sensor.path()}, "unit": 1, "map": "xy-md02", "poll_s": 1}},
            {"id": "screen-1", "driver": "lihe-screen", "counter": "1", "settings": {
                "link": {"serial": screen.path()}, "address": 1}},
        ]);
        config.insert("device".into(), toml::Value::try_from(wired).unwrap());
    })
    .await;
    enrol(&central, &hall.program, &hall.store).await.unwrap();
    let mut gateway = hall.start().await;
    morning(&gateway, &hall.secrets[0]).await;
    until(
        "the centre heard of the hall",
        Duration::from_secs(20),
        async || {
            let text = reqwest::get(format!("{}/health", central.url()))
                .await
                .map_err(|e| e.to_string())?;
            seen(text.status().is_success(), text.status().to_string())
        },
    )
    .await;
    walk_both(&gateway, &central).await;
    gateway.stop().await.unwrap();
    central.stop().await.unwrap();
}

/// The person's walk through all pages of both programs, in a browser.
async fn walk_both(gateway: &Running, central: &Running) {
    let pages = |running: &Running| {
        let address = running.addresses.webs.as_ref();
        format!("https://{}", address.expect("encrypted pages"))
    };
    let code = |running: &Running| running.program.setup_code().expect("a first boot");
    let shots = workspace().join("target/screenshots");
    let log = shots.with_extension("log");
    let said = std::fs::File::create(&log).expect("target can be written");
    let walked = walk()
        .envs([("HALL_URL", pages(gateway)), ("CENTRE_URL", pages(central))])
        .envs([("HALL_CODE", code(gateway)), ("CENTRE_CODE", code(central))])
        .envs([("CENTRE_DAY", DAY), ("VERBOSE", "1")])
        .env("SHOTS_DIR", &shots)
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .status();
    let ended = tokio::time::timeout(WALK_WITHIN, walked).await;
    let said = std::fs::read_to_string(&log).unwrap();
    let ended = ended.unwrap_or_else(|_| panic!("the walk did not end:\n{said}"));
    let failed: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("ok "))
        .collect();
    assert!(ended.unwrap().success(), "{}", failed.join("\n"));
    println!("{}\npictures in {}", failed.join("\n"), shots.display());
}
