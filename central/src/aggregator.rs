//! The composition root: everything is opened and wired here, in reading order, and every task is
//! spawned here.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use zhiban_config::CentralConfig;
use zhiban_kernel::health::Health;
use zhiban_kernel::people::{self, People, Program};
use zhiban_kernel::runtime::{FolderLock, RunFile, Tasks, take_folder};
use zhiban_kernel::web::{self, Api, RouteRule};
use zhiban_kernel::{Clock, Database, Store, StoreError, store};

use crate::centre::Centre;
use crate::intake::{Intake, Listener};
use crate::postgres::{self, Postgres};
use crate::watch::Probe;
use crate::{compare, halls, pages, watch};

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
    pub async fn start(config: &CentralConfig) -> anyhow::Result<Self> {
        let tasks = Tasks::default();
        let clock = Clock::new(config.clock);
        let data = &config.centre.data;
        let lock = take_folder(data).with_context(|| format!("cannot use {}", data.display()))?;
        let store = open_database(config).await?;
        let (people, setup_code) = open_people(&store, config, clock).await?;

        let intake = Intake::new(store.clone(), clock);
        let listener = listen(config, intake.clone()).await?;
        let endpoints = [&config.zenoh.listen[..], &config.zenoh.routers].concat();

        let centre = Centre {
            store: store.clone(),
            clock,
            zone: jiff::tz::TimeZone::get(&config.centre.time_zone)?,
            changes: intake.changes(),
            health: Health::default(),
            started: Clock::real_now(),
            listen: endpoints.clone(),
            shutdown: tasks.shutdown.clone(),
        };
        let (router, _, _) = routes(people, &centre, config.centre.pages);
        let socket = TcpListener::bind(config.web.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.web.listen))?;
        let web = socket.local_addr()?;
        let probe = Probe {
            store: store.clone(),
            health: centre.health.clone(),
            endpoints: endpoints.clone(),
            web,
        };

        let stop = || tasks.shutdown.clone();
        tasks.spawn("intake", listener.run(stop()));
        if config.database.is_some() {
            let today = move || crate::facts::day_number(centre.today());
            tasks.spawn("months", crate::facts::keep_room(store, today, stop()));
            tasks.spawn("others", intake.watch_others(stop()));
        }
        tasks.spawn("web", web::serve(socket, router, stop()));
        tasks.spawn("probe", probe.run(stop()));

        let running = Running {
            pid: std::process::id(),
            web,
            zenoh: &endpoints,
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
        self.tasks.run_until_stopped().await;
    }
}

/// Takes queries, on a router of its own or behind others.
async fn listen(config: &CentralConfig, intake: Intake) -> anyhow::Result<Listener> {
    let (own, routers) = (&config.zenoh.listen, &config.zenoh.routers);
    if !routers.is_empty() {
        return Ok(Listener::behind(intake, routers.clone()));
    }
    let opened = Listener::open(intake, own.clone()).await;
    opened.with_context(|| format!("cannot listen on {}", own.join(", ")))
}

/// The database of `[database]`, or SQLite.
async fn open_database(config: &CentralConfig) -> anyhow::Result<Database> {
    let Some(database) = &config.database else {
        return Ok(open_store(&config.centre.data)?.into());
    };
    let options = postgres::Options::of(database)?;
    let open = tokio::task::spawn_blocking(move || Postgres::open(&options));
    let opened = open
        .await?
        .context("cannot open the database of database.url")?;
    Ok(Database::new(opened))
}

/// Opens the SQLite database in `data`, or makes it.
///
/// # Errors
/// When it cannot be opened.
pub fn open_store(data: &Path) -> anyhow::Result<Store> {
    let file = data.join("central.db");
    Store::open(&file, migrate).with_context(|| format!("cannot open {}", file.display()))
}

/// Copies the SQLite database in `data` to PostgreSQL.
///
/// # Errors
/// When the centre is running, there is no database, or the copy fails.
pub fn migrate_to(
    data: &Path,
    options: &postgres::Options,
    tell: &dyn Fn(&str),
) -> anyhow::Result<Vec<postgres::Copied>> {
    let file = data.join("central.db");
    anyhow::ensure!(file.is_file(), "{}: there is no database", file.display());
    let _lock = take_folder(data).with_context(|| format!("cannot use {}", data.display()))?;
    // An older one is brought to today's shape first.
    drop(open_store(data)?);
    let copied = postgres::copy(&file, options, tell);
    copied.with_context(|| format!("{} was not copied", file.display()))
}

/// Brings the database to today's shape.
pub(crate) fn migrate(connection: &mut rusqlite::Connection) -> Result<(), StoreError> {
    let people = people::migrations::migrations::runner();
    store::migrate(connection, people, "kernel_migrations")?;
    let own = crate::migrations::sqlite::migrations::runner();
    store::migrate(connection, own, "central_migrations")
}

async fn open_people(
    store: &Database,
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
    let data = &config.centre.data;
    if !config.centre.pages {
        return Ok((People::new(store.clone(), program, data), None));
    }
    let opened = People::open(store.clone(), program, data).await;
    opened.context("cannot open the people of the centre")
}

/// All routes with who may use each; without pages only those about the program itself.
pub(crate) fn routes(
    people: People,
    centre: &Centre,
    pages: bool,
) -> (Router, OpenApi, Vec<RouteRule>) {
    let info = InfoBuilder::new()
        .title("Zhiban central")
        .version(env!("CARGO_PKG_VERSION"));
    let api = Api::new(people, OpenApiBuilder::new().info(info.build()).build());
    let api = watch::add_routes(api, centre);
    if !pages {
        return api.split();
    }
    let api = people::add_routes(api);
    let api = compare::add_routes(api, centre);
    let api = halls::add_routes(api, centre);
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
    let store = Database::from(open_store(scratch)?);
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
    Ok(routes(people, &centre, true).1)
}
