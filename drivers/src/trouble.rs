//! Why a driver does not run, as far as it says where somebody must go and look.

use crate::DriverError;
use crate::link::LinkError;
use crate::link::http::HttpError;
use crate::link::modbus::ModbusError;
use crate::link::snmp::SnmpError;

/// What keeps a wired device away. The error itself says more, to whoever knows the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The port of the box is not there, or somebody else has it.
    Port,
    /// Nobody can be reached under the address on the network.
    Unreachable,
    /// The line is there and the device says nothing.
    Silent,
    /// The device, or the program, answers that it does not.
    Refused,
    /// What comes back cannot be understood.
    Garbled,
    /// The settings are no good.
    Settings,
    /// Not the device: this box could not take what it said, or the driver itself broke.
    Box,
    /// Something else, which the error says.
    Other,
}

impl Trouble {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::Settings => "settings",
            Self::Box => "box",
            Self::Other => "other",
        }
    }
}

impl From<&DriverError> for Trouble {
    fn from(error: &DriverError) -> Self {
        match error {
            DriverError::Link(error) => error.into(),
            DriverError::Modbus(error) => error.into(),
            DriverError::Snmp(error) => match error {
                SnmpError::Unreachable { .. } => Self::Unreachable,
                SnmpError::Silent { .. } => Self::Silent,
                SnmpError::Refused { .. } => Self::Refused,
                SnmpError::Unfit { .. } => Self::Garbled,
            },
            DriverError::Http(error) => error.into(),
            DriverError::NotTaken(_) => Self::Box,
            DriverError::Silent { .. } => Self::Silent,
            DriverError::Device(_) => Self::Other,
        }
    }
}

impl From<&LinkError> for Trouble {
    fn from(error: &LinkError) -> Self {
        match error {
            LinkError::Open { .. } | LinkError::Lost { .. } => Self::Port,
            LinkError::Connect { .. } | LinkError::ConnectTimeout { .. } => Self::Unreachable,
            LinkError::Mixed { .. } => Self::Settings,
        }
    }
}

impl From<&ModbusError> for Trouble {
    fn from(error: &ModbusError) -> Self {
        match error {
            ModbusError::Link(error) => error.into(),
            ModbusError::Timeout { .. } => Self::Silent,
            ModbusError::Exception { .. } => Self::Refused,
            _ => Self::Garbled,
        }
    }
}

impl From<&HttpError> for Trouble {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Link(error) => error.into(),
            HttpError::Late { .. } => Self::Silent,
            HttpError::Refused { .. } => Self::Refused,
            HttpError::Unaskable { .. } => Self::Settings,
            _ => Self::Garbled,
        }
    }
}
