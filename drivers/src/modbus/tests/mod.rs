//! Against foreign Modbus programs.

mod pymodbus;
mod simulator;
