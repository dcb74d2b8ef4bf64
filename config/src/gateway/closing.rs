//! `[closing]`

use jiff::SignedDuration;
use jiff::civil::Time;
use serde::Deserialize;
use zhiban_vocabulary::DeviceId;

use super::Hall;
use crate::read::Problem;

/// So that it is over before the hall opens again.
const AFTER_MINUTES_MAX: u16 = 360;

/// `[closing]`: what is switched off when the hall has closed (S3-4.2.3-B), and on again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Closing {
    /// Devices in this order, boards and screens when the others have ended. The box itself
    /// is none.
    pub switch_off: Vec<DeviceId>,
    /// Minutes after `hall.closes`, 0..=360; may lead into the next day.
    pub after_minutes: u16,
    /// When they are switched on again, not after `hall.opens`. Absent: they come on by themselves.
    pub switch_on: Option<Time>,
}

impl Closing {
    /// A closing this long ago is over: nobody is switched off in the middle of the night because
    /// the box was started then.
    pub const FRESH: SignedDuration = SignedDuration::from_mins(30);
}

pub(super) fn check(closing: &Closing, hall: &Hall, problems: &mut Vec<Problem>) {
    super::check_unique("closing.switch_off", closing.switch_off.iter(), problems);
    if closing.after_minutes > AFTER_MINUTES_MAX {
        let expected = format!("a number from 0 to {AFTER_MINUTES_MAX}");
        let found = closing.after_minutes;
        problems.push(Problem::new("closing.after_minutes", expected, found));
        return;
    }
    let Some(switch_on) = closing.switch_on else {
        return;
    };
    if switch_on > hall.opens {
        let expected = format!("not after hall.opens {}", hall.opens);
        problems.push(Problem::new("closing.switch_on", expected, switch_on));
    }
    let after = SignedDuration::from_mins(closing.after_minutes.into());
    let over = hall.closes.wrapping_add(after).wrapping_add(Closing::FRESH);
    let is_next_day = over < hall.closes;
    if is_next_day && switch_on < over {
        let expected = format!("not before {over}, when switching off is over");
        problems.push(Problem::new("closing.switch_on", expected, switch_on));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::GatewayConfig;

    const SAMPLE: &str = include_str!("../../samples/gateway.toml");

    fn checked(closes: &str, after: &str, on: &str) -> String {
        let text = SAMPLE
            .replace("18:00:00", closes)
            .replace("23:00:00", "23:59:59")
            .replace("after_minutes = 15", &format!("after_minutes = {after}"))
            .replace("08:00:00", on);
        let config = GatewayConfig::parse(Path::new("gateway.toml"), &text);
        config.map_or_else(|error| error.to_string(), |_| "ok".into())
    }

    #[test]
    fn devices_are_switched_on_between_switching_off_and_opening() {
        assert_eq!(checked("18:00:00", "15", "08:30:00"), "ok");
        assert_eq!(checked("22:00:00", "360", "04:30:00"), "ok");
        let late = checked("18:00:00", "15", "08:31:00");
        let expected = "closing.switch_on: expected not after hall.opens 08:30:00, found 08:31:00";
        assert!(late.contains(expected), "{late}");
        let early = checked("22:00:00", "360", "04:29:00");
        let expected =
            "closing.switch_on: expected not before 04:30:00, when switching off is over";
        assert!(early.contains(expected), "{early}");
    }
}
