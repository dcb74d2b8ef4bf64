//! The commands of whoever looks after the centre: doctor, backup, restore.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use rusqlite::Connection;
use zhiban_config::CentralConfig;
use zhiban_kernel::backup::{self, Rescued, Subject, TRUST_LEDGER};
use zhiban_kernel::doctor::{self, Language, Mark, Report, Said};
use zhiban_kernel::people::{first_broken_link, note, setup_code};
use zhiban_kernel::{Clock, StoreError, rights};

use crate::aggregator::{DATABASE, migrate};
use crate::trust;

/// Name of the program, its package and its service.
pub const PROGRAM: &str = "zhiban-central";

/// Parts of health in Chinese, with what to do where one is not well.
const PARTS: [(&str, &str, &str, &str); 4] = [
    (
        "store",
        "数据库写入",
        "看“磁盘空间”一行；写入已停止时重启服务",
        "see the line on the disk; restart the service when the writer has stopped",
    ),
    (
        "zenoh",
        "各厅连接入口",
        "systemctl restart zhiban-central",
        "systemctl restart zhiban-central",
    ),
    (
        "web",
        "网页",
        "systemctl restart zhiban-central",
        "systemctl restart zhiban-central",
    ),
    (
        "backup",
        "夜间备份",
        "看 [backup] folder 是否挂载、是否有空间",
        "see whether [backup] folder is mounted and has room",
    ),
];

/// What is backed up of this centre.
#[must_use]
pub fn subject(config: &CentralConfig, file: &Path) -> Subject {
    Subject {
        program: PROGRAM,
        version: env!("CARGO_PKG_VERSION"),
        id: "centre".into(),
        data: config.centre.data.clone(),
        database: DATABASE,
        is_elsewhere: config.database.is_some(),
        config: file.to_owned(),
        migrate,
        read_through,
        // What halls have sent comes again by itself.
        rescue: |_, _| Ok(Rescued::default()),
        tell: |connection, told| note(connection, PROGRAM, "", "box.database-mended", &told.en),
    }
}

fn read_through(connection: &Connection) -> Result<(), StoreError> {
    match first_broken_link(connection)? {
        None => Ok(()),
        Some(line) => Err(StoreError::Database(format!(
            "line {line} of the audit log was changed or removed"
        ))),
    }
}

/// Takes a backup, while the service runs or not.
///
/// # Errors
/// When it cannot be taken or proved.
pub fn back_up(file: &Path, target: &Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    if rights::back_up_as_owner(&config.centre.data, target, file)? {
        return Ok(());
    }
    let taken = backup::take(&subject(&config, file), target, Clock::real_now())?;
    println!("{}", taken.summary());
    Ok(())
}

/// Puts a backup back and says what happens next.
///
/// # Errors
/// When it is refused; nothing was changed.
pub fn restore(file: &Path, archive: &Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    if rights::restore_as_owner(&config.centre.data, archive, file)? {
        return Ok(());
    }
    let restored = backup::restore(&subject(&config, file), archive, Clock::real_now())?;
    print!("{}", restored.summary(file));
    let ledger = config.centre.data.join(TRUST_LEDGER);
    let (ledger, taken) = (ledger.is_file(), restored.manifest.taken);
    println!("{}", after_restore(ledger, taken));
    println!(
        "next: systemctl start {PROGRAM}. Each hall notices that the centre lacks something, begins \
         a new epoch and sends again what it still keeps: the newest 300,000 rows, about two weeks."
    );
    Ok(())
}

/// Begins with an empty database where the one that is there is damaged and no backup is good.
///
/// # Errors
/// When the database is sound, or the service runs.
pub fn begin_anew(file: &Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    rights::go_on_as_owner(&config.centre.data)?;
    let aside = backup::begin_anew(&subject(&config, file), Clock::real_now())?;
    println!("the damaged database is kept in {}", aside.display());
    println!(
        "next: systemctl start {PROGRAM}. Accounts are made anew with {PROGRAM} setup-code. Halls that had \
         joined are let in by {TRUST_LEDGER} and send again what they still keep."
    );
    Ok(())
}

/// What becomes of halls that joined or were shut out after the backup.
fn after_restore(has_ledger: bool, taken: jiff::Timestamp) -> String {
    if has_ledger {
        return format!(
            "halls: {TRUST_LEDGER} of the data folder stayed; who joined or was shut out after {taken} \
             is taken from it at the start"
        );
    }
    format!(
        "halls: this machine knows of none that joined or was shut out after {taken}. Halls that joined \
         after it need a new code; halls that were shut out after it are let in again: shut them out \
         before you open the door to the network"
    )
}

/// Waits until the running service is well.
///
/// # Errors
/// What is wrong when `wait` is over.
pub fn health(file: &Path, wait: Duration) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    doctor::wait_healthy(&config.centre.data, &["store", "zenoh"], wait)
        .map_err(anyhow::Error::msg)?;
    println!("healthy");
    Ok(())
}

/// Prints the address of the pages and the code the first person signs in with.
///
/// # Errors
/// When the service has not started yet, or somebody has signed in.
pub fn show_setup_code(file: &Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    println!("{}", setup_code(&config.centre.data, &config.web)?);
    Ok(())
}

/// Prints the checklist.
///
/// # Errors
/// When something must be mended.
pub fn doctor(file: &Path, language: Option<Language>) -> anyhow::Result<()> {
    let report = examine(file);
    let language = language.unwrap_or_else(Language::of_environment);
    print!("{}", report.text(language));
    ensure!(report.mark() < Mark::Bad, "something must be mended");
    Ok(())
}

fn examine(file: &Path) -> Report {
    let mut report = Report::default();
    let what = Said::new("配置", "configuration");
    let config = match CentralConfig::read(file) {
        Ok(config) => config,
        Err(error) => {
            let advice = Said::same(format!("{PROGRAM} check {}", file.display()));
            report.add(Mark::Bad, what, Said::same(error), advice);
            return report;
        }
    };
    report.good(what, Said::same(file.display()));
    let (data, subject) = (&config.centre.data, subject(&config, file));
    doctor::check_folder(&mut report, data);
    doctor::check_disk(&mut report, data);
    doctor::check_fsync(&mut report, data);
    doctor::check_clock(&mut report);
    let running = doctor::check_service(&mut report, PROGRAM, data);
    doctor::check_listen(&mut report, "web", config.web.listen, running.is_some());
    if let Some(tls) = &config.web.tls {
        doctor::check_listen(&mut report, "web.tls", tls.listen, running.is_some());
    }
    let door = config.door.listen;
    doctor::check_listen(&mut report, "door", door, running.is_some());
    doctor::check_database(&mut report, &subject);
    doctor::check_incidents(&mut report, &subject);
    trust::check_ledger(&mut report, data);
    let backups = config.backup.folder_of(data);
    doctor::check_backup(&mut report, &subject, &backups, Clock::real_now());
    doctor::check_update(&mut report, data);
    if let Some(running) = &running {
        doctor::check_parts(&mut report, running, &PARTS);
    }
    report
}
