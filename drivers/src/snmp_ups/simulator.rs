//! A UPS with a network card, by the UPS-MIB.

use std::io;

use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

use super::mib;
use crate::link::snmp::{Oid, Value};
use crate::simulator::{DatagramDevice, Port, SnmpAgent};

/// sysObjectID of a maker's cards.
const MAKER: &[u32] = &[1, 3, 6, 1, 4, 1, 850, 1];

/// A UPS of one phase.
#[derive(Debug)]
pub struct CardUpsSimulator(SnmpAgent);

impl CardUpsSimulator {
    /// Starts on a free UDP port, on mains.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start(community: &str) -> io::Result<Port<Self>> {
        let ups = Self(SnmpAgent::new(community));
        ups.0.set(mib::SYS_OBJECT_ID, &[0], Value::Oid(Oid(MAKER.to_vec())));
        ups.0.set_text(mib::VENDOR, &[0], "TRIPP LITE");
        ups.0.set_text(mib::MODEL, &[0], "SMART1500RM2UN");
        ups.0.set_text(mib::FIRMWARE, &[0], "2.1");
        ups.set(&PowerState {
            source: PowerSource::Mains,
            battery: Some(Battery::Ok),
            charge_percent: Some(100),
            runtime_s: Some(2_400),
            load_percent: Some(34),
        });
        Port::udp(ups).await
    }

    /// From now on. What is `None` stays as it is.
    pub fn set(&self, state: &PowerState) {
        let source = match state.source {
            PowerSource::Off => 2,
            PowerSource::Mains => 3,
            PowerSource::Bypass => 4,
            PowerSource::Battery => 5,
        };
        let seconds = i64::from(state.source == PowerSource::Battery);
        self.0.set_number(mib::OUTPUT_SOURCE, &[0], source);
        self.0.set_number(mib::SECONDS_ON_BATTERY, &[0], seconds);
        let status = state.battery.map(|battery| match battery {
            Battery::Low => 3,
            _ => 2,
        });
        let minutes = state.runtime_s.map(|seconds| i64::from(seconds / 60));
        let numbers = [
            (mib::BATTERY_STATUS, 0, status),
            (mib::MINUTES_REMAINING, 0, minutes),
            (mib::CHARGE_REMAINING, 0, state.charge_percent.map(i64::from)),
            (mib::PERCENT_LOAD, 1, state.load_percent.map(i64::from)),
        ];
        for (column, index, number) in numbers {
            if let Some(number) = number {
                self.0.set_number(column, &[index], number);
            }
        }
    }
}

impl DatagramDevice for CardUpsSimulator {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        self.0.answer(datagram)
    }
}

#[cfg(test)]
mod tests;
