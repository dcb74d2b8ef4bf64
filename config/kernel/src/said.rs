//! What the programs say to people, in Chinese and English.

use std::fmt;

/// Language of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Zh,
    En,
}

impl Language {
    /// That of the environment (`LC_ALL`, `LC_MESSAGES`, `LANG`); English when it says nothing.
    #[must_use]
    pub fn of_environment() -> Self {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty());
        match named {
            Some(value) if value.starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub zh: String,
    pub en: String,
}

impl Said {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// What is the same in both: numbers, paths, words of other programs.
    pub fn same(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self {
            zh: text.clone(),
            en: text,
        }
    }

    #[must_use]
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.zh,
            Language::En => &self.en,
        }
    }

    /// Several sentences as one.
    #[must_use]
    pub fn joined(parts: &[Self]) -> Self {
        let of = |language, between: &str| {
            let texts: Vec<_> = parts.iter().map(|part| part.text(language)).collect();
            texts.join(between)
        };
        Self::new(of(Language::Zh, "；"), of(Language::En, "; "))
    }

    /// Both languages in one line, for whoever reads it without having chosen one.
    #[must_use]
    pub fn both(&self) -> String {
        match self.zh == self.en {
            true => self.en.clone(),
            false => format!("{} · {}", self.zh, self.en),
        }
    }
}

/// What is the same in both languages.
impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::same(text)
    }
}
