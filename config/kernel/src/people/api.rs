//! Routes of sign-in and accounts.

use axum::extract::State;
use utoipa_axum::router::UtoipaMethodRouter;
use zhiban_vocabulary::StaffId;

use super::model::Account;
use super::{People, password, store};
use crate::web::{Api, Result, WebError};

mod accounts;
mod entry;

pub use entry::SessionView;

/// Adds the routes of this module.
#[must_use]
pub fn add_routes(api: Api) -> Api {
    accounts::add_routes(entry::add_routes(api))
}

fn with_state(
    (schemas, paths, handlers): UtoipaMethodRouter<People>,
    state: &People,
) -> UtoipaMethodRouter {
    (schemas, paths, handlers.with_state(state.clone()))
}

type Shared = State<People>;

async fn find(people: &People, staff: &str) -> Result<Account> {
    let key = staff.to_owned();
    let found = people
        .store()
        .read(move |c| store::account(c, &key))
        .await?;
    found.ok_or_else(|| WebError::NotFound(format!("staff number {staff}")))
}

async fn new_hash(people: &People, typed: String, staff: &StaffId, name: &str) -> Result<String> {
    if let Some(problem) = password::weakness(&typed, staff.as_str(), name) {
        return Err(WebError::invalid("password", problem));
    }
    Ok(slow_work(people, move || password::hash(&typed)).await??)
}

/// Hashing takes 19 MiB and tens of milliseconds: two at a time, off the async workers.
async fn slow_work<T: Send + 'static>(
    people: &People,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let internal = |error: &dyn std::fmt::Display| WebError::Internal(error.to_string());
    let _permit = people
        .0
        .password_work
        .acquire()
        .await
        .map_err(|error| internal(&error))?;
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal(&error))
}

fn parse_staff(text: &str) -> Result<StaffId> {
    text.parse()
        .map_err(|error| WebError::invalid("staff", error))
}

fn parse_name(text: &str) -> Result<String> {
    let name = text.trim();
    if !(1..=60).contains(&name.chars().count()) {
        return Err(WebError::invalid("name", "expected 1 to 60 characters"));
    }
    Ok(name.to_owned())
}
