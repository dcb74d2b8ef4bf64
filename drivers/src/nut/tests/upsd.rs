//! Debian's nut-server in a folder of its own: upsd, and dummy-ups, whose UPS is a file.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::process::{Child, Command};

use super::super::client::Client;
use crate::link::Tap;
use crate::testing::free_port;

/// Where Debian puts them; `upsd` in the path is a script that looks into /etc.
const PROGRAMS: &str = "/lib/nut";

pub(super) struct Upsd {
    folder: PathBuf,
    pub(super) peer: String,
    server: Child,
    driver: Child,
    changes: u64,
}

impl Upsd {
    pub(super) async fn start(ups: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-nut-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("ups.conf", "[hall]\ndriver = dummy-ups\nport = hall.dev\npollinterval = 1\n");
        write("upsd.conf", &format!("LISTEN 127.0.0.1 {port}\nMAXAGE 3\n"));
        write("upsd.users", "[zhiban]\npassword = \"open \\\"sesame\\\"\"\nupsmon secondary\n");
        write("hall.dev", ups);
        let mut upsd = Self {
            driver: program(&folder, "dummy-ups", &["-a", "hall"]),
            server: program(&folder, "upsd", &[]),
            peer: format!("127.0.0.1:{port}"),
            folder,
            changes: 0,
        };
        upsd.answers("").await;
        // The driver begins with a name of its own for the UPS, and reads the file's at a change.
        upsd.set(ups);
        upsd.answers(ups).await;
        upsd
    }

    /// What the UPS is like from now on; names that are left out keep their values.
    pub(super) fn set(&mut self, ups: &str) {
        let new = self.folder.join("new.dev");
        std::fs::write(&new, ups).unwrap();
        // The driver looks at the time of the file in whole seconds.
        self.changes += 1;
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.changes);
        let file = std::fs::File::options().write(true).open(&new).unwrap();
        file.set_modified(time).unwrap();
        std::fs::rename(new, self.folder.join("hall.dev")).unwrap();
    }

    pub(super) async fn kill_server(&mut self) {
        self.server.kill().await.unwrap();
    }

    pub(super) async fn start_server(&mut self) {
        self.server = program(&self.folder, "upsd", &[]);
        self.answers("").await;
    }

    pub(super) async fn kill_driver(&mut self) {
        self.driver.kill().await.unwrap();
    }

    pub(super) fn start_driver(&mut self) {
        self.driver = program(&self.folder, "dummy-ups", &["-a", "hall"]);
    }

    /// Waits until the server tells what the text says of the UPS, or anything.
    async fn answers(&self, ups: &str) {
        for _ in 0..200 {
            if self.tells(ups).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("upsd does not answer at {}", self.peer);
    }

    async fn tells(&self, ups: &str) -> bool {
        let tap = Tap::default();
        let time = Duration::from_secs(1);
        let Ok(mut client) = Client::connect(self.peer.clone(), time, &tap).await else {
            return false;
        };
        let vars = client.vars("hall").await.unwrap_or_default();
        let mut lines = ups.lines().filter_map(|line| line.split_once(": "));
        let same = lines.all(|(name, value)| vars.get(name).is_some_and(|told| told == value));
        same && vars.contains_key("ups.status")
    }
}

impl Drop for Upsd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program(folder: &Path, name: &str, args: &[&str]) -> Child {
    let program = Path::new(PROGRAMS).join(name);
    let shown = program.display();
    assert!(
        program.exists(),
        "{shown} is missing: apt-get install nut-server"
    );
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let mut command = Command::new(program);
    // In the foreground, as whoever runs the test.
    command.args(args).args(["-u", user.trim(), "-FF"]);
    for variable in ["NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"] {
        command.env(variable, folder);
    }
    command.kill_on_drop(true);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}
