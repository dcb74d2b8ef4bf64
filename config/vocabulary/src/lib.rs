//! The words every part of Zhiban shares: typed ids, what a device may report, the facts a hall
//! sends upward, and how both are addressed on MQTT and zenoh.
//!
//! Architecture invariant: nothing here does I/O, knows a database or an async runtime. What is
//! declared here is the wire; a change is a change of protocol.

pub mod climate;
pub mod command;
pub mod counter;
pub mod device;
pub mod down;
pub mod enrolment;
pub mod envelope;
pub mod facts;
pub mod histogram;
pub mod ids;
pub mod kiosk;
pub mod masters;
pub mod measurement;
pub mod people;
pub mod power;
pub mod printer;
pub mod queue;
pub mod rating;
pub mod registers;
pub mod report;
pub mod roles;
pub mod time;
pub mod topics;

pub use ids::{
    BootId, CounterId, DeviceId, IdError, QueueId, ServiceId, StaffId, StoreId, TicketNumber,
};
