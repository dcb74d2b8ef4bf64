//! Structured logs on standard error and figures for Prometheus.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging: one line of JSON per event when `ZHIBAN_LOG_FORMAT=json`, else text. The level
/// comes from `ZHIBAN_LOG`, such as `info,zhiban_gateway=debug`.
pub fn start() {
    let filter = EnvFilter::try_from_env("ZHIBAN_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,zenoh=warn,rumqttd=warn,refinery_core=warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::env::var("ZHIBAN_LOG_FORMAT").is_ok_and(|format| format == "json") {
        lines.json().init();
    } else {
        lines.with_ansi(false).init();
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    if FIGURES.set(recorder.handle()).is_ok() {
        // Fails only when a recorder is already there, and then that one is kept.
        let _ = metrics::set_global_recorder(recorder);
    }
}

/// All figures in the Prometheus text form.
#[must_use]
pub fn figures() -> String {
    let Some(handle) = FIGURES.get() else {
        return String::new();
    };
    handle.run_upkeep();
    handle.render()
}
