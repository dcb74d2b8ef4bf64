//! Drivers turn the bytes of wired devices into the words of [`zhiban_vocabulary`] and back.
//!
//! One folder per driver: README (what is proven), settings, a pure codec, a session loop.
//! [`DRIVERS`] lists them all; [`supervise::Supervisor`] runs them. Nothing here knows a database,
//! a web page or an alarm, and nothing here has a clock: wired devices report without a time.

pub mod lihe_screen;
pub mod link;
pub mod modbus_climate;
mod outlet;
mod settings;
pub mod simulator;
pub mod supervise;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::{CounterId, TicketNumber};

pub use outlet::{
    COMMANDS_WAITING_MAX, Commands, DELIVERIES_MAX, Delivery, NotTaken, Outlet, deliveries,
};
pub use settings::SettingsError;

/// THE list of drivers. `name` is what `gateway.toml` says.
pub const DRIVERS: &[DriverKind] = &[
    DriverKind {
        name: "modbus-climate",
        device: DeviceKind::ClimateSensor,
        build: modbus_climate::build,
    },
    DriverKind {
        name: "lihe-screen",
        device: DeviceKind::WindowScreen,
        build: lihe_screen::build,
    },
];

/// One line of [`DRIVERS`].
pub struct DriverKind {
    pub name: &'static str,
    pub device: DeviceKind,
    /// Checks the settings and makes a driver, without opening a port.
    pub build: fn(toml::Table) -> Result<Box<dyn Driver>, SettingsError>,
}

impl fmt::Debug for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverKind({})", self.name)
    }
}

/// The driver of this name, if there is one.
#[must_use]
pub fn find(name: &str) -> Option<&'static DriverKind> {
    DRIVERS.iter().find(|kind| kind.name == name)
}

/// A session that runs until it fails and then says why.
pub type Running = Pin<Box<dyn Future<Output = DriverError> + Send>>;

/// A driver with checked settings.
pub trait Driver: Send {
    /// Opens the port and serves the device until something goes wrong. The supervisor builds and
    /// runs the driver anew after every failure, so a session never has to repair itself.
    fn run(self: Box<Self>, session: Session) -> Running;
}

/// What a driver gets from the gateway for one session.
#[derive(Debug)]
pub struct Session {
    pub outlet: Outlet,
    pub commands: Commands,
}

/// What a window screen is told to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScreenCommand {
    /// Nobody is called; the screen's own greeting.
    Welcome,
    Call {
        ticket: TicketNumber,
        counter: CounterId,
    },
    Serving {
        ticket: TicketNumber,
    },
    /// 暂停服务
    Pause,
}

impl fmt::Display for ScreenCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Welcome => f.write_str("welcome"),
            Self::Call { ticket, .. } => write!(f, "call {ticket}"),
            Self::Serving { ticket } => write!(f, "serving {ticket}"),
            Self::Pause => f.write_str("pause"),
        }
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error(transparent)]
    Link(#[from] link::LinkError),
    #[error(transparent)]
    Modbus(#[from] link::modbus::ModbusError),
    /// The journal's trouble, not the device's.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error("address {address} does not answer")]
    Silent { address: u8 },
}
