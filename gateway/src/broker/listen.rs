//! What a device hears: its subscriptions, retained messages, and what the router brings.

use rumqttd::Notification;
use rumqttd::local::{LinkError, LinkRx};
use rumqttd::protocol::RetainForwardRule;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{self, Message, reason};
use super::bus::{ANSWER_TIME_MAX, Heard, Passing};
use super::connection::{Connection, End};
use super::packet::{Qos, Wanted};
use super::retained::{self, Kept};
use super::rights::{Form, matches};
use super::sessions::{Granted, Subscribed};

/// How long the router may take to bring what was under way to a closed link.
const REST_TIME_MAX: Duration = Duration::from_secs(1);

/// A SUBSCRIBE that is answered once the router knows of it.
#[derive(Debug)]
pub(super) struct Awaiting {
    packet_id: u16,
    codes: Vec<u8>,
    /// Filters whose retained messages are sent then.
    retained: Vec<(String, Qos)>,
}

/// The next word of the router; never for a connection without a link.
pub(super) async fn next(link: &mut Option<LinkRx>) -> Result<Option<Notification>, LinkError> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<S> {
    /// Only a device that listens has a link.
    pub(super) async fn open_link(&mut self, resume: bool) {
        let (bus, client) = (&self.shared.bus, self.device.to_string());
        let keep = self.session_s != Some(0);
        // Noted first: it must be closed also when the answer comes too late.
        self.seat.link();
        match bus.open(self.number, client, resume, keep).await {
            Ok(link) => self.link = Some(link),
            Err(error) => tracing::error!(device = %self.device, %error, "no link to the router"),
        }
    }

    pub(super) async fn subscribe(&mut self, packet_id: u16, wanted: Vec<Wanted>) {
        let mut awaiting = Awaiting {
            packet_id,
            codes: Vec::with_capacity(wanted.len()),
            retained: Vec::new(),
        };
        let mut new = Vec::new();
        for wanted in wanted {
            let code = match self.grant(&wanted) {
                Ok((subscribed, form)) => {
                    let is_new = subscribed == Subscribed::New;
                    if wants_retained(&wanted.retained, is_new) {
                        let filter = wanted.filter.clone();
                        awaiting.retained.push((filter, wanted.qos));
                    }
                    // Other forms are not the router's.
                    if is_new && form == Form::Ours {
                        new.push(wanted.filter);
                    }
                    wanted.qos as u8
                }
                Err(code) => code,
            };
            awaiting.codes.push(code);
        }
        if new.is_empty() {
            return self.subscribed(awaiting).await;
        }
        if self.link.is_none() {
            self.open_link(false).await;
        }
        let bus = &self.shared.bus;
        if self.link.is_some() && bus.subscribe(self.number, packet_id, new).await.is_ok() {
            self.awaiting.push_back(awaiting);
        } else {
            awaiting.codes.fill(reason::UNSPECIFIED);
            let codes = &awaiting.codes;
            answer::suback(&mut self.line.output, self.version, packet_id, codes);
        }
    }

    fn grant(&self, wanted: &Wanted) -> Result<(Subscribed, Form), u8> {
        let form = self.rights.filter(&wanted.filter).inspect_err(|_| {
            metrics::counter!("zhiban_mqtt_filters_refused_total").increment(1);
            tracing::warn!(device = %self.device, filter = ?wanted.filter, "subscription refused");
        })?;
        if self.outbox.is_full() {
            return Err(reason::QUOTA);
        }
        let granted = Granted {
            qos: wanted.qos,
            no_local: wanted.no_local,
        };
        let sessions = &self.shared.sessions;
        match sessions.subscribe(&self.device, &wanted.filter, granted) {
            Subscribed::TooMany => Err(reason::QUOTA),
            subscribed => Ok((subscribed, form)),
        }
    }

    /// Says SUBACK and sends what is retained. The router listens by now, so nothing falls
    /// between the two; what comes in this moment may come twice.
    async fn subscribed(&mut self, awaiting: Awaiting) {
        let Awaiting {
            packet_id,
            codes,
            retained,
        } = awaiting;
        answer::suback(&mut self.line.output, self.version, packet_id, &codes);
        if retained.is_empty() {
            return;
        }
        let (prefix, device) = (self.rights.prefix().to_owned(), self.device.clone());
        let read = move |connection: &_| {
            let mut kept = retained::below(connection, &prefix)?;
            kept.extend(retained::foreign(connection, &device)?);
            Ok(kept)
        };
        match self.shared.store.read(read).await {
            Ok(kept) => {
                for kept in kept {
                    self.send_kept(kept, &retained);
                }
            }
            Err(error) => {
                tracing::error!(device = %self.device, %error, "retained messages cannot be read");
            }
        }
        self.send_words(&retained);
    }

    pub(super) fn send_kept(&mut self, kept: Kept, filters: &[(String, Qos)]) {
        let fitting = filters
            .iter()
            .filter(|(filter, _)| matches(filter, &kept.topic))
            .map(|(_, qos)| *qos);
        let Some(granted) = fitting.max() else { return };
        self.send(Message {
            topic: kept.topic.into(),
            payload: kept.payload.into(),
            properties: None,
            qos: granted.min(kept.qos),
            retain: true,
        });
    }

    pub(super) async fn unsubscribe(&mut self, packet_id: u16, filters: Vec<String>) {
        let (mut codes, mut gone) = (Vec::new(), Vec::new());
        for filter in filters {
            if self.shared.sessions.unsubscribe(&self.device, &filter) {
                codes.push(reason::OK);
                gone.push(filter);
            } else {
                codes.push(reason::NO_SUBSCRIPTION);
            }
        }
        if !gone.is_empty() && self.link.is_some() {
            // A router that is gone sends nothing either.
            let _ = self.shared.bus.unsubscribe(self.number, gone).await;
        }
        answer::unsuback(&mut self.line.output, self.version, packet_id, &codes);
    }

    /// Takes a word of the router.
    pub(super) async fn hear(
        &mut self,
        heard: Result<Option<Notification>, LinkError>,
    ) -> Result<(), End> {
        let Ok(heard) = heard else {
            // Reports go on being taken without a router; the watchdog tells the rest.
            tracing::error!(device = %self.device, "the router has closed the link");
            self.link = None;
            return Ok(());
        };
        match heard.map_or(Heard::Nothing, Heard::from) {
            Heard::Message(passing) => self.send_heard(*passing),
            Heard::Subscribed(packet_id) => {
                let is_meant = |awaiting: &Awaiting| awaiting.packet_id == packet_id;
                if let Some(at) = self.awaiting.iter().position(is_meant)
                    && let Some(awaiting) = self.awaiting.remove(at)
                {
                    self.subscribed(awaiting).await;
                }
            }
            Heard::Paused => self.ask_for_more().await,
            Heard::Nothing => {}
        }
        Ok(())
    }

    async fn ask_for_more(&mut self) {
        if let Some(link) = &self.link {
            // A router that does not listen is the watchdog's to tell.
            let _ = tokio::time::timeout(ANSWER_TIME_MAX, link.wake()).await;
        }
    }

    /// Takes what was under way when the link was closed. Nothing may be asked of the router.
    pub(super) async fn hear_rest(&mut self) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        let rest = async {
            while let Ok(heard) = link.next().await {
                if let Some(Heard::Message(passing)) = heard.map(Heard::from) {
                    self.send_heard(*passing);
                }
            }
        };
        let _ = tokio::time::timeout(REST_TIME_MAX, rest).await;
    }

    /// A message goes out at the lower of the QoS it came with and the one granted.
    fn send_heard(&mut self, passing: Passing) {
        let Ok(topic) = std::str::from_utf8(&passing.topic) else {
            return;
        };
        let Some(granted) = self.shared.sessions.granted(&self.device, topic) else {
            return;
        };
        self.send(Message {
            qos: granted.min(passing.qos),
            topic: passing.topic,
            payload: passing.payload,
            properties: passing.properties,
            retain: false,
        });
    }

    pub(super) fn send(&mut self, message: Message) {
        if self.packet_bytes_max != usize::MAX {
            // The device said what it takes; what is larger must not be sent.
            let mut packet = BytesMut::new();
            let packet_id = (message.qos == Qos::AtLeastOnce).then_some(1);
            answer::publish(&mut packet, self.version, &message, packet_id, false);
            if packet.len() > self.packet_bytes_max {
                return;
            }
        }
        self.outbox.push(message);
    }
}

fn wants_retained(rule: &RetainForwardRule, is_new: bool) -> bool {
    match rule {
        RetainForwardRule::OnEverySubscribe => true,
        RetainForwardRule::OnNewSubscribe => is_new,
        RetainForwardRule::Never => false,
    }
}
