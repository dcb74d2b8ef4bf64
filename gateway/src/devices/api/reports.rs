//! Routes: what a device reported.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use zhiban_kernel::web::Result;

use super::Desk;
use crate::journal::{self, RawReport};

#[derive(Deserialize, IntoParams)]
pub(super) struct ReportPage {
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportsView {
    reports: Vec<ReportView>,
}

/// One report of a device.
#[derive(Debug, Serialize, ToSchema)]
struct ReportView {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    kind: String,
    boot: Option<String>,
    seq: Option<u64>,
    /// `ok`, `late` or `suspect`
    clock: &'static str,
    #[schema(value_type = Object)]
    payload: Value,
}

impl From<RawReport> for ReportView {
    fn from(report: RawReport) -> Self {
        Self {
            id: report.id,
            received: report.received,
            time: report.time,
            kind: report.kind,
            boot: report.boot,
            seq: report.seq,
            clock: report.clock.as_str(),
            payload: serde_json::from_slice(&report.payload).unwrap_or(Value::Null),
        }
    }
}

/// What a device reported, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{device}/reports", tag = "devices",
    params(("device" = String, Path), ReportPage), responses((status = 200, body = ReportsView)))]
pub(super) async fn read_reports(
    State(desk): State<Desk>,
    Path(device): Path<String>,
    Query(page): Query<ReportPage>,
) -> Result<Json<ReportsView>> {
    let read = move |connection: &Connection| {
        let before = page.before.unwrap_or(i64::MAX);
        let limit = page.limit.unwrap_or(50).min(500);
        Ok(journal::reports_of_device(
            connection, &device, before, limit,
        )?)
    };
    let reports = desk.devices.0.store.read(read).await?;
    Ok(Json(ReportsView {
        reports: reports.into_iter().map(ReportView::from).collect(),
    }))
}
