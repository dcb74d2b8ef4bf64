//! `settings` of an `http-pad` device.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::rating::Rating;
use zhiban_vocabulary::{CounterId, IdError};

use super::request::{BadRequest, Fields};
use crate::SettingsError;
use crate::scale::Best;

/// Longest reason in characters.
const REASON_MAX: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    best: Best,
    #[serde(default)]
    fields: Names,
    #[serde(default)]
    only: BTreeMap<String, String>,
    #[serde(default)]
    windows: BTreeMap<String, String>,
    repeat_s: Option<u64>,
    hook_key: Option<String>,
}

/// What the pad calls its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Names {
    score: String,
    ticket: String,
    counter: String,
    employee: String,
    reason: Option<String>,
}

impl Default for Names {
    /// Those of `QueueCity.AddScore`, the interface of 浪潮 (Inspur) halls.
    fn default() -> Self {
        Self {
            score: "ItemScore".into(),
            ticket: "QueueNum".into(),
            counter: "WindowID".into(),
            employee: "EmpNo".into(),
            reason: None,
        }
    }
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    best: Best,
    names: Names,
    /// Fields a request must have; others are refused.
    only: BTreeMap<String, String>,
    windows: BTreeMap<String, CounterId>,
    /// The same rating within this time is one.
    pub(super) repeat: Duration,
}

pub(super) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    crate::settings::check_hook_key(written.hook_key.as_deref())?;
    let names = written.fields;
    let mut all = vec![&names.score, &names.ticket, &names.counter, &names.employee];
    all.extend(&names.reason);
    all.sort();
    if all.first().is_some_and(|name| name.is_empty()) {
        return Err(SettingsError::new("fields", "names", "an empty one"));
    }
    if let Some(twice) = all.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SettingsError::new("fields", "a name for each", format!("{} twice", twice[0])));
    }
    let window = |(window, counter): (String, String)| {
        let key = format!("windows.{window}");
        let bad = |error| SettingsError::new(&key, "a counter id", error);
        Ok((window, counter.parse().map_err(bad)?))
    };
    let repeat_s = written.repeat_s.unwrap_or(5);
    if repeat_s > 3_600 {
        return Err(SettingsError::new("repeat_s", "0 to 3600", repeat_s));
    }
    Ok(Settings {
        best: written.best,
        only: written.only,
        windows: written.windows.into_iter().map(window).collect::<Result<_, SettingsError>>()?,
        repeat: Duration::from_secs(repeat_s),
        names,
    })
}

impl Settings {
    /// The rating a request asks for; `None` when nobody pressed in time.
    pub(super) fn rating(&self, fields: &Fields) -> Result<Option<Rating>, BadRequest> {
        for (name, expected) in &self.only {
            if fields.get(name)? != Some(expected) {
                return Err(bad(name, format!("expected {expected}")));
            }
        }
        let names = &self.names;
        let raw = fields.get(&names.score)?;
        let raw = raw.ok_or_else(|| bad(&names.score, "missing"))?;
        if raw.is_empty() {
            return Ok(None);
        }
        let score = raw.parse().ok().and_then(|code| self.best.score(code));
        let score = score.ok_or_else(|| bad(&names.score, "expected 1 to 5, or nothing"))?;
        let counter = id(fields, &names.counter, |text| match self.windows.get(text) {
            Some(counter) => Ok(counter.clone()),
            None => text.parse(),
        })?;
        Ok(Some(Rating {
            counter,
            ticket: id(fields, &names.ticket, str::parse)?,
            staff: id(fields, &names.employee, str::parse)?,
            reason: self.reason(fields)?,
            raw: Some(raw.to_owned()),
            ..Rating::of(score)
        }))
    }

    fn reason(&self, fields: &Fields) -> Result<Option<String>, BadRequest> {
        let Some(name) = &self.names.reason else {
            return Ok(None);
        };
        let text = fields.get(name)?.filter(|text| !text.is_empty());
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
        Ok(text.map(clean))
    }
}

/// An empty field is one that is not there.
fn id<T>(
    fields: &Fields,
    name: &str,
    read: impl Fn(&str) -> Result<T, IdError>,
) -> Result<Option<T>, BadRequest> {
    let text = fields.get(name)?.filter(|text| !text.is_empty());
    let wrong = |error: IdError| bad(name, format!("expected {}", error.expected));
    text.map(read).transpose().map_err(wrong)
}

fn bad(name: &str, problem: impl Into<String>) -> BadRequest {
    BadRequest::Field(name.to_owned(), problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check("best = 1", "repeat: 5s");
        check("best = '5'", "Five");
        check("", "settings.best: expected a value, found nothing");
        check("best = 3", "settings.best: expected 1 or 5, whichever is the best score");
        check("best = 1\nworst = 5", "settings.worst");
        check("best = 1\nrepeat_s = 3601", "settings.repeat_s: expected 0 to 3600");
        check("best = 1\nfields = { rate = 'x' }", "settings.fields.rate");
        check("best = 1\nfields = { score = '' }", "settings.fields: expected names");
        check(
            "best = 1\nfields = { ticket = 'n', counter = 'n' }",
            "settings.fields: expected a name for each, found n twice",
        );
        check("best = 1\nwindows = { 1 = '' }", "settings.windows.1: expected a counter id");
    }

    fn rate(settings: &str, query: &str, expected: &str) {
        let settings = decode(toml::from_str(settings).unwrap()).unwrap();
        let fields = Fields::read(&[], "", query.as_bytes()).unwrap();
        let said = match settings.rating(&fields) {
            Ok(rating) => rating.map_or("none".into(), |rating| {
                serde_json::to_string(&rating).unwrap()
            }),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{query}");
    }

    #[test]
    fn a_request_is_a_rating_none_in_time_or_refused() {
        let full = "ItemScore=1&QueueNum=A001&WindowID=12&EmpNo=2001&token=secret";
        rate(
            "best = 1\nwindows = { 12 = '3' }",
            full,
            r#"{"score":5,"counter":"3","ticket":"A001","staff":"2001","raw":"1"}"#,
        );
        rate("best = 5", "ItemScore=1&EmpNo=", r#"{"score":1,"raw":"1"}"#);
        rate("best = 5", "ItemScore=", "none");
        rate("best = 5", "ItemScore=%20", "none");
        rate("best = 5", "Score=5", "ItemScore: missing");
        rate("best = 5", "ItemScore=0", "ItemScore: expected 1 to 5, or nothing");
        rate("best = 5", "ItemScore=5.0", "ItemScore: expected 1 to 5, or nothing");
        rate("best = 5", "ItemScore=5&ItemScore=4", "ItemScore: given twice and not alike");
        rate(
            "best = 5",
            "ItemScore=5&QueueNum=A+1",
            "QueueNum: expected 1-24 letters or digits and inner '.', '_', '-'",
        );
        let only = "best = 5\nonly = { Service = 'QueueCity.AddScore' }";
        rate(only, "Service=QueueCity.AddScore&ItemScore=4", r#"{"score":4,"raw":"4"}"#);
        rate(only, "Service=QueueCity.GetUserInfo", "Service: expected QueueCity.AddScore");
        let reason = "best = 5\nfields = { score = 's', reason = 'r' }";
        rate(reason, "s=2&r=%E6%85%A2%0A", r#"{"score":2,"reason":"慢","raw":"2"}"#);
    }
}
