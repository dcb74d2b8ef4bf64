//! Routes: items the centre refused, and sending them again.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_kernel::{Clock, Store, StoreError};
use zhiban_vocabulary::envelope::Item;
use zhiban_vocabulary::facts::FactRevision;
use zhiban_vocabulary::roles::Capability;

use super::alarms;
use super::letters::{self, Letter};
use crate::routes::with_state;

/// States anew what a fact says today; true when it could.
pub type Restate = fn(&Connection, &FactRevision) -> rusqlite::Result<bool>;

/// What the routes work on.
#[derive(Debug, Clone)]
pub struct LettersState {
    pub store: Store,
    pub clock: Clock,
    pub restate: Restate,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, state: &LettersState) -> Api {
    let read = Access::Needs(Capability::DeadLettersRead);
    let manage = Access::Needs(Capability::BoxManage);
    api.route(read, with_state(routes!(read_set_aside), state))
        .route(manage, with_state(routes!(send_again), state))
}

/// Items the centre refused three times, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct SetAsideView {
    items: Vec<SetAsideItem>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SetAsideItem {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    set_aside: Timestamp,
    /// What the centre said, in its words.
    reason: String,
    body: String,
    /// When a person last had it sent again.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_again: Option<Timestamp>,
}

impl From<Letter> for SetAsideItem {
    fn from(letter: Letter) -> Self {
        Self {
            id: letter.id,
            created: letter.created,
            set_aside: letter.set_aside,
            reason: letter.reason,
            body: letter.body,
            sent_again: letter.sent_again,
        }
    }
}

/// Items the centre refused.
#[utoipa::path(get, path = "/api/v1/uplink/set-aside", tag = "uplink",
    responses((status = 200, body = SetAsideView)))]
async fn read_set_aside(State(state): State<LettersState>) -> Result<Json<SetAsideView>> {
    let found = state.store.read(|c| Ok(letters::letters(c)?)).await?;
    let items = found.into_iter().map(SetAsideItem::from).collect();
    Ok(Json(SetAsideView { items }))
}

/// Sends an item again. Of a fact goes up what holds today, not what the old statement said; an
/// alarm only if its device has said nothing else of it since.
#[utoipa::path(post, path = "/api/v1/uplink/set-aside/{id}/send-again", tag = "uplink",
    params(("id" = i64, Path,)), responses((status = 204), (status = 404)))]
async fn send_again(
    State(state): State<LettersState>,
    Path(id): Path<i64>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
) -> Result<StatusCode> {
    let (now, restate) = (state.clock.now(), state.restate);
    let work = move |connection: &Connection| {
        let restate = |connection: &Connection, item: &Item| match item {
            Item::Fact(revision) => Ok(restate(connection, revision)?),
            Item::Alarm(note) => Ok(alarms::said_since(connection, note)?),
            // Stated at every start.
            Item::Profile(_) => Ok::<_, StoreError>(true),
            Item::Proposal(_) | Item::SetAside(_) => Ok(false),
        };
        let found = letters::send_again(connection, id, now, restate)?;
        if found {
            let (staff, from) = (who.staff.as_str(), address.to_string());
            note(
                connection,
                staff,
                &from,
                "uplink.send-again",
                &id.to_string(),
            )?;
        }
        Ok(found)
    };
    match state.store.write(work).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(WebError::NotFound(format!("item {id}"))),
    }
}
