//! Reads what a device announces of itself in Home Assistant's form (`…/config`).
//! Specification: home-assistant.io, "MQTT discovery".

use serde_json::{Map, Value};
use zhiban_vocabulary::device::DeviceIdentity;

use super::model::{Problem, Quantity, mac, must_own};
use super::template::Template;
use super::topics::{HOME_ASSISTANT, Topics};

/// Longest name of an entity that is kept, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The short words we read; what we do not read may stay short.
const SHORT: [(&str, &str); 32] = [
    ("avty", "availability"),
    ("avty_t", "availability_topic"),
    ("avty_tpl", "availability_template"),
    ("cmps", "components"),
    ("cns", "connections"),
    ("dev", "device"),
    ("dev_cla", "device_class"),
    ("ent_cat", "entity_category"),
    ("hw", "hw_version"),
    ("ids", "identifiers"),
    ("json_attr_t", "json_attributes_topic"),
    ("mdl", "model"),
    ("mf", "manufacturer"),
    ("p", "platform"),
    ("pl_avail", "payload_available"),
    ("pl_not_avail", "payload_not_available"),
    ("pl_off", "payload_off"),
    ("pl_on", "payload_on"),
    ("sn", "serial_number"),
    ("stat_cla", "state_class"),
    ("stat_off", "state_off"),
    ("stat_on", "state_on"),
    ("stat_t", "state_topic"),
    ("stat_val_tpl", "state_value_template"),
    ("sw", "sw_version"),
    ("t", "topic"),
    ("unit_of_meas", "unit_of_measurement"),
    ("uniq_id", "unique_id"),
    ("val_tpl", "value_template"),
    ("o", "origin"),
    ("cmd_t", "command_topic"),
    ("cmd_off_t", "command_off_topic"),
];

/// Where a discovery message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'t> {
    pub(super) component: &'t str,
    node: Option<&'t str>,
    object: &'t str,
}

impl<'t> Place<'t> {
    /// `None` for any other topic.
    pub(super) fn of(topic: &'t str) -> Option<Self> {
        let levels: Vec<&str> = topic.split('/').collect();
        let (component, node, object) = match levels[..] {
            [HOME_ASSISTANT, component, object, "config"] => (component, None, object),
            [HOME_ASSISTANT, component, node, object, "config"] => (component, Some(node), object),
            _ => return None,
        };
        Some(Self {
            component,
            node,
            object,
        })
    }

    /// What reports call an entity of it.
    fn name(&self, part: Option<&str>) -> String {
        let words = [self.node, Some(self.object), part];
        let mut name = words.into_iter().flatten().collect::<Vec<_>>().join(".");
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        name
    }
}

/// What a discovery message announces.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Announced {
    pub(super) entities: Vec<Entity>,
    /// The device all of them belong to.
    pub(super) device: Option<Block>,
}

/// Who a device says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) identity: DeviceIdentity,
    /// By what it is told from other devices of the same credential.
    pub(super) key: String,
    /// It speaks through another.
    pub(super) is_child: bool,
}

/// One value a device announced.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entity {
    /// What reports call it.
    pub(super) name: String,
    pub(super) state_topic: Option<String>,
    /// Known, and nothing is read from them.
    pub(super) other_topics: Vec<String>,
    /// `Err`: why it needs a person.
    pub(super) template: Result<Option<Template>, String>,
    /// Texts for on and off, of a contact.
    pub(super) contact: Option<(String, String)>,
    pub(super) quantity: Quantity,
    /// Tells about the device rather than about the hall.
    pub(super) is_diagnostic: bool,
    pub(super) unit: Option<String>,
    pub(super) availability: Vec<Availability>,
}

/// One topic that says whether the device is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Availability {
    pub(super) topic: String,
    pub(super) here: String,
    pub(super) gone: String,
    pub(super) template: Option<Template>,
}

/// Reads a discovery message.
///
/// # Errors
/// Why nothing of it may hold: it is no such message, or names topics of others.
pub(super) fn read(own: &Topics, place: Place<'_>, payload: &[u8]) -> Result<Announced, Problem> {
    let config: Value = serde_json::from_slice(payload).map_err(|error| Problem {
        code: "bad-json",
        reason: error.to_string(),
    })?;
    let Value::Object(config) = config else {
        return Err(Problem::unreadable("a discovery message is a JSON object"));
    };
    let config = spelled_out(config);
    let device = config.get("device").and_then(Value::as_object);
    let device = device.map(|device| block(&spelled_out(device.clone())));
    if place.component != "device" {
        let entity = entity(own, place.component, place.name(None), &config)?;
        let entities = vec![entity];
        return Ok(Announced { entities, device });
    }
    let parts = config.get("components").and_then(Value::as_object);
    let parts = parts.ok_or_else(|| Problem::unreadable("no components in the device form"))?;
    let mut entities = Vec::new();
    for (part, own_words) in parts {
        let Value::Object(own_words) = own_words else {
            return Err(Problem::unreadable(format!(
                "component {part:?} is no object"
            )));
        };
        let mut words = shared(&config);
        words.extend(spelled_out(own_words.clone()));
        let platform = text(&words, "platform")
            .ok_or_else(|| Problem::unreadable(format!("component {part:?} has no platform")))?;
        // Only the platform: the part was taken away.
        if own_words.len() == 1 {
            continue;
        }
        entities.push(entity(own, &platform, place.name(Some(part)), &words)?);
    }
    Ok(Announced { entities, device })
}

/// What the device form says once for all parts.
fn shared(config: &Map<String, Value>) -> Map<String, Value> {
    let is_shared = |name: &str| {
        matches!(
            name,
            "~" | "state_topic" | "command_topic" | "encoding" | "qos"
        ) || name.starts_with("availability")
            || name.starts_with("payload_")
    };
    let words = config.iter().filter(|(name, _)| is_shared(name));
    words
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn spelled_out(words: Map<String, Value>) -> Map<String, Value> {
    let long = |name: String| {
        let found = SHORT.iter().find(|(short, _)| *short == name);
        found.map_or(name, |(_, long)| (*long).to_owned())
    };
    words
        .into_iter()
        .map(|(name, value)| (long(name), value))
        .collect()
}

/// A text, also where a device wrote a number or a truth value; Python's way of printing them.
fn text(words: &Map<String, Value>, name: &str) -> Option<String> {
    match words.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_topic(name: &str) -> bool {
    name == "topic" || name == "t" || name.ends_with("_topic") || name.ends_with("_t")
}

/// `~` at either end of a topic stands for the base.
fn based(topic: &str, base: Option<&str>) -> String {
    let Some(base) = base else {
        return topic.to_owned();
    };
    if let Some(rest) = topic.strip_prefix('~') {
        return format!("{base}{rest}");
    }
    match topic.strip_suffix('~') {
        Some(rest) => format!("{rest}{base}"),
        None => topic.to_owned(),
    }
}

fn entity(
    own: &Topics,
    component: &str,
    name: String,
    words: &Map<String, Value>,
) -> Result<Entity, Problem> {
    let base = text(words, "~");
    let mut other_topics = Vec::new();
    let mut state_topic = None;
    for (word, topic) in words.iter().filter(|(word, _)| is_topic(word)) {
        let Value::String(topic) = topic else {
            continue;
        };
        let topic = based(topic, base.as_deref());
        must_own(own, &topic)?;
        match word.as_str() {
            "state_topic" => state_topic = Some(topic),
            "availability_topic" => {}
            _ => other_topics.push(topic),
        }
    }
    let unit = text(words, "unit_of_measurement");
    let source = text(words, "value_template").or_else(|| text(words, "state_value_template"));
    let class = text(words, "device_class");
    let quantity = quantity(component, class.as_deref(), unit.as_deref(), words);
    Ok(Entity {
        name,
        state_topic,
        other_topics,
        template: source.map(|source| Template::new(&source)).transpose(),
        contact: (component == "binary_sensor").then(|| {
            let on = text(words, "payload_on").unwrap_or_else(|| "ON".into());
            (
                on,
                text(words, "payload_off").unwrap_or_else(|| "OFF".into()),
            )
        }),
        quantity,
        is_diagnostic: words.contains_key("entity_category"),
        unit,
        availability: availability(own, words, base.as_deref())?,
    })
}

/// Energy counts as ours only where the device says that it adds up.
fn quantity(
    component: &str,
    class: Option<&str>,
    unit: Option<&str>,
    words: &Map<String, Value>,
) -> Quantity {
    if component != "sensor" {
        return Quantity::Other;
    }
    let quantity = match (class, unit) {
        (Some(class), _) => Quantity::of_name(class),
        (None, Some(unit)) => Quantity::of_unit(unit),
        (None, None) => Quantity::Other,
    };
    let adds_up = text(words, "state_class").is_some_and(|class| class.starts_with("total"));
    match quantity {
        Quantity::Energy if !adds_up => Quantity::Other,
        quantity => quantity,
    }
}

fn availability(
    own: &Topics,
    words: &Map<String, Value>,
    base: Option<&str>,
) -> Result<Vec<Availability>, Problem> {
    let mut found = Vec::new();
    let mut add = |topic: Option<String>, words: &Map<String, Value>, template: &str| {
        let Some(topic) = topic else {
            return Ok(());
        };
        let topic = based(&topic, base);
        must_own(own, &topic)?;
        let template = text(words, template).and_then(|source| Template::new(&source).ok());
        found.push(Availability {
            topic,
            here: text(words, "payload_available").unwrap_or_else(|| "online".into()),
            gone: text(words, "payload_not_available").unwrap_or_else(|| "offline".into()),
            template,
        });
        Ok(())
    };
    add(
        text(words, "availability_topic"),
        words,
        "availability_template",
    )?;
    let list = match words.get("availability") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    for one in list.iter().filter_map(Value::as_object) {
        let words = spelled_out(one.clone());
        add(text(&words, "topic"), &words, "value_template")?;
    }
    Ok(found)
}

fn block(words: &Map<String, Value>) -> Block {
    let connections = words.get("connections").and_then(Value::as_array);
    let mac = connections.into_iter().flatten().find_map(|pair| {
        let pair = pair.as_array()?;
        match (pair.first()?.as_str()?, pair.get(1)?.as_str()?) {
            ("mac", address) => Some(mac(address)),
            _ => None,
        }
    });
    let identity = DeviceIdentity {
        vendor: text(words, "manufacturer"),
        model: text(words, "model"),
        serial: text(words, "serial_number"),
        firmware: text(words, "sw_version"),
        hardware: text(words, "hw_version"),
        mac,
    };
    let identifiers = words.get("identifiers").map(Value::to_string);
    let key = identifiers.or_else(|| words.get("connections").map(Value::to_string));
    Block {
        identity,
        key: key.unwrap_or_default(),
        is_child: words.contains_key("via_device"),
    }
}
