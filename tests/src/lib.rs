//! Tests with real programs: the process harness they share, and the demo that replays recorded
//! days of real halls through the real doors.

pub mod demo;
pub mod harness;
pub mod replay;
