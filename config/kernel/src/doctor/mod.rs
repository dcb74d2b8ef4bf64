//! The doctor: a list of what a person on site can look at, each line with a mark and, where
//! something is wrong, what to do. Looks only, changes nothing, works beside the running service.

mod database;
mod machine;
mod service;

pub use crate::said::{Language, Said};
pub use database::{BACKUP_AGE_MAX, check_backup, check_database, check_incidents, is_same_disk};
pub use machine::{check_clock, check_disk, check_folder, check_fsync};
pub use service::{
    Running, Update, check_listen, check_parts, check_service, check_update, last_update,
    wait_healthy,
};

/// How one thing stands; the worst one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Good,
    /// Works, but a person should look, or it could not be told.
    Look,
    Bad,
}

impl Mark {
    fn sign(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Look => '!',
            Self::Bad => '✗',
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Line {
    pub mark: Mark,
    pub what: Said,
    pub found: Said,
    /// What to do; nothing for what is good.
    pub advice: Option<Said>,
}

/// The report as it grows.
#[derive(Debug, Default)]
pub struct Report(Vec<Line>);

impl Report {
    pub fn good(&mut self, what: Said, found: Said) {
        self.0.push(Line {
            mark: Mark::Good,
            what,
            found,
            advice: None,
        });
    }

    pub fn add(&mut self, mark: Mark, what: Said, found: Said, advice: Said) {
        self.0.push(Line {
            mark,
            what,
            found,
            advice: Some(advice),
        });
    }

    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// The worst mark.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.0
            .iter()
            .map(|line| line.mark)
            .max()
            .unwrap_or(Mark::Good)
    }

    /// The report as text.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let mut text = String::new();
        for line in &self.0 {
            let (what, found) = (line.what.text(language), line.found.text(language));
            text += &format!("{} {what}: {found}\n", line.mark.sign());
            if let Some(advice) = &line.advice {
                text += &format!("    → {}\n", advice.text(language));
            }
        }
        let count = |mark| self.0.iter().filter(|line| line.mark == mark).count();
        let (good, look, bad) = (count(Mark::Good), count(Mark::Look), count(Mark::Bad));
        text += &match language {
            Language::Zh => format!("\n✓ {good} 项正常，! {look} 项请查看，✗ {bad} 项必须处理\n"),
            Language::En => format!("\n✓ {good} good, ! {look} to look at, ✗ {bad} to mend\n"),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_line_decides_and_advice_stands_below_its_line() {
        let mut report = Report::default();
        report.good(Said::new("时钟", "clock"), Said::same("2 ms"));
        assert_eq!(report.mark(), Mark::Good);
        let advice = Said::new("清理磁盘", "make room");
        report.add(
            Mark::Bad,
            Said::new("磁盘", "disk"),
            Said::same("99 %"),
            advice,
        );
        assert_eq!(report.mark(), Mark::Bad);
        let text = report.text(Language::En);
        assert!(
            text.starts_with("✓ clock: 2 ms\n✗ disk: 99 %\n    → make room\n"),
            "{text}"
        );
        assert!(report.text(Language::Zh).contains("    → 清理磁盘"));
    }
}
