//! Start and stop of a program: its tasks, signals, and the file that says where it listens.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest time from a stop signal to the end of the process.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(8);

/// The tasks of a program and the token that ends them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    pub shutdown: CancellationToken,
}

impl Tasks {
    /// Runs `task` until it ends; when it ends although nobody asked for it, or panics, the whole
    /// program stops rather than going on with a part missing.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            if tokio::spawn(task).await.is_err() {
                tracing::error!(task = name, "task panicked");
            } else if !shutdown.is_cancelled() {
                tracing::error!(task = name, "task ended although the program runs on");
            }
            shutdown.cancel();
        });
    }

    /// Waits for a stop signal (or a failed task), then for all tasks, for at most
    /// [`STOP_TIME_MAX`].
    pub async fn run_until_stopped(self) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = stop_signal() => tracing::info!("stopping"),
            () = shutdown.cancelled() => {}
        }
        crate::notify::notify("STOPPING=1");
        shutdown.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIME_MAX, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("some tasks did not end in time");
        }
    }
}

async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// `run.json` in the data directory: where the running program listens. Removed when dropped.
#[derive(Debug)]
pub struct RunFile(PathBuf);

impl RunFile {
    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(data: &Path, content: &impl Serialize) -> std::io::Result<Self> {
        let file = data.join("run.json");
        write_atomically(&file, &serde_json::to_vec(content)?)?;
        Ok(Self(file))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes a data directory for this process, until the lock is dropped or the process ends in any
/// way; `run.json` stays behind after a power cut and cannot tell. Made if it is not there. Nobody
/// but its owner may look into it: it holds password hashes and what devices said.
///
/// # Errors
/// When another process has it, it cannot be made, belongs to someone else, or holds other things.
pub fn take_folder(folder: &Path) -> std::io::Result<FolderLock> {
    use std::fs::{File, Permissions, TryLockError};
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    std::fs::create_dir_all(folder)?;
    let lock = folder.join("lock");
    // A slip such as `data = "/var/lib"` must not close a folder others need.
    if !lock.exists() && std::fs::read_dir(folder)?.next().is_some() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::DirectoryNotEmpty,
            "it holds files of others: name an empty or a new folder",
        ));
    }
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    // Root may be who does this: no link the service put there is followed.
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(false);
    let file = options
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&lock)?;
    give_to_owner_of_folder(&lock, &file)?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => Err(std::io::Error::new(
            std::io::ErrorKind::ResourceBusy,
            "another process uses it",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A data directory nobody else may use.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "held for what its drop does")] std::fs::File);

/// A command that an administrator runs as root must not shut the program out of its own files.
fn give_to_owner_of_folder(file: &Path, opened: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    let (folder, own) = (std::fs::metadata(folder)?, opened.metadata()?);
    if own.uid() == 0 && folder.uid() != 0 {
        fchown(opened, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

/// Writes `file` readable by its owner only, whole or not at all, and on disk when it returns.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_atomically(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = file.with_extension("new");
    // What a power cut left behind, or a link somebody put there: never followed.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    opened.write_all(bytes)?;
    give_to_owner_of_folder(file, &opened)?;
    opened.sync_all()?;
    std::fs::rename(&new, file)?;
    file.parent()
        .map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_data_folder_are_not_followed() {
        let folder = std::env::temp_dir().join(format!("zhiban-links-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let (data, victim) = (folder.join("data"), folder.join("victim"));
        std::fs::write(&victim, "of another").unwrap();
        for name in ["lock", "run.new"] {
            std::os::unix::fs::symlink(&victim, data.join(name)).unwrap();
        }
        assert!(take_folder(&data).is_err());
        write_atomically(&data.join("run.json"), b"ours").unwrap();
        assert_eq!(std::fs::read(data.join("run.json")).unwrap(), b"ours");
        assert_eq!(std::fs::read(&victim).unwrap(), b"of another");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
