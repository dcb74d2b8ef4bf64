//! `zhiban-central`: the aggregator as a program.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use zhiban_central::aggregator::{self, Aggregator, code_for, openapi};
use zhiban_central::postgres::Options;
use zhiban_central::upkeep;
use zhiban_config::CentralConfig;
use zhiban_kernel::doctor::Language;
use zhiban_kernel::web::{check_pages, page_address};
use zhiban_kernel::{rights, telemetry};
use zhiban_vocabulary::StoreId;

/// Shows the service halls of an organisation side by side (值班中心).
#[derive(Debug, Parser)]
#[command(name = "zhiban-central", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the package keeps it.
const CONFIG: &str = "/etc/zhiban/central.toml";

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

#[derive(Debug, Clone, Copy, ValueEnum)]
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until a stop signal.
    Run(ConfigFile),
    /// Checks a configuration file; the reasons go to standard error.
    Check(ConfigFile),
    /// Makes a one-time code with which a hall enrols, good for two days; an earlier one counts no
    /// longer.
    Code {
        store: StoreId,
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Copies the SQLite database of `centre.data` into the empty one of `[database]`, and holds
    /// both against each other. The centre must not be running.
    Migrate(ConfigFile),
    /// Looks at everything a person on site can mend; 0 when nothing must be.
    Doctor {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// zh or en; by default that of the environment.
        #[arg(long)]
        language: Option<Tongue>,
    },
    /// Waits until the running service is well; 0 when it is.
    Health {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
        /// Seconds.
        #[arg(long, default_value_t = 0)]
        wait: u64,
    },
    /// Prints the address of the pages and the code of the first sign-in.
    SetupCode {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Takes a backup to a file or into a folder, while the service runs or not. It holds secrets.
    Backup {
        target: PathBuf,
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Begins with an empty database where a damaged one cannot be mended; it is kept aside.
    BeginAnew {
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Puts a backup back while the service is stopped; what was there is kept aside.
    Restore {
        backup: PathBuf,
        #[arg(long, default_value = CONFIG)]
        config: PathBuf,
    },
    /// Prints the description of the HTTP API as JSON.
    Openapi,
}

/// Time for what hangs in a blocking call after everything else has ended.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(file) => with_runtime(run(file.path())),
        Command::Check(file) => check(&file.path()),
        Command::Code { config, store } => with_runtime(print_code(config, store)),
        Command::Migrate(file) => migrate(&file.path()),
        Command::Doctor { config, language } => {
            upkeep::doctor(&config, language.map(Language::from))
        }
        Command::Health { config, wait } => upkeep::health(&config, Duration::from_secs(wait)),
        Command::SetupCode { config } => upkeep::show_setup_code(&config),
        Command::Backup { target, config } => upkeep::back_up(&config, &target),
        Command::BeginAnew { config } => upkeep::begin_anew(&config),
        Command::Restore { backup, config } => upkeep::restore(&config, &backup),
        Command::Openapi => with_runtime(print_openapi()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zhiban-central: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn with_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    result
}

async fn run(file: PathBuf) -> anyhow::Result<()> {
    telemetry::start();
    let config = CentralConfig::read(&file)?;
    let aggregator = Aggregator::start(&config, &file).await?;
    tracing::info!(web = %aggregator.web, door = %aggregator.door, "running");
    if let Some(code) = &aggregator.setup_code {
        // For the person who starts it; it works once, and only until the first account.
        let page = page_address(aggregator.web, aggregator.webs);
        eprintln!("\n  设置码 setup code: {code}\n  {page}\n");
    }
    aggregator.run().await;
    tracing::info!("stopped");
    Ok(())
}

fn check(file: &std::path::Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    if let Some(database) = &config.database {
        Options::of(database).with_context(|| file.display().to_string())?;
    }
    check_pages(&config.web).with_context(|| file.display().to_string())?;
    println!("{}: ok", file.display());
    Ok(())
}

async fn print_code(file: PathBuf, store: StoreId) -> anyhow::Result<()> {
    let config = CentralConfig::read(&file)?;
    rights::go_on_as_owner(&config.centre.data)?;
    println!("{}", code_for(&config, &store).await?);
    Ok(())
}

fn migrate(file: &std::path::Path) -> anyhow::Result<()> {
    let config = CentralConfig::read(file)?;
    rights::go_on_as_owner(&config.centre.data)?;
    let missing = || format!("{}: database: expected where to copy to", file.display());
    let options = Options::of(config.database.as_ref().with_context(missing)?)?;
    let copied = aggregator::migrate_to(&config.centre.data, &options, &|line| println!("{line}"))?;
    let rows: u64 = copied.iter().map(|table| table.sum.rows).sum();
    let (tables, data) = (copied.len(), config.centre.data.display());
    println!(
        "{tables} tables with {rows} rows are the same in both; {data}/central.db stays as it was"
    );
    Ok(())
}

async fn print_openapi() -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join(format!("zhiban-openapi-{}", std::process::id()));
    let described = openapi(&scratch).await;
    let _ = std::fs::remove_dir_all(&scratch);
    let text = described?.to_pretty_json()?;
    writeln!(std::io::stdout(), "{text}").context("cannot print")
}
