//! What a device may say and hear: what is below its own `te/device/<id>/`, and nothing else. One
//! that speaks another form has prefixes of its own beside it, which never reach the router.
//!
//! Nothing that fails here may reach the router: it stops for good on some topics.

use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::topics::device_prefix;

use super::answer::reason;
use super::packet::TOPIC_BYTES_MAX;
use crate::conventions::Topics;

/// The own topics of one device.
#[derive(Debug)]
pub(super) struct Rights {
    prefix: String,
    topics: Topics,
    /// Topics the hall speaks on in other forms.
    words: Vec<String>,
}

/// Which form a filter is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Ours,
    Foreign,
}

impl Rights {
    pub(super) fn of(device: &DeviceId) -> Self {
        Self::with(device, Topics::default(), Vec::new())
    }

    /// Of a device that speaks another form too.
    pub(super) fn with(device: &DeviceId, topics: Topics, words: Vec<String>) -> Self {
        Self {
            prefix: device_prefix(device),
            topics,
            words,
        }
    }

    /// Empty for a device that speaks our form only.
    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic as text, if the device may publish to it.
    pub(super) fn topic<'t>(&self, topic: &'t [u8]) -> Result<&'t str, &'static str> {
        let topic = std::str::from_utf8(topic).map_err(|_| "topic is not UTF-8")?;
        if topic.len() > TOPIC_BYTES_MAX {
            return Err("topic is too long");
        }
        if topic.contains(['+', '#', '\0']) {
            return Err("topic with a wildcard or NUL");
        }
        if !topic.starts_with(&self.prefix) && !self.topics.may_publish(topic) {
            return Err("topic is not below te/device/<own id>/");
        }
        Ok(topic)
    }

    /// Whether the device may subscribe to `filter`; if not, the reason code.
    pub(super) fn filter(&self, filter: &str) -> Result<Form, u8> {
        if filter.starts_with("$share/") {
            return Err(reason::NO_SHARED);
        }
        let form = match filter.starts_with(&self.prefix) {
            true => Form::Ours,
            false if self.topics.covers(filter) || self.hears_words(filter) => Form::Foreign,
            false => return Err(reason::NOT_AUTHORIZED),
        };
        if filter.len() > TOPIC_BYTES_MAX || filter.contains('\0') || !has_valid_wildcards(filter) {
            return Err(reason::FILTER_INVALID);
        }
        Ok(form)
    }

    /// A filter that takes what the hall says there; nothing of other devices comes that way.
    fn hears_words(&self, filter: &str) -> bool {
        let takes = |word: &String| matches(filter, word);
        !self.topics.is_empty() && !filter.starts_with(['+', '#']) && self.words.iter().any(takes)
    }
}

fn has_valid_wildcards(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        let valid = match level {
            "+" => true,
            "#" => last,
            _ => !level.contains(['+', '#']),
        };
        if !valid {
            return false;
        }
    }
    true
}

/// Whether `filter` takes `topic`; both have been checked.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_speaks_below_its_own_id_only() {
        let rights = Rights::of(&"tm-1".parse().unwrap());
        for good in ["te/device/tm-1///e/ticket.issued", "te/device/tm-1/"] {
            assert!(rights.topic(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "排队机/1",
            "te/device/tm-1",
            "te/device/tm-10///e/x",
            "te/device/tm-2///e/x",
            "te/device/tm-1///e/+",
            "te/device/tm-1/#",
            "te/device/tm-1/\0",
            "$SYS/x",
        ] {
            assert!(rights.topic(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(rights.topic(b"te/device/tm-1/\xff").is_err());
    }

    #[test]
    fn a_device_hears_below_its_own_id_only() {
        let rights = Rights::of(&"tm-1".parse().unwrap());
        for good in [
            "te/device/tm-1/#",
            "te/device/tm-1///cmd/+/+",
            "te/device/tm-1/+/x",
        ] {
            assert_eq!(rights.filter(good), Ok(Form::Ours), "{good}");
        }
        for (bad, code) in [
            ("#", 0x87),
            ("+/device/tm-1/x", 0x87),
            ("te/device/+/#", 0x87),
            ("te/device/tm-2/#", 0x87),
            ("$SYS/#", 0x87),
            ("排队机/#", 0x87),
            ("$share/g/te/device/tm-1/#", 0x9e),
            ("te/device/tm-1/#/x", 0x8f),
            ("te/device/tm-1/a+", 0x8f),
            ("te/device/tm-1/++", 0x8f),
        ] {
            assert_eq!(rights.filter(bad), Err(code), "{bad}");
        }
    }

    #[test]
    fn a_device_of_another_form_has_its_own_prefixes_beside() {
        let topics = Topics::check(&["esp-1".into()]).unwrap();
        let words = vec!["homeassistant/status".into()];
        let rights = Rights::with(&"tm-1".parse().unwrap(), topics, words);
        assert!(rights.topic(b"esp-1/sensor/t/state").is_ok());
        assert!(rights.topic(b"homeassistant/sensor/t/config").is_ok());
        assert!(rights.topic(b"esp-2/sensor/t/state").is_err());
        assert!(rights.topic(b"homeassistant/status").is_err());
        for good in ["esp-1/#", "homeassistant/status"] {
            assert_eq!(rights.filter(good), Ok(Form::Foreign), "{good}");
        }
        for (bad, code) in [
            ("#", 0x87),
            ("esp-2/#", 0x87),
            ("esp-1/#/x", 0x8f),
            ("+/status", 0x87),
        ] {
            assert_eq!(rights.filter(bad), Err(code), "{bad}");
        }
    }

    #[test]
    fn filters_take_what_the_standard_says() {
        for (filter, topic, expect) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a//b", "a//b", true),
            ("a/b", "a/b/", false),
        ] {
            assert_eq!(matches(filter, topic), expect, "{filter} {topic}");
        }
    }
}
