//! The composition root: everything is opened and wired here, in reading order, and every task is
//! spawned here.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use zhiban_config::CentralConfig;
use zhiban_kernel::backup::{self, Nightly, NightlyState};
use zhiban_kernel::health::{Health, Report, Status};
use zhiban_kernel::notify::{feed_watchdog, notify};
use zhiban_kernel::people::{self, People, Program};
use zhiban_kernel::runtime::{FolderLock, RunFile, Tasks, take_folder};
use zhiban_kernel::web::{self, Api, RouteRule};
use zhiban_kernel::{Clock, Store, StoreError, store};

use crate::centre::Centre;
use crate::intake::{Intake, Listener};
use crate::watch::Probe;
use crate::{compare, halls, pages, upkeep};

/// Name of the database in the data directory.
pub const DATABASE: &str = "central.db";

/// A running centre.
#[derive(Debug)]
pub struct Aggregator {
    /// Where pages are served.
    pub web: SocketAddr,
    /// First boot only: the code the first person signs in with.
    pub setup_code: Option<String>,
    pub tasks: Tasks,
    _run_file: RunFile,
    _lock: FolderLock,
}

/// Content of `run.json`.
#[derive(Serialize)]
struct Running<'r> {
    pid: u32,
    web: SocketAddr,
    zenoh: &'r [String],
}

impl Aggregator {
    /// Starts everything; when it returns, halls and people are served.
    ///
    /// # Errors
    /// When the data directory, the database or a port cannot be used.
    pub async fn start(config: &CentralConfig, config_file: &Path) -> anyhow::Result<Self> {
        let tasks = Tasks::default();
        let clock = Clock::new(config.clock);
        let data = &config.centre.data;
        let lock = take_folder(data).with_context(|| format!("cannot use {}", data.display()))?;
        backup::finish_restore(data)?;
        let store = open_store(data)?;
        let (people, setup_code) = open_people(&store, config, clock).await?;

        let intake = Intake::new(store.clone(), clock);
        let listen = config.zenoh.listen.clone();
        let listener = Listener::open(intake.clone(), listen.clone())
            .await
            .with_context(|| format!("cannot listen on {}", listen.join(", ")))?;

        let centre = Centre {
            store: store.clone(),
            clock,
            zone: jiff::tz::TimeZone::get(&config.centre.time_zone)?,
            changes: intake.changes(),
            health: Health::default(),
            started: Clock::real_now(),
            listen: listen.clone(),
            shutdown: tasks.shutdown.clone(),
        };
        let (router, _, _) = routes(people, &centre);
        let socket = TcpListener::bind(config.web.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.web.listen))?;
        let web = socket.local_addr()?;
        let probe = Probe {
            store,
            health: centre.health.clone(),
            endpoint: listen.first().cloned(),
            web,
        };

        let stop = || tasks.shutdown.clone();
        tasks.spawn("intake", listener.run(stop()));
        tasks.spawn("web", web::serve(socket, router, stop()));
        tasks.spawn("probe", probe.run(stop()));
        start_upkeep(&tasks, &centre, config, config_file);

        let running = Running {
            pid: std::process::id(),
            web,
            zenoh: &listen,
        };
        let run_file = RunFile::write(&config.centre.data, &running).context("run.json")?;
        Ok(Self {
            web,
            setup_code,
            tasks,
            _run_file: run_file,
            _lock: lock,
        })
    }

    /// Runs until a stop signal, or until a part fails.
    pub async fn run(self) {
        notify("READY=1");
        self.tasks.run_until_stopped().await;
    }
}

/// Starts the nightly backup and the word to systemd.
fn start_upkeep(tasks: &Tasks, centre: &Centre, config: &CentralConfig, config_file: &Path) {
    let stop = tasks.shutdown.clone();
    let fed = feed_watchdog(centre.health.clone(), is_alive, stop.clone());
    tasks.spawn("systemd watchdog", fed);
    if config.clock.is_some() {
        // A replay is not backed up.
        return;
    }
    let nightly = Nightly {
        subject: upkeep::subject(config, config_file),
        folder: config.backup.folder_of(&config.centre.data),
        at: config.backup.at,
        zone: centre.zone.clone(),
        keep: config.backup.keep as usize,
        health: centre.health.clone(),
        state: watch::channel(NightlyState::default()).0,
    };
    tasks.spawn("backup", nightly.run(stop));
}

/// Whether a start anew would mend nothing: halls are answered, and the writer answers, be it that the
/// disk is full.
fn is_alive(report: &Report) -> bool {
    let writer = report.part("store").is_some_and(|part| !part.is_silent);
    let door = report.part("zenoh");
    writer && door.is_some_and(|part| part.status != Status::Failing)
}

fn open_store(data: &Path) -> anyhow::Result<Store> {
    let file = data.join(DATABASE);
    Store::open(&file, migrate).with_context(|| format!("cannot open {}", file.display()))
}

/// Brings the database to today's shape.
pub(crate) fn migrate(connection: &mut rusqlite::Connection) -> Result<(), StoreError> {
    let people = people::migrations::migrations::runner();
    store::migrate(connection, people, "kernel_migrations")?;
    let own = crate::migrations::migrations::runner();
    store::migrate(connection, own, "central_migrations")
}

async fn open_people(
    store: &Store,
    config: &CentralConfig,
    clock: Clock,
) -> anyhow::Result<(People, Option<String>)> {
    let program = Program {
        kind: "central",
        id: "central".into(),
        version: env!("CARGO_PKG_VERSION"),
        name: config.centre.name.clone(),
        time_zone: config.centre.time_zone.clone(),
        clock,
    };
    let opened = People::open(store.clone(), program, &config.centre.data).await;
    opened.context("cannot open the people of the centre")
}

/// All routes with who may use each.
pub(crate) fn routes(people: People, centre: &Centre) -> (Router, OpenApi, Vec<RouteRule>) {
    let info = InfoBuilder::new()
        .title("Zhiban central")
        .version(env!("CARGO_PKG_VERSION"));
    let api = Api::new(people, OpenApiBuilder::new().info(info.build()).build());
    let api = people::add_routes(api);
    let api = compare::add_routes(api, centre);
    let api = halls::add_routes(api, centre);
    let api = crate::watch::add_routes(api, centre);
    let (router, openapi, rules) = api.split();
    (pages::add_to(router), openapi, rules)
}

/// The description of the API, made from the routes themselves. They need a database to stand on,
/// so one is made in `scratch`.
///
/// # Errors
/// When `scratch` cannot be written.
pub async fn openapi(scratch: &Path) -> anyhow::Result<OpenApi> {
    let text = include_str!("../../config/samples/central.toml");
    let mut config = CentralConfig::parse(Path::new("central.toml"), text)?;
    config.centre.data = scratch.to_owned();
    let clock = Clock::new(None);
    let _lock = take_folder(scratch)?;
    let store = open_store(scratch)?;
    let (people, _) = open_people(&store, &config, clock).await?;
    let centre = Centre {
        changes: Intake::new(store.clone(), clock).changes(),
        store,
        clock,
        zone: jiff::tz::TimeZone::UTC,
        health: Health::default(),
        started: Clock::real_now(),
        listen: Vec::new(),
        shutdown: Tasks::default().shutdown,
    };
    Ok(routes(people, &centre).1)
}
