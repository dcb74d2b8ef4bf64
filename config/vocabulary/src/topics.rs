//! MQTT topics and zenoh keys are built and parsed here and nowhere else.
//!
//! Devices speak the thin-edge.io form. The device itself is `te/device/<id>//`; behind it stand
//! `/e/<type>` for events, `/m/<type>` for measurements, `/a/<type>` for alarms and
//! `/cmd/<type>/<id>` for commands. `te/device/<id>/service/<name>/status/health` is its health and
//! the place of its will. A device may publish and subscribe below its own id only.

use crate::command::CommandKind;
use crate::envelope::PROTOCOL;
use crate::report::Kind;
use crate::{DeviceId, StoreId};

/// Channels of the form: events, measurements, alarms, commands, twin, health.
const CHANNELS: [&str; 6] = ["e", "m", "a", "cmd", "twin", "status"];

/// What a topic of a device means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceTopic<'t> {
    /// Goes to the journal under this kind (which may be one we do not know).
    Report(&'t str),
    /// What the device says about itself: maker, model, serial number.
    Registration,
    /// An alarm of this type was raised, or cleared by an empty payload.
    Alarm(&'t str),
    /// How far a command has come.
    Command { command: CommandKind, id: &'t str },
    /// Twin and whatever else the form has: passed on, and kept if retained.
    Other,
    /// Not of the form: a level too many or too few, or a channel nobody knows.
    Unknown,
}

/// Everything below one device.
#[must_use]
pub fn device_prefix(device: &DeviceId) -> String {
    format!("te/device/{device}/")
}

/// The topic a device publishes reports of `kind` to.
///
/// ```
/// use zhiban_vocabulary::{report::Kind, topics};
/// let device = "tm-1".parse().unwrap();
/// assert_eq!(topics::report(&device, Kind::TicketIssued), "te/device/tm-1///e/ticket.issued");
/// assert_eq!(topics::report(&device, Kind::Climate), "te/device/tm-1///m/climate");
/// ```
#[must_use]
pub fn report(device: &DeviceId, kind: Kind) -> String {
    match kind {
        Kind::DeviceHealth => return format!("te/device/{device}/service/agent/status/health"),
        Kind::DeviceIdentity => return format!("te/device/{device}//"),
        _ => {}
    }
    let channel = if kind.is_measurement() { 'm' } else { 'e' };
    format!("te/device/{device}///{channel}/{}", kind.as_str())
}

/// The topic of one command to a device; the device answers on the same topic.
///
/// ```
/// use zhiban_vocabulary::{command::CommandKind, topics};
/// let device = "kiosk-1".parse().unwrap();
/// assert_eq!(topics::command(&device, CommandKind::Restart, "7"), "te/device/kiosk-1///cmd/restart/7");
/// ```
#[must_use]
pub fn command(device: &DeviceId, command: CommandKind, id: &str) -> String {
    format!("te/device/{device}///cmd/{}/{id}", command.as_str())
}

/// Where a device that understands a command says so, by any retained message.
///
/// ```
/// use zhiban_vocabulary::{command::CommandKind, topics};
/// let device = "kiosk-1".parse().unwrap();
/// assert_eq!(topics::command_type(&device, CommandKind::Restart), "te/device/kiosk-1///cmd/restart");
/// ```
#[must_use]
pub fn command_type(device: &DeviceId, command: CommandKind) -> String {
    format!("te/device/{device}///cmd/{}", command.as_str())
}

/// Reads the part of a topic behind [`device_prefix`].
///
/// ```
/// use zhiban_vocabulary::command::CommandKind;
/// use zhiban_vocabulary::topics::{DeviceTopic, below_device};
/// assert_eq!(below_device("//e/ticket.issued"), DeviceTopic::Report("ticket.issued"));
/// assert_eq!(below_device("//m/climate"), DeviceTopic::Report("climate"));
/// assert_eq!(below_device("service/agent/status/health"), DeviceTopic::Report("device.health"));
/// assert_eq!(below_device("/"), DeviceTopic::Registration);
/// assert_eq!(below_device("//a/paper-low"), DeviceTopic::Alarm("paper-low"));
/// let (command, id) = (CommandKind::Restart, "1");
/// assert_eq!(below_device("//cmd/restart/1"), DeviceTopic::Command { command, id });
/// assert_eq!(below_device("//m/climate/meta"), DeviceTopic::Other);
/// assert_eq!(below_device("e/ticket.issued"), DeviceTopic::Unknown);
/// assert_eq!(below_device("/e/ticket.issued"), DeviceTopic::Unknown);
/// ```
#[must_use]
pub fn below_device(rest: &str) -> DeviceTopic<'_> {
    let mut levels = rest.split('/');
    let mut next = || levels.next().unwrap_or_default();
    let head = [next(), next(), next(), next(), next()];
    let is_of_form = match head {
        ["", "", channel, ..] => CHANNELS.contains(&channel) || rest == "/",
        [kind, name, ..] => kind == "service" && !name.is_empty(),
    };
    if !is_of_form {
        return DeviceTopic::Unknown;
    }
    if levels.next().is_some() {
        return DeviceTopic::Other;
    }
    match head {
        ["", "", "", "", ""] => DeviceTopic::Registration,
        ["", "", "e" | "m", kind, ""] if !kind.is_empty() => DeviceTopic::Report(kind),
        ["", "", "a", alarm, ""] if !alarm.is_empty() => DeviceTopic::Alarm(alarm),
        ["", "", "cmd", command, id] if !id.is_empty() => match CommandKind::from_text(command) {
            Some(command) => DeviceTopic::Command { command, id },
            None => DeviceTopic::Other,
        },
        ["service", name, "status", "health", ""] if !name.is_empty() => {
            DeviceTopic::Report(Kind::DeviceHealth.as_str())
        }
        _ => DeviceTopic::Other,
    }
}

/// Number of shards the fleet is spread over; a constant of the protocol.
pub const SHARDS: u8 = 16;

/// Shard of a store: FNV-1a of its id, so that both ends agree without asking.
#[must_use]
pub fn shard(store: &StoreId) -> u8 {
    let hash = store
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // The remainder is below SHARDS, which is a byte.
    u8::try_from(hash % u64::from(SHARDS)).unwrap_or(0)
}

/// The key a hall sends its batches and heartbeats to.
#[must_use]
pub fn up(store: &StoreId) -> String {
    format!("zhiban/{PROTOCOL}/up/{:x}/{store}", shard(store))
}

/// The key expression central answers on: [`up`] and [`down`] of all stores.
#[must_use]
pub fn all() -> String {
    format!("zhiban/{PROTOCOL}/*/*/*")
}

/// The store a key of [`up`] names; `None` when the key is malformed or in the wrong shard.
#[must_use]
pub fn store_of_up(key: &str) -> Option<StoreId> {
    let store = key.rsplit('/').next()?.parse().ok()?;
    (up(&store) == key).then_some(store)
}

/// The key a hall asks what is new on.
#[must_use]
pub fn down(store: &StoreId) -> String {
    format!("zhiban/{PROTOCOL}/down/{:x}/{store}", shard(store))
}

/// The store a key of [`down`] names; `None` when the key is malformed or in the wrong shard.
#[must_use]
pub fn store_of_down(key: &str) -> Option<StoreId> {
    let store = key.rsplit('/').next()?.parse().ok()?;
    (down(&store) == key).then_some(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_store_only_in_the_right_shard() {
        let store: StoreId = "ud-wola".parse().unwrap();
        assert_eq!(store_of_up(&up(&store)), Some(store.clone()));
        let wrong = (shard(&store) + 1) % SHARDS;
        assert_eq!(store_of_up(&format!("zhiban/1/up/{wrong:x}/ud-wola")), None);
        assert_eq!(store_of_up("zhiban/1/up/0/UPPER"), None);
        assert_eq!(store_of_down(&down(&store)), Some(store.clone()));
        assert_eq!(store_of_down(&up(&store)), None);
        assert_eq!(store_of_up(&down(&store)), None);
    }

    #[test]
    fn every_kind_of_report_survives_its_topic() {
        let device = "d-1".parse().unwrap();
        for kind in Kind::ALL {
            let topic = report(&device, *kind);
            let rest = topic.strip_prefix(&device_prefix(&device)).unwrap();
            let expected = match kind {
                Kind::DeviceIdentity => DeviceTopic::Registration,
                kind => DeviceTopic::Report(kind.as_str()),
            };
            assert_eq!(below_device(rest), expected);
        }
    }
}
