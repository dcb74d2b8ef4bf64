//! The commands of whoever looks after the box.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use zhiban_config::GatewayConfig;
use zhiban_kernel::Clock;
use zhiban_kernel::backup;
use zhiban_kernel::doctor::{Language, Mark, wait_healthy};
use zhiban_kernel::people::setup_code;
use zhiban_kernel::rights;

use super::{PROGRAM, doctor as checks, subject};

/// Takes a backup, while the service runs or not.
///
/// # Errors
/// When it cannot be taken or proved.
pub fn back_up(file: &Path, target: &Path) -> Result<()> {
    let config = GatewayConfig::read(file)?;
    if rights::back_up_as_owner(&config.hall.data, target, file)? {
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
pub fn restore(file: &Path, archive: &Path) -> Result<()> {
    let config = GatewayConfig::read(file)?;
    if rights::restore_as_owner(&config.hall.data, archive, file)? {
        return Ok(());
    }
    let restored = backup::restore(&subject(&config, file), archive, Clock::real_now())?;
    print!("{}", restored.summary(file));
    println!(
        "next: systemctl start {PROGRAM}. The hall begins a new epoch, so the centre takes nothing \
         for something it has; what had not been sent since the backup is lost. If the old box \
         still runs, switch it off: both panels would say that two boxes speak for one hall."
    );
    Ok(())
}

/// Begins with an empty database where the one that is there is damaged and no backup is good.
///
/// # Errors
/// When the database is sound, or the service runs.
pub fn begin_anew(file: &Path) -> Result<()> {
    let config = GatewayConfig::read(file)?;
    rights::go_on_as_owner(&config.hall.data)?;
    let aside = backup::begin_anew(&subject(&config, file), Clock::real_now())?;
    println!("the damaged database is kept in {}", aside.display());
    println!(
        "next: systemctl start {PROGRAM}. Accounts are made anew with {PROGRAM} setup-code, and devices \
         join again. What the centre has of this hall stays there."
    );
    Ok(())
}

/// Waits until the running service is well.
///
/// # Errors
/// What is wrong when `wait` is over.
pub fn health(file: &Path, wait: Duration) -> Result<()> {
    let config = GatewayConfig::read(file)?;
    wait_healthy(&config.hall.data, &["journal", "mqtt"], wait).map_err(anyhow::Error::msg)?;
    println!("healthy");
    Ok(())
}

/// Prints the checklist.
///
/// # Errors
/// When something must be mended.
pub fn doctor(file: &Path, language: Option<Language>) -> Result<()> {
    let report = checks::examine(file);
    let language = language.unwrap_or_else(Language::of_environment);
    print!("{}", report.text(language));
    ensure!(report.mark() < Mark::Bad, "something must be mended");
    Ok(())
}

/// Prints the address of the panel and the code the first person signs in with.
///
/// # Errors
/// When the service has not started yet, or somebody has signed in.
pub fn show_setup_code(file: &Path) -> Result<()> {
    let config = GatewayConfig::read(file)?;
    println!("{}", setup_code(&config.hall.data, &config.web)?);
    Ok(())
}
