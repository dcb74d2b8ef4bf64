//! The guard in front of the codec: cuts packets out of the bytes of a device and refuses, before
//! anything is allocated or decoded, what a server must never receive.

use bytes::BytesMut;

use super::refusal::Refusal;

pub(super) const CONNECT: u8 = 1;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const SUBSCRIBE: u8 = 8;
pub(super) const UNSUBSCRIBE: u8 = 10;
pub(super) const PINGREQ: u8 = 12;
pub(super) const DISCONNECT: u8 = 14;

/// One whole packet of a kind a device may send.
#[derive(Debug)]
pub(super) struct Frame {
    /// Type and flags.
    pub(super) first: u8,
    /// Length of the fixed header.
    pub(super) header: usize,
    pub(super) bytes: BytesMut,
}

impl Frame {
    pub(super) fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// What follows the fixed header.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.header..]
    }

    /// Two bytes of the body as a number.
    pub(super) fn number_at(&self, at: usize) -> Result<u16, Refusal> {
        let pair = self.body().get(at..at + 2);
        let pair: Option<[u8; 2]> = pair.and_then(|pair| pair.try_into().ok());
        pair.map(u16::from_be_bytes)
            .ok_or(Refusal::Malformed("packet is too short"))
    }
}

/// What a connection may send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    BeforeConnect,
    Connected,
}

/// Takes the next whole packet out of `buffer`; `None` when more bytes are needed.
pub(super) fn next(
    buffer: &mut BytesMut,
    stage: Stage,
    size_max: usize,
) -> Result<Option<Frame>, Refusal> {
    let Some(&first) = buffer.first() else {
        return Ok(None);
    };
    check_first(first, stage)?;
    let Some((length_bytes, remaining)) = remaining_length(&buffer[1..])? else {
        return Ok(None);
    };
    let header = 1 + length_bytes;
    let size = header + remaining;
    if size > size_max {
        return Err(Refusal::TooLarge { size, size_max });
    }
    if buffer.len() < size {
        buffer.reserve(size - buffer.len());
        return Ok(None);
    }
    let bytes = buffer.split_to(size);
    Ok(Some(Frame {
        first,
        header,
        bytes,
    }))
}

fn check_first(first: u8, stage: Stage) -> Result<(), Refusal> {
    let (kind, flags) = (first >> 4, first & 0x0f);
    if stage == Stage::BeforeConnect && kind != CONNECT {
        return Err(Refusal::NotConnect(kind));
    }
    let flags_right = match kind {
        CONNECT if stage == Stage::Connected => return Err(Refusal::SecondConnect),
        PUBLISH => return check_publish(flags),
        CONNECT | PUBACK | PINGREQ | DISCONNECT => flags == 0,
        SUBSCRIBE | UNSUBSCRIBE => flags == 0b0010,
        _ => return Err(Refusal::ForbiddenPacket(name(kind))),
    };
    if flags_right {
        Ok(())
    } else {
        Err(Refusal::Malformed("wrong flags in the fixed header"))
    }
}

fn check_publish(flags: u8) -> Result<(), Refusal> {
    match (flags >> 1) & 0b11 {
        0 if flags & 0b1000 != 0 => Err(Refusal::Malformed("DUP on QoS 0")),
        0 | 1 => Ok(()),
        2 => Err(Refusal::QosNotSupported),
        _ => Err(Refusal::Malformed("QoS 3")),
    }
}

fn name(kind: u8) -> &'static str {
    match kind {
        2 => "CONNACK",
        5 => "PUBREC",
        6 => "PUBREL",
        7 => "PUBCOMP",
        9 => "SUBACK",
        11 => "UNSUBACK",
        13 => "PINGRESP",
        15 => "AUTH",
        _ => "packet type 0",
    }
}

/// Reads a variable length: how many bytes it takes, and its value.
pub(super) fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Refusal> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((at + 1, value)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Refusal::Malformed("remaining length of more than 4 bytes"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stage: Stage, bytes: &[u8], expect: &Result<Option<usize>, Refusal>) {
        let mut buffer = BytesMut::from(bytes);
        let found = next(&mut buffer, stage, 1024).map(|frame| frame.map(|f| f.bytes.len()));
        assert_eq!(&found, expect, "{bytes:02x?}");
    }

    #[test]
    fn only_what_a_server_may_receive_passes() {
        use Stage::{BeforeConnect, Connected};
        let forbidden = |name| Err(Refusal::ForbiddenPacket(name));
        check(Connected, &[], &Ok(None));
        check(Connected, &[0xc0], &Ok(None));
        check(Connected, &[0xc0, 0], &Ok(Some(2)));
        check(Connected, &[0x20, 2, 0, 0], &forbidden("CONNACK"));
        check(Connected, &[0x90, 3, 0, 1, 0], &forbidden("SUBACK"));
        check(Connected, &[0xb0, 2, 0, 1], &forbidden("UNSUBACK"));
        check(Connected, &[0xd0, 0], &forbidden("PINGRESP"));
        check(Connected, &[0x50, 2, 0, 1], &forbidden("PUBREC"));
        check(Connected, &[0x62, 2, 0, 1], &forbidden("PUBREL"));
        check(Connected, &[0x70, 2, 0, 1], &forbidden("PUBCOMP"));
        check(Connected, &[0xf0, 0], &forbidden("AUTH"));
        check(Connected, &[0x10, 0], &Err(Refusal::SecondConnect));
        check(BeforeConnect, &[0x30, 0], &Err(Refusal::NotConnect(3)));
        check(BeforeConnect, &[0x20, 0], &Err(Refusal::NotConnect(2)));
        check(Connected, &[0x34, 0], &Err(Refusal::QosNotSupported));
        check(Connected, &[0x36, 0], &Err(Refusal::Malformed("QoS 3")));
    }

    #[test]
    fn a_size_is_refused_before_its_bytes_come() {
        let huge = [0x30, 0xff, 0xff, 0xff, 0x7f];
        let size = 268_435_455 + 5;
        let size_max = 1024;
        check(
            Stage::Connected,
            &huge,
            &Err(Refusal::TooLarge { size, size_max }),
        );
        let endless = [0x30, 0xff, 0xff, 0xff, 0xff, 0x01];
        let reason = "remaining length of more than 4 bytes";
        check(Stage::Connected, &endless, &Err(Refusal::Malformed(reason)));
    }
}
