//! A damaged database is set aside, and the newest good backup takes its place. By itself at most once
//! an hour; what cannot be mended is refused with the words that mend it.
//!
//! ```text
//!   sound                     --> opened
//!   the end of its log is lost --> set aside, a copy of what reads well goes on
//!   damaged                   --> set aside, newest good backup + proved rows of the damaged one
//!   damaged, no good backup   --> refused, names the commands
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::restore::{READY, STAGE, check_origin, finish_restore, mark};
use super::sound::{Depth, Verdict, damage_in, judge, open_as_it_is};
use super::take::{backups_in, check_database, copy_database, free_bytes};
use super::{BackupError, Manifest, Rescued, Subject, archive, of};
use crate::notify::notify;
use crate::runtime::take_folder;
use crate::said::Said;
use crate::store::{leave_mark, mark_file};
use crate::{Clock, Store, StoreError};

/// Begin of the name of a folder a damaged database is kept in.
pub(super) const DAMAGED: &str = "damaged-";
/// How often systemd is asked for more time, in which six of these may pass.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// Such folders kept; with a further one the oldest goes.
const KEPT: usize = 3;
/// A second time within this, something else than the database is broken.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Beside the database that is made: what a hall writes until somebody looks.
const ROOM_TO_WORK: u64 = 64 << 20;
/// The hall's copy of its epoch: without it, it begins a new one.
pub(super) const EPOCH: &str = "epoch";
/// End of the name of the file that says what happened.
const TOLD: &str = "-incident";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// What happened to a database, as it is kept beside what was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub at: Timestamp,
    /// What was found, in SQLite's words or ours.
    pub reason: String,
    pub outcome: Outcome,
    /// Newer rows that were proved and brought over.
    pub rescued: u64,
    /// Newer rows that could not be read or proved.
    #[serde(default)]
    pub lost: u64,
    /// Why no more.
    pub problem: Option<String>,
}

/// What took the place of a damaged database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A backup, by the time it was taken.
    Backup(Timestamp),
    /// The database itself, without the lost end of its log.
    CutShort,
    /// Nothing: somebody began anew.
    Anew,
}

impl Incident {
    /// In one line; `aside` is the folder. What SQLite said stands at the end: it is for experts.
    #[must_use]
    pub fn told(&self, aside: &Path) -> Said {
        let mut said = vec![Said::new("数据库曾损坏", "the database was damaged")];
        said.extend(self.went_on());
        said.extend(self.problem.as_ref().map(|why| {
            Said::new(
                format!("没有找回更多，因为 {why}"),
                format!("no more, for {why}"),
            )
        }));
        let (aside, reason) = (aside.display(), self.reason.replace('\n', " "));
        said.push(Said::new(
            format!("原数据库在 {aside}"),
            format!("as it was it is in {aside}"),
        ));
        said.push(Said::new(
            format!("原因：{reason}"),
            format!("reason: {reason}"),
        ));
        Said::joined(&said)
    }

    /// What a person elsewhere needs to know of it.
    fn brief(&self) -> Said {
        let mut said = vec![Said::new("数据库曾损坏", "the database was damaged")];
        said.extend(self.went_on().into_iter().next());
        Said::joined(&said)
    }

    fn went_on(&self) -> Vec<Said> {
        let (rescued, lost) = (self.rescued, self.lost);
        match self.outcome {
            Outcome::Backup(taken) => {
                let back = Said::new(
                    format!("已用 {taken} 的备份恢复，另找回 {rescued} 条较新的报文"),
                    format!("the backup of {taken} took its place, with {rescued} newer reports"),
                );
                let lost = (lost > 0).then(|| {
                    Said::new(
                        format!("{lost} 条无法核实而丢失"),
                        format!("{lost} could not be proved and are lost"),
                    )
                });
                let rest = Said::new(
                    "账号、设备和设置是备份当时的",
                    "accounts, devices and settings are as they were then",
                );
                [Some(back), lost, Some(rest)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Outcome::CutShort => vec![Said::new(
                "保留了仍可读的部分，日志末尾的内容丢失",
                "it goes on without the lost end of its log",
            )],
            Outcome::Anew => vec![Said::new("有人选择重新开始", "somebody began anew")],
        }
    }
}

/// Opens the database of a program, which holds its data folder, after mending it where it is damaged.
/// `backups` is the folder of the nightly ones.
///
/// # Errors
/// When it cannot be opened, or is damaged and cannot be mended; then it is as it was.
pub fn open_mended(subject: &Subject, backups: &Path) -> Result<Store, BackupError> {
    let file = subject.data.join(subject.database);
    finish_restore(&subject.data)?;
    let _patience = Patience::ask();
    mend(subject, backups, Clock::real_now())?;
    match Store::open(&file, subject.migrate) {
        Ok(store) => Ok(store),
        Err(error) => {
            // A migration says so in words of its own.
            let Some(reason) = damage_in(subject, &file, Depth::Whole)? else {
                return Err(error.into());
            };
            leave_mark(&file, &reason);
            mend(subject, backups, Clock::real_now())?;
            Ok(Store::open(&file, subject.migrate)?)
        }
    }
}

/// Keeps systemd from taking a start for one that hangs: reading and mending a large database takes
/// longer than a start may. Ends when dropped.
struct Patience {
    _end: SyncSender<()>,
}

impl Patience {
    fn ask() -> Self {
        let (end, ended) = sync_channel::<()>(0);
        let ask = move || {
            while ended.recv_timeout(ASKED_EVERY) == Err(RecvTimeoutError::Timeout) {
                let more = 6 * ASKED_EVERY.as_micros();
                notify(&format!("EXTEND_TIMEOUT_USEC={more}"));
            }
        };
        // Where no thread can be had the start takes as long as it may.
        let _ = Builder::new().name("patience".into()).spawn(ask);
        Self { _end: end }
    }
}

/// Puts a sound database in the place of a damaged one.
///
/// # Errors
/// When it is damaged and stays so.
pub(super) fn mend(
    subject: &Subject,
    backups: &Path,
    now: Timestamp,
) -> Result<Option<Incident>, BackupError> {
    if subject.is_elsewhere {
        return Ok(None);
    }
    let candidates = backups_in(subject, backups, now);
    let (reason, is_whole) = match judge(subject)? {
        Verdict::Sound => return Ok(None),
        Verdict::CutShort(reason) => (reason, true),
        Verdict::Damaged(reason) => (reason, false),
    };
    let unmended = |problem| BackupError::Unmended {
        file: subject.data.join(subject.database),
        reason: reason.clone(),
        problem,
    };
    refuse_again(subject, now).map_err(unmended)?;
    let needed = room_for(subject, is_whole, &candidates);
    make_room(subject, needed).map_err(unmended)?;
    tracing::error!(reason, "the database is damaged and is set aside");
    let stage = begin(subject)?;
    let from = match is_whole {
        true => {
            let (from, to) = (
                subject.data.join(subject.database),
                stage.join(subject.database),
            );
            copy_database(&from, &to)?;
            None
        }
        false => {
            let found = candidates
                .iter()
                .rev()
                .find_map(|file| unpack(subject, file, &stage));
            Some(found.ok_or_else(|| unmended(no_backup(subject, backups)))?)
        }
    };
    let aside = aside_at(subject, now);
    let mut incident = Incident {
        at: now,
        reason: reason.clone(),
        outcome: from.map_or(Outcome::CutShort, |manifest| {
            Outcome::Backup(manifest.taken)
        }),
        rescued: 0,
        lost: 0,
        problem: None,
    };
    bring_over(subject, &stage, &mut incident)?;
    settle(subject, &stage, &aside, &incident)?;
    tracing::warn!("{}", incident.told(&aside).en);
    Ok(Some(incident))
}

/// Sets a damaged database aside and puts an empty one in its place. The program must not run.
///
/// # Errors
/// When the database is sound, or the program runs.
pub fn begin_anew(subject: &Subject, now: Timestamp) -> Result<PathBuf, BackupError> {
    let data = &subject.data;
    let _lock = take_folder(data).map_err(|error| BackupError::Running {
        data: data.clone(),
        error,
    })?;
    finish_restore(data)?;
    let (Verdict::Damaged(reason) | Verdict::CutShort(reason)) = judge(subject)? else {
        return Err(BackupError::Sound(data.join(subject.database)));
    };
    let (stage, aside) = (begin(subject)?, aside_at(subject, now));
    let mut incident = Incident {
        at: now,
        reason,
        outcome: Outcome::Anew,
        rescued: 0,
        lost: 0,
        problem: None,
    };
    bring_over(subject, &stage, &mut incident)?;
    settle(subject, &stage, &aside, &incident)?;
    Ok(aside)
}

/// Folders in which damaged databases are kept, oldest first, with what is told of each.
#[must_use]
pub fn incidents(subject: &Subject) -> Vec<(PathBuf, Option<Incident>)> {
    let Ok(entries) = fs::read_dir(&subject.data) else {
        return Vec::new();
    };
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let found = entries.filter_map(Result::ok);
    let found = found.filter(|entry| name(entry).starts_with(DAMAGED));
    let mut folders: Vec<_> = found.map(|entry| entry.path()).collect();
    // The time in the name sorts like text.
    folders.sort();
    let told = |folder: PathBuf| {
        let text = fs::read(folder.join(told_name(subject))).ok();
        let incident = text.and_then(|text| serde_json::from_slice(&text).ok());
        (folder, incident)
    };
    folders.into_iter().map(told).collect()
}

fn told_name(subject: &Subject) -> String {
    format!("{}{TOLD}", subject.database)
}

fn aside_at(subject: &Subject, now: Timestamp) -> PathBuf {
    let time = now.to_zoned(TimeZone::UTC).strftime(TIME);
    subject.data.join(format!("{DAMAGED}{time}"))
}

/// Twice within an hour it is not the database alone that is broken.
fn refuse_again(subject: &Subject, now: Timestamp) -> Result<(), String> {
    let last = incidents(subject)
        .into_iter()
        .rev()
        .find_map(|found| found.1);
    match last {
        Some(last) if now.duration_since(last.at).abs() < AGAIN_AFTER => Err(format!(
            "it was mended less than an hour ago, at {}: the disk or the memory of this machine may be \
             failing. To go on with a backup all the same: {} restore FILE",
            last.at, subject.program
        )),
        _ => Ok(()),
    }
}

/// Bytes the new database may need beside the damaged one, which stays.
fn room_for(subject: &Subject, is_whole: bool, backups: &[PathBuf]) -> u64 {
    let size = |file: &Path| fs::metadata(file).map_or(0, |found| found.len());
    let database = size(&subject.data.join(subject.database));
    // A backup is packed: what comes out of it is about as large as the database was.
    let packed = backups.iter().map(|file| size(file)).max();
    let made = match is_whole {
        true => database,
        false => database.max(packed.unwrap_or_default()),
    };
    made + ROOM_TO_WORK
}

/// Frees so much on the disk of the data folder: damaged databases of earlier times go, oldest first,
/// where that is enough.
fn make_room(subject: &Subject, needed: u64) -> Result<(), String> {
    let free = || free_bytes(&subject.data).map_err(|error| error.to_string());
    let found = free()?;
    let kept = incidents(subject);
    let more: u64 = kept.iter().map(|(folder, _)| bytes_in(folder)).sum();
    if found.saturating_add(more) < needed {
        let (data, found, needed) = (subject.data.display(), found >> 20, needed >> 20);
        return Err(format!(
            "mending needs {needed} MiB beside it and {data} has {found} MiB free: make room and start again"
        ));
    }
    for (folder, _) in kept {
        if free()? >= needed {
            break;
        }
        tracing::warn!(folder = %folder.display(), "an earlier damaged database is deleted for its room");
        fs::remove_dir_all(&folder).map_err(|error| of(&folder)(error).to_string())?;
    }
    Ok(())
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = files.filter_map(|file| file.metadata().ok());
    sizes.map(|found| found.len()).sum()
}

fn no_backup(subject: &Subject, backups: &Path) -> String {
    let (program, backups) = (subject.program, backups.display());
    format!(
        "there is no good backup of it in {backups}. Mount the disk of the backups or put one there and \
         start again; or: {program} restore FILE; or, to give up what it held: {program} begin-anew"
    )
}

/// The folder a sound database is made in.
fn begin(subject: &Subject) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let stage = subject.data.join(STAGE);
    let _ = fs::remove_dir_all(&stage);
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700).create(&stage).map_err(of(&stage))?;
    Ok(stage)
}

/// Unpacks the database of a backup into `stage`; `None`, with a word in the log, where it is not good.
fn unpack(subject: &Subject, file: &Path, stage: &Path) -> Option<Manifest> {
    let whole = stage.join("whole");
    let unpacked = || -> Result<Manifest, BackupError> {
        let _ = fs::remove_dir_all(&whole);
        fs::create_dir(&whole).map_err(of(&whole))?;
        let manifest = archive::unpack(file, &whole)?;
        check_origin(subject, file, &manifest)?;
        check_database(subject, file, &whole, &manifest)?;
        let target = stage.join(subject.database);
        fs::rename(whole.join(subject.database), &target).map_err(of(&target))?;
        Ok(manifest)
    };
    let unpacked = unpacked();
    // Keys and certificates stay as they are: they may be newer than the backup.
    let _ = fs::remove_dir_all(&whole);
    match unpacked {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            tracing::warn!(%error, "this backup is passed over");
            None
        }
    }
}

/// Brings over what the damaged database holds beyond the backup, and writes down what happened.
fn bring_over(subject: &Subject, stage: &Path, incident: &mut Incident) -> Result<(), BackupError> {
    let mut back = Connection::open(stage.join(subject.database))?;
    back.execute_batch("pragma synchronous = full")?;
    (subject.migrate)(&mut back)?;
    if matches!(incident.outcome, Outcome::Backup(_)) {
        let work = back.transaction()?;
        let rescued = open_as_it_is(&subject.data.join(subject.database))
            .map_err(StoreError::from)
            .and_then(|damaged| (subject.rescue)(&damaged, &work));
        match rescued {
            Ok(Rescued {
                rows,
                lost,
                is_end_unknown,
            }) => {
                (incident.rescued, incident.lost) = (rows, lost);
                if is_end_unknown {
                    incident.problem = Some("what came after them cannot be read".into());
                }
                work.commit()?;
            }
            Err(error) => {
                incident.problem = Some(error.to_string());
                work.rollback()?;
            }
        }
    }
    let work = back.transaction()?;
    (subject.tell)(&work, &incident.brief())?;
    Ok(work.commit()?)
}

/// Exchanges both, which the next start ends if this one is cut off.
fn settle(
    subject: &Subject,
    stage: &Path,
    aside: &Path,
    incident: &Incident,
) -> Result<(), BackupError> {
    let (data, name) = (&subject.data, subject.database);
    let told = data.join(told_name(subject));
    let text = serde_json::to_vec_pretty(incident).map_err(|error| of(&told)(error.into()))?;
    crate::runtime::write_atomically(&told, &text).map_err(of(&told))?;
    let marked = mark_file(Path::new(name));
    let names = [
        name.to_owned(),
        format!("{name}-wal"),
        format!("{name}-shm"),
        marked.display().to_string(),
        told_name(subject),
        EPOCH.to_owned(),
    ];
    // The first line names the folder, the others what moves there; without them everything does.
    let text = format!("{}\n{}", aside.display(), names.join("\n"));
    mark(stage, READY, &text)?;
    finish_restore(data)?;
    let mut old = incidents(subject);
    old.truncate(old.len().saturating_sub(KEPT));
    for (folder, _) in old {
        let shown = folder.display();
        tracing::warn!(folder = %shown, "the oldest damaged database is deleted: {KEPT} are kept");
        fs::remove_dir_all(&folder).map_err(of(&folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
