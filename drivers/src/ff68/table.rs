//! The table: which frames mean what, and what is sent. Refused as a whole when it contradicts itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::frame::Frame;
use super::pattern::{Field, Pattern, Values};
use crate::SettingsError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenEvent {
    cmd: u8,
    #[serde(default)]
    data: String,
    means: Meaning,
    reply: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTemplate {
    cmd: u8,
    #[serde(default)]
    data: String,
}

/// What a frame of a caller or pad means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Meaning {
    Login,
    Logout,
    /// With a ticket it is called; without one the button was pressed.
    CallNext,
    Recall,
    Start,
    Finish,
    NoShow,
    /// 小休
    Pause,
    /// 示忙
    Busy,
    Resume,
    TransferQueue,
    TransferWindow,
    Evaluation,
    /// The answer to what was sent.
    Ack,
    /// Known, and nothing to report.
    Nothing,
}

impl Meaning {
    /// Fields that must be in its data, and fields that can.
    fn fields(self) -> (&'static [Field], &'static [Field]) {
        use Field::{Employee, Queue, Score, Ticket, Window};
        match self {
            Self::Login => (&[Employee], &[]),
            Self::CallNext | Self::Recall | Self::Start | Self::Finish | Self::NoShow => {
                (&[], &[Ticket, Employee])
            }
            Self::TransferQueue => (&[Queue], &[Ticket]),
            Self::TransferWindow => (&[Window], &[Ticket]),
            Self::Evaluation => (&[Score], &[Ticket, Employee]),
            Self::Logout | Self::Pause | Self::Busy | Self::Resume => (&[], &[Employee]),
            Self::Ack | Self::Nothing => (&[], &[]),
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    cmd: u8,
    data: Pattern,
    pub(super) means: Meaning,
    pub(super) reply: Option<Template>,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    cmd: u8,
    data: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    events: Vec<Event>,
    templates: BTreeMap<String, Template>,
}

impl Table {
    pub(super) fn check(
        events: Vec<WrittenEvent>,
        templates: BTreeMap<String, WrittenTemplate>,
    ) -> Result<Self, SettingsError> {
        let templates = templates.into_iter().map(|(name, written)| {
            let template = Template::check(&name, &written)?;
            Ok((name, template))
        });
        let mut table = Self {
            events: Vec::new(),
            templates: templates.collect::<Result<_, SettingsError>>()?,
        };
        if events.is_empty() {
            return Err(SettingsError::new("events", "at least one", "none"));
        }
        for (at, written) in events.into_iter().enumerate() {
            let event = table.event(at, written)?;
            table.events.push(event);
        }
        Ok(table)
    }

    fn event(&self, at: usize, written: WrittenEvent) -> Result<Event, SettingsError> {
        let key = |name: &str| format!("events[{at}].{name}");
        let data = pattern(&key("data"), &written.data)?;
        let (needed, allowed) = written.means.fields();
        let fields: Vec<Field> = data.fields().collect();
        if let Some(missing) = needed.iter().find(|field| !fields.contains(field)) {
            let expected = format!("a field {{{}:…}}", missing.as_str());
            return Err(SettingsError::new(&key("data"), expected, format!("\"{}\"", written.data)));
        }
        let is_of_it = |field: &Field| {
            *field == Field::Password || needed.contains(field) || allowed.contains(field)
        };
        if let Some(strange) = fields.iter().find(|field| !is_of_it(field)) {
            let found = format!("{{{}:…}}", strange.as_str());
            let expected = format!("only fields of {:?}", written.means);
            return Err(SettingsError::new(&key("data"), expected, found));
        }
        let both = |other: &Event| other.cmd == written.cmd && other.data.overlaps(&data);
        if let Some(other) = self.events.iter().position(both) {
            let expected = "data that no other event of this cmd takes";
            let found = format!("some of events[{other}]");
            return Err(SettingsError::new(&key("data"), expected, found));
        }
        let reply = match written.reply {
            Some(name) => Some(self.reply(&key("reply"), &name, &fields)?),
            None => None,
        };
        Ok(Event {
            cmd: written.cmd,
            data,
            means: written.means,
            reply,
        })
    }

    fn reply(&self, key: &str, name: &str, known: &[Field]) -> Result<Template, SettingsError> {
        let template = self.named(key, name)?;
        let is_known = |field: &Field| *field != Field::Password && known.contains(field);
        let strange = template.data.fields().find(|field| !is_known(field));
        let Some(field) = strange else {
            return Ok(template);
        };
        let found = format!("{{{}:…}} in {name}", field.as_str());
        Err(SettingsError::new(key, "fields of the event only", found))
    }

    /// A template by the name a setting gives it.
    pub(super) fn named(&self, key: &str, name: &str) -> Result<Template, SettingsError> {
        let known = || self.templates.keys().cloned().collect::<Vec<_>>().join(", ");
        let template = self.templates.get(name).cloned();
        template.ok_or_else(|| SettingsError::new(key, format!("one of: {}", known()), name))
    }

    pub(super) fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    pub(super) fn means(&self, meaning: Meaning) -> bool {
        self.events.iter().any(|event| event.means == meaning)
    }

    /// What a frame means, and its fields.
    pub(super) fn read(&self, frame: &Frame) -> Option<(&Event, Values)> {
        let of_cmd = self.events.iter().filter(|event| event.cmd == frame.cmd);
        let mut read = of_cmd.filter_map(|event| Some((event, event.data.read(&frame.data)?)));
        read.next()
    }

    /// Whether frames can hold what must not be shown.
    pub(super) fn has_secrets(&self) -> bool {
        let is_secret = |event: &Event| event.data.fields().any(|field| field == Field::Password);
        self.events.iter().any(is_secret)
    }

    /// The frame as it may be shown: without passwords, and without anything when nobody knows
    /// what it holds.
    pub(super) fn hide(&self, frame: &Frame) -> Frame {
        let data = match self.read(frame) {
            Some((event, _)) => event.data.hide(&frame.data),
            None => vec![b'*'; frame.data.len()],
        };
        Frame {
            data,
            ..frame.clone()
        }
    }
}

impl Template {
    fn check(name: &str, written: &WrittenTemplate) -> Result<Self, SettingsError> {
        let key = format!("templates.{name}.data");
        let data = pattern(&key, &written.data)?;
        if !data.is_definite() || data.fields().any(|field| field == Field::Password) {
            let expected = "bytes and fields, nothing left open and no password";
            return Err(SettingsError::new(&key, expected, format!("\"{}\"", written.data)));
        }
        let cmd = written.cmd;
        Ok(Self { cmd, data })
    }

    pub(super) fn has_fields(&self) -> bool {
        self.data.fields().next().is_some()
    }

    /// # Errors
    /// The field that is missing or does not fit.
    pub(super) fn fill(&self, address: u8, values: &Values) -> Result<Frame, String> {
        Ok(Frame {
            address,
            cmd: self.cmd,
            data: self.data.write(values)?,
        })
    }
}

fn pattern(key: &str, text: &str) -> Result<Pattern, SettingsError> {
    let expected = "bytes such as 4A, fields such as {ticket:ascii4}, {_:2} or ..";
    Pattern::parse(text).map_err(|found| SettingsError::new(key, expected, found))
}
