//! The API as a whole, without a hall that works.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_config::GatewayConfig;
use zhiban_drivers::deliveries;
use zhiban_drivers::supervise::Supervisor;
use zhiban_kernel::people::People;
use zhiban_kernel::web::RouteRule;
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::envelope::Epoch;

use super::{DATABASE, Slices, new_boot, open_authority, open_mqtt, program, upkeep_state};
use crate::chain::BoxState;
use crate::commands::Wake;
use crate::devices::Devices;
use crate::federation::{DownlinkState, Line, UplinkState};
use crate::floor::Floor;
use crate::joining::Joining;
use crate::journal::{self, Journal};
use crate::queue::Names;

/// The description of the API and the table of routes, without running anything but an empty
/// hall of the sample's configuration in `data`, whose doors no device can reach and which may
/// stand beside a hall that is open.
///
/// # Errors
/// When that directory cannot be used.
pub async fn describe(data: &Path) -> Result<(String, Vec<RouteRule>, axum::Router)> {
    let sample = include_str!("../../../config/samples/gateway.toml");
    let mut config = GatewayConfig::parse(Path::new("gateway.toml"), sample)?;
    config.hall.data = data.to_owned();
    config.mqtt.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.mqtt.tls = None;
    let config = &config;
    std::fs::create_dir_all(data)?;
    let clock = Clock::new(None);
    let store = Store::open(&data.join(DATABASE), journal::migrate)?;
    let journal = Journal::open(store.clone(), clock).await?;
    let devices = Devices::open(store.clone(), clock, config.registry.clone()).await?;
    let (people, _) = People::open(store, program(config, clock), data).await?;
    let names = Names::new(config);
    let stop = CancellationToken::new();
    let line = Line {
        state: watch::channel(UplinkState::default()).1,
        down: watch::channel(DownlinkState::default()).1,
        member: watch::channel(None).1,
    };
    let floor = Floor::new(
        journal.clone(),
        names.clone(),
        config,
        line.state.clone(),
        stop.clone(),
    );
    let (delivered, _) = deliveries();
    let authority = open_authority(config)?;
    let joining = Joining::new(journal.store().clone(), clock, devices.clone(), authority);
    let door = open_mqtt(config, &journal, &devices, &joining).await?;
    let state = BoxState {
        store_id: config.hall.store.clone(),
        epoch: Epoch(1),
        started: clock.now(),
        started_at: Instant::now(),
        journal: journal.clone(),
        broker: door.broker(),
        mqtt: door.local_addr()?,
        mqtts: door.tls_addr(),
        drivers: Supervisor::start(Vec::new(), delivered, new_boot(), stop.clone()),
        line: line.clone(),
    };
    let upkeep = upkeep_state(&journal, config, &line, stop.clone());
    let slices = Slices {
        journal,
        devices,
        joining,
        names,
        floor,
        state,
        zone: config.hall.zone(),
        wake: Wake::default(),
        upkeep,
    };
    let (router, openapi, rules) = slices.api(people).split();
    Ok((openapi.to_pretty_json()?, rules, router))
}
