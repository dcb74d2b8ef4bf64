//! What a person is asked when adding a device, in both languages: `form.toml` of each driver.

use serde::{Deserialize, Serialize};

use crate::modbus::map;

/// The questions of one driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// What the device is, such as `Modbus 温湿度传感器`.
    pub title: Words,
    /// One sentence: what the driver is for.
    pub about: Words,
    /// Written from a specification: nobody has seen it work with a real device or program.
    #[serde(default)]
    pub unproven: bool,
    #[serde(default, rename = "field")]
    pub fields: Vec<Field>,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub zh: String,
    pub en: String,
}

/// One question; `key` is the path below `settings`, such as `link.tcp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub key: String,
    pub kind: FieldKind,
    pub label: Words,
    #[serde(default)]
    pub help: Option<Words>,
    /// Shown to begin with.
    #[serde(default)]
    pub default: Option<String>,
    /// For [`FieldKind::Choice`]. `$maps` stands for the register maps we ship.
    #[serde(default)]
    pub choices: Vec<String>,
    /// What each choice is, where its name does not say it.
    #[serde(default)]
    pub titles: Vec<String>,
    #[serde(default)]
    pub required: bool,
}

/// How a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// The whole `link` table: a serial port with its speed, or `host:port`.
    Link,
    /// `host:port`
    Peer,
    Text,
    /// A text of many lines, such as a table from a maker's manual.
    Lines,
    Number,
    Flag,
    Choice,
    /// Not shown again.
    Secret,
    /// Pairs of texts, such as window numbers of counters.
    Pairs,
}

impl Form {
    /// # Errors
    /// What is wrong with the text; every shipped form is read by a test.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut form: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for field in &mut form.fields {
            if field.choices == ["$maps"] {
                let maps = map::names().into_iter();
                let named = maps.map(|name| {
                    let title = title(&map::text(&name).unwrap_or_default());
                    (name, title)
                });
                (field.choices, field.titles) = named.unzip();
            }
        }
        Ok(form)
    }
}

/// What a register map says it is.
fn title(map: &str) -> String {
    let map: toml::Table = map.parse().unwrap_or_default();
    let title = map.get("title").and_then(toml::Value::as_str);
    title.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_asks_in_both_languages() {
        for driver in crate::DRIVERS {
            let form = Form::read(driver.form).unwrap_or_else(|e| panic!("{}: {e}", driver.name));
            let words = [&form.title, &form.about].into_iter();
            for words in words.chain(form.fields.iter().map(|field| &field.label)) {
                assert!(
                    !words.zh.is_empty() && !words.en.is_empty(),
                    "{}",
                    driver.name
                );
            }
            for field in &form.fields {
                // What must not be shown again is taken out of the settings by its key.
                assert!(field.kind != FieldKind::Secret || !field.key.contains('.'));
                let is_choice = field.kind == FieldKind::Choice;
                assert_eq!(is_choice, !field.choices.is_empty(), "{}", field.key);
                let is_told = [0, field.choices.len()].contains(&field.titles.len());
                assert!(is_told && field.titles.iter().all(|title| !title.is_empty()));
            }
        }
    }

    /// Forms send pairs as texts, also where a driver counts with them.
    #[test]
    fn every_pair_may_be_written_as_text() {
        let mut pairs = 0;
        for driver in crate::DRIVERS {
            let fields = Form::read(driver.form).unwrap().fields.into_iter();
            for field in fields.filter(|field| field.kind == FieldKind::Pairs) {
                let pair = toml::Table::from_iter([("1".to_owned(), "1".into())]);
                let table = toml::Table::from_iter([(field.key.clone(), pair.into())]);
                if let Err(error) = (driver.build)(table) {
                    let is_text = error.found.starts_with("string");
                    assert!(!is_text, "{}: {error}", driver.name);
                }
                pairs += 1;
            }
        }
        assert!(pairs >= 10, "only {pairs}");
    }

    /// A key the driver does not know would be a question nobody can answer.
    #[test]
    fn every_question_is_a_key_of_the_settings() {
        for driver in crate::DRIVERS {
            for field in Form::read(driver.form).unwrap().fields {
                let top = field.key.split('.').next().unwrap();
                let mut table = toml::Table::new();
                table.insert(
                    top.to_owned(),
                    toml::Value::Datetime("1979-05-27".parse().unwrap()),
                );
                let Err(error) = (driver.build)(table) else {
                    panic!("{}: {top} takes a date", driver.name)
                };
                let unknown = format!("settings.{top}: ");
                let is_unknown =
                    error.to_string().starts_with(&unknown) && error.found == "an unknown key";
                assert!(!is_unknown, "{}: {error}", driver.name);
            }
        }
    }
}
