//! What bytes on a Modbus line mean, for the bus monitor. Pure.
//!
//! A line carries RTU (`unit function data… CRC`) or TCP (`number 0 length unit function data…`).
//! Which one a piece is shows by its sum or its length; neither fits the other by chance alone.

use crate::Explained;

/// Shortest and longest frame without the sum.
const BODY_MIN: usize = 2;
const BODY_MAX: usize = 254;
const HEAD: usize = 6;

/// Explains every frame in the bytes and what lies between.
pub(crate) fn explain(bytes: &[u8]) -> Vec<Explained> {
    let mut pieces: Vec<Explained> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if let Some((length, body)) = tcp(rest).or_else(|| rtu(rest)) {
            pieces.push(Explained {
                range: at..at + length,
                text: describe(body),
                good: true,
            });
            at += length;
            continue;
        }
        match pieces.last_mut() {
            Some(last) if !last.good => last.range.end += 1,
            _ => pieces.push(Explained {
                range: at..at + 1,
                text: "?".into(),
                good: false,
            }),
        }
        at += 1;
    }
    pieces
}

fn tcp(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let head = bytes.get(..HEAD)?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let fits = head[2..4] == [0, 0] && (BODY_MIN..=BODY_MAX).contains(&length);
    let body = bytes.get(HEAD..HEAD + length).filter(|_| fits)?;
    Some((HEAD + length, body))
}

/// The shortest run of bytes whose sum is right.
fn rtu(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut crc = 0xFFFF;
    for (at, byte) in bytes.iter().enumerate().take(BODY_MAX) {
        crc = step(crc, *byte);
        let length = at + 1;
        let sum = bytes.get(length..length + 2)?;
        if length >= BODY_MIN && sum == crc.to_le_bytes() && bytes[0] <= 247 {
            return Some((length + 2, &bytes[..length]));
        }
    }
    None
}

/// CRC-16 of Modbus, one byte on.
fn step(crc: u16, byte: u8) -> u16 {
    (0..8).fold(crc ^ u16::from(byte), |crc, _| {
        let poly = if crc & 1 == 1 { 0xA001 } else { 0 };
        crc >> 1 ^ poly
    })
}

fn describe(body: &[u8]) -> String {
    let (unit, function, data) = (body[0], body[1], &body[2..]);
    let what = match function & 0x7F {
        1 => "coils",
        2 => "inputs",
        3 => "holding registers",
        4 => "input registers",
        5 => "write coil",
        6 => "write register",
        15 => "write coils",
        16 => "write registers",
        43 => "identity",
        _ => "function",
    };
    let said = match (function, data) {
        (0x80.., [code, ..]) => format!("refused: exception {code}"),
        (1..=4, [high, low, _, count]) => {
            let first = u16::from_be_bytes([*high, *low]);
            format!("read {count} from {first}")
        }
        (1 | 2, [_, bits @ ..]) => bits.iter().map(|byte| format!("{byte:08b} ")).collect(),
        (3 | 4, [_, words @ ..]) => words
            .chunks_exact(2)
            .map(|pair| format!("{} ", u16::from_be_bytes([pair[0], pair[1]])))
            .collect(),
        (5, [high, low, value, _]) => {
            let address = u16::from_be_bytes([*high, *low]);
            format!("{address} {}", if *value == 0 { "off" } else { "on" })
        }
        _ => format!("{function}"),
    };
    format!("unit {unit}, {what}: {}", said.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::replay::hex;

    fn check(text: &str, expected: &[&str]) {
        let explained = explain(&hex(text).unwrap());
        let texts: Vec<&str> = explained.iter().map(|piece| &piece.text[..]).collect();
        assert_eq!(texts, expected, "{text}");
    }

    #[test]
    fn frames_are_explained() {
        // The example of the specification: three registers from 107 of unit 17.
        check("11 03 00 6B 00 03 76 87", &["unit 17, holding registers: read 3 from 107"]);
        check(
            "11 03 06 AE 41 56 52 43 40 49 AD",
            &["unit 17, holding registers: 44609 22098 17216"],
        );
        check("FF 11 03 00 6B 00 03 76 87 00", &["?", "unit 17, holding registers: read 3 from 107", "?"]);
        check(
            "00 01 00 00 00 06 01 04 00 01 00 02",
            &["unit 1, input registers: read 2 from 1"],
        );
        check("00 01 00 00 00 03 01 84 02", &["unit 1, input registers: refused: exception 2"]);
        check("00 01 00 00 00 06 01 05 00 00 FF 00", &["unit 1, write coil: 0 on"]);
    }
}
