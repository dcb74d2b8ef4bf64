//! A real PostgreSQL server, as Debian has it, in a folder of its own: no network, a password, and
//! every commit synced. It ends with the process that started it, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_TIME_MAX: Duration = Duration::from_secs(60);
const PASSWORD: &str = "not-the-default-7";

/// A running server. Stopped, and its folder removed, when dropped.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Of the socket, and of loopback when it is encrypted.
    port: u16,
    is_encrypted: bool,
    running: Option<Child>,
}

/// A database of a server.
#[derive(Debug, Clone)]
pub struct Place {
    pub url: String,
    pub password_file: PathBuf,
}

impl Place {
    /// `[database]` of a configuration.
    #[must_use]
    pub fn config(&self) -> String {
        let (url, file) = (&self.url, &self.password_file);
        format!("[database]\nurl = {url:?}\npassword_file = {file:?}\n")
    }
}

/// Keeps the server until its standard input ends, that is until whoever started it is gone.
const KEEPER: &str = r#"
    program="$1" folder="$2"
    shift 2
    "$program" -D "$folder" -k "$folder" -c max_connections=300 -c shared_buffers=128MB "$@" &
    server=$!
    cat >/dev/null
    kill -INT "$server" 2>/dev/null
    wait "$server"
    [ -e "$folder/keep" ] || rm -rf "$folder"
"#;

impl Server {
    /// Makes a server.
    ///
    /// # Panics
    /// When PostgreSQL is missing, naming what installs it, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut server = Self::made();
        server.run();
        server
    }

    /// Makes a server that is also at `localhost` within TLS, with a certificate openssl made.
    ///
    /// # Panics
    /// As [`Server::start`], and without openssl.
    #[must_use]
    pub fn start_encrypted() -> Self {
        let mut server = Self::made();
        certify(&server.folder);
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        server.port = free.local_addr().expect("a port").port();
        server.is_encrypted = true;
        drop(free);
        server.run();
        server
    }

    /// The authority of a server that is encrypted.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The address of a database by name and port instead of the socket.
    #[must_use]
    pub fn by_network(&self, place: &Place) -> String {
        format!(
            "postgresql://zhiban@localhost:{}/{}",
            self.port,
            name_of(place)
        )
    }

    fn made() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-pg-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let password = folder.with_extension("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        own(&folder);
        own(&password);
        let made = as_server(&program("initdb"))
            .arg("-D")
            .arg(&folder)
            .args([
                "-U",
                "zhiban",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ])
            .arg("--pwfile")
            .arg(&password)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let kept = folder.join("password");
        std::fs::rename(&password, &kept).expect("a file");
        Self {
            folder,
            port: 5_432,
            is_encrypted: false,
            running: None,
        }
    }

    /// The server all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts it, also after [`Server::kill`], and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn run(&mut self) {
        let _ = std::fs::remove_file(self.folder.join("keep"));
        let log = std::fs::File::create(self.folder.join("server.log")).expect("a file");
        let child = as_server(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .arg(program("postgres"))
            .arg(&self.folder)
            .args(["-c", &format!("port={}", self.port)])
            .args(match self.is_encrypted {
                true => ["-c", "listen_addresses=localhost", "-c", "ssl=on"].as_slice(),
                false => &["-c", "listen_addresses="],
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.running = Some(child.expect("sh runs"));
        let deadline = Instant::now() + START_TIME_MAX;
        while self.psql("postgres", "select 1").is_err() {
            let log = || std::fs::read_to_string(self.folder.join("server.log"));
            assert!(
                Instant::now() < deadline,
                "no PostgreSQL: {}",
                log().unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the server with all its processes at once, as the kernel does when memory ends.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        std::fs::write(self.folder.join("keep"), "").expect("a file");
        let file = self.folder.join("postmaster.pid");
        let text = std::fs::read_to_string(file).expect("it runs");
        let pid = text.lines().next().expect("a process id");
        let killed = Command::new("kill").args(["-KILL", pid]).status();
        assert!(killed.expect("kill runs").success());
        self.stop();
        // Its children see that it is gone, and go; until then it cannot start again.
        let deadline = Instant::now() + START_TIME_MAX;
        while self.has_processes() {
            assert!(Instant::now() < deadline, "children of the server stay");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_processes(&self) -> bool {
        let all = std::fs::read_dir("/proc").expect("/proc");
        all.flatten().any(|process| {
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == self.folder)
        })
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// An empty database.
    ///
    /// # Panics
    /// When the server refuses.
    #[must_use]
    pub fn database(&self) -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("zhiban_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("create database {name}"))
            .expect("a database");
        let folder = self.folder.display();
        Place {
            url: format!(
                "postgresql:///{name}?host={folder}&port={}&user=zhiban",
                self.port
            ),
            password_file: self.folder.join("password"),
        }
    }

    /// What a foreign client, `psql`, says to a statement: rows in lines, columns between bars.
    ///
    /// # Errors
    /// What it complains of.
    ///
    /// # Panics
    /// When there is no psql.
    pub fn psql(&self, place: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(program("psql"))
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "zhiban", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", place, "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("psql runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.folder.join("keep"));
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The name of a database in a URL of [`Server::database`].
#[must_use]
pub fn name_of(place: &Place) -> &str {
    let name = place.url.trim_start_matches("postgresql:///");
    name.split('?').next().unwrap_or(name)
}

/// Certificate and key of `localhost` where the server looks for them, and the authority they are of.
fn certify(folder: &Path) {
    const MAKE: &str = "set -e; cd \"$1\"
        new='req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl $new -x509 -days 2 -subj '/CN=database authority' -keyout authority.key -out authority.pem
        openssl $new -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >server.ext
        openssl x509 -req -days 2 -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial \\
            -extfile server.ext -out server.crt
        chmod 600 server.key";
    let made = Command::new("sh")
        .args(["-c", MAKE, "certify"])
        .arg(folder)
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    own(&folder.join("server.key"));
    own(&folder.join("server.crt"));
}

/// One of PostgreSQL's programs, of the newest version there is.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<_> = versions
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let file = entry.path().join("bin").join(name);
            file.is_file().then_some((version, file))
        })
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, file)| file);
    newest.unwrap_or_else(|| {
        panic!("PostgreSQL's {name} is missing: run `make setup` (package postgresql)")
    })
}

/// The server refuses to run as root: then it runs as the user its package made.
fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

fn own(path: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg("postgres:").arg(path).status();
        assert!(owned.expect("chown runs").success());
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
