//! The doors that are not MQTT: HTTP for programs, a channel for wired drivers. Both end in
//! [`crate::journal::Journal::submit`] like every door.

mod http;
mod wired;

pub use http::add_routes;
pub use wired::run_wired;
