//! A server of Network UPS Tools with one UPS.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use zhiban_vocabulary::power::{Battery, PowerSource, PowerState};

use super::frame::words;
use crate::link::Wire;
use crate::simulator::{Device, Framing, Shared};

/// upsd, as far as those need it who only read.
#[derive(Debug)]
pub struct NutSimulator {
    ups: String,
    vars: Shared<BTreeMap<&'static str, String>>,
}

impl NutSimulator {
    /// A server with a UPS of this name, on mains.
    #[must_use]
    pub fn new(ups: &str) -> Self {
        let vars = [
            ("device.mfr", "EATON"),
            ("device.model", "9PX 2200i"),
            ("device.serial", "GX13G45099"),
            ("device.type", "ups"),
            ("driver.name", "usbhid-ups"),
            ("ups.firmware", "01.17"),
        ];
        let vars = vars.map(|(name, value)| (name, value.to_owned()));
        let server = Self {
            ups: ups.to_owned(),
            vars: Shared::new(vars.into()),
        };
        server.set(&PowerState {
            source: PowerSource::Mains,
            battery: Some(Battery::Ok),
            charge_percent: Some(100),
            runtime_s: Some(3_600),
            load_percent: Some(12),
        });
        server
    }

    /// From now on. What is `None` stays as it is.
    pub fn set(&self, state: &PowerState) {
        let source = match state.source {
            PowerSource::Off => "OFF",
            PowerSource::Bypass => "OL BYPASS",
            PowerSource::Battery => "OB DISCHRG",
            PowerSource::Mains => "OL",
        };
        let battery = match state.battery {
            Some(Battery::Low) => " LB",
            Some(Battery::Worn) => " RB",
            _ => "",
        };
        let mut vars = self.vars.lock();
        vars.insert("ups.status", format!("{source}{battery}"));
        let numbers = [
            ("battery.charge", state.charge_percent.map(u32::from)),
            ("battery.runtime", state.runtime_s),
            ("ups.load", state.load_percent.map(u32::from)),
        ];
        for (name, number) in numbers {
            vars.extend(number.map(|number| (name, number.to_string())));
        }
    }

    fn answer(&self, line: &str) -> String {
        let words = words(line.as_bytes()).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match *words {
            ["VER"] => "Network UPS Tools upsd 2.8.0 - simulated\n".into(),
            ["NETVER"] => "1.2\n".into(),
            ["STARTTLS"] => "ERR FEATURE-NOT-CONFIGURED\n".into(),
            ["USERNAME" | "PASSWORD", _] => "OK\n".into(),
            ["LOGOUT"] => "OK Goodbye\n".into(),
            ["LIST", "UPS"] => {
                let ups = &self.ups;
                format!("BEGIN LIST UPS\nUPS {ups} \"simulated\"\nEND LIST UPS\n")
            }
            ["LIST" | "GET", "VAR", ups, ..] if ups != self.ups => "ERR UNKNOWN-UPS\n".into(),
            ["LIST", "VAR", ups] => {
                let vars = self.vars.lock();
                let lines = vars.iter().map(|(name, value)| var(ups, name, value));
                let lines: String = lines.collect();
                format!("BEGIN LIST VAR {ups}\n{lines}END LIST VAR {ups}\n")
            }
            ["GET", "VAR", ups, name] => match self.vars.lock().get(name) {
                Some(value) => var(ups, name, value),
                None => "ERR VAR-NOT-SUPPORTED\n".into(),
            },
            _ => "ERR UNKNOWN-COMMAND\n".into(),
        }
    }
}

fn var(ups: &str, name: &str, value: &str) -> String {
    format!("VAR {ups} {name} \"{value}\"\n")
}

impl Device for NutSimulator {
    async fn serve(self: Arc<Self>, wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut wire = BufReader::new(wire);
        let mut line = String::new();
        while wire.read_line(&mut line).await? > 0 {
            let answer = self.answer(line.trim_end());
            wire.write_all(answer.as_bytes()).await?;
            if line.starts_with("LOGOUT") {
                return Ok(());
            }
            line.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
