//! From PUBLISH to PUBACK: what a device sent is on disk before anyone hears of it.

use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;
use zhiban_kernel::StoreError;
use zhiban_vocabulary::DeviceId;
use zhiban_vocabulary::report::{self, Kind};
use zhiban_vocabulary::topics::{DeviceTopic, below_device};

use super::Shared;
use super::answer::reason;
use super::bus::Passing;
use super::packet::Publish;
use super::retained::{self, Keep};
use super::rights::Rights;
use crate::conventions::{Problem, Said, Translator, measurements, unannounced};
use crate::journal::{DeadLetter, Door, Outcome, Redelivery, Submission};

/// What is kept of a message nobody was allowed to send.
const LETTER_BYTES: usize = 256;
const LETTER_TOPIC_CHARS: usize = 128;

/// Messages of one device that are committed together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    messages: Vec<Taken>,
    reports: Vec<Submission>,
    keeps: Vec<Keep>,
    letters: Vec<DeadLetter>,
    /// Messages to the device itself, which another form asks for.
    orders: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

/// One message of a batch, and where its outcome will be found.
#[derive(Debug)]
struct Taken {
    packet_id: Option<u16>,
    reports: Range<usize>,
    keep: Option<usize>,
    /// Reason code when nothing goes wrong.
    reason: u8,
    passing: Option<Passing>,
}

/// A message that is on disk.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) packet_id: Option<u16>,
    pub(super) reason: u8,
    /// For whoever listens.
    pub(super) passing: Option<Passing>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of all payloads, and of all reports that were made of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sorts a message by its topic.
    pub(super) fn take(
        &mut self,
        shared: &Shared,
        device: &DeviceId,
        rights: &Rights,
        translator: Option<&mut Translator>,
        publish: Publish,
    ) {
        self.bytes += publish.payload.len();
        let topic = match rights.topic(&publish.topic) {
            Ok(topic) => topic.to_owned(),
            Err(why) => return self.refuse(shared, device, &publish, why),
        };
        let Some(rest) = topic.strip_prefix(rights.prefix()) else {
            return self.take_foreign(shared, device, translator, &topic, &publish);
        };
        let clears = publish.retain && publish.payload.is_empty();
        let below = below_device(rest);
        if below == DeviceTopic::Unknown && !clears {
            return self.refuse_unknown(shared, device, &publish);
        }
        // Retained it would be kept as it came.
        let is_private = matches!(below, DeviceTopic::Report(kind)
            if Kind::from_text(kind).is_some_and(Kind::is_private));
        let keeps = publish.retain && (clears || !is_private);
        let keep = keeps.then(|| self.keep(device, &topic, &publish));
        let first = self.reports.len();
        let report = match below {
            DeviceTopic::Alarm(alarm) if clears => Some((
                Kind::DeviceAlarm.as_str(),
                with_field("alarm", alarm, br#"{"severity":"cleared"}"#),
            )),
            // An empty retained payload clears any other topic; it reports nothing.
            _ if clears => None,
            DeviceTopic::Report(kind) => match measurements(rest, kind, &publish.payload) {
                Some(said) => {
                    self.report_all(device, said, &topic, &publish);
                    None
                }
                None => Some((kind, publish.payload.clone())),
            },
            DeviceTopic::Registration => {
                Some((Kind::DeviceIdentity.as_str(), publish.payload.clone()))
            }
            DeviceTopic::Alarm(alarm) => Some((
                Kind::DeviceAlarm.as_str(),
                with_field("alarm", alarm, &publish.payload),
            )),
            DeviceTopic::Command { id, .. } => Some((
                Kind::CommandState.as_str(),
                with_field("command", id, &publish.payload),
            )),
            DeviceTopic::Other | DeviceTopic::Unknown => None,
        };
        self.reports.extend(
            report.map(|(kind, payload)| submission(device, kind, payload, &topic, &publish, 0)),
        );
        self.messages.push(Taken {
            packet_id: publish.packet_id,
            reports: first..self.reports.len(),
            keep,
            reason: reason::OK,
            passing: Some(Passing {
                topic: publish.topic,
                payload: publish.payload,
                properties: publish.properties,
                qos: publish.qos,
            }),
        });
    }

    /// Takes a message of another form. Nobody but the hall hears it.
    fn take_foreign(
        &mut self,
        shared: &Shared,
        device: &DeviceId,
        translator: Option<&mut Translator>,
        topic: &str,
        publish: &Publish,
    ) {
        let Some(translator) = translator else {
            return self.refuse(shared, device, publish, "no other form is expected of it");
        };
        let now = shared.clock.now();
        let translated = translator.take(topic, &publish.payload, publish.retain, now);
        let keeps = publish.retain && translated.holds;
        let keep = keeps.then(|| self.keep(device, topic, publish));
        let first = self.reports.len();
        self.report_all(device, translated.said, topic, publish);
        if let Some(problem) = translated.problem
            && shared.sessions.may_bury(device)
        {
            self.letters.push(unclear_letter(device, publish, &problem));
        }
        for (topic, payload) in translator.overdue(now) {
            let early = Publish {
                topic: Bytes::from(topic),
                payload: Bytes::from(payload),
                properties: None,
                ..*publish
            };
            if shared.sessions.may_bury(device) {
                self.letters
                    .push(unclear_letter(device, &early, &unannounced()));
            }
        }
        self.orders.extend(translated.orders);
        self.messages.push(Taken {
            packet_id: publish.packet_id,
            reports: first..self.reports.len(),
            keep,
            reason: if translated.holds {
                reason::OK
            } else {
                reason::PAYLOAD_INVALID
            },
            passing: None,
        });
    }

    fn keep(&mut self, device: &DeviceId, topic: &str, publish: &Publish) -> usize {
        self.keeps.push(Keep {
            device: Some(device.clone()),
            topic: topic.to_owned(),
            payload: publish.payload.clone(),
            qos: publish.qos,
        });
        self.keeps.len() - 1
    }

    /// The reports one message made.
    fn report_all(&mut self, device: &DeviceId, said: Vec<Said>, topic: &str, publish: &Publish) {
        for (part, said) in (0..=u16::MAX).zip(said) {
            let kind = said.observation.kind().as_str();
            let payload = Bytes::from(report::compose(&said.observation, said.time, None));
            self.bytes += payload.len();
            let submitted = submission(device, kind, payload, topic, publish, part);
            self.reports.push(submitted);
        }
    }

    /// What another form wants to be said to the device itself.
    pub(super) fn take_orders(&mut self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.orders)
    }

    /// A forbidden message is kept as a dead letter and acknowledged, so that the device does not
    /// send it for ever; a device that does it all the time fills no table.
    fn refuse(&mut self, shared: &Shared, device: &DeviceId, publish: &Publish, why: &str) {
        self.bury(shared, device, letter(device, publish, why));
        self.messages.push(refused(publish, reason::NOT_AUTHORIZED));
    }

    /// A topic below the device's own that is none of the form: a slash too few loses no report
    /// without a trace.
    fn refuse_unknown(&mut self, shared: &Shared, device: &DeviceId, publish: &Publish) {
        let why =
            format!("expected te/device/{device}///e/<kind> or another topic of the contract");
        let letter = DeadLetter {
            code: "unknown-topic",
            ..letter(device, publish, &why)
        };
        self.bury(shared, device, letter);
        self.messages
            .push(refused(publish, reason::TOPIC_NAME_INVALID));
    }

    fn bury(&mut self, shared: &Shared, device: &DeviceId, letter: DeadLetter) {
        metrics::counter!("zhiban_mqtt_topics_refused_total").increment(1);
        if shared.sessions.may_bury(device) {
            self.letters.push(letter);
        }
    }

    /// Writes the batch. What a topic is to retain is written after the reports, because a report
    /// that is refused must not take the place of a good one.
    ///
    /// # Errors
    /// When something was not kept; then nothing of the batch may be acknowledged.
    pub(super) async fn commit(self, shared: &Shared) -> Result<Vec<Settled>, StoreError> {
        let Self {
            messages,
            reports,
            keeps,
            letters,
            ..
        } = self;
        let (outcomes, ()) = tokio::try_join!(submit(shared, reports), bury(shared, letters))?;
        let kept = keep(shared, worth_keeping(&messages, keeps, &outcomes)).await?;
        let settle = |taken: Taken| settle(taken, &outcomes, &kept);
        Ok(messages.into_iter().map(settle).collect())
    }
}

/// A payload with what its topic says written into it, so that the journal has both. What is no
/// JSON object stays as it is and is refused as that.
fn with_field(name: &str, value: &str, payload: &[u8]) -> Bytes {
    let Some(fields) = payload.trim_ascii_start().strip_prefix(b"{") else {
        return Bytes::copy_from_slice(payload);
    };
    let is_empty = fields.trim_ascii_start().starts_with(b"}");
    let comma = if is_empty { "" } else { "," };
    let mut whole = format!("{{{name:?}:{}{comma}", Value::from(value)).into_bytes();
    whole.extend(fields);
    whole.into()
}

fn submission(
    device: &DeviceId,
    kind: &str,
    payload: Bytes,
    topic: &str,
    publish: &Publish,
    part: u16,
) -> Submission {
    let redelivery = publish.packet_id.map(|packet_id| Redelivery {
        packet_id,
        part,
        again: publish.again,
    });
    Submission {
        door: Door::Mqtt,
        device: device.clone(),
        kind: kind.to_owned(),
        payload,
        topic: Some(topic.to_owned()),
        redelivery,
    }
}

fn refused(publish: &Publish, reason: u8) -> Taken {
    Taken {
        packet_id: publish.packet_id,
        reports: 0..0,
        keep: None,
        reason,
        passing: None,
    }
}

fn letter(device: &DeviceId, publish: &Publish, why: &str) -> DeadLetter {
    let topic: String = String::from_utf8_lossy(&publish.topic)
        .chars()
        .take(LETTER_TOPIC_CHARS)
        .collect();
    let beginning = &publish.payload[..publish.payload.len().min(LETTER_BYTES)];
    DeadLetter {
        door: Door::Mqtt,
        device: Some(device.clone()),
        topic: Some(topic),
        code: "topic-not-permitted",
        reason: why.to_owned(),
        payload: Bytes::copy_from_slice(beginning),
        size: publish.payload.len(),
    }
}

/// A message of another form that was not understood, whole: a person has to look at it.
fn unclear_letter(device: &DeviceId, publish: &Publish, problem: &Problem) -> DeadLetter {
    DeadLetter {
        code: problem.code,
        payload: publish.payload.clone(),
        ..letter(device, publish, &problem.reason)
    }
}

/// `None` for what was refused.
fn worth_keeping(messages: &[Taken], keeps: Vec<Keep>, outcomes: &[Outcome]) -> Vec<Option<Keep>> {
    let mut keeps: Vec<_> = keeps.into_iter().map(Some).collect();
    for taken in messages {
        if let (Some(at), true) = (taken.keep, is_refused(taken, outcomes)) {
            keeps[at] = None;
        }
    }
    keeps
}

fn own_outcomes<'o>(taken: &Taken, outcomes: &'o [Outcome]) -> &'o [Outcome] {
    outcomes.get(taken.reports.clone()).unwrap_or_default()
}

fn is_refused(taken: &Taken, outcomes: &[Outcome]) -> bool {
    let mut own = own_outcomes(taken, outcomes).iter();
    own.any(|outcome| matches!(outcome, Outcome::DeadLettered { .. }))
}

async fn submit(shared: &Shared, reports: Vec<Submission>) -> Result<Vec<Outcome>, StoreError> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    shared.journal.submit(reports).await
}

async fn keep(shared: &Shared, keeps: Vec<Option<Keep>>) -> Result<Vec<bool>, StoreError> {
    if keeps.is_empty() {
        return Ok(Vec::new());
    }
    let now = shared.clock.now();
    let write = move |connection: &_| Ok(retained::apply(connection, &keeps, now)?);
    shared.store.write(write).await
}

async fn bury(shared: &Shared, letters: Vec<DeadLetter>) -> Result<(), StoreError> {
    for letter in letters {
        shared.journal.bury(letter).await?;
    }
    Ok(())
}

fn settle(taken: Taken, outcomes: &[Outcome], kept: &[bool]) -> Settled {
    let has_room = taken.keep.and_then(|at| kept.get(at)).copied();
    let mut own = own_outcomes(&taken, outcomes).iter();
    let (reason, passes) = if is_refused(&taken, outcomes) {
        (reason::PAYLOAD_INVALID, false)
    } else if own.any(|outcome| *outcome == Outcome::Duplicate) {
        // It was passed on when it came first.
        (reason::OK, false)
    } else if has_room == Some(false) {
        (reason::QUOTA, true)
    } else {
        (taken.reason, true)
    };
    Settled {
        packet_id: taken.packet_id,
        reason,
        passing: taken.passing.filter(|_| passes),
    }
}

#[cfg(test)]
mod tests {
    use zhiban_vocabulary::measurement::{Measurement, Reading};
    use zhiban_vocabulary::report::Observation;

    use super::super::packet::Qos;
    use super::*;

    #[test]
    fn what_is_made_of_a_message_counts_as_its_bytes() {
        let publish = Publish {
            packet_id: None,
            qos: Qos::AtMostOnce,
            again: false,
            retain: false,
            topic: "own/x".into(),
            payload: "7".into(),
            properties: None,
        };
        let said = (0..100).map(|number| Said {
            time: None,
            observation: Observation::Measurement(Measurement {
                name: format!("part-{number}"),
                value: Reading::of("7"),
                unit: None,
            }),
        });
        let mut batch = Batch::default();
        batch.report_all(&"esp".parse().unwrap(), said.collect(), "own/x", &publish);
        let reports: usize = batch
            .reports
            .iter()
            .map(|report| report.payload.len())
            .sum();
        assert!(reports > 2_000);
        assert_eq!(batch.bytes(), reports);
    }
}
