//! What a device says of itself, held against what the hall knows of it (S0-2.5-3, P-23).

use jiff::Timestamp;
use rusqlite::{Connection, Result};
use serde_json::{Value, json};
use zhiban_config::gateway::{Changes, Registry};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind, Severity};

use super::file::{Asked, Request};
use super::model::{Device, PartChange, State, changes, merged};
use super::{file, store, topics};

/// A device said who it is. The table is the truth: what differs waits for a person.
pub(super) fn judge(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    said: &DeviceIdentity,
    now: Timestamp,
) -> Result<()> {
    let Some(known) = store::find(connection, device)? else {
        return Ok(());
    };
    if let Some(twin) = twin(connection, &known, said)? {
        return clash(connection, device, &twin, said, now);
    }
    let changed = changes(&known.identity, said);
    if !changed.is_empty() {
        let after = serde_json::to_string(&changed).unwrap_or_default();
        let said = serde_json::to_string(said).unwrap_or_default();
        let asked = Asked {
            device,
            what: "identity",
            before: "",
            after: &after,
            said: &said,
        };
        let facts = json!({ "changes": changed });
        return ask(connection, registry, asked, &facts, now);
    }
    // It is who it was: whatever it said in between needs no decision any more, unless it is shut
    // out for it.
    if known.state == State::Active {
        file::withdraw(connection, device, "identity", now)?;
    }
    if merged(&known.identity, said) == known.identity {
        return Ok(());
    }
    note_news(connection, &known, said, now)?;
    check_models(connection, registry, device, now)
}

/// Another device in use of the same serial number, or network address, and which of them it is.
struct Twin {
    device: String,
    /// `serial` or `mac`
    mark: &'static str,
}

fn twin(connection: &Connection, known: &Device, said: &DeviceIdentity) -> Result<Option<Twin>> {
    if said.serial.as_deref().is_some_and(store::is_number) {
        let twin = store::serial_twin(connection, known, said)?;
        return Ok(twin.map(|twin| Twin {
            device: twin.device.to_string(),
            mark: "serial",
        }));
    }
    // Small devices of other forms have no other number. Programs of one machine share theirs.
    let Some(mac) = said.mac.as_deref().filter(|_| !known.topics.is_empty()) else {
        return Ok(None);
    };
    let twin = topics::mac_twin(connection, known.device.as_str(), mac)?;
    Ok(twin.map(|device| Twin {
        device,
        mark: "mac",
    }))
}

fn clash(
    connection: &Connection,
    device: &str,
    twin: &Twin,
    said: &DeviceIdentity,
    now: Timestamp,
) -> Result<()> {
    let value = match twin.mark {
        "mac" => &said.mac,
        _ => &said.serial,
    };
    let facts = json!({ "part": twin.mark, "value": value, "owner": twin.device });
    let (after, facts) = (value.clone().unwrap_or_default(), facts.to_string());
    let json = serde_json::to_string(said).unwrap_or_default();
    let asked = Asked {
        device,
        what: "serial-clash",
        before: &twin.device,
        after: &after,
        said: &json,
    };
    if file::ask(connection, asked, now)? {
        file::write_alarm(
            connection,
            device,
            "serial-clash",
            &facts,
            Severity::Major,
            now,
        )?;
        store::suspend(connection, device, "serial-clash")?;
    }
    Ok(())
}

fn note_news(
    connection: &Connection,
    known: &Device,
    said: &DeviceIdentity,
    now: Timestamp,
) -> Result<()> {
    let device = known.device.as_str();
    let now_known = merged(&known.identity, said);
    store::identify(connection, device, &now_known)?;
    let what = match (&known.identity.firmware, &said.firmware) {
        (Some(before), Some(after)) if before != after => {
            let detail = format!("{before} → {after}");
            return file::write(connection, device, "firmware", &detail, file::HALL, now);
        }
        _ => "identified",
    };
    file::write(
        connection,
        device,
        what,
        &in_words(&now_known),
        file::HALL,
        now,
    )
}

pub(crate) fn in_words(identity: &DeviceIdentity) -> String {
    let parts = [
        &identity.vendor,
        &identity.model,
        &identity.serial,
        &identity.firmware,
    ];
    let words: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    words.join(" ")
}

/// S0-2.5-3a: one model of kiosk too many waits for a person, however lenient the hall is.
pub(super) fn check_models(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    now: Timestamp,
) -> Result<()> {
    let Some(known) = store::find(connection, device)? else {
        return Ok(());
    };
    let Some(model) = known.identity.model.as_deref() else {
        return Ok(());
    };
    if known.state != State::Active || known.kind != DeviceKind::Kiosk.as_str() {
        return Ok(());
    }
    let Some(others) = too_many_models(connection, registry, device, model)? else {
        return Ok(());
    };
    let before = others.join(", ");
    let asked = Asked {
        device,
        what: "third-model",
        before: &before,
        after: model,
        said: "",
    };
    if file::ask(connection, asked, now)? {
        file::write(connection, device, "third-model", model, file::HALL, now)?;
        store::suspend(connection, device, "third-model")?;
    }
    Ok(())
}

/// The models the hall has already, when this one is one too many.
pub(super) fn too_many_models(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    model: &str,
) -> Result<Option<Vec<String>>> {
    let others = store::kiosk_models(connection, device)?;
    let is_new = !others.iter().any(|other| other == model);
    Ok((is_new && others.len() >= registry.kiosk_models_max as usize).then_some(others))
}

/// A device connected from somewhere. Kiosks do not move without a request.
pub(super) fn judge_address(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    address: &str,
    now: Timestamp,
) -> Result<()> {
    let Some(known) = store::find(connection, device)? else {
        return Ok(());
    };
    let before = match known.address.as_deref() {
        Some(before) if before == address => {
            return file::withdraw(connection, device, "address", now);
        }
        before => before.unwrap_or_default().to_owned(),
    };
    if before.is_empty() || known.kind != DeviceKind::Kiosk.as_str() {
        let detail = format!("{before} → {address}");
        let detail = detail.trim_start_matches(" → ");
        file::write(connection, device, "address", detail, file::HALL, now)?;
        return store::set_address(connection, device, address);
    }
    let asked = Asked {
        device,
        what: "address",
        before: &before,
        after: address,
        said: address,
    };
    let change = PartChange {
        part: "address",
        before: Some(before.clone()),
        after: Some(address.to_owned()),
    };
    let facts = json!({ "changes": [change] });
    ask(connection, registry, asked, &facts, now)
}

fn ask(
    connection: &Connection,
    registry: &Registry,
    asked: Asked<'_>,
    facts: &Value,
    now: Timestamp,
) -> Result<()> {
    if !file::ask(connection, asked, now)? {
        return Ok(());
    }
    let (device, what, facts) = (asked.device, asked.what, facts.to_string());
    file::write_alarm(connection, device, what, &facts, Severity::Warning, now)?;
    if registry.changes == Changes::Strict {
        store::suspend(connection, device, what)?;
    }
    Ok(())
}

/// What a person decides about a change.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) granted: bool,
    /// For the file, and for the device when it asks why it is shut out.
    pub(super) reason: Option<String>,
}

/// A person decides about a change. What is granted takes hold, what is refused shuts the device
/// out until a person lets it in again. Gives what was decided about; `None` when nobody asks for
/// it any more.
pub(super) fn decide(
    connection: &Connection,
    registry: &Registry,
    id: i64,
    verdict: &Verdict,
    who: &str,
    now: Timestamp,
) -> Result<Option<Request>> {
    let Some(request) = file::request(connection, id)? else {
        return Ok(None);
    };
    let device = request.device.as_str();
    file::decide(connection, id, verdict.granted, who, now)?;
    let known = store::find(connection, device)?;
    let facts = json!({
        "about": request.what,
        "granted": verdict.granted,
        "changes": known.map(|known| changes_of(&request, &known)),
        "reason": verdict.reason,
    });
    file::write(connection, device, "decided", &facts.to_string(), who, now)?;
    if !verdict.granted {
        store::suspend(connection, device, store::REFUSED)?;
        return Ok(Some(request));
    }
    match request.what.as_str() {
        "identity" => take_hold(connection, device, &request.said)?,
        "serial-clash" => {
            store::retire(connection, &request.before)?;
            let replaced = json!({ "replaced_by": device }).to_string();
            file::write(connection, &request.before, "retired", &replaced, who, now)?;
            take_hold(connection, device, &request.said)?;
        }
        "address" => store::set_address(connection, device, &request.said)?,
        _ => {}
    }
    if file::requests_of(connection, device)?.is_empty() {
        store::admit(connection, device)?;
    }
    if matches!(request.what.as_str(), "identity" | "serial-clash") {
        check_models(connection, registry, device, now)?;
    }
    Ok(Some(request))
}

/// What a request would change of the device, part by part.
pub(super) fn changes_of(request: &Request, known: &Device) -> Vec<PartChange> {
    let after = |part, before: Option<&str>| PartChange {
        part,
        before: before.map(str::to_owned),
        after: Some(request.after.clone()),
    };
    let said = serde_json::from_str::<DeviceIdentity>(&request.said).unwrap_or_default();
    match request.what.as_str() {
        "identity" => changes(&known.identity, &said),
        "address" => vec![after("address", Some(&request.before))],
        "third-model" => vec![after("model", None)],
        _ if said.serial.as_deref() == Some(&request.after) => vec![after("serial", None)],
        _ => vec![after("mac", None)],
    }
}

fn take_hold(connection: &Connection, device: &str, said: &str) -> Result<()> {
    let Ok(said) = serde_json::from_str(said) else {
        return Ok(());
    };
    let before = store::find(connection, device)?.map(|known| known.identity);
    let identity = merged(&before.unwrap_or_default(), &said);
    store::identify(connection, device, &identity)
}

#[cfg(test)]
mod tests;
