//! The drivers as the gateway runs them, against foreign peers and our simulators.

mod climate_simulator;
mod hall;
mod peers;
mod pymodbus;
mod supervision;
mod window_screen;
