//! Serial ports.

use serde::Deserialize;
use tokio_serial::SerialStream;

use super::LinkError;

/// Where and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPort {
    pub path: String,
    pub baud: u32,
    /// 7 or 8
    pub data_bits: u8,
    pub parity: Parity,
    pub stop_bits: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

/// Opens a port for ourselves alone: a second program on the same bus would read our answers.
/// A port that keeps whoever opens it waiting keeps no other task of the thread waiting.
///
/// # Errors
/// [`LinkError::Open`] when the port is absent, in use or not a serial port.
pub async fn open(port: &SerialPort) -> Result<SerialStream, LinkError> {
    let builder = tokio_serial::new(port.path.as_str(), port.baud)
        .parity(match port.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .data_bits(match port.data_bits {
            7 => tokio_serial::DataBits::Seven,
            _ => tokio_serial::DataBits::Eight,
        })
        .stop_bits(match port.stop_bits {
            2 => tokio_serial::StopBits::Two,
            _ => tokio_serial::StopBits::One,
        })
        .exclusive(true);
    let opening = tokio::task::spawn_blocking(move || SerialStream::open(&builder)).await;
    let opened = opening.unwrap_or_else(|error| Err(std::io::Error::other(error).into()));
    opened.map_err(|source| LinkError::Open {
        port: port.path.clone(),
        source,
    })
}
