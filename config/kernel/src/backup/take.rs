//! Taking a backup, while the program runs or not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::archive::{self, Packed, note_of};
use super::manifest::{FORMAT, Manifest, count_rows};
use super::{BackupError, FOLDER, Subject, damaged, of};

/// What of the data folder is not in a backup: what belongs to this run, to this disk, or is a
/// backup itself. Without the epoch file a restored hall is known as restored.
const LEFT_OUT: [&str; 7] = [
    "lock",
    "run.json",
    "epoch",
    super::TRUST_LEDGER,
    FOLDER,
    super::restore::STAGE,
    "upgrade.json",
];
/// Begin of the name of the folder a backup is made in; the process follows.
const SCRATCH: &str = ".backup-";
const ENDING: &str = ".tar.gz";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A backup that was taken and proved.
#[derive(Debug, Clone)]
pub struct Taken {
    pub file: PathBuf,
    pub bytes: u64,
    pub manifest: Manifest,
}

impl Taken {
    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let rows: u64 = self.manifest.tables.values().sum();
        let (file, bytes) = (self.file.display(), self.bytes);
        if self.manifest.database.is_none() {
            let names = self.manifest.files.iter().map(|file| file.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            return format!(
                "{file}: {bytes} bytes, read back and compared: {names}. The database is not in it: it \
                 is that of a PostgreSQL server; back it up there"
            );
        }
        format!("{file}: {bytes} bytes, {rows} rows, read back and compared")
    }
}

/// Takes a backup to `target`: a file, or a folder in which it gets a name with the time. The
/// archive appears under its name only after it was read back: every file by its hash, the database
/// by its integrity, its rows against those of the source, and the program's own reader.
///
/// # Errors
/// [`BackupError`]; then there is no archive.
pub fn take(subject: &Subject, target: &Path, now: Timestamp) -> Result<Taken, BackupError> {
    let (folder, name) = place_of(target);
    let name = name.unwrap_or_else(|| name_at(subject, now).into());
    let target = folder.join(name);
    let scratch = Scratch::make(&folder)?;
    check_room(subject, &folder)?;
    let (mut files, mut tables) = (Vec::new(), BTreeMap::new());
    let copy = scratch.path.join(subject.database);
    if !subject.is_elsewhere {
        tables = copy_database(&subject.data.join(subject.database), &copy)?;
        files.push(Packed {
            path: copy.clone(),
            name: subject.database.to_owned(),
        });
    }
    collect(subject, &subject.data, "", &mut files)?;
    files.push(Packed {
        path: subject.config.clone(),
        name: subject.config_name(),
    });
    let manifest = Manifest {
        format: FORMAT,
        program: subject.program.to_owned(),
        version: subject.version.to_owned(),
        id: subject.id.clone(),
        taken: now,
        database: (!subject.is_elsewhere).then(|| subject.database.to_owned()),
        config: subject.config_name(),
        files: files.iter().map(note_of).collect::<Result<_, _>>()?,
        tables,
    };
    let part = scratch.path.join("part");
    archive::write(&part, &manifest, &files)?;
    if !subject.is_elsewhere {
        fs::remove_file(&copy).map_err(of(&copy))?;
    }
    prove(subject, &part, &scratch.path.join("proof"), &manifest)?;
    fs::rename(&part, &target).map_err(of(&target))?;
    let opened = fs::File::open(&folder).and_then(|folder| folder.sync_all());
    opened.map_err(of(&folder))?;
    let bytes = fs::metadata(&target).map_err(of(&target))?.len();
    Ok(Taken {
        file: target,
        bytes,
        manifest,
    })
}

/// The folder an archive comes into, and its name where one is given.
#[must_use]
pub fn place_of(target: &Path) -> (PathBuf, Option<OsString>) {
    let is_folder = target.is_dir() || !target.to_string_lossy().ends_with(ENDING);
    if is_folder {
        return (target.to_owned(), None);
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    (folder, target.file_name().map(OsStr::to_owned))
}

fn name_at(subject: &Subject, now: Timestamp) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime(TIME).to_string();
    format!("{}{time}{ENDING}", prefix(subject))
}

fn prefix(subject: &Subject) -> String {
    format!("{}_{}_", subject.program, subject.id)
}

/// A folder that goes away with what is in it.
struct Scratch {
    path: PathBuf,
    /// Tells others that somebody is at work.
    _lock: fs::File,
}

impl Scratch {
    fn make(folder: &Path) -> Result<Self, BackupError> {
        use std::os::unix::fs::DirBuilderExt;
        remove_left_behind(folder);
        let path = folder.join(format!("{SCRATCH}{}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).create(&path).map_err(of(&path))?;
        let lock = fs::File::create(path.join("lock")).map_err(of(&path))?;
        lock.lock().map_err(of(&path))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what a process left behind that was killed in the middle of a backup.
fn remove_left_behind(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let is_scratch = name.to_string_lossy().starts_with(SCRATCH);
        let lock = fs::File::open(entry.path().join("lock"));
        if is_scratch && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A copy and the archive of it are there at the same time.
fn check_room(subject: &Subject, folder: &Path) -> Result<(), BackupError> {
    if subject.is_elsewhere {
        return Ok(());
    }
    let database = subject.data.join(subject.database);
    let needed = 2 * fs::metadata(&database).map_err(of(&database))?.len();
    let free = free_bytes(folder)?;
    if free < needed {
        return Err(BackupError::NoRoom {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}

/// Room left on the disk of a folder.
pub(super) fn free_bytes(folder: &Path) -> Result<u64, BackupError> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| of(folder)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Copies one snapshot and counts the rows in the same.
pub(super) fn copy_database(
    source: &Path,
    target: &Path,
) -> Result<BTreeMap<String, u64>, BackupError> {
    // Writable, because a log that a killed program left behind is read in by whoever opens it.
    let source = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    source.busy_timeout(std::time::Duration::from_secs(10))?;
    let snapshot = source.unchecked_transaction()?;
    let tables = count_rows(&snapshot)?;
    let mut copy = Connection::open(target)?;
    copy.execute_batch("pragma synchronous = off")?;
    let copied = Backup::new(&snapshot, &mut copy)?.step(-1)?;
    if copied != StepResult::Done {
        let busy = std::io::Error::other("the database is busy");
        return Err(of(target)(busy));
    }
    // A database without a log beside it is one file.
    copy.query_row("pragma journal_mode = delete", [], |_| Ok(()))?;
    Ok(tables)
}

/// The files of the data folder that belong into a backup.
fn collect(
    subject: &Subject,
    folder: &Path,
    below: &str,
    files: &mut Vec<Packed>,
) -> Result<(), BackupError> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(of(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if below.is_empty() && is_left_out(subject, &name) {
            continue;
        }
        let (path, name) = (entry.path(), format!("{below}{name}"));
        let kind = entry.file_type().map_err(of(&path))?;
        if kind.is_dir() {
            collect(subject, &path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.push(Packed { path, name });
        }
    }
    Ok(())
}

fn is_left_out(subject: &Subject, name: &str) -> bool {
    LEFT_OUT.contains(&name)
        || name.starts_with(subject.database)
        || name.starts_with(super::restore::ASIDE)
        || name.starts_with(super::heal::DAMAGED)
        || name.starts_with('.')
        || name == subject.config_name()
        || Path::new(name).extension() == Some(OsStr::new("new"))
}

/// Reads an archive back as a restore would.
fn prove(
    subject: &Subject,
    file: &Path,
    folder: &Path,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    fs::create_dir(folder).map_err(of(folder))?;
    if archive::unpack(file, folder)? != *manifest {
        return Err(damaged(file, "its manifest was changed"));
    }
    check_database(subject, file, folder, manifest)
}

/// Holds an unpacked database against its manifest, and brings it to today's shape.
pub(super) fn check_database(
    subject: &Subject,
    file: &Path,
    folder: &Path,
    manifest: &Manifest,
) -> Result<(), BackupError> {
    let Some(database) = &manifest.database else {
        return Ok(());
    };
    let mut connection = Connection::open(folder.join(database))?;
    let said: String = connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(damaged(file, format!("its database: {said}")));
    }
    let counts = count_rows(&connection)?;
    if let Some((table, rows)) = manifest
        .tables
        .iter()
        .find(|(t, n)| counts.get(*t) != Some(n))
    {
        let found = counts.get(table).copied().unwrap_or(0);
        let problem = format!("table {table}: expected {rows} rows, found {found}");
        return Err(damaged(file, problem));
    }
    (subject.migrate)(&mut connection).map_err(|error| BackupError::Newer {
        file: file.to_owned(),
        program: manifest.program.clone(),
        version: manifest.version.clone(),
        problem: error.to_string(),
    })?;
    (subject.read_through)(&connection)?;
    Ok(())
}

/// Backups of this installation in a folder, oldest first. Those dated after `now` are from a clock
/// that was wrong, and come before all others: or they would be the newest for years.
pub(super) fn backups_in(subject: &Subject, folder: &Path, now: Timestamp) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let prefix = prefix(subject);
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = files
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&prefix) && name.ends_with(ENDING)
        })
        .collect();
    // The time in the name sorts like text.
    found.sort_by_cached_key(|file| (taken_at(file).is_none_or(|at| at <= now), file.clone()));
    found
}

/// The newest backup of this installation in a folder.
#[must_use]
pub fn newest(subject: &Subject, folder: &Path, now: Timestamp) -> Option<PathBuf> {
    backups_in(subject, folder, now).pop()
}

/// When a backup was taken, by its name.
#[must_use]
pub fn taken_at(file: &Path) -> Option<Timestamp> {
    let name = file.file_name()?.to_str()?;
    let time = name.strip_suffix(ENDING)?.rsplit('_').next()?;
    let civil = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Deletes the oldest backups of this installation in a folder beyond so many.
///
/// # Errors
/// When one cannot be deleted.
pub fn keep_newest(
    subject: &Subject,
    folder: &Path,
    keep: usize,
    now: Timestamp,
) -> Result<(), BackupError> {
    let found = backups_in(subject, folder, now);
    let old = found.len().saturating_sub(keep);
    for file in &found[..old] {
        fs::remove_file(file).map_err(of(file))?;
    }
    Ok(())
}
