//! `make demo`, see [`zhiban_tests::demo`].

use std::process::ExitCode;

use clap::Parser as _;
use zhiban_tests::demo;

#[tokio::main]
async fn main() -> ExitCode {
    match demo::run(demo::options::Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\r\x1b[Kdemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
