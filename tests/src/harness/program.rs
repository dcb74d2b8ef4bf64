//! One running `zhiban-gateway` or `zhiban-central`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long a program may take to stop after SIGTERM.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long a program may take until it says it is ready.
pub const READY_WITHIN: Duration = Duration::from_secs(60);
/// Lines of a log shown when its program failed.
const TAIL_LINES: usize = 12;

/// Why a program does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{program} was not found in {}: build it first", looked.display())]
    NotBuilt {
        program: &'static str,
        looked: PathBuf,
    },
    #[error("{name}: {doing}")]
    Io {
        name: String,
        doing: String,
        source: io::Error,
    },
    #[error("{name} ended by itself ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        name: String,
        status: ExitStatus,
        log: PathBuf,
        tail: String,
    },
    #[error("{name} was not ready within {} s; the end of {}:\n{tail}", READY_WITHIN.as_secs(), log.display())]
    NotReady {
        name: String,
        log: PathBuf,
        tail: String,
    },
    #[error("{name}: {command} failed: {message}")]
    Refused {
        name: String,
        command: String,
        message: String,
    },
}

/// The folder of the programs: that of this executable, or `ZHIBAN_PROGRAMS`.
///
/// # Errors
/// [`ProgramError::NotBuilt`] when the gateway is not there.
pub fn programs() -> Result<PathBuf, ProgramError> {
    let own = std::env::current_exe().unwrap_or_default();
    // A test runs in `deps/`, one below the programs.
    let near = own.ancestors().skip(1).take(2).map(Path::to_owned);
    let given = std::env::var_os("ZHIBAN_PROGRAMS").map(PathBuf::from);
    let looked = given
        .clone()
        .or_else(|| own.parent().map(Path::to_owned))
        .unwrap_or_default();
    given
        .into_iter()
        .chain(near)
        .find(|folder| folder.join("zhiban-gateway").is_file())
        .ok_or(ProgramError::NotBuilt {
            program: "zhiban-gateway",
            looked,
        })
}

/// A port of this machine nobody listens on right now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// What to run and where it keeps its things.
#[derive(Debug, Clone)]
pub struct Program {
    /// For messages, such as `hall ud-wola`.
    pub name: String,
    pub executable: PathBuf,
    pub config: PathBuf,
    /// The `data` folder of the configuration.
    pub data: PathBuf,
    pub log: PathBuf,
    /// Variables of the environment it is run with, beside our own.
    pub environment: Vec<(String, String)>,
}

/// `run.json`: what a program says about itself when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Addresses {
    pub pid: u32,
    pub web: String,
    #[serde(default)]
    pub mqtt: Option<String>,
    /// Of the encrypted pages.
    #[serde(default)]
    pub webs: Option<String>,
    /// Of the encrypted door.
    #[serde(default)]
    pub mqtts: Option<String>,
    /// Where halls come in, at a centre.
    #[serde(default)]
    pub door: Option<String>,
}

/// How a program was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Cleanly,
    /// It ended, and not with 0.
    Badly(ExitStatus),
    /// It did not end in time and was killed.
    Killed,
}

impl Program {
    /// A program that keeps everything in `folder`: `config.toml`, `data/`, `log`.
    #[must_use]
    pub fn in_folder(name: &str, executable: PathBuf, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            executable,
            config: folder.join("config.toml"),
            data: folder.join("data"),
            log: folder.join("log"),
            environment: Vec::new(),
        }
    }

    fn io(&self, doing: impl Into<String>) -> impl FnOnce(io::Error) -> ProgramError {
        let (name, doing) = (self.name.clone(), doing.into());
        move |source| ProgramError::Io {
            name,
            doing,
            source,
        }
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// [`ProgramError::Io`]
    pub fn write_config(&self, config: &toml::Table) -> Result<(), ProgramError> {
        let doing = || format!("cannot write {}", self.config.display());
        let folder = self.config.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(self.io(doing()))?;
        fs::write(&self.config, config.to_string()).map_err(self.io(doing()))
    }

    /// Runs another command of the program, such as `check`; gives what it printed.
    ///
    /// # Errors
    /// [`ProgramError::Refused`] with what it said when it failed.
    pub async fn command(&self, args: &[&str], input: Vec<u8>) -> Result<String, ProgramError> {
        use tokio::io::AsyncWriteExt as _;

        let command = args.join(" ");
        let cannot = || format!("cannot run {}", self.executable.display());
        let mut child = Command::new(&self.executable)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(self.io(cannot()))?;
        // Written beside the reading, so that neither side waits with a full pipe.
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A program that ends without reading says why in its output.
                let _ = stdin.write_all(&input).await;
            }
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.map_err(self.io(cannot()))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ProgramError::Refused {
                name: self.name.clone(),
                command,
                message,
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// [`ProgramError`] with the end of its log when it is not.
    pub async fn start(&self) -> Result<Running, ProgramError> {
        let mut running = self.spawn()?;
        running.ready().await?;
        Ok(running)
    }

    /// Starts the program without waiting; [`Running::ready`] must follow.
    ///
    /// # Errors
    /// [`ProgramError::Io`]
    pub fn spawn(&self) -> Result<Running, ProgramError> {
        // A killed program could not remove it.
        let _ = fs::remove_file(self.data.join("run.json"));
        let log = self
            .open_log()
            .map_err(self.io(format!("cannot write {}", self.log.display())))?;
        let second = log.try_clone().map_err(self.io("cannot share the log"))?;
        let child = Command::new(&self.executable)
            .arg("run")
            .arg(&self.config)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second)
            // Ctrl-C is for us; we tell the programs, in our order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(self.io(format!("cannot start {}", self.executable.display())))?;
        let nowhere = Addresses {
            pid: 0,
            web: String::new(),
            mqtt: None,
            webs: None,
            mqtts: None,
            door: None,
        };
        Ok(Running {
            program: self.clone(),
            child,
            addresses: nowhere,
        })
    }

    fn open_log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.log)
    }

    /// The last lines it logged.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        tail.iter()
            .map(|line| format!("    {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The one-time code of the first sign-in; `None` once it was used.
    #[must_use]
    pub fn setup_code(&self) -> Option<String> {
        let code = fs::read_to_string(self.data.join("setup-code")).ok()?;
        Some(code.trim().to_owned()).filter(|code| !code.is_empty())
    }
}

/// A program that was started. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    pub program: Program,
    pub addresses: Addresses,
    child: Child,
}

impl Running {
    /// Waits until the program says it is ready, and learns its addresses.
    ///
    /// # Errors
    /// [`ProgramError::Ended`] or [`ProgramError::NotReady`]
    pub async fn ready(&mut self) -> Result<(), ProgramError> {
        let file = self.program.data.join("run.json");
        let until = Instant::now() + READY_WITHIN;
        loop {
            self.check()?;
            let read = fs::read(&file).ok();
            if let Some(found) = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                self.addresses = found;
                return Ok(());
            }
            if Instant::now() > until {
                let program = &self.program;
                let (log, tail) = (program.log.clone(), program.log_tail());
                return Err(ProgramError::NotReady {
                    name: program.name.clone(),
                    log,
                    tail,
                });
            }
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`ProgramError::Ended`] with the end of its log when it does not.
    pub fn check(&mut self) -> Result<(), ProgramError> {
        let program = &self.program;
        let waited = self
            .child
            .try_wait()
            .map_err(program.io("cannot be waited for"))?;
        let Some(status) = waited else { return Ok(()) };
        let (log, tail) = (program.log.clone(), program.log_tail());
        Err(ProgramError::Ended {
            name: program.name.clone(),
            status,
            log,
            tail,
        })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addresses.web)
    }

    /// Asks the program to stop; [`Running::wait_stopped`] must follow.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for the end, and kills what does not end in time.
    ///
    /// # Errors
    /// [`ProgramError::Io`]
    pub async fn wait_stopped(&mut self, within: Duration) -> Result<Ended, ProgramError> {
        let Ok(waited) = timeout(within, self.child.wait()).await else {
            self.kill().await?;
            return Ok(Ended::Killed);
        };
        let status = waited.map_err(self.program.io("cannot be waited for"))?;
        Ok(if status.success() {
            Ended::Cleanly
        } else {
            Ended::Badly(status)
        })
    }

    /// Stops the program as a service manager does.
    ///
    /// # Errors
    /// [`ProgramError::Io`]
    pub async fn stop(&mut self) -> Result<Ended, ProgramError> {
        self.terminate();
        self.wait_stopped(STOP_WITHIN).await
    }

    /// Kills the program without warning, as a power cut does, and waits until it is gone.
    ///
    /// # Errors
    /// [`ProgramError::Io`]
    pub async fn kill(&mut self) -> Result<(), ProgramError> {
        self.child
            .kill()
            .await
            .map_err(self.program.io("cannot be killed"))
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // Already gone is as good as told.
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is a shell script.
    fn script(name: &str, body: &str) -> Program {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = std::env::temp_dir().join(format!("zhiban-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("data")).unwrap();
        let executable = folder.join("program");
        fs::write(
            &executable,
            format!("#!/bin/sh\ncd {}\n{body}\n", folder.display()),
        )
        .unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        Program::in_folder(name, executable, &folder)
    }

    const READY: &str =
        r#"echo '{"pid":1,"web":"127.0.0.1:9","mqtt":"127.0.0.1:8"}' > data/run.json"#;

    #[tokio::test]
    async fn a_program_is_started_found_and_stopped() {
        let program = script(
            "stops",
            &format!("sleep 60 & trap 'kill $!; exit 0' TERM\n{READY}\nwait"),
        );
        let mut running = program.start().await.unwrap();
        assert_eq!(running.url(), "http://127.0.0.1:9");
        running.check().unwrap();
        assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
        assert!(running.check().is_err());
    }

    #[tokio::test]
    async fn a_program_that_ends_by_itself_shows_its_last_words() {
        let program = script("ends", "echo disk on fire >&2; exit 3");
        let error = program.start().await.unwrap_err().to_string();
        assert!(
            error.contains("ends ended by itself (exit status: 3)"),
            "{error}"
        );
        assert!(error.contains("    disk on fire"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_stop_is_killed() {
        let program = script(
            "deaf",
            &format!("trap '' TERM\n{READY}\nwhile :; do sleep 1; done"),
        );
        let mut running = program.start().await.unwrap();
        running.terminate();
        let ended = running
            .wait_stopped(Duration::from_millis(200))
            .await
            .unwrap();
        assert_eq!(ended, Ended::Killed);
    }

    #[tokio::test]
    async fn a_command_gives_its_output_or_its_reason() {
        let program = script(
            "command",
            "[ \"$1\" = good ] && cat || { echo no such thing >&2; exit 1; }",
        );
        assert_eq!(
            program.command(&["good"], b"x\n".to_vec()).await.unwrap(),
            "x\n"
        );
        let error = program
            .command(&["bad", "thing"], Vec::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "command: bad thing failed: no such thing"
        );
    }
}
