//! Looks at the database and its last backup.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags};

use super::{Mark, Report, Said};
use crate::backup::{FOLDER, Subject, incidents, newest, taken_at};

/// A nightly backup older than this was missed.
pub const BACKUP_AGE_MAX: SignedDuration = SignedDuration::from_hours(36);

/// Whether SQLite finds the database sound, and the program can read it. May take a minute.
pub fn check_database(report: &mut Report, subject: &Subject) {
    let what = Said::new("数据库", "database");
    if subject.is_elsewhere {
        let found = Said::new(
            "在 PostgreSQL 服务器上，由服务器自己备份",
            "on a PostgreSQL server, which has backups of its own",
        );
        report.good(what, found);
        return;
    }
    let file = subject.data.join(subject.database);
    if !file.exists() {
        let absent = Said::new("还没有", "there is none yet");
        let advice = Said::new("首次启动服务时自动建立", "it is made at the first start");
        report.add(Mark::Look, what, absent, advice);
        return;
    }
    let mib = std::fs::metadata(&file).map_or(0, |found| found.len() >> 20);
    match quick_check(subject, &file) {
        Ok(said) if said == "ok" => {
            let found = Said::new(format!("完好，{mib} MiB"), format!("sound, {mib} MiB"));
            report.good(what, found);
        }
        Ok(said) | Err(said) => {
            let program = subject.program;
            let advice = Said::new(
                format!("重启服务会自行恢复最近的备份；仍不行时：{program} restore FILE"),
                format!(
                    "restart the service, which puts the last backup back by itself; where it does not: {program} restore FILE"
                ),
            );
            report.add(Mark::Bad, what, Said::same(said), advice);
        }
    }
}

/// Databases that were damaged and set aside.
pub fn check_incidents(report: &mut Report, subject: &Subject) {
    for (folder, incident) in incidents(subject) {
        let what = Said::new("数据库曾损坏", "database was damaged");
        let aside = folder.display();
        let found = incident.as_ref().map(|found| found.told(&folder));
        let found = found.unwrap_or_else(|| {
            Said::new(
                format!("原数据库在 {aside}"),
                format!("as it was it is in {aside}"),
            )
        });
        let advice = Said::new(
            format!("检查磁盘（smartctl -a）；确认无误后删除：rm -r {aside}"),
            format!("check the disk (smartctl -a); when all is well: rm -r {aside}"),
        );
        report.add(Mark::Look, what, found, advice);
    }
}

fn quick_check(subject: &Subject, file: &Path) -> Result<String, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| text(&error))?;
    let said: String = connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(|error| text(&error))?;
    if said == "ok" {
        (subject.read_through)(&connection).map_err(|error| text(&error))?;
    }
    Ok(said)
}

/// How old the last backup in `folder` is.
pub fn check_backup(report: &mut Report, subject: &Subject, folder: &Path, now: Timestamp) {
    let what = Said::new("最近备份", "last backup");
    let program = subject.program;
    let advice = Said::new(
        format!(
            "查看日志 journalctl -u {program}；立即备份：{program} backup {}",
            folder.display()
        ),
        format!(
            "see journalctl -u {program}; take one now: {program} backup {}",
            folder.display()
        ),
    );
    let Some(file) = newest(subject, folder, now) else {
        let none = Said::new(
            format!("{} 中没有", folder.display()),
            format!("none in {}", folder.display()),
        );
        // One that is named and not there will not come by itself; the first backup will.
        let will_come = folder.is_dir() || folder == subject.data.join(FOLDER);
        let mark = if will_come { Mark::Look } else { Mark::Bad };
        report.add(mark, what, none, advice);
        return;
    };
    let age = taken_at(&file).map(|taken| now.duration_since(taken).abs());
    let hours = age.map_or(i64::MAX, |age| age.as_hours());
    let found = Said::new(
        format!("{hours} 小时前，{}", file.display()),
        format!("{hours} h ago, {}", file.display()),
    );
    match age {
        Some(age) if age <= BACKUP_AGE_MAX && is_same_disk(&subject.data, folder) => {
            let advice = Said::new(
                "与数据在同一块磁盘：磁盘坏了两者都没有。在 [backup] folder 指定第二块磁盘，或定期拷走",
                "it is on the disk of the data, which takes both when it fails: name a second disk in [backup] folder, or copy it away",
            );
            report.add(Mark::Look, what, found, advice);
        }
        Some(age) if age <= BACKUP_AGE_MAX => report.good(what, found),
        _ => report.add(Mark::Bad, what, found, advice),
    }
}

/// Whether both are on one disk. What is not there yet will be where its folder is.
#[must_use]
pub fn is_same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let disk = |path: &Path| {
        let there = path
            .ancestors()
            .find_map(|path| std::fs::metadata(path).ok());
        there.map(|found| found.dev())
    };
    disk(one) == disk(other)
}
