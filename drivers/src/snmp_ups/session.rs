//! What is polled of a UPS.

use zhiban_vocabulary::device::{DeviceIdentity, DeviceKind};
use zhiban_vocabulary::power::PowerState;
use zhiban_vocabulary::report::Observation;

use super::mib;
use crate::link::snmp::{Subject, Walk};
use crate::ups;

pub(super) struct Ups;

impl Subject for Ups {
    type State = PowerState;

    const DEVICE: DeviceKind = DeviceKind::Ups;
    const MARKS: &[&[u32]] = &[mib::OUTPUT_SOURCE, mib::XUPS_SOURCE];
    const STATE: &[&[u32]] = mib::STATE;
    const IDENTITY: &[&[u32]] = mib::IDENTITY;
    const LACK: &str = "does not say where the power comes from";

    fn read(walk: &Walk) -> Option<PowerState> {
        mib::state(walk)
    }

    fn identity(walk: &Walk) -> DeviceIdentity {
        mib::identity(walk)
    }

    fn trouble(state: &PowerState) -> Option<String> {
        ups::trouble(state).map(str::to_owned)
    }

    fn is_news(last: Option<&PowerState>, state: &PowerState) -> bool {
        ups::is_news(last, state)
    }

    fn observation(state: PowerState) -> Observation {
        Observation::Power(state)
    }
}
