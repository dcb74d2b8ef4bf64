//! Runs the real programs: writes a configuration, registers devices, starts a gateway or a
//! centre, learns its addresses, signs in, stops it cleanly or kills it. Used by the demo and by
//! the system tests; nothing in here knows what is being tried.

pub mod account;
pub mod clock;
pub mod configs;
pub mod database;
pub mod device;
pub mod disk;
pub mod facts;
pub mod firewall;
pub mod ledger;
pub mod paho;
pub mod peers;
pub mod postgres;
pub mod program;
pub mod stage;
pub mod wait;
pub mod wire;

pub use account::{Account, HttpError};
pub use device::{MqttDevice, NewDevice, add_devices};
pub use program::{Ended, Program, ProgramError, Running, free_port, programs};
