//! What devices say in other forms, and what becomes of it. The payloads are written after the
//! public documents of each form; the foreign programs themselves speak in
//! `tests/tests/foreign_conventions_need_no_code.rs`.

mod homeassistant;
mod sparkplug;
mod tasmota;

use jiff::tz::offset;
use proptest::prelude::*;
use serde_json::{Value, json};
use zhiban_vocabulary::report::compose;

use super::*;

const NOW: &str = "2026-03-01T04:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn topics(prefixes: &[&str]) -> Topics {
    let given: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    Topics::check(&given).unwrap()
}

fn device(prefixes: &[&str]) -> Translator {
    Translator::new(topics(prefixes), Some(offset(8)), &[], now())
}

/// `kind payload`, one each, in the order of the text; then the problem.
fn shown(translated: &Translated) -> Vec<String> {
    let mut shown: Vec<String> = translated
        .said
        .iter()
        .map(|said| {
            let payload = compose(&said.observation, said.time, None);
            let payload = String::from_utf8(payload).unwrap();
            format!("{} {payload}", said.observation.kind().as_str())
        })
        .collect();
    shown.sort();
    let problem = translated.problem.as_ref();
    shown.extend(problem.map(|problem| format!("! {}", problem.code)));
    shown
}

fn check(translator: &mut Translator, topic: &str, payload: &Value, expected: &[&str]) {
    let payload = match payload {
        Value::String(text) => text.clone(),
        payload => payload.to_string(),
    };
    let translated = translator.take(topic, payload.as_bytes(), false, now());
    assert_eq!(shown(&translated), expected, "{topic} {payload}");
}

#[test]
fn a_measurement_of_thin_edge_without_a_kind_of_ours_keeps_its_numbers() {
    let payload = br#"{"time":"2026-03-01T04:00:00Z","flow":3.5,"phase":{"L1":230}}"#;
    let said = measurements("//m/water", "water", payload).unwrap();
    assert_eq!(
        shown(&Translated::said(said)),
        [
            r#"measurement {"name":"water.flow","time":"2026-03-01T04:00:00Z","value":3.5}"#,
            r#"measurement {"name":"water.phase.L1","time":"2026-03-01T04:00:00Z","value":230}"#,
        ]
    );
    for (rest, kind, payload) in [
        ("//m/climate", "climate", r#"{"temperature":7}"#),
        ("//e/water", "water", r#"{"flow":7}"#),
        ("//m/water", "water", r#"{"flow":"much"}"#),
        ("//m/water", "water", r#"{"flow":7,"boot":"b","seq":1}"#),
        ("//m/water", "water", "{}"),
        ("//m/water", "water", "{"),
    ] {
        assert_eq!(
            measurements(rest, kind, payload.as_bytes()),
            None,
            "{payload}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_of_a_device_can_hurt(
        messages in prop::collection::vec((0..8_usize, prop::collection::vec(any::<u8>(), 0..200)), 1..8)
    ) {
        let places = [
            "homeassistant/sensor/x/config", "homeassistant/device/x/config", "tasmota/discovery/A/config",
            "own/x", "tele/own/SENSOR", "spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n", "spBv1.0/g/NDEATH/n",
        ];
        let mut translator = device(&["own", "+/own", "spBv1.0/g/+/n"]);
        for (place, payload) in messages {
            translator.take(places[place], &payload, true, now());
        }
    }

    #[test]
    fn no_template_can_hurt(source in "[{%a-z ()|~+*'\\[\\],.0-9}]{0,60}", payload in ".{0,40}") {
        let config = json!({"stat_t": "own/x", "val_tpl": format!("{{{{ {source} }}}}")}).to_string();
        let mut translator = device(&["own"]);
        translator.take("homeassistant/sensor/x/config", config.as_bytes(), true, now());
        translator.take("own/x", payload.as_bytes(), true, now());
    }
}
