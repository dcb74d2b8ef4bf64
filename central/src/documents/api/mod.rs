//! Routes: the organization, what is kept of its halls, and what halls propose.

mod drawings;
mod halls;
mod lists;
mod proposals;
mod tree;

use axum::Json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_kernel::{StoreError, sql::Sql};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{THRESHOLDS, fields};
use zhiban_vocabulary::roles::Capability;

use super::edit::{self, Actor};
use super::store::Version;
use crate::centre::Centre;

/// Adds the routes of this slice.
#[must_use]
pub fn add_routes(api: Api, centre: &Centre) -> Api {
    let read = Access::Needs(Capability::MastersRead);
    let manage = Access::Needs(Capability::MastersManage);
    api.route(read, centre.with(routes!(read_forms)))
        .route(read, centre.with(routes!(tree::read_tree)))
        .route(
            manage,
            centre.with(routes!(tree::set_unit, tree::remove_unit)),
        )
        .route(read, centre.with(routes!(tree::read_table)))
        .route(manage, centre.with(routes!(tree::import_table)))
        .route(read, centre.with(routes!(halls::read_hall)))
        .route(manage, centre.with(routes!(halls::set_hall)))
        .route(manage, centre.with(routes!(halls::place_hall)))
        .route(read, centre.with(routes!(halls::read_thresholds)))
        .route(manage, centre.with(routes!(drawings::add_drawing)))
        .route(
            manage,
            centre.with(routes!(drawings::replace_drawing, drawings::remove_drawing)),
        )
        .route(read, centre.with(routes!(drawings::read_drawing)))
        .route(read, centre.with(routes!(lists::read_list)))
        .route(
            manage,
            centre.with(routes!(lists::put_document, lists::remove_document)),
        )
        .route(read, centre.with(routes!(lists::read_versions)))
        .route(read, centre.with(routes!(proposals::read_proposals)))
        .route(manage, centre.with(routes!(proposals::decide)))
}

/// The forms of all families, as the panel shows them.
#[utoipa::path(get, path = "/api/v1/masters/forms", tag = "masters",
    responses((status = 200, body = Value)))]
async fn read_forms() -> Json<Value> {
    let form = |family: &Family| (family.as_str().to_owned(), json!(fields(family)));
    let forms: serde_json::Map<String, Value> = Family::ALL.iter().map(form).collect();
    Json(json!({"families": forms, "thresholds": THRESHOLDS}))
}

/// One version of a document.
#[derive(Debug, Serialize, ToSchema)]
struct VersionView {
    change: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    who: String,
    /// `null`: it was taken back.
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
}

impl From<Version> for VersionView {
    fn from(version: Version) -> Self {
        let Version {
            change,
            at,
            who,
            content,
        } = version;
        Self {
            change,
            at,
            who,
            content,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
struct MadeFrom {
    /// The number of the version the change began from, 0 for a document that is new: refused when another
    /// stands by now. Without it the change replaces whatever stands.
    made_from: Option<i64>,
}

impl MadeFrom {
    fn check(
        &self,
        tx: &dyn Sql,
        key: (&Family, &str, &str),
    ) -> std::result::Result<(), StoreError> {
        self.made_from
            .map_or(Ok(()), |from| edit::check_unchanged(tx, key, from))
    }
}

fn actor(who: &SignedIn, address: std::net::IpAddr) -> Actor {
    Actor {
        staff: who.staff.to_string(),
        address: address.to_string(),
    }
}

fn hall_id(text: &str) -> Result<StoreId> {
    text.parse()
        .map_err(|error: zhiban_vocabulary::IdError| WebError::invalid("store", error))
}

/// Does it in one transaction and tells the halls that wait.
async fn change(
    centre: &Centre,
    work: impl Fn(&dyn Sql) -> std::result::Result<(), StoreError> + Send + 'static,
) -> Result<axum::http::StatusCode> {
    centre.store.write(work).await?;
    centre.bell.ring();
    Ok(axum::http::StatusCode::NO_CONTENT)
}
