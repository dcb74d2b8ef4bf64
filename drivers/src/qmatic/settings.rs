//! `settings` of a `qmatic` device.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use zhiban_vocabulary::{CounterId, QueueId, ServiceId};

use crate::SettingsError;
use crate::link::http::{Base, Secret};

/// What an event means to the hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Meaning {
    Issued,
    Called,
    Recalled,
    Started,
    Finished,
    NoShow,
    Transferred,
    Cancelled,
    /// The counter: somebody signed on.
    Open,
    /// The counter: whoever sat there signed off.
    Closed,
    /// Known, and nothing to the hall.
    Nothing,
}

/// Names seen in public sources, and three that are not (see the README).
const EVENTS: &[(&str, Meaning)] = &[
    ("VISIT_CREATE", Meaning::Issued),
    ("VISIT_CALL", Meaning::Called),
    ("VISIT_RECALL", Meaning::Recalled),
    ("VISIT_CONFIRM", Meaning::Started),
    ("VISIT_START", Meaning::Started),
    ("VISIT_END", Meaning::Finished),
    ("VISIT_NOSHOW", Meaning::NoShow),
    ("VISIT_NO_SHOW", Meaning::NoShow),
    ("VISIT_TRANSFER_TO_QUEUE", Meaning::Transferred),
    ("VISIT_TRANSFER_TO_SERVICE_POINT_POOL", Meaning::Transferred),
    ("VISIT_TRANSFER_TO_USER_POOL", Meaning::Transferred),
    ("VISIT_RECYCLE", Meaning::Transferred),
    ("VISIT_REMOVE", Meaning::Cancelled),
    ("USER_SERVICE_POINT_SESSION_START", Meaning::Open),
    ("USER_SERVICE_POINT_SESSION_END", Meaning::Closed),
    ("VISIT_NEXT", Meaning::Nothing),
    ("VISIT_END_TRANSACTION", Meaning::Nothing),
    ("QUEUE_VISITS_UPDATED", Meaning::Nothing),
    ("USER_SESSION_START", Meaning::Nothing),
    ("USER_SESSION_END", Meaning::Nothing),
    ("SERVICE_POINT_OPEN", Meaning::Nothing),
    ("SERVICE_POINT_CLOSE", Meaning::Nothing),
    ("USER_SERVICE_POINT_WORK_PROFILE_SET", Meaning::Nothing),
    ("RESET", Meaning::Nothing),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    branch: Option<u64>,
    #[serde(default)]
    events: BTreeMap<String, Meaning>,
    #[serde(default)]
    counters: BTreeMap<String, String>,
    #[serde(default)]
    queues: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, String>,
    orchestra: Option<String>,
    hook: Option<Secret>,
    hook_key: Option<String>,
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `branchId` whose events count; all when there is none.
    pub(crate) branch: Option<u64>,
    events: BTreeMap<String, Meaning>,
    counters: BTreeMap<String, CounterId>,
    queues: BTreeMap<String, QueueId>,
    services: BTreeMap<String, ServiceId>,
    /// Where to register, and the address of ours that is registered there.
    pub(crate) register: Option<(Base, Secret)>,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    crate::settings::check_hook_key(written.hook_key.as_deref())?;
    let mut events: BTreeMap<String, Meaning> = EVENTS
        .iter()
        .map(|(name, meaning)| ((*name).to_owned(), *meaning))
        .collect();
    events.extend(written.events);
    let register = match (written.orchestra, written.hook) {
        (None, None) => None,
        (Some(orchestra), Some(hook)) => {
            Some((Base::read("orchestra", &orchestra)?, hook.check("hook")?))
        }
        (Some(_), None) => return Err(SettingsError::new("hook", "our address", "nothing")),
        (None, Some(_)) => {
            let expected = "the address to register at";
            return Err(SettingsError::new("orchestra", expected, "nothing"));
        }
    };
    Ok(Settings {
        branch: written.branch,
        events,
        counters: names("counters", written.counters)?,
        queues: names("queues", written.queues)?,
        services: names("services", written.services)?,
        register,
    })
}

fn names<T>(
    key: &str,
    written: BTreeMap<String, String>,
) -> Result<BTreeMap<String, T>, SettingsError>
where
    T: FromStr<Err: Display>,
{
    let check = |(theirs, ours): (String, String)| {
        let key = format!("{key}.{theirs}");
        let ours = ours
            .parse()
            .map_err(|error| SettingsError::new(&key, "a name", error))?;
        Ok((theirs, ours))
    };
    written.into_iter().map(check).collect()
}

/// The name of the table, else Orchestra's name where it can be one, else `<kind>-<id>`.
fn named<T: FromStr + Clone>(
    table: &BTreeMap<String, T>,
    kind: &str,
    id: Option<&str>,
    name: Option<&str>,
) -> Option<T> {
    let keys = [id, name].into_iter().flatten();
    let mut set = keys.filter_map(|key| table.get(key));
    let by_name = || name.and_then(|name| name.parse().ok());
    let by_id = || id.and_then(|id| format!("{kind}-{id}").parse().ok());
    set.next().cloned().or_else(by_name).or_else(by_id)
}

impl Settings {
    /// `None` for an event nobody has told of.
    pub(crate) fn meaning(&self, event: &str) -> Option<Meaning> {
        self.events.get(event).copied()
    }

    /// A counter by `servicePointLogicId`, which is its number, and `servicePointName`.
    pub(crate) fn counter(&self, number: Option<&str>, name: Option<&str>) -> Option<CounterId> {
        let keys = [number, name].into_iter().flatten();
        let mut set = keys.filter_map(|key| self.counters.get(key));
        let by_number = || number.and_then(|number| number.parse().ok());
        let by_name = || name.and_then(|name| name.parse().ok());
        set.next().cloned().or_else(by_number).or_else(by_name)
    }

    pub(crate) fn queue(&self, id: Option<&str>, name: Option<&str>) -> Option<QueueId> {
        named(&self.queues, "queue", id, name)
    }

    pub(crate) fn service(&self, id: Option<&str>, name: Option<&str>) -> Option<ServiceId> {
        named(&self.services, "service", id, name)
    }
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
        assert!(!answer.contains("hush"), "{answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check("", "branch: None");
        check("branch = 3", "branch: Some(3)");
        check("branch = 'x'", "settings.branch: expected u64");
        check("banch = 3", "settings.banch");
        check(
            "events = { VISIT_X = 'eaten' }",
            "settings.events.VISIT_X: expected",
        );
        check(
            "counters = { 1 = 'a b' }",
            "settings.counters.1: expected a name",
        );
        check("orchestra = 'http://o:8080'", "settings.hook: expected our address");
        check("hook = 'http://g/hush'", "settings.orchestra: expected the address");
        check(
            "orchestra = 'https://o'\nhook = 'http://g/hush'",
            "settings.orchestra: expected http://",
        );
    }

    #[test]
    fn names_are_those_of_the_tables_before_those_of_orchestra() {
        let text = "counters = { 1 = 'A', 'Window 22' = '22' }\nqueues = { 11 = '现金' }\n\
                    events = { VISIT_NEXT = 'finished', OURS = 'called' }";
        let settings = decode(toml::from_str(text).unwrap()).unwrap();
        let counter = |number, name| settings.counter(number, name).map(|it| it.to_string());
        assert_eq!(counter(Some("1"), Some("Counter 1")).as_deref(), Some("A"));
        assert_eq!(counter(Some("9"), Some("Window 22")).as_deref(), Some("22"));
        assert_eq!(counter(Some("2"), Some("Counter 2")).as_deref(), Some("2"));
        assert_eq!(counter(None, None), None);
        let queue = |id, name| settings.queue(id, name).map(|it| it.to_string());
        assert_eq!(queue(Some("11"), Some("Queue 1")).as_deref(), Some("现金"));
        assert_eq!(queue(Some("12"), Some("Transfers")).as_deref(), Some("Transfers"));
        assert_eq!(queue(Some("12"), Some("Queue 2")).as_deref(), Some("queue-12"));
        assert_eq!(settings.meaning("VISIT_NEXT"), Some(Meaning::Finished));
        assert_eq!(settings.meaning("OURS"), Some(Meaning::Called));
        assert_eq!(settings.meaning("VISIT_CALL"), Some(Meaning::Called));
        assert_eq!(settings.meaning("VISIT_SMELL"), None);
    }
}
