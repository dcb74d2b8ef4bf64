//! Devices that announce themselves to Home Assistant: which entities there are, and what a
//! message on one of their topics says.

use std::collections::{BTreeMap, BTreeSet};

use zhiban_vocabulary::device::{DeviceIdentity, InputState};
use zhiban_vocabulary::measurement::Reading;
use zhiban_vocabulary::report::Observation;

use super::discovery::{self, Announced, Entity, Place};
use super::model::{
    Presence, Problem, Quantity, Said, Sample, Translated, mapping_cleared, needs_mapping, observe,
};
use super::template::Input;
use super::topics::Topics;

/// Entities one credential may announce.
pub(super) const ENTITIES_MAX: usize = 256;

/// What one credential has announced.
#[derive(Debug, Default)]
pub(super) struct Home {
    /// By the topic they were announced on.
    announced: BTreeMap<String, Vec<Entity>>,
    /// Entities some value of which could not be read, by name.
    troubled: BTreeSet<String>,
    /// Devices it speaks for.
    blocks: BTreeSet<String>,
    identity: Option<DeviceIdentity>,
}

impl Home {
    /// Takes a discovery message.
    pub(super) fn announce(
        &mut self,
        own: &Topics,
        presence: &mut Presence,
        topic: &str,
        place: Place<'_>,
        payload: &[u8],
    ) -> Translated {
        let before = self.presence_topics(topic);
        let result = match payload.is_empty() {
            true => Ok(self.remove(topic)),
            false => discovery::read(own, place, payload)
                .and_then(|announced| self.keep(topic, announced)),
        };
        let said = result.map(|mut said| {
            said.extend(self.forget(presence, before));
            Translated::said(said)
        });
        said.into()
    }

    /// Where it is said whether the entities of a discovery message are there.
    fn presence_topics(&self, topic: &str) -> Vec<String> {
        let entities = self.announced.get(topic).into_iter().flatten();
        let all = entities.flat_map(|entity| &entity.availability);
        all.map(|availability| availability.topic.clone()).collect()
    }

    /// What nobody announces any more is neither here nor gone.
    fn forget(&self, presence: &mut Presence, before: Vec<String>) -> Option<Said> {
        let is_used = |topic: &String| {
            let mut all = self.announced.values().flatten();
            all.any(|entity| entity.availability.iter().any(|one| one.topic == *topic))
        };
        let unused: Vec<String> = before.into_iter().filter(|topic| !is_used(topic)).collect();
        for topic in &unused {
            presence.forget(topic);
        }
        let health = (!unused.is_empty()).then(|| presence.health()).flatten();
        health.map(Said::now)
    }

    fn keep(&mut self, topic: &str, announced: Announced) -> Result<Vec<Said>, Problem> {
        let others = self.announced.iter().filter(|(known, _)| *known != topic);
        let count: usize = others.map(|(_, entities)| entities.len()).sum();
        if count + announced.entities.len() > ENTITIES_MAX {
            let reason = format!("more than {ENTITIES_MAX} entities of one device");
            return Err(Problem::unreadable(reason));
        }
        let mut said: Vec<Said> = self.identify(announced.device).into_iter().collect();
        for gone in self.gone(topic, &announced.entities) {
            said.extend(self.clear(&gone));
        }
        for entity in &announced.entities {
            match &entity.template {
                Err(problem) => said.extend(self.trouble(&entity.name, problem)),
                Ok(_) => said.extend(self.clear(&entity.name)),
            }
        }
        self.announced.insert(topic.to_owned(), announced.entities);
        Ok(said)
    }

    fn remove(&mut self, topic: &str) -> Vec<Said> {
        let gone = self.gone(topic, &[]);
        self.announced.remove(topic);
        gone.iter().filter_map(|name| self.clear(name)).collect()
    }

    /// Names announced on the topic before, and no longer.
    fn gone(&self, topic: &str, now: &[Entity]) -> Vec<String> {
        let before = self.announced.get(topic).into_iter().flatten();
        let is_gone = |name: &&String| !now.iter().any(|entity| entity.name == **name);
        before
            .map(|entity| &entity.name)
            .filter(is_gone)
            .cloned()
            .collect()
    }

    fn trouble(&mut self, name: &str, problem: &str) -> Option<Said> {
        let is_news = self.troubled.insert(name.to_owned());
        is_news.then(|| needs_mapping(name, problem))
    }

    fn clear(&mut self, name: &str) -> Option<Said> {
        self.troubled.remove(name).then(|| mapping_cleared(name))
    }

    /// A credential that speaks for several devices is none of them.
    fn identify(&mut self, block: Option<discovery::Block>) -> Option<Said> {
        let block = block.filter(|block| !block.is_child)?;
        // Two are enough to know that it is several.
        if self.blocks.len() < 2 {
            self.blocks.insert(block.key);
        }
        let said = block.identity;
        let is_news = said != DeviceIdentity::default() && self.identity.as_ref() != Some(&said);
        if self.blocks.len() > 1 || !is_news {
            return None;
        }
        self.identity = Some(said.clone());
        Some(Said::now(Observation::Identity(said)))
    }

    /// Takes a message on any other topic; `None` where no entity has to do with it.
    pub(super) fn hear(
        &mut self,
        presence: &mut Presence,
        topic: &str,
        payload: &[u8],
    ) -> Option<Translated> {
        let text = String::from_utf8_lossy(payload);
        let input = Input::new(&text);
        let mut is_known = false;
        let (mut said, mut samples, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
        let mut problem = None;
        for entity in self.announced.values().flatten() {
            is_known |= entity.other_topics.iter().any(|known| known == topic);
            if let Some(is_here) = availability(entity, topic, &input, &mut is_known) {
                said.extend(presence.note(topic, is_here).map(Said::now));
            }
            if entity.state_topic.as_deref() != Some(topic) {
                continue;
            }
            is_known = true;
            match value(entity, &input) {
                Value::Nothing => {}
                Value::Contact(on) => said.push(contact(entity, on)),
                Value::Reading(reading) => samples.push(self.sample(entity, reading)),
                Value::Unclear(why) => problem = Some(why),
                Value::Raw(why) => {
                    troubles.push((entity.name.clone(), why));
                    samples.push(Sample::plain(&entity.name, Reading::text(&text)));
                }
            }
        }
        for (name, why) in troubles {
            said.extend(self.trouble(&name, &why));
        }
        said.extend(observe(samples));
        is_known.then(|| Translated {
            problem: problem.map(Problem::unreadable),
            ..Translated::said(said)
        })
    }

    fn sample(&self, entity: &Entity, value: Reading) -> Sample {
        Sample {
            name: entity.name.clone(),
            quantity: entity.quantity,
            is_main: self.main(entity.quantity) == Some(&entity.name),
            value,
            unit: entity.unit.clone(),
            time: None,
        }
    }

    /// The entity that stands for the device: the first by name of those about the hall.
    fn main(&self, quantity: Quantity) -> Option<&String> {
        let all = self.announced.values().flatten();
        let fitting = all.filter(|entity| {
            entity.quantity == quantity && !entity.is_diagnostic && quantity != Quantity::Other
        });
        fitting.map(|entity| &entity.name).min()
    }
}

/// What a message says of one entity.
enum Value {
    Nothing,
    Contact(bool),
    Reading(Reading),
    /// Neither of the words the device announced.
    Unclear(String),
    /// The template cannot be run; kept as it came.
    Raw(String),
}

fn value(entity: &Entity, input: &Input<'_>) -> Value {
    let template = match &entity.template {
        Ok(template) => template,
        Err(problem) => return Value::Raw(problem.clone()),
    };
    let text = match template.as_ref().map(|template| template.apply(input)) {
        None => input.text().trim().to_owned(),
        Some(Ok(text)) => text,
        Some(Err(problem)) => return Value::Raw(problem),
    };
    // Home Assistant's word for "no value known".
    if text.is_empty() || text == "None" {
        return Value::Nothing;
    }
    match &entity.contact {
        None => Value::Reading(Reading::of(&text)),
        Some((on, _)) if *on == text => Value::Contact(true),
        Some((_, off)) if *off == text => Value::Contact(false),
        Some((on, off)) => {
            let name = &entity.name;
            Value::Unclear(format!(
                "{name}: expected {on:?} or {off:?}, found {text:?}"
            ))
        }
    }
}

fn contact(entity: &Entity, on: bool) -> Said {
    let input = entity.name.clone();
    Said::now(Observation::Input(InputState { input, on }))
}

/// Whether the device is there, if `topic` says so.
fn availability(
    entity: &Entity,
    topic: &str,
    input: &Input<'_>,
    is_known: &mut bool,
) -> Option<bool> {
    let mut all = entity.availability.iter();
    let found = all.find(|availability| availability.topic == topic)?;
    *is_known = true;
    let text = match &found.template {
        Some(template) => template.apply(input).ok()?,
        None => input.text().trim().to_owned(),
    };
    match text {
        text if text == found.here => Some(true),
        text if text == found.gone => Some(false),
        _ => None,
    }
}
