//! What can be said on the command line.

use std::path::PathBuf;

use clap::Parser;
use jiff::civil::Date;

/// Replays recorded days of real service halls through the real programs.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo")]
pub struct Options {
    /// Halls to start, in the order of the groups file
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub halls: u32,
    /// Replayed seconds per second, 1 to 3600 [default: 60; 600 with --until-caught-up]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub speed: Option<u32>,
    /// First day to replay, such as 2020-01-02 [default: the first in the records]
    #[arg(long)]
    pub from: Option<Date>,
    /// Days with records to replay
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=31))]
    pub days: u32,
    /// Records, csv or csv.gz; the form is explained in tests/data/warsaw/ORIGIN.md
    /// [default: the ten days in tests/data/warsaw]
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// Names of the queues in the records [default: those in tests/data/warsaw]
    #[arg(long)]
    pub groups: Option<PathBuf>,
    /// End by itself when the centre holds everything, and hold its totals against the file
    #[arg(long)]
    pub until_caught_up: bool,
    /// Folder for configurations, databases and logs; emptied at the next start
    #[arg(long, default_value = "demo-data")]
    pub data: PathBuf,
    /// Seed of what is reconstructed and invented
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Web port of the centre; the halls get the ones after it [default: free ones]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1024..=65000))]
    pub web_port: Option<u16>,
}

impl Options {
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.speed
            .unwrap_or(if self.until_caught_up { 600 } else { 60 })
    }

    /// Port of the `nth` web panel, the centre's being the 0th; 0 takes a free one.
    #[must_use]
    pub fn port(&self, nth: usize) -> u16 {
        let nth = u16::try_from(nth).unwrap_or(0);
        self.web_port.map_or(0, |base| base.saturating_add(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Options::command().debug_assert();
    }

    #[test]
    fn a_run_that_ends_by_itself_is_in_a_hurry() {
        let parse = |args: &[&str]| Options::try_parse_from(args).unwrap();
        assert_eq!(parse(&["demo"]).speed(), 60);
        assert_eq!(parse(&["demo", "--until-caught-up"]).speed(), 600);
        assert_eq!(
            parse(&["demo", "--until-caught-up", "--speed", "9"]).speed(),
            9
        );
        assert_eq!(parse(&["demo", "--web-port", "9000"]).port(3), 9003);
        assert!(Options::try_parse_from(["demo", "--speed", "0"]).is_err());
    }
}
