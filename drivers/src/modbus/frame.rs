//! From a register map to the requests of one poll, and from their words to observations. Pure.

use std::ops::RangeInclusive;

use zhiban_vocabulary::climate::{ClimateSample, Tenths};
use zhiban_vocabulary::device::InputState;
use zhiban_vocabulary::people::PeopleCount;
use zhiban_vocabulary::power::EnergyReading;
use zhiban_vocabulary::report::Observation;

use super::map::{Encoding, Register, RegisterMap, WordOrder};
use crate::link::modbus::{Read, WORDS_MAX};

/// What a hall can have; anything else is a fault of the device or of the map.
const TEMPERATURE: RangeInclusive<f64> = -60.0..=100.0;
const HUMIDITY: RangeInclusive<f64> = 0.0..=100.0;
/// V and W, either direction.
const VOLTAGE: RangeInclusive<f64> = 0.0..=1_000.0;
const POWER: RangeInclusive<f64> = -1e6..=1e6;
/// Wh and counts: exact in a float.
const COUNT: RangeInclusive<f64> = 0.0..=9e15;
const STATE: RangeInclusive<f64> = 0.0..=1.0;

/// The requests of one poll: neighbouring registers in one, so that their values are of one moment.
pub(crate) fn plan(map: &RegisterMap) -> Vec<Read> {
    let polled = map.polled();
    let mut reads: Vec<Read> = polled
        .iter()
        .map(|(_, _, register)| read_of(register))
        .collect();
    reads.sort_by_key(|read| (read.function, read.address));
    reads.dedup_by(|next, first| join(first, *next));
    reads
}

pub(super) fn read_of(register: &Register) -> Read {
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
    match u16::try_from(words) {
        Ok(words) if words <= WORDS_MAX => {
            first.words = words;
            true
        }
        _ => false,
    }
}

/// What one poll gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) observations: Vec<Observation>,
    /// Values that are no measurement.
    pub(crate) bad: u64,
}

/// Reads the values of a map out of the answers.
struct Reader<'a> {
    answers: &'a [(Read, Vec<u16>)],
    bad: u64,
}

impl Reader<'_> {
    fn value(&mut self, register: Option<&Register>, range: &RangeInclusive<f64>) -> Option<f64> {
        let value = measure(register?, self.answers, range);
        self.bad += u64::from(value.is_none());
        value
    }

    fn tenths(
        &mut self,
        register: Option<&Register>,
        range: &RangeInclusive<f64>,
    ) -> Option<Tenths> {
        let value = self.value(register, range)?;
        #[expect(clippy::cast_possible_truncation, reason = "every range is far smaller")]
        let tenths = (value * 10.0).round() as i32;
        Some(Tenths(tenths))
    }

    fn count(&mut self, register: Option<&Register>) -> Option<u64> {
        let value = self.value(register, &COUNT)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range"
        )]
        let count = value.round() as u64;
        Some(count)
    }
}

pub(crate) fn decode(map: &RegisterMap, answers: &[(Read, Vec<u16>)]) -> Decoded {
    let mut reader = Reader { answers, bad: 0 };
    let mut observations = Vec::new();
    let temperature = reader.tenths(map.temperature.as_ref(), &TEMPERATURE);
    let humidity = reader.tenths(map.humidity.as_ref(), &HUMIDITY);
    observations.extend(temperature.map(|temperature| {
        Observation::Climate(ClimateSample {
            temperature,
            humidity,
        })
    }));
    let reading = EnergyReading {
        energy_wh: reader.count(map.energy.as_ref()),
        power: reader.tenths(map.power.as_ref(), &POWER),
        voltage: reader.tenths(map.voltage.as_ref(), &VOLTAGE),
    };
    if reading != EnergyReading::default() {
        observations.push(Observation::Energy(reading));
    }
    let entered = reader.count(map.entered.as_ref());
    let left = reader.count(map.left.as_ref());
    observations
        .extend(entered.map(|entered| Observation::PeopleCount(PeopleCount { entered, left })));
    for (name, register) in &map.input {
        let state = reader.value(Some(register), &STATE);
        observations.extend(state.map(|state| {
            Observation::Input(InputState {
                input: name.clone(),
                on: state > 0.5,
            })
        }));
    }
    Decoded {
        observations,
        bad: reader.bad,
    }
}

fn measure(
    register: &Register,
    answers: &[(Read, Vec<u16>)],
    range: &RangeInclusive<f64>,
) -> Option<f64> {
    let words = answers.iter().find_map(|answer| slice(register, answer))?;
    let raw = raw(register, words)?;
    if register.invalid == Some(raw) {
        return None;
    }
    let value = raw * register.scale + register.offset;
    // Also turns away what is not a number.
    range.contains(&value).then_some(value)
}

/// A number that is only a name, as it is printed on the device.
pub(crate) fn number(register: &Register, read: Read, words: Vec<u16>) -> Option<String> {
    measure(register, &[(read, words)], &COUNT).map(|number| format!("{number:.0}"))
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
        Encoding::Bit => words.first().map(|word| f64::from(word >> register.bit & 1)),
        Encoding::I16 => words.first().map(|word| f64::from(word.cast_signed())),
        Encoding::U16 => words.first().map(|word| f64::from(*word)),
        Encoding::I32 => long().map(|long| f64::from(long.cast_signed())),
        Encoding::U32 => long().map(f64::from),
        Encoding::F32 => long().map(|long| f64::from(f32::from_bits(long))),
    }
}

/// The words a device with this map would hold for a value, for the simulator.
pub(crate) fn encode(register: &Register, value: f64) -> Vec<u16> {
    let raw = (value - register.offset) / register.scale;
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
        Encoding::Bit => (whole.cast_unsigned() as u32 & 1) << register.bit,
        _ => whole.cast_unsigned() as u32,
    };
    let [high, low] = [long >> 16, long & 0xFFFF].map(|half| u16::try_from(half).unwrap_or(0));
    match (register.encoding.words(), register.word_order) {
        (1, _) => vec![low],
        (_, WordOrder::HighFirst) => vec![high, low],
        (_, WordOrder::LowFirst) => vec![low, high],
    }
}

/// For the fuzzer: whatever a device holds, a value that is reported is one a hall can have.
///
/// # Panics
/// When it is not.
pub(crate) fn fuzz(bytes: &[u8]) {
    let _ = super::monitor::explain(bytes);
    let words: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    for (name, _) in super::map::MAPS {
        let Some(map) = crate::modbus::map::find(name) else {
            continue;
        };
        let answers = plan(&map).into_iter().map(|read| (read, words.clone()));
        for observation in decode(&map, &answers.collect::<Vec<_>>()).observations {
            if let Observation::Climate(sample) = observation {
                assert!((-600..=1000).contains(&sample.temperature.0), "{name}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::modbus::map::MAPS;

    fn map(text: &str) -> RegisterMap {
        toml::from_str(text).unwrap()
    }

    fn shipped(name: &str) -> RegisterMap {
        crate::modbus::map::find(name).unwrap()
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
        let observations = expected.map(Observation::Climate).into_iter().collect();
        let expected = Decoded { observations, bad };
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
        assert_eq!(answer(850).observations, []);
        assert_eq!(answer(850).bad, 1);
        assert_eq!(answer(849).observations, [Observation::Climate(sample(849, None))]);
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
            let expected = [Observation::Climate(sample(225, None))];
            assert_eq!(decoded.observations, expected, "{order}");
        }
    }

    #[test]
    fn other_maps_become_their_own_observations() {
        let values = |name: &str, values: &[f64]| {
            let map = shipped(name);
            let polled = map.polled();
            let holds = |(at, (_, _, register)): (usize, &(String, _, &Register))| {
                (read_of(register), encode(register, values[at]))
            };
            let answers: Vec<_> = polled.iter().enumerate().map(holds).collect();
            decode(&map, &answers).observations
        };
        let reading = EnergyReading {
            energy_wh: Some(1_234_500),
            power: Some(Tenths(15_005)),
            voltage: Some(Tenths(2_301)),
        };
        let energy = [Observation::Energy(reading)];
        assert_eq!(values("sdm630", &[1_234_500.0, 1500.5, 230.1]), energy);
        let count = PeopleCount {
            entered: 70_000,
            left: Some(69_998),
        };
        let people = [Observation::PeopleCount(count)];
        assert_eq!(values("adam-6050", &[70_000.0, 69_998.0]), people);
        let door = |on| {
            let input = "door".to_owned();
            Observation::Input(InputState { input, on })
        };
        assert_eq!(values("io-8di-8do", &[1.0]), [door(true)]);
        assert_eq!(values("io-8di-8do", &[0.0]), [door(false)]);
    }

    #[test]
    fn a_bit_of_a_register_can_be_upside_down() {
        let map = map(
            "[input.door]\nfunction = 'holding'\naddress = 4\ntype = 'bit'\nbit = 9\nunit = 'state'\nscale = -1\noffset = 1",
        );
        let read = plan(&map)[0];
        for (word, on) in [(0x0000, true), (0x0200, false), (0xFDFF, true)] {
            let decoded = decode(&map, &[(read, vec![word])]);
            let input = "door".to_owned();
            assert_eq!(decoded.observations, [Observation::Input(InputState { input, on })]);
        }
    }

    proptest! {
        #[test]
        fn every_climate_map_reads_what_its_device_holds(temperature in -600..=1000, humidity in 0..=1000) {
            for name in ["qfa3150", "querx", "srth", "th332", "xy-md02"] {
                let map = shipped(name);
                let humidity = if name == "querx" { humidity / 10 * 10 } else { humidity };
                let holds = |register: &Option<Register>, tenths: i32| {
                    let register = register.as_ref().unwrap();
                    (read_of(register), encode(register, f64::from(tenths) / 10.0))
                };
                let answers = [holds(&map.temperature, temperature), holds(&map.humidity, humidity)];
                let decoded = decode(&map, &answers);
                let expected = Observation::Climate(sample(temperature, Some(humidity)));
                prop_assert_eq!(decoded.observations, vec![expected], "{}", name);
            }
        }

        #[test]
        fn any_words_decode_without_panic_and_in_range(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            fuzz(&bytes);
        }
    }

    #[test]
    fn every_shipped_map_has_a_plan_a_device_can_answer() {
        for (name, _) in MAPS {
            for read in plan(&shipped(name)) {
                assert!((1..=WORDS_MAX).contains(&read.words), "{name}: {read}");
            }
        }
    }
}
