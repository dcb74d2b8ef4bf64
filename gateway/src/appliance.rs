//! The whole gateway, put together in reading order: store, slices, doors, followers, line to the
//! centre, pages.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};
use utoipa::OpenApi;
use zhiban_config::GatewayConfig;
use zhiban_drivers::supervise::Supervisor;
use zhiban_drivers::{Delivery, deliveries};
use zhiban_kernel::authority::Authority;
use zhiban_kernel::health::Health;
use zhiban_kernel::people::{self, People, Program};
use zhiban_kernel::runtime::{RunFile, Tasks};
use zhiban_kernel::web::{Api, Listeners};
use zhiban_kernel::{Clock, Store};
use zhiban_sync::courier::Standing;
use zhiban_vocabulary::envelope::Item;
use zhiban_vocabulary::facts::HallProfile;

use crate::boards::{BoardsFollower, Signs};
use crate::broker::{Broker, Door};
use crate::chain::{self, BoxState, Watch};
use crate::climate::ClimateFollower;
use crate::commands::{self, CommandsFollower, Dispatcher, Switching, Wake};
use crate::devices::{self, Devices, DevicesFollower, Keeper};
use crate::documents::{self, DocumentsState};
use crate::federation::{
    self, AlarmsFollower, Courier, LettersState, Line, MemberState, UplinkState,
};
use crate::floor::{self, Floor};
use crate::joining::{self, Advert, Joining, host_name};
use crate::journal::{self, Follower, Journal, follow};
use crate::queue::{self, Names, QueueFollower, SlotCloser};
use crate::upkeep::{self, UpkeepState};
use crate::{doors, panel};

mod announce;
mod describe;
mod looked_after;
mod wired;

pub use describe::describe;
pub use wired::wired_devices;

use announce::{Addresses, announce};
use looked_after::{open_data, start_upkeep, upkeep_state};
use wired::{new_boot, sync_wired};

/// Name of the database in the data directory.
pub const DATABASE: &str = "hall.db";
/// Key and certificate of the hall's own authority, beside it.
pub const AUTHORITY: &str = "authority.pem";

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// When it cannot start; the reason names what and where.
pub async fn run(config: GatewayConfig, config_file: &Path) -> Result<()> {
    let clock = Clock::new(config.clock);
    wired_devices(&config)?;
    let (_lock, store, config) = open_data(config, config_file).await?;
    let data = &config.hall.data;
    let tasks = Tasks::default();
    let stop = tasks.shutdown.clone();
    let health = Health::default();

    let journal = Journal::open(store.clone(), clock).await?;
    sync_wired(&store, &config, clock).await?;
    let devices = Devices::open(store.clone(), clock, config.registry.clone()).await?;
    let standing = federation::open_epoch(&store, data).await?;

    let (delivered, from_drivers) = deliveries();
    let drivers = Supervisor::start(Vec::new(), delivered, new_boot(), stop.clone());
    let authority = open_authority(&config)?;
    let joining = Joining::new(
        store.clone(),
        clock,
        devices.clone(),
        Arc::clone(&authority),
    );
    let door = open_mqtt(&config, &journal, &devices, &joining).await?;
    let (mqtt, mqtts, broker) = (door.local_addr()?, door.tls_addr(), door.broker());
    let advert = advert(&config, mqtt, mqtts, &joining);
    tasks.spawn("mdns", advert.run(stop.clone()));
    start_doors(&tasks, &journal, from_drivers, door, &drivers, &health)?;
    let wake = Wake::default();
    start_followers(&tasks, &journal, &devices, &config, &wake);
    start_commands(&tasks, &journal, &config, &drivers, &broker, &wake);
    let line = start_line(&tasks, &store, &config, clock, standing).await?;
    start_keeper(&tasks, &journal, &devices, &config, &drivers, &line);

    let (people, setup_code) = People::open(store, program(&config, clock), data).await?;
    let names = Names::new(&config);
    let floor = Floor::new(
        journal.clone(),
        names.clone(),
        &config,
        line.state.clone(),
        stop.clone(),
    );
    tasks.spawn("floor", floor.clone().run());
    start_probes(&tasks, &journal, &drivers, &line, &health);
    let upkeep = upkeep_state(&journal, &config, &line, stop.clone());
    let upkeep = start_upkeep(&tasks, upkeep, config_file, &health);

    let state = BoxState {
        store_id: config.hall.store.clone(),
        epoch: standing.epoch,
        started: clock.now(),
        started_at: Instant::now(),
        journal: journal.clone(),
        broker,
        mqtt,
        mqtts,
        drivers,
        line,
    };
    let slices = Slices {
        journal,
        devices,
        joining,
        names,
        floor,
        state,
        zone: config.hall.zone(),
        wake,
        upkeep,
    };
    let (api, _, _) = slices.api(people.clone()).split();
    let watch = Watch { health, people };
    let router = api
        .merge(chain::health_router(watch.clone()))
        .merge(panel::router(&config.hall.name, watch));
    let names = [host_name(config.hall.store.as_str()), "localhost".into()];
    let pages = Listeners::open(&config.web, &authority, &names).await?;
    let addresses = Addresses::of(&pages, mqtt, mqtts)?;
    tasks.spawn("web", pages.serve(router, stop));
    let _run_file = RunFile::write(data, &addresses)?;
    announce(&config, &addresses, setup_code.as_deref());
    tasks.run_until_stopped().await;
    Ok(())
}

fn program(config: &GatewayConfig, clock: Clock) -> Program {
    Program {
        kind: "gateway",
        id: config.hall.store.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        name: config.hall.name.clone(),
        time_zone: config.hall.time_zone.clone(),
        clock,
    }
}

fn open_authority(config: &GatewayConfig) -> Result<Arc<Authority>> {
    let file = config.hall.data.join(AUTHORITY);
    let authority = Authority::open(&file, &format!("Zhiban {}", config.hall.store))?;
    Ok(Arc::new(authority))
}

fn advert(
    config: &GatewayConfig,
    mqtt: SocketAddr,
    mqtts: Option<SocketAddr>,
    joining: &Joining,
) -> Advert {
    Advert {
        store: config.hall.store.to_string(),
        mqtt,
        mqtts,
        fingerprint: joining.authority().fingerprint(),
    }
}

async fn open_mqtt(
    config: &GatewayConfig,
    journal: &Journal,
    devices: &Devices,
    joining: &Joining,
) -> Result<Door> {
    let (store, clock) = (journal.store().clone(), journal.clock());
    let mut mqtt = config.mqtt.clone();
    if let Some(tls) = &mut mqtt.tls {
        tls.names.push(host_name(config.hall.store.as_str()));
    }
    Door::open(
        mqtt,
        journal.clone(),
        devices.clone(),
        joining.clone(),
        store,
        clock,
    )
    .await
    .map(|door| door.named(config.hall.store.as_str()))
    .with_context(|| format!("the MQTT door at {} cannot be opened", config.mqtt.listen))
}

/// What the centre must know to read this hall's facts.
fn profile(config: &GatewayConfig) -> Item {
    let hall = &config.hall;
    Item::Profile(HallProfile {
        name: hall.name.clone(),
        city: hall.city.clone(),
        grade: hall.grade.clone(),
        time_zone: hall.time_zone.clone(),
        opens: hall.opens,
        closes: hall.closes,
        queues: config
            .queues
            .iter()
            .map(|queue| (queue.id.clone(), queue.name.clone()))
            .collect(),
    })
}

fn start_doors(
    tasks: &Tasks,
    journal: &Journal,
    from_drivers: mpsc::Receiver<Delivery>,
    door: Door,
    drivers: &Arc<Supervisor>,
    health: &Health,
) -> Result<()> {
    let stop = tasks.shutdown.clone();
    tasks.spawn(
        "mqtt watchdog",
        door.watchdog(health.clone())?.run(stop.clone()),
    );
    tasks.spawn("mqtt door", door.run(stop.clone()));
    let wired = doors::run_wired(journal.clone(), from_drivers);
    let drivers = Arc::clone(drivers);
    tasks.spawn("wired door", async move {
        // The channel closes when the last driver has ended.
        tokio::join!(wired, async {
            stop.cancelled().await;
            drivers.finished().await;
        });
    });
    Ok(())
}

/// It needs the line: register maps come down it.
fn start_keeper(
    tasks: &Tasks,
    journal: &Journal,
    devices: &Devices,
    config: &GatewayConfig,
    drivers: &Arc<Supervisor>,
    line: &Line,
) {
    let keeper = Keeper::new(devices.clone(), journal.clone(), Arc::clone(drivers));
    let keeping = keeper.run(&config.hall.store, line.down.clone(), &tasks.shutdown);
    tasks.spawn("devices keeper", keeping);
}

fn start_probes(
    tasks: &Tasks,
    journal: &Journal,
    drivers: &Arc<Supervisor>,
    line: &Line,
    health: &Health,
) {
    let probes = chain::run_probes(
        journal.clone(),
        Arc::clone(drivers),
        line.state.clone(),
        health.clone(),
        tasks.shutdown.clone(),
    );
    tasks.spawn("probes", probes);
}

fn start_followers(
    tasks: &Tasks,
    journal: &Journal,
    devices: &Devices,
    config: &GatewayConfig,
    wake: &Wake,
) {
    fn start<F: Follower>(tasks: &Tasks, journal: &Journal, follower: F) {
        tasks.spawn(
            F::NAME,
            follow(journal.clone(), follower, tasks.shutdown.clone()),
        );
    }
    let zone = config.hall.zone();
    let registry = config.registry.clone();
    start(
        tasks,
        journal,
        DevicesFollower::new(devices.clone(), registry),
    );
    let rating_ends_ticket = config.hall.rating_ends_ticket;
    let queue = QueueFollower::new(zone.clone(), rating_ends_ticket);
    start(tasks, journal, queue);
    start(tasks, journal, ClimateFollower);
    let boards = BoardsFollower::new(journal.clock(), wake.clone(), rating_ends_ticket);
    start(tasks, journal, boards);
    start(tasks, journal, CommandsFollower::new(wake.clone()));
    start(tasks, journal, AlarmsFollower);
    let stop = tasks.shutdown.clone();
    let closer = SlotCloser::new(journal.clone(), config);
    tasks.spawn("slot closer", closer.run(stop.clone()));
    let closes = config.hall.day_closes;
    tasks.spawn(
        "day close",
        queue::run_day_close(journal.clone(), closes, zone, stop),
    );
}

fn start_commands(
    tasks: &Tasks,
    journal: &Journal,
    config: &GatewayConfig,
    drivers: &Arc<Supervisor>,
    broker: &Broker,
    wake: &Wake,
) {
    let (store, clock) = (journal.store().clone(), journal.clock());
    let (drivers, broker) = (Arc::clone(drivers), broker.clone());
    let dispatcher = Dispatcher::new(journal.clone(), drivers, broker, wake.clone());
    tasks.spawn("commands", dispatcher.run(tasks.shutdown.clone()));
    let signs = Signs::new(store.clone(), clock, wake.clone());
    tasks.spawn("signs", signs.run(tasks.shutdown.clone()));
    let closing = config.closing.clone();
    let switching = Switching::new(store, clock, wake.clone(), closing, &config.hall);
    tasks.spawn("switching", switching.run(tasks.shutdown.clone()));
}

async fn start_line(
    tasks: &Tasks,
    store: &Store,
    config: &GatewayConfig,
    clock: Clock,
    standing: Standing,
) -> Result<Line> {
    let courier = Courier {
        uplink: (),
        store: store.clone(),
        clock,
        hall: config.hall.store.clone(),
        zone: config.hall.zone(),
        standing,
        data: config.hall.data.clone(),
        profile: profile(config),
        heartbeat: Duration::from_secs(config.uplink.heartbeat_s.into()),
        state: watch::channel(UplinkState::default()).0,
    };
    let doors = config.uplink.centre.clone();
    let line = Line::start(tasks, courier, doors).await;
    line.context("no port on loopback for the line to the centre")
}

/// The slices that have pages.
struct Slices {
    journal: Journal,
    devices: Devices,
    joining: Joining,
    names: Names,
    floor: Floor,
    state: BoxState,
    zone: jiff::tz::TimeZone,
    wake: Wake,
    upkeep: UpkeepState,
}

#[derive(OpenApi)]
#[openapi(info(title = "Zhiban gateway", description = "API of one hall"))]
struct Description;

impl Slices {
    fn api(&self, people: People) -> Api {
        let api = Api::new(people, Description::openapi());
        let api = people::add_routes(api);
        let api = doors::add_routes(api, &self.journal, &self.devices);
        let api = doors::add_hook_routes(api, &self.devices, &self.state.drivers);
        let api = floor::add_routes(api, &self.floor);
        let api = queue::add_routes(api, &self.journal, &self.names, self.zone.clone());
        let api = devices::add_routes(api, &self.devices, &self.state.drivers);
        let api = joining::add_routes(api, &self.joining);
        let (store, clock) = (self.journal.store(), self.journal.clock());
        let api = commands::add_routes(api, store, clock, &self.wake);
        let api = journal::add_routes(api, &self.journal);
        let letters = LettersState {
            store: store.clone(),
            clock,
            restate: queue::restate,
        };
        let api = federation::add_routes(api, &letters);
        let member = MemberState {
            data: self.upkeep.config.hall.data.clone(),
            hall: self.state.store_id.clone(),
            store: store.clone(),
        };
        let api = federation::add_trust_routes(api, &member);
        let documents = DocumentsState {
            store: store.clone(),
            clock,
            hall: self.state.store_id.clone(),
            zone: self.zone.clone(),
        };
        let api = documents::add_routes(api, &documents);
        let api = upkeep::add_routes(api, &self.upkeep);
        chain::add_routes(api, &self.state)
    }
}
