//! What the variables of a UPS mean.

use std::collections::BTreeMap;

use zhiban_vocabulary::device::DeviceIdentity;
use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

/// Variables of one UPS by name.
pub(super) type Vars = BTreeMap<String, String>;

/// `None` when `ups.status` does not say where the power comes from, as before the first contact.
pub(super) fn state(vars: &Vars) -> Option<PowerState> {
    let status = vars.get("ups.status")?;
    let flags: Vec<&str> = status.split_whitespace().collect();
    let has = |flag: &str| flags.contains(&flag);
    // On a bypass, or switched off, a UPS may also say that there are mains.
    let source = if has("OFF") {
        PowerSource::Off
    } else if has("BYPASS") {
        PowerSource::Bypass
    } else if has("OB") {
        PowerSource::Battery
    } else if has("OL") {
        PowerSource::Mains
    } else {
        return None;
    };
    let has_battery = vars.keys().any(|name| name.starts_with("battery."));
    // What the hall needs to know first: that the power will be gone.
    let battery = if has("LB") {
        Some(Battery::Low)
    } else if has("RB") {
        Some(Battery::Worn)
    } else {
        has_battery.then_some(Battery::Ok)
    };
    let number = |name: &str| vars.get(name).and_then(|text| whole(text));
    Some(PowerState {
        source,
        battery,
        charge_percent: number("battery.charge").and_then(percent).filter(|charge| *charge <= 100),
        runtime_s: number("battery.runtime"),
        load_percent: number("ups.load").and_then(percent),
    })
}

/// A number such as `12`, `12.5` or `1200.00`, rounded.
fn whole(text: &str) -> Option<u32> {
    let (digits, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !all_digits(digits) || !all_digits(fraction) {
        return None;
    }
    let up = fraction.bytes().next().is_some_and(|digit| digit >= b'5');
    digits.parse::<u32>().ok()?.checked_add(up.into())
}

fn percent(number: u32) -> Option<u8> {
    u8::try_from(number).ok()
}

/// Who the UPS is.
pub(super) fn identity(vars: &Vars) -> DeviceIdentity {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| vars.get(*name));
        let found = found.map(|text| text.trim().chars().take(100).collect::<String>());
        found.filter(|text| !text.is_empty())
    };
    DeviceIdentity {
        vendor: first(&["device.mfr", "ups.mfr"]),
        model: first(&["device.model", "ups.model"]),
        serial: first(&["device.serial", "ups.serial"]),
        firmware: first(&["ups.firmware"]),
        ..DeviceIdentity::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn check(status: &str, expected: &str) {
        let vars = vars(&[("ups.status", status), ("battery.charge", "90")]);
        let said = state(&vars).map(|state| (state.source, state.battery));
        assert_eq!(format!("{said:?}"), expected, "{status}");
    }

    #[test]
    fn flags_mean_what_they_should() {
        check("OL", "Some((Mains, Some(Ok)))");
        check("OL CHRG", "Some((Mains, Some(Ok)))");
        check("ALARM OL TRIM", "Some((Mains, Some(Ok)))");
        check("OB DISCHRG", "Some((Battery, Some(Ok)))");
        check("OB LB", "Some((Battery, Some(Low)))");
        check("FSD OB LB RB", "Some((Battery, Some(Low)))");
        check("OL RB", "Some((Mains, Some(Worn)))");
        check("OL BYPASS", "Some((Bypass, Some(Ok)))");
        check("OL OFF", "Some((Off, Some(Ok)))");
        check("WAIT", "None");
        check("", "None");
        check("OLD OBB", "None");
        assert_eq!(state(&vars(&[("battery.charge", "90")])), None);
        let bare = vars(&[("ups.status", "OL")]);
        assert_eq!(state(&bare).unwrap().battery, None);
    }

    #[test]
    fn numbers_are_whole_and_within_bounds() {
        let read = |charge, runtime, load| {
            let vars = vars(&[
                ("ups.status", "OL"),
                ("battery.charge", charge),
                ("battery.runtime", runtime),
                ("ups.load", load),
            ]);
            let state = state(&vars).unwrap();
            (state.charge_percent, state.runtime_s, state.load_percent)
        };
        assert_eq!(read("90", "1234", "17"), (Some(90), Some(1234), Some(17)));
        assert_eq!(read("90.5", "1234.40", "17.0"), (Some(91), Some(1234), Some(17)));
        assert_eq!(read("101", "-1", "150"), (None, None, Some(150)));
        assert_eq!(read("", "n/a", "300"), (None, None, None));
        assert_eq!(read("1e2", "99999999999", "1.x"), (None, None, None));
    }

    #[test]
    fn a_ups_says_who_it_is_by_either_name() {
        let vars = vars(&[
            ("device.mfr", "EATON"),
            ("ups.mfr", "older name"),
            ("ups.model", " 9PX "),
            ("device.serial", ""),
            ("ups.firmware", "01.17"),
        ]);
        let identity = identity(&vars);
        assert_eq!(identity.vendor.as_deref(), Some("EATON"));
        assert_eq!(identity.model.as_deref(), Some("9PX"));
        assert_eq!(identity.serial, None);
        assert_eq!(identity.firmware.as_deref(), Some("01.17"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_mapping_panic(status in "\\PC{0,20}", number in "[0-9.eE+-]{0,12}|\\PC{0,8}") {
            let vars = vars(&[
                ("ups.status", &status),
                ("battery.charge", &number),
                ("battery.runtime", &number),
                ("ups.load", &number),
                ("device.mfr", &status),
            ]);
            let charge = state(&vars).and_then(|state| state.charge_percent);
            prop_assert!(charge.is_none_or(|charge| charge <= 100));
            prop_assert!(identity(&vars).vendor.is_none_or(|vendor| !vendor.is_empty()));
        }
    }
}
