//! `zhiban-central`: the aggregator as a program.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use zhiban_central::aggregator::{Aggregator, code_for, openapi};
use zhiban_config::CentralConfig;
use zhiban_kernel::telemetry;
use zhiban_vocabulary::StoreId;

/// Shows the service halls of an organisation side by side (值班中心).
#[derive(Debug, Parser)]
#[command(name = "zhiban-central", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until a stop signal.
    Run { config: PathBuf },
    /// Checks a configuration file; the reasons go to standard error.
    Check { config: PathBuf },
    /// Makes a one-time code with which a hall enrols, good for two days; an earlier one counts no
    /// longer.
    Code { config: PathBuf, store: StoreId },
    /// Prints the description of the HTTP API as JSON.
    Openapi,
}

/// Time for what hangs in a blocking call after everything else has ended.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { config } => with_runtime(run(config)),
        Command::Check { config } => check(&config),
        Command::Code { config, store } => with_runtime(print_code(config, store)),
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
    let aggregator = Aggregator::start(&config).await?;
    tracing::info!(web = %aggregator.web, door = %aggregator.door, "running");
    if let Some(code) = &aggregator.setup_code {
        // For the person who starts it; it works once, and only until the first account.
        eprintln!(
            "\n  设置码 setup code: {code}\n  http://{}/\n",
            aggregator.web
        );
    }
    aggregator.run().await;
    tracing::info!("stopped");
    Ok(())
}

fn check(file: &std::path::Path) -> anyhow::Result<()> {
    CentralConfig::read(file)?;
    println!("{}: good", file.display());
    Ok(())
}

async fn print_code(file: PathBuf, store: StoreId) -> anyhow::Result<()> {
    let config = CentralConfig::read(&file)?;
    println!("{}", code_for(&config, &store).await?);
    Ok(())
}

async fn print_openapi() -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join(format!("zhiban-openapi-{}", std::process::id()));
    let described = openapi(&scratch).await;
    let _ = std::fs::remove_dir_all(&scratch);
    let text = described?.to_pretty_json()?;
    writeln!(std::io::stdout(), "{text}").context("cannot print")
}
