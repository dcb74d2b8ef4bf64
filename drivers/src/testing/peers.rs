//! Programs of other people, run as they are.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Python with the packages of `deploy/setup/peers.sh`.
fn python() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("ZHIBAN_PEERS").map(PathBuf::from);
    let python = folder
        .unwrap_or_else(|| workspace.join("target/peers"))
        .join("bin/python");
    let shown = python.display();
    assert!(
        python.exists(),
        "{shown} is missing: run `make setup` (or deploy/setup/peers.sh)"
    );
    python
}

/// A Debian package that has to be there.
pub(crate) fn debian(program: &str) -> Command {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).exists());
    assert!(
        found,
        "{program} is missing: run `make setup` (or apt-get install {program})"
    );
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    command
}

/// A program of other people driven by a script of ours: it prints `ready`, takes one order per
/// line and answers each with a line.
pub(crate) struct Peer {
    process: Child,
    orders: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts `drivers/src/<script>` with the Python of `deploy/setup/peers.sh`, and waits until it
    /// is ready.
    pub(crate) async fn python(script: &str, args: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/").to_owned() + script;
        let mut command = Command::new(python());
        command.arg(script).args(args).kill_on_drop(true);
        let mut peer = Self::start(command);
        peer.wait_for("ready").await;
        peer
    }

    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let says = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            orders,
            says,
        }
    }

    /// Gives an order that is answered by `done <order>`.
    pub(crate) async fn order(&mut self, line: &str) {
        self.tell(line).await;
        self.wait_for(&format!("done {line}")).await;
    }

    pub(crate) async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.orders.write_all(line.as_bytes()).await.unwrap();
    }

    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> String {
        let reading = tokio::time::timeout(Duration::from_secs(20), self.says.next_line());
        let line = reading.await.expect("a line within 20 s").unwrap();
        line.expect("the peer goes on")
    }

    pub(crate) async fn wait_for(&mut self, expected: &str) {
        while self.line().await != expected {}
    }
}

/// Two serial ports with a wire in between, by socat.
pub(crate) struct SerialCable {
    folder: PathBuf,
    _process: Child,
}

impl SerialCable {
    pub(crate) async fn lay() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::lay_at(&number.to_string()).await
    }

    /// The ends of a cable of the same name have the same names, also when it is laid again.
    pub(crate) async fn lay_at(name: &str) -> Self {
        let name = format!("zhiban-cable-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let end = |name| format!("pty,raw,echo=0,link={}", folder.join(name).display());
        let process = debian("socat")
            .arg(end("hall"))
            .arg(end("device"))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let cable = Self {
            folder,
            _process: process,
        };
        while !(cable.folder.join("hall").exists() && cable.folder.join("device").exists()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cable
    }

    pub(crate) fn end(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for SerialCable {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}
