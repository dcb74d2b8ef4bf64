//! The topics a foreign device may use beside our own form: a list of prefixes a person gave it.
//!
//! A prefix is one or more levels; `+` stands for any one level, as in `+/tasmota_12AB34` or
//! `spBv1.0/hall/+/node-1`. Discovery roots are shared by all devices, so there only the form of a
//! topic is judged here; whose topics a discovery message names is judged when it is read.

/// Prefixes one device may have.
const PREFIXES_MAX: usize = 16;
const PREFIX_BYTES_MAX: usize = 128;
/// Roots that are ours or the standard's, whatever a list says.
const NEVER: [&str; 4] = ["te", "provision", "zhiban", ""];
pub(super) const HOME_ASSISTANT: &str = "homeassistant";
pub(super) const SPARKPLUG: &str = "spBv1.0";
const TASMOTA: &str = "tasmota";

/// The own prefixes of one device; empty for one that speaks our form only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topics(Vec<String>);

/// A prefix that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{prefix:?}: {text}")]
pub(crate) struct BadTopic {
    pub(crate) prefix: String,
    /// In one word, for programs.
    pub(crate) reason: &'static str,
    text: &'static str,
}

impl Topics {
    /// Reads what a person gave, without a slash at the ends.
    ///
    /// # Errors
    /// Names the prefix and what is wrong with it.
    pub(crate) fn check(given: &[String]) -> Result<Self, BadTopic> {
        if let Some(prefix) = given.get(PREFIXES_MAX) {
            return Err(BadTopic {
                prefix: prefix.clone(),
                reason: "topic-too-many",
                text: "is one too many",
            });
        }
        let mut checked: Vec<String> = Vec::new();
        for prefix in given {
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            check(prefix).map_err(|(reason, text)| BadTopic {
                prefix: prefix.to_owned(),
                reason,
                text,
            })?;
            if !checked.iter().any(|known| known == prefix) {
                checked.push(prefix.to_owned());
            }
        }
        Ok(Self(checked))
    }

    /// What was checked when it was stored.
    pub(crate) fn from_json(json: &str) -> Self {
        serde_json::from_str(json).map(Self).unwrap_or_default()
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_else(|_| "[]".into())
    }

    pub(crate) fn as_list(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A prefix of ours under which another device could speak too.
    pub(crate) fn clash<'t>(&'t self, other: &Self) -> Option<&'t str> {
        let clashes = |own: &&String| other.0.iter().any(|other| overlaps(own, other));
        self.0.iter().find(clashes).map(String::as_str)
    }

    /// Whether `topic` is one of the device's own.
    pub(crate) fn own(&self, topic: &str) -> bool {
        let root = topic.split('/').next().unwrap_or_default();
        if NEVER.contains(&root) || root.starts_with('$') {
            return false;
        }
        self.0.iter().any(|prefix| is_below(prefix, topic))
    }

    /// Whether the device may publish to `topic`: an own one, or one of a discovery.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        !self.0.is_empty() && (self.own(topic) || is_discovery(topic))
    }

    /// Whether all `filter` takes is the device's own.
    pub(crate) fn covers(&self, filter: &str) -> bool {
        let root = filter.split('/').next().unwrap_or_default();
        let is_named = !NEVER.contains(&root) && !root.starts_with(['$', '+', '#']);
        is_named && self.0.iter().any(|prefix| covers(prefix, filter))
    }
}

/// The reason in one word, and in words.
fn check(prefix: &str) -> Result<(), (&'static str, &'static str)> {
    let levels: Vec<&str> = prefix.split('/').collect();
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(("topic-length", "is too long"));
    }
    if prefix.chars().any(char::is_control) || levels.iter().any(|level| level.is_empty()) {
        return Err(("topic-level", "has an empty level or a control character"));
    }
    let is_plain = |level: &&str| *level == "+" || !level.contains(['+', '#']);
    if !levels.iter().all(is_plain) {
        return Err(("topic-wildcard", "may have + for a whole level, and no #"));
    }
    let named = levels.iter().filter(|level| **level != "+").count();
    match levels[0] {
        root if NEVER.contains(&root) || root.starts_with('$') => {
            Err(("topic-reserved", "is kept for the hall"))
        }
        HOME_ASSISTANT if levels.len() < 3 || named < levels.len() => {
            let text = "below homeassistant/ name component and object";
            Err(("topic-homeassistant", text))
        }
        SPARKPLUG => match levels[..] {
            [_, group, "+", node] if group != "+" && node != "+" && group != "STATE" => Ok(()),
            _ => Err((
                "topic-sparkplug",
                "write an edge node as spBv1.0/<group>/+/<node>",
            )),
        },
        TASMOTA => Err((
            "topic-tasmota",
            "the discovery of Tasmota needs no prefix, and its topics are +/<topic>",
        )),
        "+" if named == 0 || levels[1..].contains(&"+") => Err(("topic-unnamed", "names no level")),
        _ if named == 0 => Err(("topic-unnamed", "names no level")),
        _ => Ok(()),
    }
}

/// Whether `topic` is `prefix` or below it.
fn is_below(prefix: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    prefix.split('/').all(|wanted| {
        levels
            .next()
            .is_some_and(|level| wanted == "+" || wanted == level)
    })
}

fn covers(prefix: &str, filter: &str) -> bool {
    let mut levels = filter.split('/');
    prefix.split('/').all(|wanted| match levels.next() {
        None | Some("#") => false,
        Some(level) => wanted == "+" || wanted == level,
    })
}

fn overlaps(one: &str, other: &str) -> bool {
    let levels = one.split('/').zip(other.split('/'));
    levels
        .into_iter()
        .all(|(one, other)| one == "+" || other == "+" || one == other)
}

/// Whether `topic` has the form of a discovery message.
fn is_discovery(topic: &str) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    match levels[..] {
        [HOME_ASSISTANT, component, object, "config"] => {
            !component.is_empty() && !object.is_empty()
        }
        [HOME_ASSISTANT, component, node, object, "config"] => {
            !component.is_empty() && !node.is_empty() && !object.is_empty()
        }
        [TASMOTA, "discovery", mac, "config" | "sensors"] => !mac.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(prefixes: &[&str]) -> Topics {
        let given: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        Topics::check(&given).unwrap()
    }

    #[test]
    fn a_prefix_names_something_of_its_own() {
        for good in [
            "esp-hall",
            "+/tasmota_12AB34",
            "spBv1.0/hall/+/n1",
            "a/+/b/",
            "zigbee2mqtt",
        ] {
            assert!(Topics::check(&[good.into()]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "+",
            "+/+",
            "#",
            "a/#",
            "a//b",
            "te/device/tm-1",
            "te",
            "$SYS",
            "provision",
            "zhiban/1",
            "homeassistant",
            "homeassistant/sensor",
            "homeassistant/+/x/y",
            "spBv1.0/hall",
            "spBv1.0/+/+/n1",
            "spBv1.0/STATE/+/n1",
            "tasmota/discovery",
            "a\u{7}",
            "a+/b",
        ] {
            assert!(Topics::check(&[bad.into()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_device_speaks_below_its_own_prefixes_only() {
        let own = topics(&["esp-hall", "+/device", "spBv1.0/hall/+/n1"]);
        for good in [
            "esp-hall",
            "esp-hall/sensor/t/state",
            "tele/device/SENSOR",
            "spBv1.0/hall/NBIRTH/n1",
            "spBv1.0/hall/DDATA/n1/d",
            "homeassistant/sensor/a/config",
            "tasmota/discovery/AB/sensors",
            "homeassistant/sensor/a/b/config",
        ] {
            assert!(own.may_publish(good), "{good}");
        }
        for bad in [
            "te/device/tm-1///e/x",
            "te/device",
            "esp-hall-2/x",
            "spBv1.0/hall/NBIRTH/n2",
            "spBv1.0/STATE/h",
            "homeassistant/status",
            "homeassistant/sensor/a/state",
            "provision/device",
            "tasmota/discovery/AB",
            "$SYS/device",
        ] {
            assert!(!own.may_publish(bad), "{bad}");
        }
        assert!(!Topics::default().may_publish("homeassistant/sensor/a/config"));
    }

    #[test]
    fn a_device_hears_below_its_own_prefixes_only() {
        let own = topics(&["esp-hall", "+/tas"]);
        for good in ["esp-hall/#", "esp-hall/+/command", "cmnd/tas/#", "esp-hall"] {
            assert!(own.covers(good), "{good}");
        }
        for bad in [
            "#",
            "+/#",
            "+/tas",
            "esp-+/x",
            "te/tas/#",
            "cmnd/#",
            "cmnd/tasmotas/#",
        ] {
            assert!(!own.covers(bad), "{bad}");
        }
    }

    #[test]
    fn two_devices_cannot_have_the_same_topics() {
        let one = topics(&["a/b", "+/tas"]);
        for clashing in ["a", "a/b/c", "tele/tas", "+/b"] {
            assert!(one.clash(&topics(&[clashing])).is_some(), "{clashing}");
        }
        for apart in ["a/c", "b", "+/other/x"] {
            // `+/tas` and `b` overlap where b speaks below b/tas.
            let clash = one.clash(&topics(&[apart]));
            assert_eq!(clash.is_some(), apart == "b", "{apart}");
        }
    }
}
