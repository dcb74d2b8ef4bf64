//! Where a wired device hangs. Two of one place would be one thing that counts twice.

use std::fmt;
use std::path::PathBuf;

use crate::DriverKind;

/// The line of a device, and its addresses on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    driver: &'static str,
    line: String,
    /// Where the line leads: a serial port has many names.
    port: PathBuf,
    addresses: Vec<String>,
}

/// A place on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As the settings say.
    pub line: String,
    /// `None` where the line leads to one device alone.
    pub address: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "address {address} of {}", self.line),
            None => f.write_str(&self.line),
        }
    }
}

impl Binding {
    /// `None` for a device that hangs on no line, such as one that calls us, and for settings its
    /// driver does not take.
    #[must_use]
    pub fn of(driver: &DriverKind, settings: toml::Table) -> Option<Self> {
        let written = Self::as_written(driver, settings)?;
        let port = std::fs::canonicalize(&written.line);
        Some(Self {
            port: port.unwrap_or_else(|_| written.line.clone().into()),
            ..written
        })
    }

    /// As [`Self::of`], by the names the settings have for ports: which of them are one port may be
    /// another tomorrow.
    #[must_use]
    pub fn as_written(driver: &DriverKind, settings: toml::Table) -> Option<Self> {
        let built = (driver.build)(settings).ok()?;
        let line = built.line()?;
        Some(Self {
            driver: driver.name,
            port: line.clone().into(),
            line,
            addresses: built.addresses(),
        })
    }

    /// As the settings name it: a port, or a peer.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The place both have. Whatever speaks on a bus must have an address there that nothing else
    /// has; what has none shares its line with nothing of its own kind.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Option<Place> {
        if self.port != other.port {
            return None;
        }
        let place = |address: Option<&String>| Place {
            line: self.line.clone(),
            address: address.cloned(),
        };
        if self.addresses.is_empty() && other.addresses.is_empty() {
            return (self.driver == other.driver).then(|| place(None));
        }
        let mut own = self.addresses.iter();
        own.find(|address| other.addresses.contains(address))
            .map(|address| place(Some(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: (&str, &str), other: (&str, &str), expected: Option<&str>) {
        let bind = |(driver, settings): (&str, &str)| {
            let driver = crate::find(driver).unwrap();
            Binding::of(driver, toml::from_str(settings).unwrap()).unwrap()
        };
        let (first, second) = (bind(one), bind(other));
        for shared in [first.shared_with(&second), second.shared_with(&first)] {
            let shared = shared.map(|place| place.to_string());
            assert_eq!(shared.as_deref(), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn one_place_has_one_device() {
        const UNIT_1: &str = "link = { tcp = 'h:502' }\nunit = 1\nmap = 'sdm630'";
        const UNIT_2: &str = "link = { tcp = 'h:502' }\nunit = 2\nmap = 'sdm630'";
        const OTHER_LINE: &str = "link = { tcp = 'i:502' }\nunit = 1\nmap = 'sdm630'";
        const DOOR_1: &str = "link = { tcp = 'h:502' }\nunit = 1\nmap = 'adam-6050'";
        const SCREEN_1: &str = "link = { tcp = 'h:502' }\naddress = 1";
        const PRINTER: &str = "link = { tcp = 'h:502' }";
        const AGENT: &str = "peer = 'h:161'\ncommunity = 'hall'";
        check(
            ("modbus", UNIT_1),
            ("modbus", UNIT_1),
            Some("address 1 of h:502"),
        );
        check(
            ("modbus", UNIT_1),
            ("modbus", DOOR_1),
            Some("address 1 of h:502"),
        );
        check(("modbus", UNIT_1), ("modbus", UNIT_2), None);
        check(("modbus", UNIT_1), ("modbus", OTHER_LINE), None);
        check(
            ("modbus", UNIT_1),
            ("lihe-screen", SCREEN_1),
            Some("address 1 of h:502"),
        );
        check(("modbus", UNIT_1), ("escpos", PRINTER), None);
        check(("escpos", PRINTER), ("escpos", PRINTER), Some("h:502"));
        check(("snmp-printer", AGENT), ("snmp-ups", AGENT), None);
        check(("snmp-ups", AGENT), ("snmp-ups", AGENT), Some("h:161"));
    }

    #[test]
    fn a_port_is_one_port_by_all_its_names() {
        let folder = std::env::temp_dir().join(format!("zhiban-binding-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        std::fs::write(path("ttyUSB0"), "").unwrap();
        std::os::unix::fs::symlink(path("ttyUSB0"), path("by-path")).unwrap();
        let settings =
            |port: &str| format!("link = {{ serial = {port:?} }}\nunit = 1\nmap = 'sdm630'");
        let (one, other) = (path("ttyUSB0"), path("by-path"));
        let bind = |port: &str| {
            let driver = crate::find("modbus").unwrap();
            Binding::of(driver, toml::from_str(&settings(port)).unwrap()).unwrap()
        };
        let shared = bind(&one).shared_with(&bind(&other));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(shared.map(|place| place.line), Some(one));
    }
}
