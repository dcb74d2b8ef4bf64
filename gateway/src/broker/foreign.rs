//! What a connection does for a device that speaks another form than ours.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Message;
use super::connection::Connection;
use super::intake::Batch;
use super::packet::{Publish, Qos};
use super::retained::{self, Kept};
use crate::conventions::Translator;

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<S> {
    /// Takes up what the device announced before: its retained messages say it.
    pub(super) async fn take_up_form(&mut self) {
        if self.rights.topics().is_empty() {
            return;
        }
        let device = self.device.clone();
        let read = move |connection: &_| Ok(retained::foreign(connection, &device)?);
        let kept = self.shared.store.read(read).await.unwrap_or_else(|error| {
            tracing::error!(device = %self.device, %error, "what it announced cannot be read");
            Vec::new()
        });
        let kept: Vec<_> = kept
            .into_iter()
            .map(|kept| (kept.topic, kept.payload))
            .collect();
        let (topics, now) = (self.rights.topics().clone(), self.shared.clock.now());
        let offset = self.shared.mqtt.tasmota_offset();
        self.translator = Some(Translator::new(topics, offset, &kept, now));
    }

    /// Sorts a message into the batch; what its form wants to be answered is sent.
    pub(super) fn sort(&mut self, batch: &mut Batch, publish: Publish) {
        let translator = self.translator.as_mut();
        batch.take(
            &self.shared,
            &self.device,
            &self.rights,
            translator,
            publish,
        );
        for (topic, payload) in batch.take_orders() {
            self.tell(topic, payload, false);
        }
    }

    /// What the hall itself says in other forms, like a retained message.
    pub(super) fn send_words(&mut self, filters: &[(String, Qos)]) {
        if self.rights.topics().is_empty() {
            return;
        }
        for (topic, payload) in self.shared.words.all(true) {
            let kept = Kept {
                topic,
                payload,
                qos: Qos::AtLeastOnce,
            };
            self.send_kept(kept, filters);
        }
    }

    /// The hall goes.
    pub(super) fn say_goodbye(&mut self) {
        if self.rights.topics().is_empty() {
            return;
        }
        for (topic, payload) in self.shared.words.all(false) {
            self.tell(topic, payload, true);
        }
        let (out, version) = (&mut self.line.output, self.version);
        self.outbox.pump(out, version, u16::MAX);
    }

    /// Sends a message of the hall, if the device listens there.
    fn tell(&mut self, topic: String, payload: Vec<u8>, retain: bool) {
        let granted = self.shared.sessions.granted(&self.device, &topic);
        let Some(qos) = granted else { return };
        self.send(Message {
            topic: Bytes::from(topic),
            payload: payload.into(),
            properties: None,
            qos,
            retain,
        });
    }
}
