//! From a register map to the requests of one poll, and from their words to a sample. Pure.

use zhiban_vocabulary::climate::{ClimateSample, Tenths};

use super::map::{Encoding, Register, RegisterMap, WordOrder};
use crate::link::modbus::Read;

/// What a hall's air can be; anything else is a fault of the sensor or of the map.
const TEMPERATURE_RANGE: std::ops::RangeInclusive<f64> = -60.0..=100.0;
const HUMIDITY_RANGE: std::ops::RangeInclusive<f64> = 0.0..=100.0;

/// The requests of one poll: neighbouring registers in one, so that both values are of one moment.
pub(crate) fn plan(map: &RegisterMap) -> Vec<Read> {
    let mut reads: Vec<Read> = [Some(&map.temperature), map.humidity.as_ref()]
        .into_iter()
        .flatten()
        .map(read_of)
        .collect();
    reads.sort_by_key(|read| (read.function as u8, read.address));
    reads.dedup_by(|next, first| join(first, *next));
    reads
}

fn read_of(register: &Register) -> Read {
    Read {
        function: register.function,
        address: register.address,
        words: register.encoding.words(),
    }
}

/// Widens `first` by `next` when they touch or overlap. Gaps are never read: a device may refuse
/// registers it does not have.
fn join(first: &mut Read, next: Read) -> bool {
    let first_end = u32::from(first.address) + u32::from(first.words);
    let next_end = u32::from(next.address) + u32::from(next.words);
    if next.function != first.function || u32::from(next.address) > first_end {
        return false;
    }
    let words = first_end.max(next_end) - u32::from(first.address);
    first.words = u16::try_from(words).unwrap_or(first.words);
    true
}

/// What one poll gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Absent without a usable temperature.
    pub(crate) sample: Option<ClimateSample>,
    /// Values that are no measurement.
    pub(crate) bad: u64,
}

pub(crate) fn decode(map: &RegisterMap, answers: &[(Read, Vec<u16>)]) -> Decoded {
    let temperature = measure(&map.temperature, answers, &TEMPERATURE_RANGE);
    let humidity = map.humidity.as_ref();
    let humidity = humidity.map(|register| measure(register, answers, &HUMIDITY_RANGE));
    let bad = u64::from(temperature.is_none()) + u64::from(humidity == Some(None));
    let sample = temperature.map(|temperature| ClimateSample {
        temperature,
        humidity: humidity.flatten(),
    });
    Decoded { sample, bad }
}

fn measure(
    register: &Register,
    answers: &[(Read, Vec<u16>)],
    range: &std::ops::RangeInclusive<f64>,
) -> Option<Tenths> {
    let words = answers.iter().find_map(|answer| slice(register, answer))?;
    let raw = raw(register, words)?;
    if register.invalid == Some(raw) {
        return None;
    }
    let value = raw * register.scale + register.offset;
    // Also turns away what is not a number.
    if !range.contains(&value) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "range checked")]
    let tenths = (value * 10.0).round() as i32;
    Some(Tenths(tenths))
}

/// The words of one register within an answer.
fn slice<'w>(register: &Register, (read, words): &'w (Read, Vec<u16>)) -> Option<&'w [u16]> {
    if read.function != register.function {
        return None;
    }
    let from = usize::from(register.address.checked_sub(read.address)?);
    words.get(from..from + usize::from(register.encoding.words()))
}

fn raw(register: &Register, words: &[u16]) -> Option<f64> {
    let long = || {
        let [first, second] = *words else { return None };
        let (high, low) = match register.word_order {
            WordOrder::HighFirst => (first, second),
            WordOrder::LowFirst => (second, first),
        };
        Some(u32::from(high) << 16 | u32::from(low))
    };
    match register.encoding {
        Encoding::I16 => words.first().map(|word| f64::from(word.cast_signed())),
        Encoding::U16 => words.first().map(|word| f64::from(*word)),
        Encoding::I32 => long().map(|long| f64::from(long.cast_signed())),
        Encoding::U32 => long().map(f64::from),
        Encoding::F32 => long().map(|long| f64::from(f32::from_bits(long))),
    }
}

/// The words a device with this map would hold for a value, for the simulator.
pub(crate) fn encode(register: &Register, tenths: Tenths) -> Vec<u16> {
    let raw = (f64::from(tenths.0) / 10.0 - register.offset) / register.scale;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, as a device would"
    )]
    let whole = raw.round() as i64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower bits are what is sent"
    )]
    let long = match register.encoding {
        Encoding::F32 => {
            #[expect(clippy::cast_possible_truncation, reason = "a device's precision")]
            let single = raw as f32;
            single.to_bits()
        }
        _ => whole.cast_unsigned() as u32,
    };
    let [high, low] = [long >> 16, long & 0xFFFF].map(|half| u16::try_from(half).unwrap_or(0));
    match (register.encoding.words(), register.word_order) {
        (1, _) => vec![low],
        (_, WordOrder::HighFirst) => vec![high, low],
        (_, WordOrder::LowFirst) => vec![low, high],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::modbus::Function;
    use crate::modbus_climate::map::MAPS;

    fn map(text: &str) -> RegisterMap {
        toml::from_str(text).unwrap()
    }

    fn shipped(name: &str) -> RegisterMap {
        RegisterMap::find(name).unwrap()
    }

    fn sample(temperature: i32, humidity: Option<i32>) -> ClimateSample {
        ClimateSample {
            temperature: Tenths(temperature),
            humidity: humidity.map(Tenths),
        }
    }

    #[test]
    fn neighbours_are_read_in_one_request_and_gaps_are_not_read() {
        let reads = |name| {
            plan(&shipped(name))
                .iter()
                .map(Read::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(reads("xy-md02"), ["function 04 registers 1-2"]);
        assert_eq!(reads("th332"), ["function 03 registers 0-3"]);
        let both = ["function 03 registers 0-0", "function 03 registers 2-2"];
        assert_eq!(reads("qfa3150"), both);
    }

    fn check(name: &str, words: &[u16], expected: Option<ClimateSample>, bad: u64) {
        let map = shipped(name);
        let read = plan(&map)[0];
        let decoded = decode(&map, &[(read, words.to_vec())]);
        let expected = Decoded {
            sample: expected,
            bad,
        };
        assert_eq!(decoded, expected, "{name} {words:x?}");
    }

    #[test]
    fn words_become_tenths() {
        // The published example: FF33 is −20.5.
        check("xy-md02", &[0xFF33, 546], Some(sample(-205, Some(546))), 0);
        check("srth", &[225, 431], Some(sample(225, Some(431))), 0);
        check("querx", &[225, 43], Some(sample(225, Some(430))), 0);
        check(
            "th332",
            &[0x41B4, 0, 0x4234, 0],
            Some(sample(225, Some(450))),
            0,
        );
    }

    #[test]
    fn what_air_cannot_be_is_counted_and_not_reported() {
        check("xy-md02", &[1001, 500], None, 1);
        check("xy-md02", &[0x8000, 500], None, 1);
        check("xy-md02", &[225, 1001], Some(sample(225, None)), 1);
        check("xy-md02", &[225, 0xFFFF], Some(sample(225, None)), 1);
        check("th332", &[0x7FC0, 0, 0x7F80, 0], None, 2);
        check("xy-md02", &[], None, 2);
    }

    #[test]
    fn the_invalid_marker_is_never_a_value() {
        let map = map(
            "temperature = { function = 'holding', address = 7, type = 'i16', invalid = 850, unit = 'celsius', scale = 0.1 }",
        );
        let read = plan(&map)[0];
        let answer = |word| decode(&map, &[(read, vec![word])]);
        assert_eq!(answer(850).sample, None);
        assert_eq!(answer(850).bad, 1);
        assert_eq!(answer(849).sample, Some(sample(849, None)));
    }

    #[test]
    fn long_values_follow_the_word_order() {
        let text = |order| {
            format!(
                "temperature = {{ function = 'input', address = 0, type = 'i32', word_order = '{order}', scale = 0.001, unit = 'celsius' }}"
            )
        };
        for (order, words) in [("high-first", [0, 22_500]), ("low-first", [22_500, 0])] {
            let map = map(&text(order));
            let decoded = decode(&map, &[(plan(&map)[0], words.to_vec())]);
            assert_eq!(decoded.sample, Some(sample(225, None)), "{order}");
        }
    }

    proptest! {
        #[test]
        fn every_map_reads_what_its_device_holds(temperature in -600..=1000, humidity in 0..=1000) {
            for (name, _) in MAPS {
                let map = shipped(name);
                let coarse = *name == "querx";
                let humidity = if coarse { humidity / 10 * 10 } else { humidity };
                let holds = |register: &Register, tenths| (read_of(register), encode(register, Tenths(tenths)));
                let answers = [
                    holds(&map.temperature, temperature),
                    holds(map.humidity.as_ref().unwrap(), humidity),
                ];
                let decoded = decode(&map, &answers);
                prop_assert_eq!(decoded.sample, Some(sample(temperature, Some(humidity))), "{}", name);
            }
        }

        #[test]
        fn any_words_decode_without_panic_and_in_range(
            words in proptest::collection::vec(any::<u16>(), 0..8),
            address in any::<u16>(),
        ) {
            let read = Read { function: Function::Input, address, words: 8 };
            for (name, _) in MAPS {
                let decoded = decode(&shipped(name), &[(read, words.clone())]);
                if let Some(sample) = decoded.sample {
                    prop_assert!((-600..=1000).contains(&sample.temperature.0));
                }
            }
        }
    }
}
