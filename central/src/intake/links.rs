//! Zenoh sessions, tamed: plain tcp only, no scouting, no gossip, no admin space, limits that fit
//! a fleet. Links of real halls end in front of this (design §7), so it listens on loopback or a
//! private address.
//!
//! Everything here blocks although its builders look awaitable; call it off the async workers.

use std::time::Duration;

use serde_json::json;
use zenoh::query::ConsolidationMode;
use zenoh::{Config, Session, Wait};
use zhiban_vocabulary::envelope::PROTOCOL;

use super::MESSAGE_BYTES_MAX;

/// Sessions one process accepts; 1,000 by default.
const SESSIONS_MAX: u32 = 12_000;
/// Handshakes under way; after a restart a whole fleet returns at once.
const PENDING_MAX: u32 = 1_000;
/// Presence comes from heartbeats, so a link may take its time to be declared dead.
const LEASE: Duration = Duration::from_secs(60);
/// What zenoh adds around a payload.
const FRAME_BYTES: usize = 64 << 10;

/// Why a session could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[error("zenoh: {0}")]
pub struct LinkError(String);

impl LinkError {
    pub(super) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Opens the router halls connect to.
///
/// # Errors
/// When an endpoint cannot be listened on.
pub fn open_router(listen: &[String]) -> Result<Session, LinkError> {
    let settings = [
        ("mode", "\"router\"".to_owned()),
        ("listen/endpoints", format!("{listen:?}")),
        ("listen/exit_on_failure", "true".into()),
        ("transport/unicast/max_sessions", SESSIONS_MAX.to_string()),
        ("transport/unicast/accept_pending", PENDING_MAX.to_string()),
        ("access_control", halls_may_only_ask()),
    ];
    open(settings.into_iter().collect())
}

/// What comes in by a link may ask and be answered, nothing else. A hall that could declare a
/// queryable on the key of another would be asked in the centre's place, say "committed", and the
/// facts of the other would be gone.
fn halls_may_only_ask() -> String {
    let asked = format!("zhiban/{PROTOCOL}/**");
    json!({
        "enabled": true,
        "default_permission": "deny",
        "rules": [
            {"id": "ask", "permission": "allow", "flows": ["ingress"], "messages": ["query"],
             "key_exprs": [asked]},
            {"id": "answer", "permission": "allow", "flows": ["egress"],
             "messages": ["reply", "declare_queryable"], "key_exprs": [asked]},
        ],
        "subjects": [{"id": "halls", "link_protocols": ["tcp"]}],
        "policies": [{"rules": ["ask", "answer"], "subjects": ["halls"]}],
    })
    .to_string()
}

/// Opens a session as a hall does, to one router. Fails at once when nobody listens.
///
/// # Errors
/// When the router cannot be reached.
pub fn open_client(endpoint: &str) -> Result<Session, LinkError> {
    let settings = [
        ("mode", "\"client\"".to_owned()),
        ("connect/endpoints", format!("[{endpoint:?}]")),
        ("listen/endpoints", "[]".into()),
    ];
    open(settings.into_iter().collect())
}

fn open(mut settings: Vec<(&str, String)>) -> Result<Session, LinkError> {
    let message_max = MESSAGE_BYTES_MAX + FRAME_BYTES;
    settings.extend([
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".into()),
        ("adminspace/enabled", "false".into()),
        ("transport/link/protocols", "[\"tcp\"]".into()),
        ("transport/link/tx/lease", LEASE.as_millis().to_string()),
        (
            "transport/link/rx/max_message_size",
            message_max.to_string(),
        ),
    ]);
    let mut config = Config::default();
    for (key, value) in settings {
        let set = config.insert_json5(key, &value);
        set.map_err(|error| LinkError(format!("{key}: {error}")))?;
    }
    zenoh::open(config).wait().map_err(LinkError::of)
}

/// Asks as a hall does: one query with a payload. `None` means nobody answered, which is not an
/// acknowledgement; an error answer is none either.
///
/// # Errors
/// When the query cannot be sent.
pub fn ask(
    session: &Session,
    key: &str,
    payload: Vec<u8>,
    time_max: Duration,
) -> Result<Option<Vec<u8>>, LinkError> {
    let replies = session
        .get(key)
        .payload(payload)
        .consolidation(ConsolidationMode::None)
        .timeout(time_max)
        .wait()
        .map_err(LinkError::of)?;
    while let Ok(reply) = replies.recv() {
        if let Ok(sample) = reply.result() {
            return Ok(Some(sample.payload().to_bytes().into_owned()));
        }
    }
    Ok(None)
}

/// Ends a session; the other side learns at once.
pub fn close(session: &Session) {
    if let Err(error) = session.close().wait() {
        tracing::warn!(%error, "zenoh session did not close");
    }
}
