//! fsync fails once: from then on nothing on disk may be trusted, so nothing is acknowledged and
//! nothing is tried again in silence. A restart reads the disk anew and has every acknowledged row.
//!
//! The failure is injected by libfiu, in the real program, at the system call.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::ledger::{LedgerClient, Speaks, differences};
use zhiban_tests::harness::peers::{debian, finish, text};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Running, free_port};

const SOON: Duration = Duration::from_secs(20);

/// The gateway under libfiu, which then listens at `fifo` for what is to fail.
fn under_fiu(folder: &Path, program: &Path, fifo: &Path) -> std::path::PathBuf {
    let script = folder.join("under-fiu");
    let (program, fifo) = (program.display(), fifo.display());
    // As `fiu-run -x` does, but the gateway keeps the process id that is signalled.
    let text = format!(
        "#!/bin/sh\nlib=$(dirname \"$(find /usr/lib /usr/local/lib -name fiu_posix_preload.so | head -1)\")\n\
         export LD_PRELOAD=\"$lib/fiu_run_preload.so $lib/fiu_posix_preload.so\" FIU_CTRL_FIFO={fifo}\n\
         exec {program} \"$@\"\n"
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

async fn control(fifo: &Path, pid: u32, command: &str) {
    let mut fiu = debian("fiu-ctrl");
    fiu.arg("-f")
        .arg(fifo)
        .args(["-c", command, &pid.to_string()]);
    let output = finish(&mut fiu, SOON).await;
    assert!(output.status.success(), "fiu-ctrl: {}", text(&output));
}

async fn health(gateway: &Running) -> (u16, String) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(SOON)
        .build()
        .unwrap();
    let answer = client
        .get(format!("{}/health", gateway.url()))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_after_a_failed_fsync() {
    let folder = Folder::new("fsync");
    let fifo = folder.path().join("fiu");
    let devices = ["tm-a ticket-machine", "tm-b ticket-machine"];
    let mut hall = Hall::prepare(folder.path(), "fsync-hall", None, &devices, |config| {
        for door in ["web", "mqtt"] {
            config[door]["listen"] = format!("127.0.0.1:{}", free_port().unwrap()).into();
        }
    })
    .await;
    let plain = hall.program.executable.clone();
    hall.program.executable = under_fiu(folder.path(), &plain, &fifo);
    let (mut gateway, manager) = hall.open().await;
    let (web, mqtt) = (
        gateway.addresses.web.clone(),
        gateway.addresses.mqtt.clone().unwrap(),
    );
    let mut clients = Vec::new();
    for (nth, (speaks, address)) in [(Speaks::Mqtt5, &mqtt), (Speaks::Http, &web)]
        .iter()
        .enumerate()
    {
        let device = ["tm-a", "tm-b"][nth];
        let secret = &hall.secrets[nth];
        let client = LedgerClient {
            speaks: *speaks,
            address,
            device,
            secret,
            boot: "b1",
            every_ms: 5,
        };
        clients.push(client.start(folder.path()).await);
    }
    let acked = |clients: &[zhiban_tests::harness::ledger::LedgerDevice]| {
        clients
            .iter()
            .map(|client| client.ledger().acked.len())
            .sum::<usize>()
    };
    until("reports are taken", SOON, async || {
        let count = acked(&clients);
        seen(count > 200, count)
    })
    .await;

    let pid = gateway.addresses.pid;
    for call in ["fsync", "fdatasync"] {
        control(&fifo, pid, &format!("enable name=posix/io/sync/{call}")).await;
    }
    until(
        "health fails and says that the writer stopped",
        SOON,
        async || {
            let (status, body) = health(&gateway).await;
            seen(status == 503 && body.contains("stopped"), body)
        },
    )
    .await;
    let before = acked(&clients);
    // The disk is well again; the writer must not go on as if nothing had been.
    for call in ["fsync", "fdatasync"] {
        control(&fifo, pid, &format!("disable name=posix/io/sync/{call}")).await;
    }
    sleep(Duration::from_secs(12)).await;
    assert_eq!(acked(&clients), before, "acknowledged after a failed fsync");
    let (status, body) = health(&gateway).await;
    assert_eq!(status, 503, "{body}");
    let found: Result<Value, _> = manager.get("/api/v1/box").await;
    let found = found.expect("the panel can still be read");
    assert_eq!(found["journal"]["writer"], "stopped", "{found}");
    gateway.check().unwrap();
    let log = std::fs::read_to_string(&gateway.program.log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    gateway.stop().await.unwrap();

    hall.program.executable = plain;
    let mut gateway = hall.start().await;
    for client in &mut clients {
        client.drain().await;
    }
    assert!(
        acked(&clients) > before,
        "nothing is taken after the restart"
    );
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    let journal = Copied::of(&hall.program.data, "hall.db");
    assert_eq!(journal.integrity(), "ok");
    for client in &clients {
        let wrong = differences(&journal, client);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    println!(
        "{before} acknowledged before, {} after the restart, 0 lost",
        acked(&clients) - before
    );
}
