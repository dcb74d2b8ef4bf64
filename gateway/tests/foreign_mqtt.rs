//! The MQTT door and clients we did not write: mosquitto's and paho's, with 3.1.1 and 5.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use zhiban_config::gateway::{Mqtt, Registry};
use zhiban_gateway::broker::Door;
use zhiban_gateway::devices::{Devices, NewDevice};
use zhiban_gateway::joining::Joining;
use zhiban_gateway::journal::{Journal, entries_after, migrate};
use zhiban_kernel::authority::Authority;
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::device::DeviceKind;

const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

struct Hall {
    store: Store,
    devices: Devices,
    port: u16,
    shutdown: CancellationToken,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hall {
    async fn open(name: &str) -> Self {
        let name = format!("zhiban-foreign-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
        let clock = Clock::new(None);
        let journal = Journal::open(store.clone(), clock).await.unwrap();
        let devices = Devices::open(store.clone(), clock, Registry::default())
            .await
            .unwrap();
        let mqtt = Mqtt {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Mqtt::default()
        };
        let authority = Authority::open(&folder.join("authority.pem"), "hall").unwrap();
        let joining = Joining::new(store.clone(), clock, devices.clone(), Arc::new(authority));
        let door = Door::open(
            mqtt,
            journal,
            devices.clone(),
            joining,
            store.clone(),
            clock,
        );
        let door = door.await.unwrap();
        let port = door.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        tokio::spawn(door.run(shutdown.clone()));
        Self {
            store,
            devices,
            port,
            shutdown,
            folder,
        }
    }

    async fn register(&self, id: &str) -> String {
        let device = NewDevice {
            device: id.parse().unwrap(),
            kind: DeviceKind::TicketMachine,
            name: id.to_owned(),
            counter: None,
        };
        self.devices.add(device, |_| Ok(())).await.unwrap()
    }

    async fn reports(&self) -> usize {
        let count = |connection: &_| Ok(entries_after(connection, 0, 100_000)?.0.len());
        self.store.read(count).await.unwrap()
    }

    async fn letters(&self) -> i64 {
        let count = |connection: &rusqlite::Connection| {
            let sql = "select count(*) from journal_dead_letter
                 where reason_code = 'topic-not-permitted'";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        };
        self.store.read(count).await.unwrap()
    }

    /// One of mosquitto's programs, as device `id`.
    fn mosquitto(&self, program: &str, version: &str, id: &str, secret: &str) -> Command {
        let mut command = bounded(program);
        command.args(["-h", "127.0.0.1", "-V", version, "-i", id]);
        command.args(["-u", id, "-P", secret, "-p", &self.port.to_string()]);
        command
    }
}

/// A program that is ended when it does not end by itself.
fn bounded(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program);
    command
}

/// Exit code and output of a program.
async fn finish(mut command: Command) -> (Option<i32>, String) {
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let code = output.status.code();
    assert_ne!(code, Some(124), "it did not end: {text}");
    assert_ne!(code, Some(127), "{text}\nrun `make setup`");
    (code, text)
}

fn python() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let peers = std::env::var_os("ZHIBAN_PEERS")
        .map_or_else(|| workspace.join("target/peers"), PathBuf::from);
    let python = peers.join("bin/python");
    let missing = format!("{} is missing; run `make setup`", python.display());
    assert!(python.exists(), "{missing}");
    python
}

#[tokio::test]
async fn mosquitto_publishes_and_it_is_on_disk() {
    let hall = Hall::open("publish").await;
    let secret = hall.register("tm-1").await;
    for (at, version) in VERSIONS.iter().enumerate() {
        let payload = format!(r#"{{"ticket":"A1","queue":"A","boot":"b{at}","seq":1}}"#);
        let mut command = hall.mosquitto("mosquitto_pub", version, "tm-1", &secret);
        command.args(["-q", "1", "-t", "te/device/tm-1///e/ticket.issued"]);
        command.args(["-m", &payload]);
        assert_eq!(finish(command).await, (Some(0), String::new()));
        assert_eq!(hall.reports().await, at + 1);
    }
}

#[tokio::test]
async fn mosquitto_is_told_why_it_is_refused() {
    let hall = Hall::open("refused").await;
    let secret = hall.register("tm-1").await;
    for (version, id, secret, expect) in [
        ("mqttv311", "tm-1", "guess", "bad user name or password"),
        ("mqttv5", "tm-1", "guess", "Bad User Name or Password"),
        ("mqttv311", "a/b", secret.as_str(), "identifier rejected"),
        (
            "mqttv5",
            "a/b",
            secret.as_str(),
            "Client Identifier not valid",
        ),
        (
            "mqttv31",
            "tm-1",
            secret.as_str(),
            "unacceptable protocol version",
        ),
    ] {
        let mut command = hall.mosquitto("mosquitto_pub", version, id, secret);
        command.args(["-q", "1", "-t", "te/device/tm-1///e/x", "-m", "{}"]);
        let (code, text) = finish(command).await;
        assert_ne!(code, Some(0));
        let (text, expect) = (text.to_lowercase(), expect.to_lowercase());
        assert!(text.contains(&expect), "{version} {id}: {text}");
    }
}

#[tokio::test]
async fn mosquitto_cannot_speak_or_listen_for_another() {
    let hall = Hall::open("another").await;
    let secret = hall.register("tm-1").await;
    for version in VERSIONS {
        let mut command = hall.mosquitto("mosquitto_pub", version, "tm-1", &secret);
        command.args(["-q", "1", "-t", "排队机/1", "-m", "{}"]);
        let (code, text) = finish(command).await;
        // 3.1.1 has no way to say no; 5 has, and mosquitto prints it.
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(
            text.contains("Not authorized"),
            version == "mqttv5",
            "{text}"
        );
        let mut command = hall.mosquitto("mosquitto_sub", version, "tm-1", &secret);
        command.args(["-q", "1", "-t", "te/device/tm-2/#", "-W", "2"]);
        let (_, text) = finish(command).await;
        assert!(
            text.contains("All subscription requests were denied"),
            "{text}"
        );
        let mut command = hall.mosquitto("mosquitto_sub", version, "tm-1", &secret);
        command.args([
            "-t",
            "te/device/tm-1/#",
            "--will-topic",
            "te/device/tm-2///e/x",
        ]);
        let (code, text) = finish(command).await;
        assert_ne!(code, Some(0), "{text}");
        assert!(text.to_lowercase().contains("not authori"), "{text}");
    }
    assert_eq!((hall.reports().await, hall.letters().await), (0, 2));
}

#[tokio::test]
async fn mosquitto_hears_all_that_is_retained() {
    let hall = Hall::open("retained").await;
    let secret = hall.register("tm-1").await;
    for n in 0..250 {
        let topic = format!("te/device/tm-1///twin/v{n}");
        let keep = format!(
            "insert into broker_retained values ('{topic}', 'tm-1', cast('{n}' as blob), 1, 0)"
        );
        let write = move |connection: &rusqlite::Connection| Ok(connection.execute(&keep, [])?);
        hall.store.write(write).await.unwrap();
    }
    for version in VERSIONS {
        let mut command = hall.mosquitto("mosquitto_sub", version, "tm-1", &secret);
        command.args([
            "-q",
            "1",
            "-t",
            "te/device/tm-1/#",
            "-C",
            "250",
            "-F",
            "%t %r",
        ]);
        let (code, text) = finish(command).await;
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.ends_with(" 1")).count(),
            250
        );
    }
}

#[tokio::test]
async fn paho_walks_through_the_door_in_both_versions() {
    for version in ["4", "5"] {
        let hall = Hall::open(&format!("paho-{version}")).await;
        let secret = hall.register("tm-1").await;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/paho_walk.py");
        let mut command = bounded(python());
        command.arg(script).arg(hall.port.to_string());
        command.args([secret.as_str(), version]);
        let (code, text) = finish(command).await;
        assert_eq!(code, Some(0), "version {version}: {text}");
        assert!(text.ends_with("done\n"), "{text}");
        // 200 tickets, and the will of the device that crashed.
        assert_eq!(hall.reports().await, 201);
    }
}
