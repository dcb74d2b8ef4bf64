//! What a person changes of a device.

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};
use serde_json::json;
use zhiban_config::gateway::Registry;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::CounterId;

use super::model::State;
use super::standing::{self, Turn};
use super::{file, store, topics, wiring};
use crate::conventions::Topics;
use crate::federation;

/// A change of a device asked for by a person; what is `None` stays.
pub(super) struct Change {
    pub(super) name: Option<String>,
    /// `Some(None)` takes the device away from its counter.
    pub(super) counter: Option<Option<CounterId>>,
    pub(super) turn: Option<Turn>,
    pub(super) secret_hash: Option<Vec<u8>>,
    /// JSON, for wired devices.
    pub(super) settings: Option<String>,
    pub(super) topics: Option<Topics>,
}

impl Change {
    /// Whether the device must prove itself again.
    pub(super) fn ends_connection(&self) -> bool {
        let shuts_out = |turn: &Turn| turn.state != State::Active;
        self.turn.as_ref().is_some_and(shuts_out)
            || self.secret_hash.is_some()
            || self.topics.is_some()
    }

    /// What is changed, for the device's file.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("counter", self.counter.is_some()),
            ("settings", self.settings.is_some()),
            ("topics", self.topics.is_some()),
            ("secret", self.secret_hash.is_some()),
        ];
        let changed = fields.into_iter().filter(|(_, is_changed)| *is_changed);
        changed.map(|(field, _)| field).collect()
    }

    /// For the audit log: what is changed, never a secret.
    pub(super) fn summary(&self, device: &str) -> String {
        let mut words = vec![device.to_owned()];
        words.extend(self.name.as_ref().map(|name| format!("name {name:?}")));
        words.extend(self.counter.as_ref().map(|counter| {
            let counter = counter.as_ref().map_or("none", CounterId::as_str);
            format!("counter {counter}")
        }));
        let state = |turn: &Turn| turn.state.as_str().to_owned();
        words.extend(self.turn.as_ref().map(state));
        words.extend(self.secret_hash.as_ref().map(|_| "new secret".to_owned()));
        words.extend(self.settings.as_ref().map(|_| "new settings".to_owned()));
        let list = |topics: &Topics| format!("topics {}", topics.as_list().join(" "));
        words.extend(self.topics.as_ref().map(list));
        words.join(", ")
    }
}

/// Makes a change hold and notes it in the device's file.
///
/// # Errors
/// [`StoreError::RefusedBecause`] when the device may not come back, or another uses its topics or
/// hangs where it does.
pub(super) fn make(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    change: &Change,
    (who, now): (&str, Timestamp),
) -> std::result::Result<(), StoreError> {
    let before = store::find(connection, device)?;
    write(connection, device, change)?;
    if let Some(turn) = &change.turn
        && let Some(known) = store::find(connection, device)?
    {
        standing::turn(connection, registry, &known, turn, (who, now))?;
        if turn.state == State::Retired {
            federation::end_alarms_of(connection, &known.device, now)?;
        }
    }
    topics::apply(connection, device, change)?;
    let was_retired = before
        .as_ref()
        .is_some_and(|known| known.state == State::Retired);
    if change.settings.is_some() || was_retired {
        wiring::check_place(connection, device)?;
    }
    let fields = change.fields();
    if !fields.is_empty() {
        let old = before.as_ref().and_then(|known| known.settings.as_deref());
        let keys = match (old, &change.settings) {
            (Some(old), Some(new)) => wiring::changed_keys(old, new),
            _ => Vec::new(),
        };
        let facts = json!({ "fields": fields, "settings": keys }).to_string();
        file::write(connection, device, "changed", &facts, who, now)?;
    }
    let by = (who, now);
    Ok(wiring::note_line(connection, device, before.as_ref(), by)?)
}

fn write(connection: &Connection, device: &str, change: &Change) -> Result<()> {
    let set = |column: &str, value: &dyn rusqlite::ToSql| {
        let sql = format!("update devices_device set {column} = ?2 where device = ?1");
        connection.execute(&sql, params![device, value])
    };
    if let Some(name) = &change.name {
        set("name", name)?;
    }
    if let Some(counter) = &change.counter {
        set("counter", &counter.as_ref().map(CounterId::as_str))?;
    }
    if let Some(settings) = &change.settings {
        set("settings", settings)?;
    }
    if let Some(hash) = &change.secret_hash {
        set("secret_hash", hash)?;
    }
    Ok(())
}
