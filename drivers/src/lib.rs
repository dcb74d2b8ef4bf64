//! Drivers turn the bytes of wired devices into the words of [`zhiban_vocabulary`] and back.
//!
//! One folder per driver: README (what is proven), form, settings, a pure codec, a session loop,
//! traces, tests. [`DRIVERS`] lists them all; [`supervise::Supervisor`] runs them. Nothing here
//! knows a database, a web page or an alarm, and nothing here has a clock: wired devices report
//! without a time.

mod binding;
mod desk;
mod form;
pub mod gbk;
mod hook;
pub mod link;
mod outlet;
pub mod picture;
mod scale;
mod settings;
pub mod simulator;
pub mod supervise;
mod sweep;
#[cfg(test)]
mod testing;
mod thread;
mod trouble;
mod ups;
mod wording;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use zhiban_vocabulary::command::CommandKind;
use zhiban_vocabulary::device::DeviceKind;

pub use binding::{Binding, Place};
pub use desk::{COMMANDS_WAITING_MAX, Commands, NotDone, Order};
pub use form::{Field, FieldKind, Form, Words};
pub use hook::{HOOK_TIME_MAX, Hook, HookAnswer, Hooks};
pub use outlet::{DELIVERIES_MAX, Delivery, NotTaken, Occurrence, Outlet, deliveries};
pub use settings::SettingsError;
pub use thread::Threads;
pub use trouble::Trouble;

macro_rules! drivers {
    ($($folder:ident,)*) => {
        $(pub mod $folder;)*

        /// THE list of drivers.
        pub const DRIVERS: &[DriverKind] = &[$($folder::DRIVER,)*];
    };
}

drivers! {
    modbus,
    lihe_screen,
    onbon_k,
    onbon_bx6,
    alpha,
    escpos,
    snmp_printer,
    snmp_ups,
    nut,
    legacy_text,
    window_screen,
    ff68,
    http_pad,
    hid_pad,
    fqm,
    qmatic,
    novosga,
    xfs4iot,
}

/// One line of [`DRIVERS`].
pub struct DriverKind {
    /// What `gateway.toml` says.
    pub name: &'static str,
    /// `form.toml`: what a person is asked when adding such a device.
    pub form: &'static str,
    /// Commands its devices understand.
    pub accepts: &'static [CommandKind],
    /// Checks the settings and makes a driver, without opening a port.
    pub build: fn(toml::Table) -> Result<Box<dyn Driver>, SettingsError>,
    /// Reads bytes that passed on the line, in either direction, for people.
    pub explain: fn(&[u8]) -> Vec<Explained>,
    /// For the fuzzer: panics when the reader of bytes breaks a promise.
    pub fuzz: fn(&[u8]),
    /// Looks for such devices in the hall.
    pub discover: Option<Discover>,
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

/// A piece of a byte stream and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub range: Range<usize>,
    pub text: String,
    /// Whether the driver would take it: whole, with the right sum.
    pub good: bool,
}

/// Looks at the given places; ends by itself, and for 256 hosts within 80 s.
pub type Discover = fn(Places) -> Searching;

/// A search that goes on.
pub type Searching = Pin<Box<dyn Future<Output = Search> + Send>>;

/// Where to look for devices. Nothing is looked for anywhere else.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub hosts: Vec<std::net::IpAddr>,
    /// Serial ports no device of ours uses.
    pub ports: Vec<String>,
}

/// What came of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    pub found: Vec<Found>,
    /// Hosts that were not asked to the end before the time was over.
    pub unasked: usize,
}

/// A device that answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub settings: toml::Table,
    pub identity: zhiban_vocabulary::device::DeviceIdentity,
}

/// A session that runs until it fails and then says why.
pub type Running = Pin<Box<dyn Future<Output = DriverError> + Send>>;

/// A driver with checked settings.
pub trait Driver: Send {
    /// What the device is.
    fn device(&self) -> DeviceKind;

    /// Whether this one can be switched on and off, where others of its kind can.
    fn has_switch(&self) -> bool {
        true
    }

    /// The port or peer the device hangs on. Devices with the same line share its thread and,
    /// through [`Session::line`], its wire.
    fn line(&self) -> Option<String> {
        None
    }

    /// The addresses at which the device answers there, each no other's; none where the line leads
    /// to it alone.
    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    /// How long the session may give no sign of life ([`Outlet::beat`]) before it counts as hung.
    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }

    /// Serves the device until something goes wrong. The supervisor builds and runs the driver
    /// anew after every failure, so a session never has to repair itself.
    fn run(self: Box<Self>, session: Session) -> Running;
}

/// What a driver gets from the gateway for one session.
#[derive(Debug)]
pub struct Session {
    pub outlet: Outlet,
    pub commands: Commands,
    pub line: link::Line,
    pub hooks: Hooks,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error(transparent)]
    Link(#[from] link::LinkError),
    #[error(transparent)]
    Modbus(#[from] link::modbus::ModbusError),
    #[error(transparent)]
    Snmp(#[from] link::snmp::SnmpError),
    #[error(transparent)]
    Http(#[from] link::http::HttpError),
    /// The journal's trouble, or a flood; not the device's silence.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error("address {address} does not answer")]
    Silent { address: u8 },
    /// Anything else, in words that name the peer and what was wrong.
    #[error("{0}")]
    Device(String),
}
