//! Typed `gateway.toml` and `central.toml`, refused as a whole when anything in them is wrong.
//!
//! Architecture invariant: reading a configuration opens nothing but the file itself.

pub mod central;
pub mod gateway;
mod read;
pub mod shared;

pub use central::CentralConfig;
pub use gateway::GatewayConfig;
pub use read::{ConfigError, Problem};
pub use shared::{ReplayClock, WebConfig, WebTls};
