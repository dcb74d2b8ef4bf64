//! `zhiban-gateway`: arguments and exit codes.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use zhiban_config::GatewayConfig;
use zhiban_gateway::check_device::{self, Play};
use zhiban_gateway::{appliance, devices, federation, journal, upkeep};
use zhiban_kernel::doctor::Language;
use zhiban_kernel::runtime::take_folder;
use zhiban_kernel::web::check_pages;
use zhiban_kernel::{Clock, rights, telemetry};
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::enrolment::EnrolmentCode;
use zhiban_vocabulary::{CounterId, DeviceId};

/// Edge gateway of a service hall.
#[derive(Parser)]
#[command(name = "zhiban-gateway", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the package keeps it.
const CONFIG: &str = "/etc/zhiban/gateway.toml";

/// The configuration a command reads: named as it is, or by `--config` as everywhere else.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    #[arg(value_name = "CONFIG", default_value = CONFIG)]
    file: PathBuf,
    #[arg(long, value_name = "CONFIG", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn path(self) -> PathBuf {
        self.config.unwrap_or(self.file)
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Tongue {
    Zh,
    En,
}

impl From<Tongue> for Language {
    fn from(tongue: Tongue) -> Self {
        match tongue {
            Tongue::Zh => Self::Zh,
            Tongue::En => Self::En,
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until a stop signal.
    Run(ConfigFile),
    /// Check a configuration without opening anything; 0 when it can be used.
    Check(ConfigFile),
    /// Join a fleet with the code its centre made for this hall; also while the gateway runs, which
    /// takes it up by itself.
    Enrol {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Address of the centre, host or host:port.
        #[arg(long)]
        centre: String,
        /// The code; read from standard input when it is left out.
        #[arg(long)]
        code: Option<EnrolmentCode>,
    },
    /// Look at everything a person on site can mend; 0 when nothing must be.
    Doctor {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// zh or en; by default that of the environment.
        #[arg(long)]
        language: Option<Tongue>,
    },
    /// Wait until the running service is well; 0 when it is.
    Health {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Seconds.
        #[arg(long, default_value_t = 0)]
        wait: u64,
    },
    /// Take a backup to a file or into a folder, while the service runs or not. It holds secrets.
    Backup {
        target: PathBuf,
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Begin with an empty database where a damaged one cannot be mended; it is kept aside.
    BeginAnew {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Put a backup back while the service is stopped; what was there is kept aside.
    Restore {
        backup: PathBuf,
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Print the address of the panel and the code of the first sign-in.
    SetupCode {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Manage devices while the gateway is stopped.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Play a hall for one device of a vendor and report how far it keeps the device contract; 0
    /// when it does.
    CheckDevice {
        /// Where the device finds the hall.
        #[arg(long, default_value = "127.0.0.1:1883")]
        listen: SocketAddr,
        /// Where it finds the hall within TLS, such as 127.0.0.1:8883; by default nowhere.
        #[arg(long)]
        tls_listen: Option<SocketAddr>,
        /// Seconds to wait for the device, at most the ten minutes a claim key holds.
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=600))]
        wait: u64,
        /// Seconds the device may take for each step.
        #[arg(long, default_value_t = 30)]
        step: u64,
    },
    /// Print the description of the HTTP API (OpenAPI, JSON).
    Openapi,
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Register a device that comes in by MQTT or HTTP and print its secret.
    Add {
        #[command(flatten)]
        config: ConfigFile,
        #[arg(long, required_unless_present = "batch")]
        id: Option<DeviceId>,
        /// Such as ticket-machine, caller, evaluation-pad, kiosk, window-screen, led-board,
        /// climate-sensor, printer, ups, energy-meter, people-counter, digital-io, queue-system, other
        #[arg(long, required_unless_present = "batch")]
        kind: Option<DeviceKind>,
        #[arg(long)]
        name: Option<String>,
        /// The counter it stands at.
        #[arg(long)]
        counter: Option<CounterId>,
        /// Prefixes of its own topics, for a device that speaks another maker's form.
        #[arg(long)]
        topics: Vec<String>,
        /// Read JSON lines {"id","kind","name"?,"counter"?,"topics"?} from FILE ("-": standard
        /// input) and print JSON lines {"id","secret"}.
        #[arg(long, conflicts_with_all = ["id", "kind", "topics"])]
        batch: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zhiban-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(file) => {
            let file = file.path();
            let config = GatewayConfig::read(&file)?;
            telemetry::start();
            let runtime = runtime()?;
            let ran = runtime.block_on(appliance::run(config, &file));
            // Blocking work that hangs on, such as a long read, does not hold up the stop.
            runtime.shutdown_timeout(Duration::from_millis(500));
            ran
        }
        Command::Check(file) => {
            let config = file.path();
            let file = config.display().to_string();
            let config = GatewayConfig::read(&config)?;
            appliance::wired_devices(&config).with_context(|| file.clone())?;
            check_pages(&config.web).with_context(|| file.clone())?;
            println!("{file}: ok");
            Ok(())
        }
        Command::Enrol {
            config,
            centre,
            code,
        } => enrol(&GatewayConfig::read(&config)?, &centre, code),
        Command::Doctor { config, language } => {
            upkeep::doctor(&config, language.map(Language::from))
        }
        Command::Health { config, wait } => upkeep::health(&config, Duration::from_secs(wait)),
        Command::Backup { target, config } => upkeep::back_up(&config, &target),
        Command::BeginAnew { config } => upkeep::begin_anew(&config),
        Command::Restore { backup, config } => upkeep::restore(&config, &backup),
        Command::SetupCode { config } => upkeep::show_setup_code(&config),
        Command::Device(DeviceCommand::Add {
            config,
            id,
            kind,
            name,
            counter,
            topics,
            batch,
        }) => {
            let config = GatewayConfig::read(&config.path())?;
            rights::go_on_as_owner(&config.hall.data)?;
            match (batch, id, kind) {
                (Some(file), _, _) => add_batch(&config, &file),
                (None, Some(id), Some(kind)) => {
                    let device = new_device(id, kind, name, counter);
                    let secrets = add(&config, vec![(device, topics)])?;
                    println!("{}", secrets[0].1);
                    Ok(())
                }
                _ => unreachable!("clap asks for id and kind"),
            }
        }
        Command::CheckDevice {
            listen,
            tls_listen,
            wait,
            step,
        } => check_device(&Play {
            listen,
            tls: tls_listen,
            wait: Duration::from_secs(wait),
            step: Duration::from_secs(step),
        }),
        Command::Openapi => print_openapi(),
    }
}

fn check_device(play: &Play) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("zhiban-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let checked = runtime()?.block_on(check_device::run(&folder, play));
    let _ = std::fs::remove_dir_all(&folder);
    let findings = checked?;
    print!("\n{}", findings.text());
    anyhow::ensure!(findings.conforms(), "the device does not keep the contract");
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

fn new_device(
    device: DeviceId,
    kind: DeviceKind,
    name: Option<String>,
    counter: Option<CounterId>,
) -> devices::NewDevice {
    let name = name.unwrap_or_else(|| device.to_string());
    devices::NewDevice {
        device,
        kind,
        name,
        counter,
    }
}

fn enrol(config: &GatewayConfig, centre: &str, code: Option<EnrolmentCode>) -> Result<()> {
    rights::go_on_as_owner(&config.hall.data)?;
    let door = federation::door_of(centre)
        .with_context(|| format!("--centre: expected host or host:port, found {centre:?}"))?;
    let code = match code {
        Some(code) => code,
        None => ask_code()?,
    };
    let (data, hall) = (&config.hall.data, &config.hall.store);
    // Made ours when it is new; a gateway that runs has it already.
    match take_folder(data) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
        Err(error) => return Err(error).with_context(|| data.display().to_string()),
    }
    let member = runtime()?.block_on(federation::enrol(data, hall, &door, &code))?;
    println!(
        "hall {hall} belongs to the fleet of the centre with fingerprint {}\n\
         doors: {}\ncertificate until {}",
        member.fingerprint(),
        member.doors.join(", "),
        member.until
    );
    Ok(())
}

fn ask_code() -> Result<EnrolmentCode> {
    eprint!("enrolment code: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    line.parse().context("enrolment code")
}

fn add(
    config: &GatewayConfig,
    devices: Vec<(devices::NewDevice, Vec<String>)>,
) -> Result<Vec<(DeviceId, String)>> {
    let data = &config.hall.data;
    let _lock = take_folder(data).with_context(|| {
        let data = data.display();
        format!("cannot use {data}; if the gateway is running, add devices in its panel")
    })?;
    let mut connection = rusqlite::Connection::open(data.join(appliance::DATABASE))?;
    connection.execute_batch("pragma journal_mode = wal; pragma synchronous = full;")?;
    journal::migrate(&mut connection)?;
    Ok(devices::add_offline(
        &mut connection,
        devices,
        Clock::new(config.clock),
    )?)
}

/// One line of a batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchLine {
    id: DeviceId,
    kind: DeviceKind,
    name: Option<String>,
    counter: Option<CounterId>,
    #[serde(default)]
    topics: Vec<String>,
}

fn add_batch(config: &GatewayConfig, file: &Path) -> Result<()> {
    let source: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
        Box::new(std::io::BufReader::new(opened))
    };
    let mut devices = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let BatchLine {
            id,
            kind,
            name,
            counter,
            topics,
        } = serde_json::from_str(&line)
            .with_context(|| format!("{}: line {number}", file.display()))?;
        devices.push((new_device(id, kind, name, counter), topics));
    }
    let mut out = std::io::stdout().lock();
    for (id, secret) in add(config, devices)? {
        writeln!(out, "{}", serde_json::json!({ "id": id, "secret": secret }))?;
    }
    Ok(())
}

fn print_openapi() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("zhiban-openapi-{}", std::process::id()));
    let described = runtime()?.block_on(async { appliance::describe(&folder).await });
    let _ = std::fs::remove_dir_all(&folder);
    println!("{}", described?.0);
    Ok(())
}
