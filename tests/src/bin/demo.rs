//! `make demo`, see [`zhiban_tests::demo`].

use std::process::ExitCode;

use clap::Parser as _;
use zhiban_tests::demo;

#[tokio::main]
async fn main() -> ExitCode {
    match demo::run(demo::options::Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            demo::fleet::complain(&format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
