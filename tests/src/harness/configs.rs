//! The smallest configurations that work, and a folder to keep a run in. A test adds what it is
//! about: the tables are plain TOML.

use std::path::{Path, PathBuf};

use super::program::{Program, ProgramError, Running, free_port, programs};

/// A folder of one test's own, empty at the start. Kept when the test fails, so that logs and
/// databases can be looked at.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// # Panics
    /// When the folder for temporary files cannot be written to.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("zhiban-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for you: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A gateway in `folder/<store>`: one queue `A`, counters 1 to 3, open around the clock as far as
/// a day allows. It stands alone until it is enrolled.
///
/// # Errors
/// [`ProgramError`] when the programs were not built or the folder cannot be written to.
pub fn hall(folder: &Path, store: &str) -> Result<(Program, toml::Table), ProgramError> {
    let name = format!("hall {store}");
    let program = Program::in_folder(
        &name,
        programs()?.join("zhiban-gateway"),
        &folder.join(store),
    );
    let mut config = toml::toml! {
        [hall]
        time_zone = "Asia/Shanghai"
        opens = "00:00:00"
        closes = "23:30:00"
        day_closes = "23:45:00"
        [[queue]]
        id = "A"
        name = "综合业务"
        [[counter]]
        id = "1"
        name = "1"
        [[counter]]
        id = "2"
        name = "2"
        [[counter]]
        id = "3"
        name = "3"
        [mqtt]
        listen = "127.0.0.1:0"
        messages_per_s = 1000000
        burst = 1000000
        [web]
        listen = "127.0.0.1:0"
    };
    if let Some(toml::Value::Table(hall)) = config.get_mut("hall") {
        hall.insert("store".into(), store.into());
        hall.insert("name".into(), store.into());
        hall.insert(
            "data".into(),
            program.data.to_string_lossy().into_owned().into(),
        );
    }
    program.write_config(&config)?;
    Ok((program, config))
}

/// A centre in `folder/centre`. Its door keeps its port over restarts, for halls come back to it.
///
/// # Errors
/// [`ProgramError`] when the programs were not built or the folder cannot be written to.
pub fn centre(folder: &Path) -> Result<(Program, toml::Table), ProgramError> {
    let folder = folder.join("centre");
    let program = Program::in_folder("the centre", programs()?.join("zhiban-central"), &folder);
    let no_port = |source| ProgramError::Io {
        name: program.name.clone(),
        doing: "no free port".into(),
        source,
    };
    let ports = [free_port().map_err(no_port)?, free_port().map_err(no_port)?];
    let mut config = toml::toml! {
        [centre]
        name = "示范公司"
        time_zone = "Asia/Shanghai"
        [web]
        listen = "127.0.0.1:0"
        [door]
        [zenoh]
    };
    let mut put = |section: &str, key: &str, value: toml::Value| {
        if let Some(toml::Value::Table(section)) = config.get_mut(section) {
            section.insert(key.into(), value);
        }
    };
    put(
        "centre",
        "data",
        program.data.to_string_lossy().into_owned().into(),
    );
    let [door, zenoh] = ports.map(|port| format!("127.0.0.1:{port}"));
    put("door", "listen", door.into());
    put("zenoh", "listen", format!("tcp/{zenoh}").into());
    program.write_config(&config)?;
    Ok((program, config))
}

/// Enrols a hall at a centre that runs, by the commands a person would type.
///
/// # Errors
/// [`ProgramError`] when either refuses.
pub async fn enrol(centre: &Running, hall: &Program, store: &str) -> Result<(), ProgramError> {
    let file = |program: &Program| program.config.to_string_lossy().into_owned();
    let code = ["code", store, "--config", &file(&centre.program)];
    let code = centre.program.command(&code, Vec::new()).await?;
    let door = centre.addresses.door.clone().unwrap_or_default();
    let enrol = ["enrol", "--config", &file(hall), "--centre", &door];
    hall.command(&enrol, code.into_bytes()).await.map(drop)
}

/// Enrols halls at a centre that does not run: it is started for it and stopped again.
///
/// # Errors
/// [`ProgramError`] when one of them refuses.
pub async fn enrol_early(centre: &Program, halls: &[(&Program, &str)]) -> Result<(), ProgramError> {
    let mut running = centre.start().await?;
    for (hall, store) in halls {
        enrol(&running, hall, store).await?;
    }
    running.stop().await.map(drop)
}
