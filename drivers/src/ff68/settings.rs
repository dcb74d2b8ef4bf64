//! `settings` of an `ff68` device.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use zhiban_vocabulary::{CounterId, QueueId};

use super::table::{Meaning, Table, Template, WrittenEvent, WrittenTemplate};
use crate::SettingsError;
use crate::link::{Link, LinkSettings};
use crate::scale::Best;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    link: LinkSettings,
    counters: BTreeMap<String, String>,
    best: Option<Best>,
    #[serde(default)]
    queues: BTreeMap<String, String>,
    #[serde(default)]
    windows: BTreeMap<String, String>,
    window_queue: Option<String>,
    poll: Option<String>,
    poll_ms: Option<u64>,
    timeout_ms: Option<u64>,
    retries: Option<u32>,
    repeat_ms: Option<u64>,
    #[serde(default)]
    events: Vec<WrittenEvent>,
    #[serde(default)]
    templates: BTreeMap<String, WrittenTemplate>,
}

/// Checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) link: Link,
    pub(super) table: Table,
    /// Of each address.
    pub(super) counters: BTreeMap<u8, CounterId>,
    best: Option<Best>,
    queues: BTreeMap<String, QueueId>,
    windows: BTreeMap<String, CounterId>,
    /// Where a ticket waits that is sent to a window.
    pub(super) window_queue: Option<QueueId>,
    /// What asks a caller; absent when callers speak by themselves.
    pub(super) poll: Option<Template>,
    pub(super) poll_every: Duration,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    /// A frame that comes again within this time is the same press.
    pub(super) repeat: Duration,
}

pub(super) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(unfold(table)?)?;
    let table = Table::check(written.events, written.templates)?;
    if table.means(Meaning::Evaluation) && written.best.is_none() {
        let expected = "1 or 5, whichever is the best score, beside an evaluation";
        return Err(SettingsError::new("best", expected, "nothing"));
    }
    let window_queue = written.window_queue.map(|queue| id("window_queue", &queue)).transpose()?;
    if table.means(Meaning::TransferWindow) && window_queue.is_none() {
        let expected = "a queue id, beside a transfer-window";
        return Err(SettingsError::new("window_queue", expected, "nothing"));
    }
    let poll = written.poll.map(|name| table.named("poll", &name)).transpose()?;
    if poll.as_ref().is_some_and(Template::has_fields) {
        return Err(SettingsError::new("poll", "a template without fields", "one with"));
    }
    if written.poll_ms.is_some() && poll.is_none() {
        return Err(SettingsError::new("poll_ms", "nothing without poll", "a value"));
    }
    let retries = written.retries.unwrap_or(2);
    if retries > 10 {
        return Err(SettingsError::new("retries", "0 to 10", retries));
    }
    Ok(Settings {
        link: written.link.check()?,
        table,
        counters: counters(written.counters)?,
        best: written.best,
        queues: ids("queues", written.queues)?,
        windows: ids("windows", written.windows)?,
        window_queue,
        poll,
        poll_every: time("poll_ms", written.poll_ms, 500, 20..=60_000)?,
        timeout: time("timeout_ms", written.timeout_ms, 300, 20..=10_000)?,
        retries,
        repeat: time("repeat_ms", written.repeat_ms, 1_000, 0..=60_000)?,
    })
}

/// A form asks for the table as one text, `table`, in the same words as the configuration has.
fn unfold(mut settings: toml::Table) -> Result<toml::Table, SettingsError> {
    let text = match settings.remove("table") {
        None => return Ok(settings),
        Some(toml::Value::String(text)) => text,
        Some(other) => return Err(SettingsError::new("table", "a text", other.type_str())),
    };
    let expected = "TOML with `events`, and `templates` where something is sent";
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::new("table", expected, error.message()))?;
    for (key, value) in table {
        if !["events", "templates"].contains(&&key[..]) {
            return Err(SettingsError::new(&format!("table.{key}"), expected, "an unknown key"));
        }
        if settings.insert(key.clone(), value).is_some() {
            return Err(SettingsError::new(&key, "here or in `table`", "both"));
        }
    }
    Ok(settings)
}

fn time(
    key: &str,
    written: Option<u64>,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Duration, SettingsError> {
    let value = written.unwrap_or(default);
    if !range.contains(&value) {
        let expected = format!("{} to {}", range.start(), range.end());
        return Err(SettingsError::new(key, expected, value));
    }
    Ok(Duration::from_millis(value))
}

fn id<T: std::str::FromStr<Err = zhiban_vocabulary::IdError>>(
    key: &str,
    text: &str,
) -> Result<T, SettingsError> {
    text.parse().map_err(|error: zhiban_vocabulary::IdError| {
        SettingsError::new(key, format!("a {}", error.kind), error)
    })
}

fn ids<T: std::str::FromStr<Err = zhiban_vocabulary::IdError>>(
    table: &str,
    written: BTreeMap<String, String>,
) -> Result<BTreeMap<String, T>, SettingsError> {
    let pair = |(code, text): (String, String)| {
        let id = id(&format!("{table}.{code}"), &text)?;
        Ok((code, id))
    };
    written.into_iter().map(pair).collect()
}

fn counters(written: BTreeMap<String, String>) -> Result<BTreeMap<u8, CounterId>, SettingsError> {
    let mut counters: BTreeMap<u8, CounterId> = BTreeMap::new();
    for (address, counter) in written {
        let key = format!("counters.{address}");
        let number: Option<u8> = address.parse().ok();
        let expected = "an address from 0 to 255";
        let number = number.ok_or_else(|| SettingsError::new(&key, expected, address))?;
        let counter: CounterId = id(&key, &counter)?;
        let is_twice = counters.values().any(|other| *other == counter);
        if is_twice || counters.insert(number, counter).is_some() {
            return Err(SettingsError::new(&key, "each address and counter once", "it twice"));
        }
    }
    if counters.is_empty() {
        return Err(SettingsError::new("counters", "the counter of each address", "none"));
    }
    Ok(counters)
}

impl Settings {
    pub(super) fn best(&self) -> Option<Best> {
        self.best
    }

    /// The queue a caller names; the one of the same name unless the table says otherwise.
    pub(super) fn queue(&self, code: &str) -> Option<QueueId> {
        let mapped = self.queues.get(code).cloned();
        mapped.or_else(|| code.parse().ok())
    }

    pub(super) fn window(&self, code: &str) -> Option<CounterId> {
        let mapped = self.windows.get(code).cloned();
        mapped.or_else(|| code.parse().ok())
    }

    pub(super) fn address(&self, counter: &CounterId) -> Option<u8> {
        let of = |(_, other): &(&u8, &CounterId)| *other == counter;
        self.counters.iter().find(of).map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "link = { tcp = 'h:4001' }\ncounters = { 1 = '3' }\n";
    const NEXT: &str = "[[events]]\ncmd = 0x43\nmeans = 'call-next'\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        let keys = |more: &str| format!("{LINK}{more}\n{NEXT}");
        check(&keys(""), "poll: None");
        check(&keys("pol = 'x'"), "settings.pol");
        check(&keys("best = 3"), "settings.best: expected 1 or 5");
        check(&keys("retries = 11"), "settings.retries: expected 0 to 10");
        check(&keys("timeout_ms = 1"), "settings.timeout_ms: expected 20 to 10000, found 1");
        check(&keys("repeat_ms = 60001"), "settings.repeat_ms");
        check(&keys("poll_ms = 100"), "settings.poll_ms: expected nothing without poll");
        check(&keys("poll = 'ask'"), "settings.poll: expected one of: , found ask");
        check(&keys("queues = { 1 = 'a b' }"), "settings.queues.1: expected a queue id");
        check(&keys("windows = { 1 = '' }"), "settings.windows.1: expected a counter id");
        let counters = |counters: &str| {
            format!("link = {{ tcp = 'h:1' }}\ncounters = {{ {counters} }}\n{NEXT}")
        };
        check(&counters(""), "settings.counters: expected the counter of each address");
        check(&counters("256 = '3'"), "settings.counters.256: expected an address");
        check(&counters("1 = '3', 2 = '3'"), "settings.counters.2: expected each address and counter once");
        check(LINK, "settings.events: expected at least one, found none");
    }

    #[test]
    fn a_form_sends_the_table_as_a_text() {
        let table = "events = [{ cmd = 0x43, means = 'call-next', reply = 'ack' }]\n\
            templates = { ack = { cmd = 6 } }\n";
        let written = decode(toml::from_str(&format!("{LINK}{table}")).unwrap());
        assert!(written.is_ok(), "{written:?}");
        let with = |table: &str| {
            let mut settings: toml::Table = toml::from_str(LINK).unwrap();
            settings.insert("table".into(), table.into());
            decode(settings)
        };
        assert_eq!(with(table), written);
        let refused = |table: &str| with(table).unwrap_err().to_string();
        assert!(refused("events = [").starts_with("settings.table: expected TOML with `events`"));
        assert!(refused("retries = 1").starts_with("settings.table.retries"));
        assert!(refused("").starts_with("settings.events: expected at least one"));
        check(&format!("{LINK}table = 3"), "settings.table: expected a text");
        check(&format!("{LINK}table = 'events = []'\nevents = []"), "here or in `table`");
    }

    fn events(text: &str, expected: &str) {
        check(&format!("{LINK}{text}"), expected);
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused_as_a_whole() {
        let event = |cmd: u8, data: &str, means: &str, more: &str| {
            format!("[[events]]\ncmd = {cmd}\ndata = '{data}'\nmeans = '{means}'\n{more}\n")
        };
        let next = event(1, "", "call-next", "");
        events(
            &(next.clone() + &event(1, "..", "recall", "")),
            "settings.events[1].data: expected data that no other event of this cmd takes, found some of events[0]",
        );
        events(&(next.clone() + &event(1, "01", "recall", "")), "Recall");
        events(&(next.clone() + &event(2, "", "recall", "")), "Recall");
        events(&event(1, "", "login", ""), "settings.events[0].data: expected a field {employee:…}");
        events(
            &event(1, "{score:u8}", "recall", ""),
            "settings.events[0].data: expected only fields of Recall, found {score:…}",
        );
        events(&event(1, "4G", "recall", ""), "found 4G");
        events(&event(1, "", "sing", ""), "settings.events");
        events(&event(1, "{score:u8}", "evaluation", ""), "settings.best: expected 1 or 5");
        events(&event(1, "{window:u8}", "transfer-window", ""), "settings.window_queue");
        events(&event(1, "", "recall", "reply = 'ack'"), "settings.events[0].reply: expected one of");
    }

    #[test]
    fn a_template_says_only_what_is_known() {
        let with = |event: &str, template: &str| {
            let event = format!("[[events]]\ncmd = 1\nreply = 'ack'\n{event}\n");
            format!("{event}[templates.ack]\ncmd = 6\ndata = '{template}'")
        };
        let recall = "means = 'recall'\ndata = '{ticket:bcd2}'";
        events(&with(recall, "01 {ticket:ascii4}"), "Recall");
        events(
            &with(recall, "{window:u8}"),
            "settings.events[0].reply: expected fields of the event only, found {window:…} in ack",
        );
        events(&with(recall, ".."), "settings.templates.ack.data: expected bytes and fields");
        let login = "means = 'login'\ndata = '{employee:bcd2} {password:ascii}'";
        events(&with(login, "{employee:bcd2}"), "Login");
        events(&with(login, "{password:ascii}"), "settings.templates.ack.data");
        check(
            &format!("{LINK}poll = 'ask'\n{NEXT}[templates.ask]\ncmd = 1\ndata = '{{ticket:u8}}'"),
            "settings.poll: expected a template without fields",
        );
    }
}
