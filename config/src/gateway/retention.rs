//! `[retention]`: how long the box keeps what nobody needs to run the hall.

use serde::Deserialize;

use crate::read::Problem;

/// See the module.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days the box must have run since a report arrived before it may go, 7..=3650.
    pub report_days: u32,
    /// Share of the disk the database may take, 5..=90; beyond, the oldest goes early and is
    /// counted.
    pub disk_percent: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            report_days: 90,
            disk_percent: 50,
        }
    }
}

pub(super) fn check(retention: &Retention, problems: &mut Vec<Problem>) {
    let limits = [
        ("retention.report_days", retention.report_days, 7, 3_650),
        ("retention.disk_percent", retention.disk_percent, 5, 90),
    ];
    for (key, value, min, max) in limits {
        if !(min..=max).contains(&value) {
            let expected = format!("a number from {min} to {max}");
            problems.push(Problem::new(key, expected, value));
        }
    }
}
