//! What all drivers of UPS (不间断电源) have in common.

use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

/// Points of load, and part of the time left, that are worth a report: both waver all the time.
const LOAD_STEP: u8 = 5;
const RUNTIME_PART: u32 = 10;

/// Whether a state is worth a report after the one reported last.
pub(crate) fn is_news(before: Option<&PowerState>, now: &PowerState) -> bool {
    let Some(before) = before else { return true };
    let same = (before.source, before.battery, before.charge_percent)
        == (now.source, now.battery, now.charge_percent);
    let load = match (before.load_percent, now.load_percent) {
        (Some(before), Some(now)) => before.abs_diff(now) >= LOAD_STEP,
        (before, now) => before != now,
    };
    let runtime = match (before.runtime_s, now.runtime_s) {
        (Some(before), Some(now)) => before.abs_diff(now) > before / RUNTIME_PART,
        (before, now) => before != now,
    };
    !same || load || runtime
}

/// Why a UPS that answers is not well, for people; `None` when it is. Being on battery is what it
/// is for.
pub(crate) fn trouble(state: &PowerState) -> Option<&'static str> {
    match (state.source, state.battery) {
        (PowerSource::Off, _) => Some("output is off"),
        (PowerSource::Bypass, _) => Some("on bypass, the load is not protected"),
        (_, Some(Battery::Worn)) => Some("battery to be replaced"),
        (PowerSource::Mains | PowerSource::Battery, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wavers_is_no_news() {
        let before = PowerState {
            source: PowerSource::Mains,
            battery: Some(Battery::Ok),
            charge_percent: Some(100),
            runtime_s: Some(17_000),
            load_percent: Some(20),
        };
        let is_news = |change: fn(&mut PowerState)| {
            let mut now = before.clone();
            change(&mut now);
            super::is_news(Some(&before), &now)
        };
        assert!(super::is_news(None, &before));
        assert!(!is_news(|_| {}));
        assert!(!is_news(|now| now.load_percent = Some(24)));
        assert!(is_news(|now| now.load_percent = Some(25)));
        assert!(is_news(|now| now.load_percent = None));
        assert!(!is_news(|now| now.runtime_s = Some(15_300)));
        assert!(is_news(|now| now.runtime_s = Some(15_299)));
        assert!(is_news(|now| now.charge_percent = Some(99)));
        assert!(is_news(|now| now.source = PowerSource::Battery));
        assert!(is_news(|now| now.battery = Some(Battery::Low)));
    }
}
