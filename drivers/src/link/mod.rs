//! How bytes arrive: a serial port or a TCP connection, and Modbus on top of either.

pub mod ask;
pub mod framer;
pub mod http;
mod line;
pub mod modbus;
pub mod onbon;
pub mod replay;
pub mod serial;
pub mod snmp;
pub mod sse;
pub mod tcp;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::SettingsError;
use line::Tapped;
pub use line::{Direction, Line, Open, Piece, Tap};
use serial::{Parity, SerialPort};

/// Anything bytes can be exchanged over.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Wire for T {}

/// A link that cannot be used; names the port or the peer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("{port}: cannot be opened: {source}")]
    Open {
        port: String,
        source: tokio_serial::Error,
    },
    #[error("{peer}: cannot connect: {source}")]
    Connect {
        peer: String,
        source: std::io::Error,
    },
    #[error("{peer}: no connection within {seconds} s")]
    ConnectTimeout { peer: String, seconds: u64 },
    #[error("{port}: carries Modbus and another protocol at once")]
    Mixed { port: String },
    #[error("{port}: lost: {source}")]
    Lost {
        port: String,
        source: std::io::Error,
    },
}

/// `link = { serial = "/dev/…", baud = 9600 }` or `link = { tcp = "host:port" }`, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    serial: Option<String>,
    baud: Option<u32>,
    data_bits: Option<u8>,
    parity: Option<Parity>,
    stop_bits: Option<u8>,
    tcp: Option<String>,
}

/// A checked link that is not open yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Serial(SerialPort),
    /// `host:port`
    Tcp(String),
}

impl LinkSettings {
    /// # Errors
    /// [`SettingsError`] when the keys do not describe exactly one link.
    pub fn check(self) -> Result<Link, SettingsError> {
        match (self.serial.clone(), self.tcp.clone()) {
            (Some(path), None) => self.check_serial(path),
            (None, Some(peer)) => self.check_tcp(peer),
            (Some(_), Some(_)) => Err(SettingsError::new("link", "serial or tcp", "both")),
            (None, None) => Err(SettingsError::new("link", "serial or tcp", "neither")),
        }
    }

    /// Other data bits and another parity than 8N1 where the link is serial and says nothing of them.
    #[must_use]
    pub fn usually(mut self, data_bits: u8, parity: Parity) -> Self {
        if self.serial.is_some() {
            self.data_bits.get_or_insert(data_bits);
            self.parity.get_or_insert(parity);
        }
        self
    }

    fn check_serial(self, path: String) -> Result<Link, SettingsError> {
        if !path.starts_with('/') {
            let expected = "an absolute path such as /dev/serial/by-path/…";
            return Err(SettingsError::new("link.serial", expected, path));
        }
        let baud = self.baud.unwrap_or(9600);
        if !(300..=4_000_000).contains(&baud) {
            let expected = "a speed from 300 to 4000000";
            return Err(SettingsError::new("link.baud", expected, baud));
        }
        let data_bits = self.data_bits.unwrap_or(8);
        if !(7..=8).contains(&data_bits) {
            return Err(SettingsError::new("link.data_bits", "7 or 8", data_bits));
        }
        let stop_bits = self.stop_bits.unwrap_or(1);
        if !(1..=2).contains(&stop_bits) {
            return Err(SettingsError::new("link.stop_bits", "1 or 2", stop_bits));
        }
        Ok(Link::Serial(SerialPort {
            path,
            baud,
            data_bits,
            parity: self.parity.unwrap_or_default(),
            stop_bits,
        }))
    }

    fn check_tcp(self, peer: String) -> Result<Link, SettingsError> {
        let serial_only = [
            ("link.baud", self.baud.is_some()),
            ("link.data_bits", self.data_bits.is_some()),
            ("link.parity", self.parity.is_some()),
            ("link.stop_bits", self.stop_bits.is_some()),
        ];
        if let Some((key, _)) = serial_only.iter().find(|(_, given)| *given) {
            return Err(SettingsError::new(key, "nothing beside tcp", "a value"));
        }
        check_peer("link.tcp", peer).map(Link::Tcp)
    }
}

/// `host:port` as it should be.
pub(crate) fn check_peer(key: &str, peer: String) -> Result<String, SettingsError> {
    let port = peer
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse()));
    match port {
        Some((host, Ok(1..=u16::MAX))) if !host.is_empty() => Ok(peer),
        _ => Err(SettingsError::new(key, "host:port", peer)),
    }
}

impl Link {
    /// Opens the link for plain bytes, which are noted on `tap`.
    ///
    /// # Errors
    /// [`LinkError`] naming the port or peer.
    pub async fn open(&self, tap: &Tap) -> Result<Box<dyn Wire>, LinkError> {
        let tap = tap.clone();
        match self {
            Self::Serial(port) => Ok(Box::new(Tapped::new(serial::open(port).await?, tap))),
            Self::Tcp(peer) => Ok(Box::new(Tapped::new(tcp::connect(peer).await?, tap))),
        }
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Serial(port) => &port.path,
            Self::Tcp(peer) => peer,
        }
    }

    pub(crate) fn lost(&self, source: std::io::Error) -> LinkError {
        LinkError::Lost {
            port: self.name().to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let settings: LinkSettings = toml::from_str(text).unwrap();
        let answer = match settings.check() {
            Ok(link) => format!("{link:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_protocol_may_have_other_data_bits_and_parity() {
        let usually = |text: &str| {
            let settings: LinkSettings = toml::from_str(text).unwrap();
            format!("{:?}", settings.usually(7, Parity::Even).check().unwrap())
        };
        assert!(usually("serial = '/dev/a'").contains("data_bits: 7, parity: Even"));
        let written = usually("serial = '/dev/a'\ndata_bits = 8\nparity = 'odd'");
        assert!(written.contains("data_bits: 8, parity: Odd"));
        assert_eq!(usually("tcp = 'a:1'"), "Tcp(\"a:1\")");
    }

    #[test]
    fn exactly_one_link_is_accepted() {
        check("serial = '/dev/ttyS0'", "baud: 9600");
        check("tcp = 'sensor.lan:502'", "Tcp(\"sensor.lan:502\")");
        check("tcp = '[::1]:502'", "Tcp(\"[::1]:502\")");
        check("", "settings.link: expected serial or tcp, found neither");
        check("serial = '/dev/a'\ntcp = 'a:1'", "found both");
        check(
            "serial = 'ttyS0'",
            "settings.link.serial: expected an absolute path",
        );
        check("serial = '/dev/a'\nbaud = 12", "settings.link.baud");
        check("serial = '/dev/a'\ndata_bits = 7", "data_bits: 7");
        check(
            "serial = '/dev/a'\ndata_bits = 5",
            "settings.link.data_bits: expected 7 or 8, found 5",
        );
        check("tcp = 'a:1'\ndata_bits = 8", "settings.link.data_bits");
        check(
            "serial = '/dev/a'\nstop_bits = 3",
            "settings.link.stop_bits: expected 1 or 2, found 3",
        );
        check(
            "tcp = 'a'",
            "settings.link.tcp: expected host:port, found a",
        );
        check("tcp = 'a:0'", "settings.link.tcp");
        check(
            "tcp = 'a:1'\nbaud = 9600",
            "settings.link.baud: expected nothing beside tcp",
        );
    }
}
