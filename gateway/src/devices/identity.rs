//! What a device says of itself, held against what the hall knows of it (S0-2.5-3, P-23).

use jiff::Timestamp;
use rusqlite::{Connection, Result};
use zhiban_config::gateway::{Changes, Registry};
use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind, Severity};

use super::file::{Asked, Request};
use super::model::{Device, State, changes, merged};
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
        let after = changed.join(", ");
        let said = serde_json::to_string(said).unwrap_or_default();
        let asked = Asked {
            device,
            what: "identity",
            before: "",
            after: &after,
            said: &said,
        };
        return ask(connection, registry, asked, now);
    }
    // It is who it was: whatever it said in between needs no decision any more.
    file::withdraw(connection, device, "identity", now)?;
    if merged(&known.identity, said) == known.identity {
        return Ok(());
    }
    note_news(connection, &known, said, now)?;
    check_models(connection, registry, device, now)
}

/// Another device in use of the same serial number, or network address, and which of them it is.
struct Twin {
    device: String,
    mark: String,
}

fn twin(connection: &Connection, known: &Device, said: &DeviceIdentity) -> Result<Option<Twin>> {
    let serial = said.serial.as_deref().filter(|serial| is_number(serial));
    if let Some(serial) = serial {
        let twins = store::with_serial(connection, serial)?;
        let mut others = twins.into_iter().filter(|twin| twin.device != known.device);
        let twin = others.find(|twin| {
            // Two makers may count alike.
            match (&twin.identity.vendor, &said.vendor) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            }
        });
        return Ok(twin.map(|twin| Twin {
            device: twin.device.to_string(),
            mark: format!("serial {serial}"),
        }));
    }
    // Small devices of other forms have no other number. Programs of one machine share theirs.
    let Some(mac) = said.mac.as_deref().filter(|_| !known.topics.is_empty()) else {
        return Ok(None);
    };
    let twin = topics::mac_twin(connection, known.device.as_str(), mac)?;
    let mark = format!("mac {mac}");
    Ok(twin.map(|device| Twin { device, mark }))
}

/// Whether a serial number tells devices apart: one that repeats a single character does not.
fn is_number(serial: &str) -> bool {
    let mut letters = serial.trim().chars();
    let first = letters.next();
    letters.any(|letter| Some(letter) != first)
}

fn clash(
    connection: &Connection,
    device: &str,
    twin: &Twin,
    said: &DeviceIdentity,
    now: Timestamp,
) -> Result<()> {
    let after = format!("{} belongs to {}", twin.mark, twin.device);
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
            &after,
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
    if known.state != State::Active {
        return Ok(());
    }
    let Some(others) = too_many_models(connection, registry, device, &known.kind, model)? else {
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

/// The models of the other kiosks, if one of this model were one too many (S0-2.5-3a).
pub(crate) fn too_many_models(
    connection: &Connection,
    registry: &Registry,
    device: &str,
    kind: &str,
    model: &str,
) -> Result<Option<Vec<String>>> {
    if kind != DeviceKind::Kiosk.as_str() {
        return Ok(None);
    }
    let others = store::kiosk_models(connection, device)?;
    let is_new = !others.iter().any(|other| other == model);
    let is_full = others.len() >= registry.kiosk_models_max as usize;
    Ok((is_new && is_full).then_some(others))
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
    ask(connection, registry, asked, now)
}

fn ask(
    connection: &Connection,
    registry: &Registry,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<()> {
    if !file::ask(connection, asked, now)? {
        return Ok(());
    }
    let detail = match asked.before {
        "" => asked.after.to_owned(),
        before => format!("{before} → {}", asked.after),
    };
    let (device, what) = (asked.device, asked.what);
    file::write_alarm(connection, device, what, &detail, Severity::Warning, now)?;
    if registry.changes == Changes::Strict {
        store::suspend(connection, device, what)?;
    }
    Ok(())
}

/// A person decides about a change. What is granted takes hold, what is refused shuts the device
/// out until a person lets it in again. Gives what was decided about; `None` when nobody asks for
/// it any more.
pub(super) fn decide(
    connection: &Connection,
    registry: &Registry,
    id: i64,
    granted: bool,
    who: &str,
    now: Timestamp,
) -> Result<Option<Request>> {
    let Some(request) = file::request(connection, id)? else {
        return Ok(None);
    };
    let device = request.device.as_str();
    file::decide(connection, id, granted, who, now)?;
    let verdict = if granted { "granted" } else { "refused" };
    let detail = format!("{verdict}: {} {}", request.what, request.after);
    file::write(connection, device, "decided", &detail, who, now)?;
    if !granted {
        store::suspend(connection, device, store::REFUSED)?;
        return Ok(Some(request));
    }
    match request.what.as_str() {
        "identity" => take_hold(connection, device, &request.said)?,
        "serial-clash" => {
            store::retire(connection, &request.before)?;
            let replaced = format!("replaced by {device}");
            file::write(connection, &request.before, "retired", &replaced, who, now)?;
            take_hold(connection, device, &request.said)?;
        }
        "address" => store::set_address(connection, device, &request.said)?,
        _ => {}
    }
    if !file::has_requests(connection, device)? {
        store::admit(connection, device)?;
    }
    if matches!(request.what.as_str(), "identity" | "serial-clash") {
        check_models(connection, registry, device, now)?;
    }
    Ok(Some(request))
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
