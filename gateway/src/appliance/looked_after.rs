//! What opens the data folder and looks after the box, put together.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_config::GatewayConfig;
use zhiban_kernel::Store;
use zhiban_kernel::backup::{Nightly, NightlyState, open_mended};
use zhiban_kernel::health::{Health, Report, Status};
use zhiban_kernel::notify::feed_watchdog;
use zhiban_kernel::runtime::{FolderLock, Tasks, take_folder};

use super::DATABASE;
use crate::federation::Line;
use crate::journal::Journal;
use crate::upkeep::{self, UpkeepState, retention};

/// Takes the data folder and opens the database, after a restore that was interrupted, or mends it where
/// it is damaged, and puts what
/// the panel settled above the configuration.
pub(super) async fn open_data(
    config: GatewayConfig,
    config_file: &Path,
) -> Result<(FolderLock, Store, GatewayConfig)> {
    let data = &config.hall.data;
    let lock = take_folder(data).with_context(|| format!("cannot use {}", data.display()))?;
    let subject = upkeep::subject(&config, config_file);
    let backups = config.backup.folder_of(data);
    // Reading all of a database and its backup takes its time.
    let open = tokio::task::spawn_blocking(move || open_mended(&subject, &backups));
    let file = data.join(DATABASE);
    let store = open
        .await?
        .with_context(|| format!("cannot open {}", file.display()))?;
    let settled = |c: &rusqlite::Connection| Ok(upkeep::settled(c, config)?);
    let config = store.read(settled).await?;
    Ok((lock, store, config))
}

/// Starts what looks after the box: retention, the nightly backup, the word to systemd.
pub(super) fn start_upkeep(
    tasks: &Tasks,
    mut state: UpkeepState,
    config_file: &Path,
    health: &Health,
) -> UpkeepState {
    let (stop, config) = (tasks.shutdown.clone(), &state.config);
    let keeper = retention::Keeper {
        journal: state.journal.clone(),
        retention: config.retention,
        line: state.line.clone(),
        health: health.clone(),
    };
    tasks.spawn("retention", keeper.run(stop.clone()));
    let fed = feed_watchdog(health.clone(), is_alive, stop.clone());
    tasks.spawn("systemd watchdog", fed);
    let store = state.journal.store().clone();
    tasks.spawn("damage", store.end_when_damaged(stop.clone()));
    if config.clock.is_none() {
        let (told, nightly) = watch::channel(NightlyState::default());
        let backup = Nightly {
            subject: upkeep::subject(config, config_file),
            store: Some(state.journal.store().clone()),
            folder: state.backup_folder.clone(),
            at: config.backup.at,
            zone: config.hall.zone(),
            keep: config.backup.keep as usize,
            health: health.clone(),
            state: told,
        };
        tasks.spawn("backup", backup.run(stop));
        state.nightly = Some(nightly);
    }
    state
}

pub(super) fn upkeep_state(
    journal: &Journal,
    config: &GatewayConfig,
    line: &Line,
    stop: CancellationToken,
) -> UpkeepState {
    UpkeepState {
        journal: journal.clone(),
        config: Arc::new(config.clone()),
        backup_folder: config.backup.folder_of(&config.hall.data),
        nightly: None,
        line: line.clone(),
        stop,
    }
}

/// Whether a start anew would mend nothing: the MQTT door does what it is for, and the writer answers,
/// be it that the disk is full.
fn is_alive(report: &Report) -> bool {
    let writer = report.part("journal").is_some_and(|part| !part.is_silent);
    let door = report.part("mqtt");
    writer && door.is_some_and(|part| part.status != Status::Failing)
}
