//! Programs of other people, run as they are: mosquitto's clients, paho-mqtt, pymodbus, socat.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a peer may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// The top folder of the sources.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// A Debian package that has to be there.
///
/// # Panics
/// When it is not, naming what installs it.
#[must_use]
pub fn debian(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    let file = found.unwrap_or_else(|| {
        panic!("{program} is missing: run `make setup` (or apt-get install what has it)")
    });
    let mut command = Command::new(file);
    command.kill_on_drop(true);
    command
}

/// One of the scripts of `tests/tests/peers`, run by the Python of `deploy/setup/peers.sh`.
///
/// # Panics
/// When that Python is missing, naming what installs it.
#[must_use]
pub fn python(script: &str) -> Command {
    let python = installed("bin/python");
    let shown = python.display();
    assert!(
        python.exists(),
        "{shown} is missing: run deploy/setup/peers.sh"
    );
    let mut command = Command::new(&python);
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(script);
    command.arg("-u").arg(script).kill_on_drop(true);
    command
}

/// Something below the folder `deploy/setup/peers.sh` fills.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    let given = std::env::var_os("ZHIBAN_PEERS").map(PathBuf::from);
    given
        .unwrap_or_else(|| workspace().join("target/peers"))
        .join(name)
}

/// One of the scripts of `tests/tests/peers` for Node.js, with the packages of
/// `deploy/setup/peers.sh`.
///
/// # Panics
/// When Node.js or the packages are missing.
#[must_use]
pub fn node(script: &str) -> Command {
    let modules = installed("node/node_modules");
    let shown = modules.display();
    assert!(
        modules.exists(),
        "{shown} is missing: run deploy/setup/peers.sh"
    );
    // Finds a Node.js that is new enough, also where the system's is not.
    let mut command = Command::new(workspace().join("deploy/setup/panel.sh"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    command.arg("node").arg(folder.join(script));
    command.env("NODE_PATH", modules).kill_on_drop(true);
    command
}

/// Runs a peer to its end.
///
/// # Panics
/// When it cannot be started or does not end within `within`.
pub async fn finish(command: &mut Command, within: Duration) -> Output {
    let output = command.stdin(Stdio::null()).output();
    let shown = format!("{:?}", command.as_std());
    let ended = timeout(within, output).await;
    ended
        .unwrap_or_else(|_| panic!("did not end: {shown}"))
        .expect("a peer can be started")
}

/// What an [`Output`] says, both ways.
#[must_use]
pub fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// A peer one talks to in lines. Killed when dropped.
#[derive(Debug)]
pub struct Peer {
    pub process: Child,
    orders: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    /// Everything it said so far.
    pub said: Vec<String>,
}

impl Peer {
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a peer can be started");
        let orders = process.stdin.take().expect("it has an input");
        let says = process.stdout.take().expect("it has an output");
        Self {
            process,
            orders,
            says: BufReader::new(says).lines(),
            said: Vec::new(),
        }
    }

    /// Sends a line.
    ///
    /// # Panics
    /// When it no longer listens.
    pub async fn order(&mut self, line: &str) {
        let bytes = format!("{line}\n");
        self.orders
            .write_all(bytes.as_bytes())
            .await
            .expect("the peer listens");
    }

    /// Reads until a line begins with `start`; gives that line.
    ///
    /// # Panics
    /// When it ends before, or does not come.
    pub async fn until(&mut self, start: &str) -> String {
        let reading = async {
            while let Ok(Some(line)) = self.says.next_line().await {
                self.said.push(line.clone());
                if line.starts_with(start) {
                    return Some(line);
                }
            }
            None
        };
        let found = timeout(PATIENCE, reading).await;
        let found =
            found.unwrap_or_else(|_| panic!("the peer did not say {start:?}, but {:?}", self.said));
        found.unwrap_or_else(|| panic!("the peer ended before {start:?}: {:?}", self.said))
    }

    /// Everything it says until it ends.
    ///
    /// # Panics
    /// When it does not end within `within`.
    pub async fn rest(&mut self, within: Duration) -> Vec<String> {
        let reading = async {
            while let Ok(Some(line)) = self.says.next_line().await {
                self.said.push(line);
            }
        };
        timeout(within, reading).await.expect("the peer goes on");
        std::mem::take(&mut self.said)
    }
}
