//! `[closing]`

use serde::Deserialize;
use zhiban_vocabulary::DeviceId;

use crate::read::Problem;

/// So that it is over before the hall opens again.
const AFTER_MINUTES_MAX: u16 = 360;

/// `[closing]`: what is switched off when the hall has closed (S3-4.2.3-B).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Closing {
    /// Devices in this order, boards and screens when the others have ended. The box itself
    /// is none.
    pub switch_off: Vec<DeviceId>,
    /// Minutes after `hall.closes`, 0..=360; may lead into the next day.
    pub after_minutes: u16,
}

pub(super) fn check(closing: &Closing, problems: &mut Vec<Problem>) {
    super::check_unique("closing.switch_off", closing.switch_off.iter(), problems);
    if closing.after_minutes > AFTER_MINUTES_MAX {
        let expected = format!("a number from 0 to {AFTER_MINUTES_MAX}");
        let found = closing.after_minutes;
        problems.push(Problem::new("closing.after_minutes", expected, found));
    }
}
