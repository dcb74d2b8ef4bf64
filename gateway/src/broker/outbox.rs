//! Messages on their way to one device: QoS 1 with a window, numbered here.
//!
//! The router's own QoS 1 ends a link whose device acknowledges out of order; here any order will
//! do, and retained messages and live ones share the numbers.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;

use super::answer::{self, Message};
use super::packet::{Qos, Version};

/// QoS 1 messages a device may leave unacknowledged.
const WINDOW: usize = 64;
/// Messages that may wait here; the rest waits in the router, where the oldest are dropped.
const WAITING_MAX: usize = 200;
/// Beyond, nothing is added by new subscriptions.
const FULL_BYTES: usize = 4 << 20;
/// Bytes that may wait for the device to read them.
const UNREAD_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    unacknowledged: BTreeMap<u16, Message>,
    last_id: u16,
}

impl Outbox {
    /// Whether more may be taken from the router.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    /// Whether so much waits that no retained messages may be asked for.
    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes >= FULL_BYTES
    }

    pub(super) fn push(&mut self, message: Message) {
        self.waiting_bytes += message.payload.len();
        self.waiting.push_back(message);
    }

    /// What was sent by an earlier connection and never acknowledged is sent again, first.
    pub(super) fn resume(&mut self, out: &mut BytesMut, version: Version, receive_max: u16) {
        while self.unacknowledged.len() > usize::from(receive_max)
            && let Some((_, message)) = self.unacknowledged.pop_last()
        {
            // The device takes less than it did: this one starts anew.
            self.waiting_bytes += message.payload.len();
            self.waiting.push_front(message);
        }
        for (packet_id, message) in &self.unacknowledged {
            answer::publish(out, version, message, Some(*packet_id), true);
        }
    }

    /// Writes what the window allows.
    pub(super) fn pump(&mut self, out: &mut BytesMut, version: Version, receive_max: u16) {
        let window = WINDOW.min(usize::from(receive_max));
        while out.len() < UNREAD_BYTES_MAX
            && let Some(message) = self.waiting.front()
        {
            let wants_ack = message.qos == Qos::AtLeastOnce;
            if wants_ack && self.unacknowledged.len() >= window {
                return;
            }
            let Some(message) = self.waiting.pop_front() else {
                return;
            };
            self.waiting_bytes -= message.payload.len();
            if wants_ack {
                let packet_id = self.free_id();
                answer::publish(out, version, &message, Some(packet_id), false);
                self.unacknowledged.insert(packet_id, message);
            } else {
                answer::publish(out, version, &message, None, false);
            }
        }
    }

    /// An id nobody waits for is ignored: a device that lost its memory is no danger.
    pub(super) fn acknowledge(&mut self, packet_id: u16) {
        self.unacknowledged.remove(&packet_id);
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.unacknowledged.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u8) -> Message {
        Message {
            topic: "t".into(),
            payload: vec![n].into(),
            properties: None,
            qos: Qos::AtLeastOnce,
            retain: false,
        }
    }

    /// Ids of the packets written: each is 8 bytes.
    fn ids(out: &BytesMut) -> Vec<u16> {
        let id = |packet: &[u8]| u16::from_be_bytes([packet[5], packet[6]]);
        out.chunks(8).map(id).collect()
    }

    #[test]
    fn the_window_opens_with_acknowledgements_in_any_order() {
        let (mut outbox, mut out) = (Outbox::default(), BytesMut::new());
        for n in 0..5 {
            outbox.push(message(n));
        }
        outbox.pump(&mut out, Version::V4, 3);
        assert_eq!(ids(&out), [1, 2, 3]);
        outbox.acknowledge(3);
        outbox.acknowledge(9);
        out.clear();
        outbox.pump(&mut out, Version::V4, 3);
        assert_eq!(ids(&out), [4]);
    }

    #[test]
    fn a_session_taken_up_again_repeats_what_was_not_acknowledged() {
        let (mut outbox, mut out) = (Outbox::default(), BytesMut::new());
        outbox.push(message(0));
        outbox.push(message(1));
        outbox.pump(&mut out, Version::V4, 9);
        outbox.acknowledge(1);
        out.clear();
        outbox.resume(&mut out, Version::V4, 9);
        assert_eq!(ids(&out), [2]);
        assert_eq!(out[0], 0x3a, "DUP and QoS 1");
    }

    #[test]
    fn numbers_in_use_are_not_given_twice() {
        let (mut outbox, mut out) = (Outbox::default(), BytesMut::new());
        outbox.last_id = u16::MAX - 1;
        for n in 0..3 {
            outbox.push(message(n));
        }
        outbox.pump(&mut out, Version::V4, 9);
        assert_eq!(ids(&out), [u16::MAX, 1, 2]);
    }
}
