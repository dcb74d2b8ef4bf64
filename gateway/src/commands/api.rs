//! Routes: ask a device to do something, and see what became of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use zhiban_kernel::people::{SignedIn, note};
use zhiban_kernel::web::{Access, Api, Peer, Result, WebError};
use zhiban_kernel::{Clock, Store};
use zhiban_vocabulary::command::{Command, Display, Failure};
use zhiban_vocabulary::roles::Capability;

use super::store::{self, Asked};
use super::{Wake, ask};
use crate::devices;
use crate::routes::with_state;

/// Commands shown of one device.
const SHOWN: u32 = 50;
/// Longest text for a screen, in characters.
const TEXT_CHARS_MAX: usize = 200;

#[derive(Debug, Clone)]
struct Desk {
    store: Store,
    clock: Clock,
    wake: Wake,
}

/// Adds the routes of this slice.
pub fn add_routes(api: Api, store: &Store, clock: Clock, wake: &Wake) -> Api {
    let desk = Desk {
        store: store.clone(),
        clock,
        wake: wake.clone(),
    };
    let read = Access::Needs(Capability::DevicesRead);
    let command = Access::Needs(Capability::DevicesCommand);
    api.route(read, with_state(routes!(list_commands), &desk))
        .route(command, with_state(routes!(ask_device), &desk))
}

/// What to do; exactly one of the fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    /// `restart`, `power-on`, `power-off`, `welcome`, `pause` or `text`
    what: String,
    /// For `text`.
    text: Option<String>,
    /// For `text`: whether a device with a voice also says it.
    #[serde(default)]
    speak: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct CommandsView {
    commands: Vec<CommandView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CommandView {
    id: i64,
    /// `display`, `restart` or `power`
    kind: &'static str,
    /// `call`, `serving`, `text`, `welcome`, `pause`, `restart`, `power-on` or `power-off`
    what: &'static str,
    /// Of `call` and `serving`.
    ticket: Option<String>,
    /// Of `call`.
    counter: Option<String>,
    /// Of `text`.
    text: Option<String>,
    /// `init`, `executing`, `successful` or `failed`
    state: String,
    /// Why it failed: `expired`, `unsupported`, `overtaken`, `unanswered` or `refused`.
    failure: Option<&'static str>,
    /// The same in words: the device's own where it refused.
    reason: Option<String>,
    /// Staff number, or `hall`.
    asked_by: String,
    #[schema(value_type = String, format = DateTime)]
    asked: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended: Option<Timestamp>,
    attempts: u32,
}

impl From<Asked> for CommandView {
    fn from(asked: Asked) -> Self {
        let (ticket, counter, text) = match &asked.command {
            Command::Display(Display::Call { ticket, counter }) => {
                (Some(ticket.to_string()), Some(counter.to_string()), None)
            }
            Command::Display(Display::Serving { ticket }) => (Some(ticket.to_string()), None, None),
            Command::Display(Display::Text { text, .. }) => (None, None, Some(text.clone())),
            _ => (None, None, None),
        };
        Self {
            id: asked.id,
            kind: asked.command.kind().as_str(),
            what: asked.command.act(),
            ticket,
            counter,
            text,
            state: asked.state,
            failure: asked.failure.map(Failure::as_str),
            reason: asked.reason,
            asked_by: asked.asked_by,
            asked: asked.asked,
            expires: asked.expires,
            ended: asked.ended,
            attempts: asked.attempts,
        }
    }
}

/// The newest commands to a device, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{device}/commands", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = CommandsView)))]
async fn list_commands(
    State(desk): State<Desk>,
    Path(device): Path<String>,
) -> Result<Json<CommandsView>> {
    let read = move |connection: &Connection| Ok(store::of_device(connection, &device, SHOWN)?);
    let commands = desk.store.read(read).await?;
    Ok(Json(CommandsView {
        commands: commands.into_iter().map(CommandView::from).collect(),
    }))
}

#[derive(Debug, Serialize, ToSchema)]
struct AskedView {
    id: i64,
}

/// Asks a device to do something. What became of it is read from the list.
#[utoipa::path(post, path = "/api/v1/devices/{device}/commands", tag = "devices",
    params(("device" = String, Path)), request_body = CommandBody,
    responses((status = 202, body = AskedView)))]
async fn ask_device(
    State(desk): State<Desk>,
    Peer(address): Peer,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
    Json(body): Json<CommandBody>,
) -> Result<impl IntoResponse> {
    let command = command(body)?;
    let unknown = || WebError::NotFound(format!("device {id}"));
    let device: zhiban_vocabulary::DeviceId = id.parse().map_err(|_| unknown())?;
    let (key, clock) = (id.clone(), desk.clock);
    let write = move |connection: &Connection| {
        if !devices::is_active(connection, &key)? {
            return Ok(None);
        }
        let staff = who.staff.as_str();
        let number = ask(connection, &device, &command, staff, clock)?;
        let detail = format!("{key} {command}");
        note(
            connection,
            staff,
            &address.to_string(),
            "devices.command",
            &detail,
        )?;
        Ok(Some(number))
    };
    let number = desk.store.write(write).await?.ok_or_else(unknown)?;
    desk.wake.wake();
    Ok((StatusCode::ACCEPTED, Json(AskedView { id: number })))
}

fn command(body: CommandBody) -> Result<Command> {
    let display = match (body.what.as_str(), body.text) {
        ("restart", None) => return Ok(Command::Restart {}),
        ("power-on", None) => return Ok(Command::Power { on: true }),
        ("power-off", None) => return Ok(Command::Power { on: false }),
        ("welcome", None) => Display::Welcome,
        ("pause", None) => Display::Pause,
        ("text", Some(text)) if (1..=TEXT_CHARS_MAX).contains(&text.trim().chars().count()) => {
            let speak = body.speak;
            let text = text.trim().to_owned();
            Display::Text { text, speak }
        }
        ("text", _) => {
            let problem = format!("expected 1 to {TEXT_CHARS_MAX} characters");
            let facts = json!({ "max": TEXT_CHARS_MAX });
            return Err(WebError::invalid("text", problem).because("text-length", facts));
        }
        (_, Some(_)) => return Err(WebError::invalid("text", "only with what = text")),
        (other, None) => {
            let expected = "restart, power-on, power-off, welcome, pause or text";
            let problem = format!("expected {expected}, found {other:?}");
            return Err(WebError::invalid("what", problem));
        }
    };
    Ok(Command::Display(display))
}
