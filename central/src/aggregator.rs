//! The composition root: everything is opened and wired here, in reading order, and every task is
//! spawned here.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use zhiban_config::CentralConfig;
use zhiban_kernel::authority::Authority;
use zhiban_kernel::health::Health;
use zhiban_kernel::people::{self, People, Program};
use zhiban_kernel::runtime::{FolderLock, RunFile, Tasks, take_folder};
use zhiban_kernel::web::{self, Api, RouteRule};
use zhiban_kernel::{Clock, Store, StoreError, store};

use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::EnrolmentCode;

use crate::centre::Centre;
use crate::door::{Door, Requests};
use crate::intake::{Intake, Listener};
use crate::trust::{Trust, TrustState};
use crate::watch::Probe;
use crate::{compare, halls, pages, trust, watch};

/// Key and certificate of the centre's authority, in the data folder.
pub const AUTHORITY: &str = "authority.pem";

/// A running centre.
#[derive(Debug)]
pub struct Aggregator {
    /// Where pages are served.
    pub web: SocketAddr,
    /// Where halls come in.
    pub door: SocketAddr,
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
    door: SocketAddr,
    zenoh: &'r str,
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
        let store = open_store(data)?;
        let (people, setup_code) = open_people(&store, config, clock).await?;

        let authority = open_authority(config)?;
        let trust = Trust::open(store.clone(), authority, config.door.public.clone()).await?;
        let intake = Intake::new(store.clone(), clock, trust.members().clone());
        let zenoh = config.zenoh.listen.clone();
        let listener = Listener::open(intake.clone(), vec![zenoh.clone()])
            .await
            .with_context(|| format!("cannot listen on {zenoh}"))?;
        let door = open_door(config, &trust, &intake).await?;
        let door_address = door.local_addr()?;

        let centre = Centre {
            store: store.clone(),
            clock,
            zone: jiff::tz::TimeZone::get(&config.centre.time_zone)?,
            changes: intake.changes(),
            health: Health::default(),
            started: Clock::real_now(),
            listen: vec![door_address.to_string(), zenoh.clone()],
            shutdown: tasks.shutdown.clone(),
        };
        let state = TrustState {
            store: store.clone(),
            trust: trust.clone(),
            door: public_door(config, door_address),
        };
        let (router, _, _) = routes(people, &centre, &state);
        let socket = TcpListener::bind(config.web.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.web.listen))?;
        let web = socket.local_addr()?;
        let probe = Probe {
            store,
            health: centre.health,
            endpoint: Some(zenoh.clone()),
            web,
        };

        let stop = || tasks.shutdown.clone();
        tasks.spawn("intake", listener.run(stop()));
        tasks.spawn("door", door.run(stop()));
        tasks.spawn("trust", trust.follow(stop()));
        tasks.spawn("web", web::serve(socket, router, stop()));
        tasks.spawn("probe", probe.run(stop()));

        let running = Running {
            pid: std::process::id(),
            web,
            door: door_address,
            zenoh: &zenoh,
        };
        let run_file = RunFile::write(&config.centre.data, &running).context("run.json")?;
        Ok(Self {
            web,
            door: door_address,
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

/// The authority of the centre, made at the first start. Who has this file can let anybody in.
///
/// # Errors
/// When it cannot be read or made.
pub fn open_authority(config: &CentralConfig) -> anyhow::Result<Arc<Authority>> {
    let file = config.centre.data.join(AUTHORITY);
    let authority = Authority::open(&file, &format!("Zhiban {}", config.centre.name))?;
    Ok(Arc::new(authority))
}

async fn open_door(config: &CentralConfig, trust: &Trust, intake: &Intake) -> anyhow::Result<Door> {
    let router = config
        .zenoh
        .address()
        .context("zenoh.listen is no address")?;
    let requests = Requests::new(trust.clone(), intake.clone());
    let door = Door::open(config.door.listen, router, requests).await;
    door.context("cannot open the door for halls")
}

/// What a person at a hall types.
fn public_door(config: &CentralConfig, own: SocketAddr) -> String {
    let public = config.door.public.first().cloned();
    public.unwrap_or_else(|| own.to_string())
}

/// Makes a code for a hall on the command line, beside a centre that runs or not.
///
/// # Errors
/// When the data folder cannot be used.
pub async fn code_for(config: &CentralConfig, hall: &StoreId) -> anyhow::Result<EnrolmentCode> {
    let store = open_store(&config.centre.data)?;
    let authority = open_authority(config)?;
    let (digest, hall) = (authority.digest(), hall.clone());
    let make = move |tx: &rusqlite::Connection| {
        trust::make_code(tx, &digest, &hall, "command line", "local")
    };
    Ok(store.write(make).await?.0)
}

fn open_store(data: &Path) -> anyhow::Result<Store> {
    let file = data.join("central.db");
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
pub(crate) fn routes(
    people: People,
    centre: &Centre,
    trust: &TrustState,
) -> (Router, OpenApi, Vec<RouteRule>) {
    let info = InfoBuilder::new()
        .title("Zhiban central")
        .version(env!("CARGO_PKG_VERSION"));
    let api = Api::new(people, OpenApiBuilder::new().info(info.build()).build());
    let api = people::add_routes(api);
    let api = compare::add_routes(api, centre);
    let api = halls::add_routes(api, centre);
    let api = watch::add_routes(api, centre);
    let api = trust::add_routes(api, trust);
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
    let authority = open_authority(&config)?;
    let trust = Trust::open(store.clone(), authority, Vec::new()).await?;
    let centre = Centre {
        changes: Intake::new(store.clone(), clock, trust.members().clone()).changes(),
        store: store.clone(),
        clock,
        zone: jiff::tz::TimeZone::UTC,
        health: Health::default(),
        started: Clock::real_now(),
        listen: Vec::new(),
        shutdown: Tasks::default().shutdown,
    };
    let state = TrustState {
        store,
        trust,
        door: public_door(&config, config.door.listen),
    };
    Ok(routes(people, &centre, &state).1)
}
