//! The composition root: everything is opened and wired here, in reading order, and every task is
//! spawned here.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use zhiban_config::CentralConfig;
use zhiban_kernel::authority::Authority;
use zhiban_kernel::backup::{self, Nightly, NightlyState};
use zhiban_kernel::health::{Health, Report, Status};
use zhiban_kernel::notify::{feed_watchdog, notify};
use zhiban_kernel::people::{self, People, Program};
use zhiban_kernel::runtime::{FolderLock, RunFile, Tasks, take_folder};
use zhiban_kernel::sql::Sql;
use zhiban_kernel::web::{Api, Listeners, RouteRule};
use zhiban_kernel::{Clock, Database, Store, StoreError, store};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::enrolment::EnrolmentCode;

use crate::centre::Centre;
use crate::door::{Door, Requests};
use crate::downlink::Downlink;
use crate::intake::{Intake, Listener};
use crate::postgres::{self, Postgres};
use crate::questions::{self, Questions};
use crate::trust::{Trust, TrustState};
use crate::watch::Probe;
use crate::{compare, documents, halls, pages, trust, upkeep};

/// Key and certificate of the centre's authority, in the data folder.
pub const AUTHORITY: &str = "authority.pem";
/// Name of the database in the data directory.
pub const DATABASE: &str = "central.db";

/// A running centre.
#[derive(Debug)]
pub struct Aggregator {
    /// Where pages are served.
    pub web: SocketAddr,
    /// Of the encrypted pages.
    pub webs: Option<SocketAddr>,
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
    webs: Option<SocketAddr>,
    door: SocketAddr,
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
        let (store, own) = open_mended(config, config_file).await?;
        let (people, setup_code) = open_people(&store, config, clock).await?;

        let authority = open_authority(config)?;
        let trust = open_trust(config, &store, Arc::clone(&authority)).await?;
        let intake = Intake::new(store.clone(), clock, trust.members().clone());
        let questions = intake.questions().clone();
        let downlink = start_downlink(&tasks, &store, &trust, &questions);
        let listener = listen(config, &intake, &downlink).await?;
        let endpoints = config.zenoh.endpoints();
        let door = open_door(config, &trust, &intake, &downlink).await?;
        let door_address = door.local_addr()?;

        let centre = Centre {
            store: store.clone(),
            clock,
            zone: jiff::tz::TimeZone::get(&config.centre.time_zone)?,
            changes: intake.changes(),
            bell: questions.bell().clone(),
            health: Health::default(),
            started: Clock::real_now(),
            listen: [vec![door_address.to_string()], endpoints.clone()].concat(),
            shutdown: tasks.shutdown.clone(),
        };
        let state = trust_pages(config, &centre, &trust, door_address);
        let (router, _, _) = routes(people, &centre, state.as_ref(), &questions);
        let pages = Listeners::open(&config.web, &authority, &["localhost".into()]).await?;
        let (web, webs) = (pages.plain_addr()?, pages.tls_addr());
        let probe = Probe {
            store,
            health: centre.health.clone(),
            endpoints: endpoints.clone(),
            web,
        };

        let stop = || tasks.shutdown.clone();
        tasks.spawn("intake", listener.run(stop()));
        tasks.spawn("door", door.run(stop()));
        tasks.spawn("trust", trust.follow(stop()));
        if config.database.is_some() {
            share(&tasks, &centre, intake);
        }
        tasks.spawn("web", pages.serve(router, stop()));
        tasks.spawn("probe", probe.run(stop()));
        start_upkeep(&tasks, &centre, own, config, config_file);

        let running = Running {
            pid: std::process::id(),
            web,
            webs,
            door: door_address,
            zenoh: &endpoints,
        };
        let run_file = RunFile::write(&config.centre.data, &running).context("run.json")?;
        Ok(Self {
            web,
            webs,
            door: door_address,
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

/// Starts what halls fetch and are asked.
fn start_downlink(
    tasks: &Tasks,
    store: &Database,
    trust: &Trust,
    questions: &Questions,
) -> Downlink {
    let (members, stop) = (trust.members().clone(), tasks.shutdown.clone());
    let downlink = Downlink::new(
        store.clone(),
        members,
        questions.bell().clone(),
        stop.clone(),
    );
    tasks.spawn("downlink", downlink.clone().watch(stop.clone()));
    tasks.spawn("questions", questions.clone().clean(stop));
    downlink
}

/// Starts what a database needs that several programs share.
fn share(tasks: &Tasks, centre: &Centre, intake: Intake) {
    let (store, stop) = (centre.store.clone(), tasks.shutdown.clone());
    let centre = centre.clone();
    let today = move || crate::facts::day_number(centre.today());
    tasks.spawn(
        "months",
        crate::facts::keep_room(store, today, stop.clone()),
    );
    tasks.spawn("others", intake.watch_others(stop));
}

/// Starts the nightly backup and the word to systemd.
fn start_upkeep(
    tasks: &Tasks,
    centre: &Centre,
    own: Option<Store>,
    config: &CentralConfig,
    config_file: &Path,
) {
    let stop = tasks.shutdown.clone();
    if let Some(store) = own.clone() {
        tasks.spawn("damage", store.end_when_damaged(stop.clone()));
    }
    let fed = feed_watchdog(centre.health.clone(), is_alive, stop.clone());
    tasks.spawn("systemd watchdog", fed);
    if config.clock.is_some() {
        // A replay is not backed up.
        return;
    }
    let nightly = Nightly {
        subject: upkeep::subject(config, config_file),
        store: own,
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

/// The authority of the centre, made at the first start. Who has this file can let anybody in.
///
/// # Errors
/// When it cannot be read or made.
pub fn open_authority(config: &CentralConfig) -> anyhow::Result<Arc<Authority>> {
    let file = config.centre.data.join(AUTHORITY);
    let authority = Authority::open(&file, &format!("Zhiban {}", config.centre.name))?;
    Ok(Arc::new(authority))
}

async fn open_trust(
    config: &CentralConfig,
    store: &Database,
    authority: Arc<Authority>,
) -> anyhow::Result<Trust> {
    let (doors, data) = (config.door.public.clone(), &config.centre.data);
    Ok(Trust::open(store.clone(), authority, doors, data).await?)
}

async fn open_door(
    config: &CentralConfig,
    trust: &Trust,
    intake: &Intake,
    downlink: &Downlink,
) -> anyhow::Result<Door> {
    let router = config.router_of_door().context("zenoh has no address")?;
    let requests = Requests::new(trust.clone(), intake.clone(), downlink.clone());
    let door = Door::open(config.door.listen, router, requests).await;
    door.context("cannot open the door for halls")
}

/// What the pages of trust work on; `None` where there are no pages.
fn trust_pages(
    config: &CentralConfig,
    centre: &Centre,
    trust: &Trust,
    door: SocketAddr,
) -> Option<TrustState> {
    config.centre.pages.then(|| TrustState {
        store: centre.store.clone(),
        trust: trust.clone(),
        door: public_door(config, door),
    })
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
    let store = open_database(config).await?;
    let authority = open_authority(config)?;
    let (digest, hall) = (authority.digest(), hall.clone());
    let make = move |tx: &dyn Sql| trust::make_code(tx, &digest, &hall, "command line", "local");
    Ok(store.write(make).await?.0)
}

/// Takes queries, on a router of its own or behind others.
async fn listen(
    config: &CentralConfig,
    intake: &Intake,
    downlink: &Downlink,
) -> anyhow::Result<Listener> {
    let (intake, downlink) = (intake.clone(), downlink.clone());
    if !config.zenoh.routers.is_empty() {
        return Ok(Listener::behind(
            intake,
            downlink,
            config.zenoh.routers.clone(),
        ));
    }
    let own = config.zenoh.endpoints();
    let opened = Listener::open(intake, downlink, own.clone()).await;
    opened.with_context(|| format!("cannot listen on {}", own.join(", ")))
}

/// The database of `[database]`, or SQLite, mended where it is damaged; that one by itself, too.
async fn open_mended(
    config: &CentralConfig,
    config_file: &Path,
) -> anyhow::Result<(Database, Option<Store>)> {
    let data = &config.centre.data;
    if config.database.is_some() {
        backup::finish_restore(data)?;
        return Ok((open_database(config).await?, None));
    }
    let (subject, file) = (upkeep::subject(config, config_file), data.join(DATABASE));
    let backups = config.backup.folder_of(data);
    // Reading all of a database and its backup takes its time.
    let open = tokio::task::spawn_blocking(move || backup::open_mended(&subject, &backups));
    let store = open
        .await?
        .with_context(|| format!("cannot open {}", file.display()))?;
    Ok((store.clone().into(), Some(store)))
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
    let file = data.join(DATABASE);
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
    let file = data.join(DATABASE);
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
    trust: Option<&TrustState>,
    questions: &Questions,
) -> (Router, OpenApi, Vec<RouteRule>) {
    let info = InfoBuilder::new()
        .title("Zhiban central")
        .version(env!("CARGO_PKG_VERSION"));
    let api = Api::new(people, OpenApiBuilder::new().info(info.build()).build());
    let api = crate::watch::add_routes(api, centre);
    let Some(trust) = trust else {
        return api.split();
    };
    let api = people::add_routes(api);
    let api = compare::add_routes(api, centre);
    let api = halls::add_routes(api, centre);
    let api = documents::add_routes(api, centre);
    let api = questions::add_routes(api, questions);
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
    let store = Database::from(open_store(scratch)?);
    let (people, _) = open_people(&store, &config, clock).await?;
    let authority = open_authority(&config)?;
    let trust = Trust::open(store.clone(), authority, Vec::new(), scratch).await?;
    let intake = Intake::new(store.clone(), clock, trust.members().clone());
    let centre = Centre {
        changes: intake.changes(),
        store: store.clone(),
        clock,
        zone: jiff::tz::TimeZone::UTC,
        bell: intake.questions().bell().clone(),
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
    Ok(routes(people, &centre, Some(&state), intake.questions()).1)
}
