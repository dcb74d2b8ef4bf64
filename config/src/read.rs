//! From a file to a checked configuration, or to every reason why not.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key, such as `mqtt.listen`.
    pub key: String,
    pub expected: String,
    pub found: String,
}

impl Problem {
    pub(crate) fn new(
        key: impl Into<String>,
        expected: impl Into<String>,
        found: impl fmt::Display,
    ) -> Self {
        Self {
            key: key.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.key, self.expected, self.found
        )
    }
}

/// A configuration that is not used, with the file and everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type; names line, column and key.
    #[error("{}: {message}", file.display())]
    Malformed { file: PathBuf, message: String },
    #[error("{}: {}", file.display(), list(problems))]
    Invalid {
        file: PathBuf,
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n  ")
}

/// Reads `file`, then lets `check` collect what types cannot say.
pub(crate) fn read<T: DeserializeOwned>(
    file: &Path,
    check: impl FnOnce(&T) -> Vec<Problem>,
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    parse(file, &text, check)
}

pub(crate) fn parse<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    check: impl FnOnce(&T) -> Vec<Problem>,
) -> Result<T, ConfigError> {
    let config: T = toml::from_str(text).map_err(|error| ConfigError::Malformed {
        file: file.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })?;
    let problems = check(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    Err(ConfigError::Invalid {
        file: file.to_owned(),
        problems,
    })
}
