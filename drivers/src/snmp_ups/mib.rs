//! What the values of a UPS mean: RFC 1628 (UPS-MIB), and where an agent has no such value, the
//! XUPS-MIB and MG-SNMP-UPS-MIB of Eaton.

use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

use crate::link::snmp::{Walk, vendor};

pub(super) const SYS_OBJECT_ID: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 2];

pub(super) const VENDOR: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 1, 1];
pub(super) const MODEL: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 1, 2];
pub(super) const FIRMWARE: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 1, 3];
pub(super) const BATTERY_STATUS: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 2, 1];
pub(super) const SECONDS_ON_BATTERY: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 2, 2];
pub(super) const MINUTES_REMAINING: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 2, 3];
pub(super) const CHARGE_REMAINING: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 2, 4];
pub(super) const OUTPUT_SOURCE: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 4, 1];
pub(super) const PERCENT_LOAD: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 4, 4, 1, 5];
const ALARM: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 6, 2, 1, 2];
const ALARM_BATTERY_BAD: &[u32] = &[1, 3, 6, 1, 2, 1, 33, 1, 6, 3, 1];

const XUPS_VENDOR: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 1, 1];
const XUPS_MODEL: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 1, 2];
const XUPS_FIRMWARE: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 1, 3];
const XUPS_SECONDS_REMAINING: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 2, 1];
const XUPS_CHARGE: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 2, 4];
const XUPS_LOAD: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 4, 1];
pub(super) const XUPS_SOURCE: &[u32] = &[1, 3, 6, 1, 4, 1, 534, 1, 4, 5];
const MG_SERIAL: &[u32] = &[1, 3, 6, 1, 4, 1, 705, 1, 1, 7];
const MG_BATTERY_FAULT: &[u32] = &[1, 3, 6, 1, 4, 1, 705, 1, 5, 9];
const MG_BATTERY_REPLACE: &[u32] = &[1, 3, 6, 1, 4, 1, 705, 1, 5, 11];
const MG_BATTERY_LOW: &[u32] = &[1, 3, 6, 1, 4, 1, 705, 1, 5, 14];
/// Truth of MG-SNMP-UPS-MIB; 2 is no.
const MG_YES: i64 = 1;

/// What is asked at every poll.
pub(super) const STATE: &[&[u32]] = &[
    OUTPUT_SOURCE,
    BATTERY_STATUS,
    SECONDS_ON_BATTERY,
    MINUTES_REMAINING,
    CHARGE_REMAINING,
    PERCENT_LOAD,
    ALARM,
    XUPS_SOURCE,
    XUPS_SECONDS_REMAINING,
    XUPS_CHARGE,
    XUPS_LOAD,
    MG_BATTERY_LOW,
    MG_BATTERY_FAULT,
    MG_BATTERY_REPLACE,
];

/// What is asked once.
pub(super) const IDENTITY: &[&[u32]] = &[
    SYS_OBJECT_ID,
    VENDOR,
    MODEL,
    FIRMWARE,
    XUPS_VENDOR,
    XUPS_MODEL,
    XUPS_FIRMWARE,
    MG_SERIAL,
];

/// `None` when the agent does not say where the power comes from.
#[must_use]
pub fn state(walk: &Walk) -> Option<PowerState> {
    let minutes = walk.integer(MINUTES_REMAINING);
    let seconds = minutes.and_then(|minutes| minutes.checked_mul(60));
    let seconds = seconds.or_else(|| walk.integer(XUPS_SECONDS_REMAINING));
    let charge = walk.integer(CHARGE_REMAINING);
    let charge = charge.or_else(|| walk.integer(XUPS_CHARGE));
    // The fullest phase is the one that trips.
    let load = walk.integers(PERCENT_LOAD).map(|(_, load)| load).max();
    let load = load.or_else(|| walk.integer(XUPS_LOAD));
    Some(PowerState {
        source: source(walk)?,
        battery: battery(walk),
        charge_percent: charge.and_then(|charge| u8::try_from(charge).ok().filter(|c| *c <= 100)),
        runtime_s: seconds.and_then(|seconds| u32::try_from(seconds).ok()),
        load_percent: load.and_then(|load| u8::try_from(load).ok()),
    })
}

fn source(walk: &Walk) -> Option<PowerSource> {
    let named = |source: i64| match source {
        2 => Some(PowerSource::Off),
        // Normal, booster, reducer.
        3 | 6 | 7 => Some(PowerSource::Mains),
        4 => Some(PowerSource::Bypass),
        5 => Some(PowerSource::Battery),
        _ => None,
    };
    // Parallel for capacity, parallel for redundancy, high efficiency.
    let named_by_xups = |source: i64| match source {
        8..=10 => Some(PowerSource::Mains),
        other => named(other),
    };
    let by_mib = walk.integer(OUTPUT_SOURCE).and_then(named);
    let by_xups = || walk.integer(XUPS_SOURCE).and_then(named_by_xups);
    let by_time = || {
        let on_battery = walk.integer(SECONDS_ON_BATTERY)? > 0;
        on_battery.then_some(PowerSource::Battery)
    };
    by_mib.or_else(by_xups).or_else(by_time)
}

fn battery(walk: &Walk) -> Option<Battery> {
    let yes = |column| walk.integer(column) == Some(MG_YES);
    let bad = walk.oids(ALARM).any(|alarm| alarm.0 == ALARM_BATTERY_BAD);
    let status = walk.integer(BATTERY_STATUS);
    let said = status.is_some_and(|status| status == 2) || walk.integer(MG_BATTERY_LOW).is_some();
    // What the hall needs to know first: that the power will be gone.
    if matches!(status, Some(3 | 4)) || yes(MG_BATTERY_LOW) {
        Some(Battery::Low)
    } else if bad || yes(MG_BATTERY_FAULT) || yes(MG_BATTERY_REPLACE) {
        Some(Battery::Worn)
    } else {
        said.then_some(Battery::Ok)
    }
}

/// Who the UPS is.
#[must_use]
pub fn identity(walk: &Walk) -> DeviceIdentity {
    let text = |columns: &[&[u32]]| columns.iter().find_map(|column| walk.text(column));
    let maker = || walk.oids(SYS_OBJECT_ID).find_map(vendor).map(Into::into);
    DeviceIdentity {
        vendor: text(&[VENDOR, XUPS_VENDOR]).or_else(maker),
        model: text(&[MODEL, XUPS_MODEL]),
        serial: text(&[MG_SERIAL]),
        firmware: text(&[FIRMWARE, XUPS_FIRMWARE]),
        ..DeviceIdentity::default()
    }
}

#[cfg(test)]
mod tests;
