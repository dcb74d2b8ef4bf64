//! The commands of whoever looks after the box.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use zhiban_config::GatewayConfig;
use zhiban_kernel::Clock;
use zhiban_kernel::backup;
use zhiban_kernel::doctor::{Language, Mark};

use super::{PROGRAM, doctor as checks, subject};

/// Takes a backup, while the service runs or not.
///
/// # Errors
/// When it cannot be taken or proved.
pub fn back_up(file: &Path, target: &Path) -> Result<()> {
    let config = GatewayConfig::read(file)?;
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
    let restored = backup::restore(&subject(&config, file), archive, Clock::real_now())?;
    print!("{}", restored.summary(file));
    println!(
        "next: systemctl start {PROGRAM}. The hall begins a new epoch, so the centre takes nothing \
         for something it has; what had not been sent since the backup is lost. If the old box \
         still runs, switch it off: both panels would say that two boxes speak for one hall."
    );
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
    let code = config.hall.data.join("setup-code");
    let code = std::fs::read_to_string(&code).with_context(|| {
        let code = code.display();
        format!("{code}: the service has not started yet, or the first account was made already")
    })?;
    println!("http://{}/  {}", config.web.listen, code.trim());
    Ok(())
}
