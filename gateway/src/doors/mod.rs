//! The doors that are not MQTT: HTTP for programs, a channel for wired drivers. Both end in
//! [`crate::journal::Journal::submit`] like every door.

mod hook;
mod http;
mod wired;

pub use hook::add_routes as add_hook_routes;
pub use http::add_routes;
pub use wired::run_wired;
