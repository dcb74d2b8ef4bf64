//! The power goes while devices report: a Linux kernel of its own (user-mode Linux) runs the gateway
//! on a disk image and is killed, with everything that was not synced yet. What a device saw
//! acknowledged is on the disk afterwards, once, and the gateway goes on from there.
//!
//! `ZHIBAN_CUTS` (3) and `ZHIBAN_SEED` (random) may be set.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::sleep;
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::ledger::{Ledger, differences};
use zhiban_tests::harness::peers::{debian, finish, python, text};
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::wait::{seen, until};

const WEB: &str = "127.0.0.1:8080";
const MQTT: &str = "127.0.0.1:1883";
/// Devices by id, protocol of the client, and the guest's console its ledger goes to. A console is
/// written through to us; a file of the guest would be cut off with the rest.
const DEVICES: [(&str, &str, &str); 2] =
    [("tm-5", "5", "/dev/tty1"), ("tm-http", "http", "/dev/tty2")];
const DISK_MIB: u64 = 512;
const BOOT_TIME_MAX: Duration = Duration::from_secs(120);

fn from_env(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// The machine whose power goes.
struct Machine {
    hall: Hall,
    folder: Folder,
}

impl Machine {
    /// Its disk holds a hall with two devices that never ran.
    async fn build() -> Self {
        let folder = Folder::new("power");
        let disk = folder.path().join("disk");
        let devices = DEVICES.map(|(id, ..)| format!("{id} ticket-machine"));
        let devices = devices.each_ref().map(String::as_str);
        let mut hall = Hall::prepare(folder.path(), "power-hall", &devices, |config| {
            config["hall"]["data"] = disk.join("data").to_string_lossy().into_owned().into();
            config["web"]["listen"] = WEB.into();
            config["mqtt"]["listen"] = MQTT.into();
        })
        .await;
        hall.program.data = disk.join("data");
        let image = folder.path().join("image");
        let file = File::create(&image).unwrap();
        file.set_len(DISK_MIB << 20).unwrap();
        let mut format = debian("mkfs.ext4");
        format.args(["-q", "-F", "-d"]).arg(&disk).arg(&image);
        run(&mut format, 0).await;
        Self { hall, folder }
    }

    fn ledger(&self, cut: u64, nth: usize) -> PathBuf {
        self.folder.path().join(format!("ledger-{cut}-{nth}"))
    }

    fn read_ledger(&self, cut: u64, nth: usize) -> Ledger {
        let bytes = fs::read(self.ledger(cut, nth)).unwrap_or_default();
        Ledger::read(&String::from_utf8_lossy(&bytes))
    }

    fn acked(&self, cut: u64) -> usize {
        let devices = 0..DEVICES.len();
        devices
            .map(|nth| self.read_ledger(cut, nth).acked.len())
            .sum()
    }

    /// What the machine does when it is switched on.
    fn write_init(&self, cut: u64) -> PathBuf {
        let folder = self.folder.path();
        let (gateway, config) = (&self.hall.program.executable, &self.hall.program.config);
        let mut script = format!(
            "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\nmount -t proc proc /proc\n\
             mount -t ext4 /dev/ubda {disk}\nip link set lo up\n\
             {gateway} run {config} >>{log} 2>&1 &\n",
            disk = folder.join("disk").display(),
            gateway = gateway.display(),
            config = config.display(),
            log = folder.join("guest-log").display(),
        );
        for ((device, speaks, ledger), secret) in DEVICES.iter().zip(&self.hall.secrets) {
            let client = python("ledger_client.py");
            let client = client.as_std();
            let words = [client.get_program()].into_iter().chain(client.get_args());
            let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
            let door = if *speaks == "http" { WEB } else { MQTT };
            let (host, port) = door.rsplit_once(':').unwrap();
            // An open input: the client ends when whoever started it is gone.
            script += &format!(
                "sleep 1000 | {} {speaks} {host} {port} {device} {secret} cut{cut} {ledger} 4 \
                 >>{} 2>&1 &\n",
                words.join(" "),
                folder.join("guest-log").display(),
            );
        }
        script += "wait\n";
        let file = folder.join("init.sh");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
        file
    }

    fn switch_on(&self, cut: u64) -> Child {
        let [first, second] = [0, 1].map(|nth| File::create(self.ledger(cut, nth)).unwrap());
        let init = self.write_init(cut);
        let image = self.folder.path().join("image");
        let mut machine = debian("linux.uml");
        machine
            .args([
                "mem=768M",
                "rootfstype=hostfs",
                "rootflags=/",
                "rw",
                "quiet",
            ])
            .arg(format!("init={}", init.display()))
            .arg(format!("ubd0={}", image.display()))
            .args(["con=null", "ssl=null", "con1=null,fd:1", "con2=null,fd:2"])
            .stdin(Stdio::null())
            .stdout(first)
            .stderr(second)
            .process_group(0);
        machine.spawn().expect("user-mode Linux can be started")
    }

    /// What is on the disk after the cut, as the next start would read it.
    async fn read_disk(&self) -> Copied {
        let image = self.folder.path().join("image");
        // The file system's own journal is played back first, as the kernel does when it mounts.
        run(debian("e2fsck").arg("-fy").arg(&image), 1).await;
        let out = self.folder.path().join("read");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out).unwrap();
        let dump = format!("rdump /data {}", out.display());
        run(debian("debugfs").args(["-R", &dump]).arg(&image), 0).await;
        Copied::of(&out.join("data"), "hall.db")
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.folder.path().join("guest-log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let from = log.len().saturating_sub(2_000);
        log.get(from..).unwrap_or_default().to_owned()
    }
}

/// Runs a tool that must not answer more than `code_max`.
async fn run(command: &mut Command, code_max: i32) {
    let output = finish(command, BOOT_TIME_MAX).await;
    let ended = output.status.code().is_some_and(|code| code <= code_max);
    assert!(ended, "{command:?}: {}", text(&output));
}

async fn cut(mut machine: Child) {
    let group = machine.id().and_then(|id| i32::try_from(id).ok());
    let group = group.and_then(Pid::from_raw).expect("it runs");
    kill_process_group(group, Signal::KILL).expect("it can be killed");
    machine.wait().await.expect("it can be waited for");
}

/// What is wrong after a cut. A ledger on a console may end before the last thing that was sent, so
/// what is there beyond it is no difference.
fn wrong(machine: &Machine, journal: &Copied, cuts: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    for cut in 1..=cuts {
        for (nth, (device, ..)) in DEVICES.iter().enumerate() {
            let ledger = machine.read_ledger(cut, nth);
            wrong.extend(differences(journal, device, &format!("cut{cut}"), &ledger));
        }
    }
    wrong.retain(|difference| !difference.ends_with("was never sent"));
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_on_the_disk_after_every_power_cut() {
    let cuts = from_env("ZHIBAN_CUTS", 3);
    let seed = from_env("ZHIBAN_SEED", rand::rng().random());
    println!("cuts {cuts}, ZHIBAN_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let machine = Machine::build().await;
    let mut all = 0;
    for nth in 1..=cuts {
        let running = machine.switch_on(nth);
        until("devices are heard", BOOT_TIME_MAX, async || {
            let acked = machine.acked(nth);
            let heard = (0..DEVICES.len()).all(|at| !machine.read_ledger(nth, at).acked.is_empty());
            seen(
                heard,
                format!("{acked} acknowledged\n{}", machine.log_tail()),
            )
        })
        .await;
        sleep(Duration::from_millis(rng.random_range(300..3_000))).await;
        cut(running).await;
        let journal = machine.read_disk().await;
        assert_eq!(journal.integrity(), "ok");
        let wrong = wrong(&machine, &journal, nth);
        let shown = wrong
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(wrong.is_empty(), "{} differences:\n{shown}", wrong.len());
        let acked = machine.acked(nth);
        println!("cut {nth}: {acked} acknowledged, none lost");
        all += acked;
    }
    println!("n = {cuts} power cuts, {all} acknowledged, 0 lost");
    assert!(
        all > 50 * cuts as usize,
        "the devices were hardly heard: {all}"
    );
}
