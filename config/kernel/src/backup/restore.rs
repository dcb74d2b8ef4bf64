//! Putting a backup back. What was there is kept aside; a power cut at any step leaves either the
//! old data, or a restore that the next start ends.
//!
//! ```text
//!   unpack and check in restoring/ -> mark "ready" -> old files aside -> mark "emptied" -> new files in
//! ```

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::archive;
use super::heal::DAMAGED;
use super::manifest::Manifest;
use super::take::check_database;
use super::{BackupError, FOLDER, Subject, TRUST_LEDGER, of};
use crate::runtime::take_folder;

/// Where a backup is unpacked, in the data folder.
pub(super) const STAGE: &str = "restoring";
/// Begin of the name of the folder what was there is kept in.
pub(super) const ASIDE: &str = "before-restore-";
/// Everything is unpacked and checked; content: the folder for what was there, and below it the names
/// of what goes there, where that is not everything.
pub(super) const READY: &str = ".ready";
/// What was there is aside.
const EMPTIED: &str = ".emptied";

/// A backup that was put back.
#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// What was there before; `None` on an empty box.
    pub aside: Option<PathBuf>,
    /// The configuration of the backup, kept in the data folder where it is not that of the box.
    pub other_config: Option<PathBuf>,
}

impl Restored {
    /// What was done, line by line; `config` is the configuration of the box.
    #[must_use]
    pub fn summary(&self, config: &Path) -> String {
        let Manifest {
            id, taken, version, ..
        } = &self.manifest;
        let mut text = format!("restored: {id} of {taken} (version {version})\n");
        if self.manifest.database.is_none() {
            text += "the database was not put back: it is that of a PostgreSQL server\n";
        }
        if let Some(aside) = &self.aside {
            let aside = aside.display();
            text += &format!("what was there is kept in {aside}; delete it when all is well\n");
        }
        if let Some(other) = &self.other_config {
            let (config, other) = (config.display(), other.display());
            text += &format!("the configuration of the backup is not {config}; it is in {other}\n");
        }
        text
    }
}

/// Puts a backup back. The program must not run. A hall that was restored begins a new epoch,
/// because its epoch file is not in the backup.
///
/// # Errors
/// [`BackupError`]; then nothing was changed.
pub fn restore(subject: &Subject, file: &Path, now: Timestamp) -> Result<Restored, BackupError> {
    let data = &subject.data;
    let _lock = take_folder(data).map_err(|error| BackupError::Running {
        data: data.clone(),
        error,
    })?;
    finish_restore(data)?;
    let manifest = archive::read_manifest(file)?;
    check_origin(subject, file, &manifest)?;
    let stage = data.join(STAGE);
    let _ = fs::remove_dir_all(&stage);
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700).create(&stage).map_err(of(&stage))?;
    let unpacked = archive::unpack(file, &stage)
        .and_then(|manifest| check_database(subject, file, &stage, &manifest));
    if let Err(error) = unpacked {
        let _ = fs::remove_dir_all(&stage);
        return Err(error);
    }
    let other_config = keep_config(subject, &stage, &manifest)?;
    own_as(data, &stage)?;
    let aside = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    let aside = data.join(format!("{ASIDE}{aside}"));
    mark(&stage, READY, &aside.to_string_lossy())?;
    finish_restore(data)?;
    Ok(Restored {
        manifest,
        aside: aside.exists().then_some(aside),
        other_config,
    })
}

pub(super) fn check_origin(
    subject: &Subject,
    file: &Path,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    let foreign = |expected: String, found: String| BackupError::Foreign {
        file: file.to_owned(),
        expected,
        found,
    };
    if manifest.program != subject.program {
        let (expected, found) = (subject.program.to_owned(), manifest.program.clone());
        return Err(foreign(expected, found));
    }
    if manifest.id != subject.id {
        return Err(foreign(subject.id.clone(), manifest.id.clone()));
    }
    let said = |is_elsewhere| match is_elsewhere {
        true => "a centre whose database is a PostgreSQL server's".to_owned(),
        false => format!("a centre with {}", subject.database),
    };
    if subject.is_elsewhere != manifest.database.is_none() {
        let (expected, found) = (said(subject.is_elsewhere), said(!subject.is_elsewhere));
        return Err(foreign(expected, found));
    }
    Ok(())
}

/// Ends a restore that was interrupted; does nothing where there is none. The caller holds the
/// data folder.
///
/// # Errors
/// When a file cannot be moved; the next call goes on.
pub fn finish_restore(data: &Path) -> Result<(), BackupError> {
    let stage = data.join(STAGE);
    if let Ok(aside) = fs::read_to_string(stage.join(READY)) {
        let mut lines = aside.lines();
        let folder = Path::new(lines.next().unwrap_or_default());
        put_aside(data, folder, &lines.collect::<Vec<_>>())?;
        fs::rename(stage.join(READY), stage.join(EMPTIED)).map_err(of(&stage))?;
        sync(&stage)?;
    }
    if !stage.join(EMPTIED).exists() {
        return Ok(());
    }
    for entry in entries(&stage)? {
        if entry.file_name() != EMPTIED {
            let target = data.join(entry.file_name());
            fs::rename(entry.path(), &target).map_err(of(&target))?;
        }
    }
    sync(data)?;
    fs::remove_dir_all(&stage).map_err(of(&stage))
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, BackupError> {
    let found = fs::read_dir(folder).and_then(Iterator::collect);
    found.map_err(of(folder))
}

/// Moves what is named; where nothing is, everything of the data folder that is neither this restore nor
/// a backup.
pub(super) fn put_aside(data: &Path, aside: &Path, named: &[&str]) -> Result<(), BackupError> {
    let stays = |name: &str| {
        let is_ours = ["lock", STAGE, FOLDER, TRUST_LEDGER, "upgrade.json"].contains(&name)
            || name.starts_with(ASIDE)
            || name.starts_with(DAMAGED);
        is_ours || !(named.is_empty() || named.contains(&name))
    };
    for entry in entries(data)? {
        let name = entry.file_name();
        if stays(&name.to_string_lossy()) {
            continue;
        }
        fs::create_dir_all(aside).map_err(of(aside))?;
        fs::rename(entry.path(), aside.join(name)).map_err(of(&entry.path()))?;
    }
    if aside.exists() {
        own_as(data, aside)?;
    }
    sync(data)
}

/// Drops the configuration of the backup where the box has the same.
fn keep_config(
    subject: &Subject,
    stage: &Path,
    manifest: &Manifest,
) -> Result<Option<PathBuf>, BackupError> {
    let unpacked = stage.join(&manifest.config);
    let ours = fs::read(&subject.config).ok();
    if ours == fs::read(&unpacked).ok() {
        fs::remove_file(&unpacked).map_err(of(&unpacked))?;
        return Ok(None);
    }
    Ok(Some(subject.data.join(&manifest.config)))
}

/// Gives everything to the owner of the data folder: root restores, the service reads.
fn own_as(data: &Path, path: &Path) -> Result<(), BackupError> {
    let owner = fs::metadata(data).map_err(of(data))?;
    let found = fs::symlink_metadata(path).map_err(of(path))?;
    if (found.uid(), found.gid()) != (owner.uid(), owner.gid()) {
        std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid())).map_err(of(path))?;
    }
    if found.is_dir() {
        for entry in entries(path)? {
            own_as(data, &entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn mark(stage: &Path, name: &str, content: &str) -> Result<(), BackupError> {
    let file = stage.join(name);
    crate::runtime::write_atomically(&file, content.as_bytes()).map_err(of(&file))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    let opened = fs::File::open(folder).and_then(|folder| folder.sync_all());
    opened.map_err(of(folder))
}
