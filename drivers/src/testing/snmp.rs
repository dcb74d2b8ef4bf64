//! An SNMP agent of other people (snmpsim), and other people's programs that ask and set it
//! (net-snmp).

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

use super::{debian, free_port};
use crate::link::snmp::{Message, Oid, Version};

/// snmpsim serving recordings; the community is the name of the recording.
pub(crate) struct SnmpSim {
    folder: PathBuf,
    pub(crate) peer: String,
    process: Child,
}

impl SnmpSim {
    /// Serves files below `drivers/src`, by the names given.
    pub(crate) async fn serve(recordings: &[(&str, &str)]) -> Self {
        let folder = folder();
        for (name, file) in recordings {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/").to_owned() + file;
            let recording = std::fs::read_to_string(file).unwrap();
            let lines: Vec<&str> = recording.lines().filter(|l| !l.starts_with('#')).collect();
            let served = folder.join("data").join(format!("{name}.snmprec"));
            std::fs::write(served, lines.join("\n") + "\n").unwrap();
        }
        let peer = format!("127.0.0.1:{}", free_port());
        let process = start(&folder, &peer).await;
        Self {
            folder,
            peer,
            process,
        }
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts again at the same port; what was set is forgotten.
    pub(crate) async fn start_again(&mut self) {
        self.process = start(&self.folder, &self.peer).await;
    }

    /// What net-snmp reads: the value alone, texts without quotes.
    pub(crate) async fn get(&self, community: &str, name: &str) -> String {
        let mut get = self.client("snmpget", community);
        said(get.args(["-Oqv", name]))
            .await
            .trim_matches('"')
            .to_owned()
    }

    /// Has net-snmp set a value; `kind` as snmpset names it.
    pub(crate) async fn set(&self, community: &str, name: &str, kind: &str, value: &str) {
        let mut set = self.client("snmpset", community);
        said(set.args([name, kind, value])).await;
    }

    fn client(&self, program: &str, community: &str) -> Command {
        let mut command = debian(program);
        command.args(["-v2c", "-c", community, "-t", "5", &self.peer]);
        command
    }
}

/// What a program of net-snmp says, line by line; its complaints behind it.
pub(crate) async fn netsnmp(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = debian(program).args(arguments).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    said.lines().map(str::to_owned).collect()
}

impl Drop for SnmpSim {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn said(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("zhiban-snmpsim-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    for folder in [folder.clone(), folder.join("data"), folder.join("cache")] {
        std::fs::create_dir_all(&folder).unwrap();
        // snmpsim runs as nobody, and keeps its index there.
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    }
    folder
}

/// Starts snmpsim, which refuses to be root, and waits until it answers.
async fn start(folder: &std::path::Path, peer: &str) -> Child {
    let mut command = match std::fs::metadata("/proc/self").unwrap().uid() {
        0 => {
            let mut command = debian("setpriv");
            command.args([
                "--reuid=nobody",
                "--regid=nogroup",
                "--clear-groups",
                "snmpsimd",
            ]);
            command
        }
        _ => debian("snmpsimd"),
    };
    let setting = |name: &str, value: &str| format!("--{name}={value}");
    let process = command
        .arg(setting(
            "data-dir",
            &folder.join("data").display().to_string(),
        ))
        .arg(setting(
            "cache-dir",
            &folder.join("cache").display().to_string(),
        ))
        .arg(setting("agent-udpv4-endpoint", peer))
        .arg(setting("logging-method", "null"))
        .current_dir(folder)
        .spawn()
        .unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(peer).await.unwrap();
    let any = Oid(vec![1, 3, 6]);
    let version = Version::V2c;
    let asked = Message::next(version, 1, &[any]);
    let mut bytes = [0; 2048];
    for _ in 0..100 {
        // Of a community nobody knows there is no answer; of ours there is.
        for name in std::fs::read_dir(folder.join("data")).unwrap() {
            let name = name.unwrap().path();
            let community = name.file_stem().unwrap().to_string_lossy().into_owned();
            let _ = socket.send(&asked.write(community.as_bytes())).await;
        }
        let answer = tokio::time::timeout(Duration::from_millis(200), socket.recv(&mut bytes));
        if matches!(answer.await, Ok(Ok(_))) {
            return process;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("snmpsimd does not answer at {peer}");
}
