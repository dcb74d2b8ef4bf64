//! What happens in the showroom over a day: paper and toner are used up, somebody opens a door, in
//! the afternoon the mains fail for a moment. Pure: the same time of day gives the same.

use zhiban_drivers::snmp_printer::Supplies;
use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

/// Minutes of the day between which something is so.
type Span = std::ops::Range<u32>;

const CLOCK_8: u32 = 8 * 60;
/// Somebody changes the toner, with the front door of the office printer open.
const TONER_CHANGE: Span = 10 * 60 + 10..10 * 60 + 14;
/// The back door, for deliveries.
const BACK_DOOR: [Span; 2] = [8 * 60 + 5..8 * 60 + 20, 12 * 60 + 30..12 * 60 + 38];
/// A failure of the mains, and how long the batteries charge afterwards.
const MAINS_FAIL: Span = 14 * 60..14 * 60 + 6;
const CHARGING_MIN: u32 = 30;

/// One moment of the showroom's day.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    pub printer: Supplies,
    /// Of the cabinet, and of the ticket machine.
    pub ups: [PowerState; 2],
    pub entered: f64,
    pub left: f64,
    /// W
    pub power: f64,
    /// Wh since the meter was made.
    pub energy: f64,
    pub back_door_open: bool,
}

impl Moment {
    /// At this minute of the day.
    #[must_use]
    pub fn at(minute: u32) -> Self {
        let visitors = visitors(minute);
        let open = (CLOCK_8..18 * 60).contains(&minute);
        let power = if open { 6_200.0 } else { 900.0 };
        Self {
            printer: printer(minute),
            ups: [ups(minute, 2_400, 34), ups(minute, 3_600, 12)],
            entered: visitors,
            // Half an hour later they go again.
            left: self::visitors(minute.saturating_sub(30)),
            power: if MAINS_FAIL.contains(&minute) {
                0.0
            } else {
                power
            },
            energy: 1_234_500.0 + f64::from(minute.saturating_sub(CLOCK_8)) * 6_200.0 / 60.0,
            back_door_open: BACK_DOOR.iter().any(|span| span.contains(&minute)),
        }
    }
}

/// Visitors since the morning: two in three minutes, more of them before noon.
fn visitors(minute: u32) -> f64 {
    let since = f64::from(minute.clamp(CLOCK_8, 18 * 60) - CLOCK_8);
    (since * 1.7 - since * since / 1_000.0).floor()
}

fn printer(minute: u32) -> Supplies {
    let printed = visitors(minute) as u16;
    let is_changed = minute >= TONER_CHANGE.end;
    Supplies {
        // Filled up in the morning and at noon.
        sheets: if minute < 12 * 60 {
            450 - printed.min(400)
        } else {
            480 - printed.min(900) / 3
        },
        toner: if is_changed {
            9_800
        } else {
            940 - printed.min(900)
        },
        door_open: TONER_CHANGE.contains(&minute),
        jammed: false,
    }
}

fn ups(minute: u32, runtime_s: u32, load_percent: u8) -> PowerState {
    let on_battery = MAINS_FAIL.contains(&minute);
    let longest = MAINS_FAIL.end - MAINS_FAIL.start;
    let missing = match minute.checked_sub(MAINS_FAIL.start) {
        None => 0,
        Some(since) if on_battery => 2 * since,
        Some(since) => {
            let charged = 2 * longest * (since - longest) / CHARGING_MIN;
            (2 * longest).saturating_sub(charged)
        }
    };
    let charge = 100 - missing.min(100);
    PowerState {
        source: if on_battery {
            PowerSource::Battery
        } else {
            PowerSource::Mains
        },
        battery: Some(Battery::Ok),
        charge_percent: u8::try_from(charge).ok(),
        runtime_s: Some(runtime_s * charge / 100),
        load_percent: Some(load_percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_the_showroom_holds_together() {
        let mut before = Moment::at(0);
        assert_eq!(before.ups[0].charge_percent, Some(100));
        for minute in 1..24 * 60 {
            let moment = Moment::at(minute);
            assert!(moment.entered >= before.entered && moment.left <= moment.entered);
            assert!(moment.energy >= before.energy);
            before = moment;
        }
        let fail = Moment::at(14 * 60 + 3);
        assert_eq!(fail.ups[1].source, PowerSource::Battery);
        assert_eq!((fail.ups[1].charge_percent, fail.power), (Some(94), 0.0));
        assert_eq!(Moment::at(14 * 60 + 6).ups[0].charge_percent, Some(88));
        assert_eq!(Moment::at(14 * 60 + 40).ups[0].charge_percent, Some(100));
        assert!(Moment::at(10 * 60 + 12).printer.door_open);
        assert!(Moment::at(8 * 60 + 10).back_door_open);
    }
}
