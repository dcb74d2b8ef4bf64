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
use zhiban_tests::harness::ledger::{LedgerDevice, Speaks, acked, nothing_is_lost, start_devices};
use zhiban_tests::harness::peers::{debian, finish, text};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Ended, Running, free_port};

const SOON: Duration = Duration::from_secs(20);
const LONGER_THAN_ANY_RETRY: Duration = Duration::from_secs(12);
const DEVICES: [(&str, Speaks); 2] = [("tm-a", Speaks::Mqtt5), ("tm-b", Speaks::Http)];

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

/// From now on the system calls that sync fail, or work again.
async fn sync_calls(fifo: &Path, gateway: &Running, what: &str) {
    for call in ["fsync", "fdatasync"] {
        let command = format!("{what} name=posix/io/sync/{call}");
        control(fifo, gateway.addresses.pid, &command).await;
    }
}

async fn wait_for_reports(devices: &[LedgerDevice], more_than: usize) {
    until("reports are taken", SOON, async || {
        let count = acked(devices);
        seen(count > more_than, count)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_after_a_failed_fsync() {
    let folder = Folder::new("fsync");
    let fifo = folder.path().join("fiu");
    let ids = DEVICES.map(|(id, _)| format!("{id} ticket-machine"));
    let ids = ids.each_ref().map(String::as_str);
    let mut hall = Hall::prepare(folder.path(), "fsync-hall", &ids, |config| {
        // The same ports after the restart.
        for door in ["web", "mqtt"] {
            config[door]["listen"] = format!("127.0.0.1:{}", free_port().unwrap()).into();
        }
    })
    .await;
    let plain = hall.program.executable.clone();
    hall.program.executable = under_fiu(folder.path(), &plain, &fifo);
    let (mut gateway, manager) = hall.open().await;
    let mut devices = start_devices(&gateway, folder.path(), &DEVICES, &hall.secrets).await;
    wait_for_reports(&devices, 200).await;

    sync_calls(&fifo, &gateway, "enable").await;
    until("health says that the writer stopped", SOON, async || {
        let (status, body) = health(&gateway).await;
        seen(status == 503 && body.contains("stopped"), body)
    })
    .await;
    let before = acked(&devices);
    // The disk is well again; the writer must not go on as if nothing had been.
    sync_calls(&fifo, &gateway, "disable").await;
    sleep(LONGER_THAN_ANY_RETRY).await;
    assert_eq!(acked(&devices), before, "acknowledged after a failed fsync");
    let (status, body) = health(&gateway).await;
    assert_eq!(status, 503, "{body}");
    let found: Value = manager.get("/api/v1/box").await.unwrap();
    assert_eq!(found["journal"]["writer"], "stopped", "{found}");
    gateway.check().unwrap();
    let log = std::fs::read_to_string(&gateway.program.log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    gateway.stop().await.unwrap();

    hall.program.executable = plain;
    let mut gateway = hall.start().await;
    wait_for_reports(&devices, before).await;
    for device in &mut devices {
        device.drain().await;
    }
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
    nothing_is_lost(&hall.program.data, &devices);
    let after = acked(&devices) - before;
    println!("{before} acknowledged before, {after} after the restart, 0 lost");
}
