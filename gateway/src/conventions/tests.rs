//! What devices say in other forms, and what becomes of it. The payloads are written after the
//! public documents of each form; the foreign programs themselves speak in
//! `tests/tests/foreign_conventions_need_no_code.rs`.

use jiff::tz::offset;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use zhiban_vocabulary::report::compose;

use super::payload::{Metric, Payload, PropertySet, PropertyValue, Value as Held};
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
    let translated = translator.take(topic, payload.as_bytes(), true, now());
    assert_eq!(shown(&translated), expected, "{topic} {payload}");
}

// --- Home Assistant

#[test]
fn short_words_a_base_and_a_template_are_understood() {
    let mut esp = device(&["esp-hall"]);
    let config = json!({
        "~": "esp-hall/sensor", "name": "Temperature", "dev_cla": "temperature", "unit_of_meas": "°F",
        "stat_t": "~/t/state", "avty_t": "esp-hall/status", "uniq_id": "ab12t", "val_tpl": "{{ value | float }}",
        "dev": {"ids": "ab12", "name": "Hall", "sw": "2026.2.0", "mdl": "esp32", "mf": "Espressif", "sn": "S-1",
            "cns": [["mac", "a4:cf:12:00:00:01"]]},
    });
    let identity = r#"device.identity {"firmware":"2026.2.0","mac":"a4:cf:12:00:00:01","model":"esp32","serial":"S-1","vendor":"Espressif"}"#;
    check(
        &mut esp,
        "homeassistant/sensor/esp-hall/t/config",
        &config,
        &[identity],
    );
    check(
        &mut esp,
        "esp-hall/sensor/t/state",
        &json!("71.6"),
        &[r#"climate {"temperature":22.0}"#],
    );
    check(
        &mut esp,
        "esp-hall/status",
        &json!("online"),
        &[r#"device.health {"status":"up"}"#],
    );
    check(&mut esp, "esp-hall/status", &json!("online"), &[]);
    let down = r#"device.health {"detail":"gone: esp-hall/status","status":"down"}"#;
    check(&mut esp, "esp-hall/status", &json!("offline"), &[down]);
    check(
        &mut esp,
        "esp-hall/debug",
        &json!("[I] boot"),
        &["! unknown-kind"],
    );
}

#[test]
fn one_message_of_several_values_makes_one_sample_of_the_air_and_one_reading_of_the_meter() {
    let mut z2m = device(&["z2m/plug"]);
    let config = json!({
        "dev": {"ids": ["0x1"], "mf": "M"}, "o": {"name": "x"}, "state_topic": "z2m/plug",
        "cmps": {
            "t": {"p": "sensor", "device_class": "temperature", "value_template": "{{ value_json.t }}"},
            "h": {"p": "sensor", "device_class": "humidity", "value_template": "{{ value_json.h }}"},
            "e": {"p": "sensor", "device_class": "energy", "unit_of_measurement": "kWh",
                "state_class": "total_increasing", "value_template": "{{ value_json.e }}"},
            "p": {"p": "sensor", "device_class": "power", "unit_of_measurement": "W", "val_tpl": "{{ value_json.p }}"},
            "v": {"p": "sensor", "device_class": "voltage", "unit_of_measurement": "V", "val_tpl": "{{ value_json.v }}"},
            "l": {"p": "sensor", "unit_of_measurement": "lqi", "val_tpl": "{{ value_json.l }}"},
            "s": {"p": "switch", "command_topic": "z2m/plug/set", "val_tpl": "{{ value_json.s }}"},
            "c": {"p": "binary_sensor", "device_class": "door", "payload_on": false, "payload_off": true,
                "val_tpl": "{{ value_json.contact }}"},
            "gone": {"p": "sensor"},
        },
    });
    check(
        &mut z2m,
        "homeassistant/device/0x1/config",
        &config,
        &[r#"device.identity {"vendor":"M"}"#],
    );
    let state = json!({"t": 21.4, "h": 40, "e": 1.5, "p": 60, "v": 230.1, "l": 88, "s": "ON", "contact": false});
    check(
        &mut z2m,
        "z2m/plug",
        &state,
        &[
            r#"climate {"humidity":40.0,"temperature":21.4}"#,
            r#"energy {"energy_wh":1500,"power":60.0,"voltage":230.1}"#,
            r#"input.state {"input":"0x1.c","on":true}"#,
            r#"measurement {"name":"0x1.l","unit":"lqi","value":88}"#,
            r#"measurement {"name":"0x1.s","value":"ON"}"#,
        ],
    );
    // What a message does not hold is not said.
    check(
        &mut z2m,
        "z2m/plug",
        &json!({"l": 90}),
        &[r#"measurement {"name":"0x1.l","unit":"lqi","value":90}"#],
    );
    check(
        &mut z2m,
        "z2m/plug",
        &json!({"contact": "ajar"}),
        &["! bad-field"],
    );
}

#[test]
fn an_entity_whose_state_is_elsewhere_is_refused_as_a_whole() {
    let mut esp = device(&["esp-hall"]);
    for topic in [
        "state_topic",
        "availability_topic",
        "json_attributes_topic",
        "command_topic",
        "bri_stat_t",
    ] {
        let config = json!({topic: "te/device/tm-1///e/ticket.issued"});
        check(
            &mut esp,
            "homeassistant/sensor/x/config",
            &config,
            &["! topic-not-permitted"],
        );
    }
    let config = json!({"~": "esp-2", "stat_t": "~/state"});
    check(
        &mut esp,
        "homeassistant/sensor/x/config",
        &config,
        &["! topic-not-permitted"],
    );
    let config = json!({"stat_t": "esp-hall/x", "avty": [{"t": "esp-2/status"}]});
    check(
        &mut esp,
        "homeassistant/sensor/x/config",
        &config,
        &["! topic-not-permitted"],
    );
    check(
        &mut esp,
        "homeassistant/sensor/x/config",
        &json!("{"),
        &["! bad-json"],
    );
    check(
        &mut esp,
        "homeassistant/device/x/config",
        &json!({}),
        &["! bad-field"],
    );
    let refused = esp.take("homeassistant/sensor/x/config", b"[]", true, now());
    assert!(!refused.holds, "it must not be retained");
}

#[test]
fn a_template_we_cannot_run_asks_for_a_person_and_loses_nothing() {
    let mut esp = device(&["esp-hall"]);
    let place = "homeassistant/sensor/x/config";
    let config = json!({"stat_t": "esp-hall/x", "val_tpl": "{{ value | frobnicate }}"});
    let translated = esp.take(place, config.to_string().as_bytes(), true, now());
    assert!(
        shown(&translated)[0].contains("needs-mapping:x"),
        "{translated:?}"
    );
    check(
        &mut esp,
        "esp-hall/x",
        &json!("raw 7"),
        &[r#"measurement {"name":"x","value":"raw 7"}"#],
    );
    let cleared = r#"device.alarm {"alarm":"needs-mapping:x","severity":"cleared"}"#;
    let config = json!({"stat_t": "esp-hall/x", "val_tpl": "{{ value | float }}"});
    check(&mut esp, place, &config, &[cleared]);
    check(
        &mut esp,
        "esp-hall/x",
        &json!("7"),
        &[r#"measurement {"name":"x","value":7.0}"#],
    );
    // It compiles, but this value it cannot take.
    let shown = shown(&esp.take("esp-hall/x", b"n/a", true, now()));
    assert!(
        shown[0].contains("needs-mapping:x") && shown[1].contains("n/a"),
        "{shown:?}"
    );
    check(&mut esp, place, &json!(""), &[cleared]);
    check(&mut esp, "esp-hall/x", &json!("7"), &["! unknown-kind"]);
}

#[test]
fn a_device_has_so_many_entities_and_no_more() {
    let mut esp = device(&["esp-hall"]);
    let part = json!({"p": "sensor", "stat_t": "esp-hall/x"});
    let parts: serde_json::Map<_, _> = (0..256).map(|n| (n.to_string(), part.clone())).collect();
    check(
        &mut esp,
        "homeassistant/device/a/config",
        &json!({"cmps": parts}),
        &[],
    );
    check(
        &mut esp,
        "homeassistant/device/a/config",
        &json!({"cmps": parts}),
        &[],
    );
    check(
        &mut esp,
        "homeassistant/sensor/b/config",
        &json!({"stat_t": "esp-hall/x"}),
        &["! bad-field"],
    );
}

#[test]
fn a_bridge_is_none_of_the_devices_it_speaks_for() {
    let mut bridge = device(&["z2m"]);
    let config = |id: &str| json!({"stat_t": "z2m/x", "dev": {"ids": [id], "sn": id}});
    check(
        &mut bridge,
        "homeassistant/sensor/a/config",
        &config("1"),
        &[r#"device.identity {"serial":"1"}"#],
    );
    check(
        &mut bridge,
        "homeassistant/sensor/b/config",
        &config("2"),
        &[],
    );
    check(
        &mut bridge,
        "homeassistant/sensor/a/config",
        &config("3"),
        &[],
    );
    let child = json!({"stat_t": "z2m/x", "dev": {"ids": ["9"], "sn": "9", "via_device": "1"}});
    check(
        &mut device(&["z2m"]),
        "homeassistant/sensor/c/config",
        &child,
        &[],
    );
}

#[test]
fn what_is_retained_is_no_news_after_a_restart_and_what_was_announced_is_still_known() {
    let config = json!({"stat_t": "esp-hall/x", "dev": {"ids": ["1"], "sn": "1"}}).to_string();
    let kept = vec![
        // In the order of topics, as the store gives them.
        ("esp-hall/x".to_owned(), b"21".to_vec()),
        (
            "homeassistant/sensor/x/config".to_owned(),
            config.clone().into_bytes(),
        ),
    ];
    let mut esp = Translator::new(topics(&["esp-hall"]), None, &kept, now());
    let said = esp.take(
        "homeassistant/sensor/x/config",
        config.as_bytes(),
        true,
        now(),
    );
    assert_eq!(shown(&said), Vec::<String>::new());
    check(&mut esp, "esp-hall/x", &json!("21"), &[]);
    // It is measured again, and the same.
    check(
        &mut esp,
        "esp-hall/x",
        &json!("21"),
        &[r#"measurement {"name":"x","value":21}"#],
    );
    check(
        &mut esp,
        "esp-hall/x",
        &json!("22"),
        &[r#"measurement {"name":"x","value":22}"#],
    );
}

// --- Tasmota

fn tasmota_config(topic: &str) -> Value {
    json!({"ip": "192.168.1.7", "dn": "Plug", "hn": "tasmota-AB12", "mac": "A4CF12345678", "md": "Sonoff POW",
        "ofln": "Offline", "onln": "Online", "sw": "13.4.0", "t": topic, "ft": "%prefix%/%topic%/",
        "tp": ["cmnd", "stat", "tele"], "ver": 1})
}

#[test]
fn a_tasmota_plug_tells_its_power_its_air_and_its_own_time() {
    let mut plug = device(&["+/tasmota_345678"]);
    let place = "tasmota/discovery/A4CF12345678/config";
    let identity =
        r#"device.identity {"firmware":"13.4.0","mac":"A4CF12345678","model":"Sonoff POW"}"#;
    check(
        &mut plug,
        place,
        &tasmota_config("tasmota_345678"),
        &[identity],
    );
    check(
        &mut plug,
        "tasmota/discovery/A4CF12345678/sensors",
        &json!({"sn": {}, "ver": 1}),
        &[],
    );
    check(
        &mut plug,
        "tele/tasmota_345678/LWT",
        &json!("Online"),
        &[r#"device.health {"status":"up"}"#],
    );
    let sensor = json!({"Time": "2026-03-01T12:00:00", "Switch1": "ON", "TempUnit": "C",
        "AM2301": {"Temperature": 21.5, "Humidity": 40.2, "DewPoint": 7.4}, "ESP32": {"Temperature": 53.3},
        "ENERGY": {"TotalStartTime": "2025-01-01T00:00:00", "Total": 3.185, "Power": 60, "Voltage": 230, "Current": 0.261}});
    check(
        &mut plug,
        "tele/tasmota_345678/SENSOR",
        &sensor,
        &[
            r#"climate {"humidity":40.2,"temperature":21.5,"time":"2026-03-01T04:00:00Z"}"#,
            r#"energy {"energy_wh":3185,"power":60.0,"time":"2026-03-01T04:00:00Z","voltage":230.0}"#,
            r#"input.state {"input":"Switch1","on":true,"time":"2026-03-01T04:00:00Z"}"#,
            r#"measurement {"name":"AM2301.DewPoint","time":"2026-03-01T04:00:00Z","value":7.4}"#,
            r#"measurement {"name":"ENERGY.Current","time":"2026-03-01T04:00:00Z","value":0.261}"#,
            r#"measurement {"name":"ESP32.Temperature","time":"2026-03-01T04:00:00Z","unit":"°C","value":53.3}"#,
        ],
    );
    let zoned = json!({"Time": "2026-03-01T04:00:00+01:00", "POWER": "ON", "UptimeSec": 7});
    check(
        &mut plug,
        "tele/tasmota_345678/STATE",
        &zoned,
        &[r#"measurement {"name":"POWER","time":"2026-03-01T03:00:00Z","value":"ON"}"#],
    );
    check(
        &mut plug,
        "stat/tasmota_345678/RESULT",
        &json!({"Switch1": {"Action": "OFF"}}),
        &[r#"input.state {"input":"Switch1","on":false}"#],
    );
    let offline = r#"device.health {"detail":"gone: tele/tasmota_345678/LWT","status":"down"}"#;
    check(
        &mut plug,
        "tele/tasmota_345678/LWT",
        &json!("Offline"),
        &[offline],
    );
    check(
        &mut plug,
        "tele/tasmota_345678/SENSOR",
        &json!("{"),
        &["! bad-json"],
    );
    check(
        &mut plug,
        "tele/tasmota_345678/SENSOR",
        &json!({"Time": "noon"}),
        &["! bad-field"],
    );
}

#[test]
fn a_tasmota_time_without_a_zone_is_not_guessed() {
    let mut plug = Translator::new(topics(&["+/t1"]), None, &[], now());
    let sensor =
        json!({"Time": "2026-03-01T12:00:00", "AM2301": {"Temperature": 71.6}, "TempUnit": "F"});
    check(
        &mut plug,
        "tele/t1/SENSOR",
        &sensor,
        &[r#"climate {"temperature":22.0}"#],
    );
}

#[test]
fn a_tasmota_discovery_of_anothers_topic_is_refused() {
    let mut plug = device(&["+/t1"]);
    let place = "tasmota/discovery/A4CF12345678/config";
    check(
        &mut plug,
        place,
        &tasmota_config("t2"),
        &["! topic-not-permitted"],
    );
    check(
        &mut plug,
        "tasmota/discovery/A4CF12345679/config",
        &tasmota_config("t1"),
        &["! bad-field"],
    );
    check(
        &mut plug,
        "tasmota/discovery/A4CF12345678/sensors",
        &json!({}),
        &["! unknown-kind"],
    );
}

// --- Sparkplug

fn metric(name: &str, alias: Option<u64>, datatype: u32, value: Held) -> Metric {
    Metric {
        name: (!name.is_empty()).then(|| name.to_owned()),
        alias,
        datatype: (datatype > 0).then_some(datatype),
        timestamp: Some(1_772_337_540_000),
        value: Some(value),
        ..Metric::default()
    }
}

fn unit(mut metric: Metric, unit: &str) -> Metric {
    let value = PropertyValue {
        text: Some(unit.into()),
    };
    metric.properties = Some(PropertySet {
        keys: vec!["engUnit".into()],
        values: vec![value],
    });
    metric
}

fn hear(
    plug: &mut Translator,
    topic: &str,
    seq: Option<u64>,
    metrics: Vec<Metric>,
    at: Timestamp,
) -> Translated {
    let payload = Payload {
        timestamp: Some(1_772_337_540_000),
        metrics,
        seq,
        uuid: None,
    };
    plug.take(topic, &payload.encode_to_vec(), false, at)
}

fn birth() -> Vec<Metric> {
    vec![
        metric("bdSeq", None, 4, Held::Long(3)),
        metric("Node Control/Rebirth", None, 11, Held::Boolean(false)),
        unit(
            metric("Air/Temperature", Some(1), 9, Held::Float(21.4)),
            "°C",
        ),
        unit(metric("Load", Some(2), 3, Held::Int(u32::MAX)), "kN"),
        metric("Door", Some(3), 11, Held::Boolean(true)),
    ]
}

const AT: &str = r#""time":"2026-03-01T03:59:00Z""#;

#[test]
fn a_birth_tells_what_there_is_and_data_by_alias_what_changed() {
    let mut plug = device(&["spBv1.0/hall/+/n1"]);
    let born = hear(&mut plug, "spBv1.0/hall/NBIRTH/n1", Some(0), birth(), now());
    assert_eq!(
        shown(&born),
        [
            format!(r#"climate {{"temperature":21.4,{AT}}}"#),
            r#"device.health {"status":"up"}"#.into(),
            format!(r#"input.state {{"input":"Door","on":true,{AT}}}"#),
            format!(r#"measurement {{"name":"Load",{AT},"unit":"kN","value":-1}}"#),
        ]
    );
    let data = vec![
        metric("", Some(1), 0, Held::Float(21.5)),
        metric("", Some(2), 0, Held::Int(7)),
    ];
    let told = hear(&mut plug, "spBv1.0/hall/NDATA/n1", Some(1), data, now());
    assert_eq!(
        shown(&told),
        [
            format!(r#"climate {{"temperature":21.5,{AT}}}"#),
            format!(r#"measurement {{"name":"Load",{AT},"unit":"kN","value":7}}"#),
        ]
    );
    assert!(told.orders.is_empty());
    // Born again, it says what it said: only what changed is news.
    let again = hear(&mut plug, "spBv1.0/hall/NBIRTH/n1", Some(0), birth(), now());
    assert_eq!(shown(&again).len(), 2, "{again:?}");
    let device = vec![metric("Level", Some(9), 5, Held::Int(4))];
    let born = hear(
        &mut plug,
        "spBv1.0/hall/DBIRTH/n1/tank",
        Some(1),
        device,
        now(),
    );
    assert_eq!(
        shown(&born),
        [format!(
            r#"measurement {{"name":"tank/Level",{AT},"value":4}}"#
        )]
    );
    let gone = hear(
        &mut plug,
        "spBv1.0/hall/DDEATH/n1/tank",
        Some(2),
        vec![],
        now(),
    );
    assert_eq!(
        shown(&gone),
        [r#"device.health {"detail":"gone: n1/tank","status":"degraded"}"#]
    );
}

#[test]
fn a_late_will_of_an_earlier_connection_is_no_death() {
    let mut plug = device(&["spBv1.0/hall/+/n1"]);
    hear(&mut plug, "spBv1.0/hall/NBIRTH/n1", Some(0), birth(), now());
    let old = vec![metric("bdSeq", None, 4, Held::Long(2))];
    let late = hear(&mut plug, "spBv1.0/hall/NDEATH/n1", None, old, now());
    assert_eq!(shown(&late), Vec::<String>::new());
    // Its own, and one of a node that counts on before it says good-bye.
    for number in [3, 4] {
        hear(&mut plug, "spBv1.0/hall/NBIRTH/n1", Some(0), birth(), now());
        let own = vec![metric("bdSeq", None, 4, Held::Long(number))];
        let gone = hear(&mut plug, "spBv1.0/hall/NDEATH/n1", None, own, now());
        let down = r#"device.health {"detail":"gone: n1","status":"down"}"#;
        assert_eq!(shown(&gone), [down]);
    }
}

#[test]
fn what_cannot_be_understood_is_asked_for_again_but_not_all_the_time() {
    let mut plug = device(&["spBv1.0/hall/+/n1"]);
    let alias = || vec![metric("", Some(1), 0, Held::Float(21.5))];
    let after = |seconds: i64| now() + jiff::SignedDuration::from_secs(seconds);
    let unborn = hear(&mut plug, "spBv1.0/hall/NDATA/n1", Some(4), alias(), now());
    assert_eq!(shown(&unborn), ["! bad-field"]);
    let [(topic, payload)] = &unborn.orders[..] else {
        panic!("{unborn:?}")
    };
    assert_eq!(topic, "spBv1.0/hall/NCMD/n1");
    let order = Payload::decode(&payload[..]).unwrap();
    assert_eq!(
        order.metrics[0].name.as_deref(),
        Some("Node Control/Rebirth")
    );
    assert_eq!(order.metrics[0].value, Some(Held::Boolean(true)));
    assert_eq!(order.timestamp, Some(1_772_337_600_000));
    assert!(order.metrics[0].timestamp.is_some() && order.seq.is_none());
    for (seconds, asks) in [
        (1, false),
        (9, false),
        (11, true),
        (25, false),
        (32, true),
        (60, false),
    ] {
        let told = hear(
            &mut plug,
            "spBv1.0/hall/NDATA/n1",
            Some(4),
            alias(),
            after(seconds),
        );
        assert_eq!(!told.orders.is_empty(), asks, "after {seconds} s");
    }
    // A gap in the numbers: the value is good, but something was missed.
    hear(
        &mut plug,
        "spBv1.0/hall/NBIRTH/n1",
        Some(255),
        birth(),
        after(100),
    );
    let next = hear(
        &mut plug,
        "spBv1.0/hall/NDATA/n1",
        Some(0),
        alias(),
        after(101),
    );
    assert_eq!((shown(&next).len(), next.orders.len()), (1, 0));
    let gap = hear(
        &mut plug,
        "spBv1.0/hall/NDATA/n1",
        Some(2),
        alias(),
        after(102),
    );
    assert_eq!((shown(&gap).len(), gap.orders.len()), (1, 1));
}

#[test]
fn history_keeps_its_time_and_what_is_no_payload_is_refused() {
    let mut plug = device(&["spBv1.0/hall/+/n1"]);
    hear(&mut plug, "spBv1.0/hall/NBIRTH/n1", Some(0), birth(), now());
    let mut old = metric("Air/Temperature", None, 9, Held::Float(19.0));
    old.timestamp = Some(1_772_300_000_000);
    old.is_historical = Some(true);
    let told = hear(
        &mut plug,
        "spBv1.0/hall/NDATA/n1",
        Some(1),
        vec![old],
        now(),
    );
    assert_eq!(
        shown(&told),
        [r#"climate {"temperature":19.0,"time":"2026-02-28T17:33:20Z"}"#]
    );
    let refused = plug.take("spBv1.0/hall/NDATA/n1", b"\xff\xff\xff", false, now());
    assert_eq!(shown(&refused), ["! bad-field"]);
    let compressed = Payload {
        uuid: Some("SPBV1.0_COMPRESSED".into()),
        ..Payload::default()
    };
    let payload = compressed.encode_to_vec();
    let refused = plug.take("spBv1.0/hall/NDATA/n1", &payload, false, now());
    assert_eq!(shown(&refused), ["! bad-field"]);
    let odd = hear(&mut plug, "spBv1.0/hall/NCMD/n1", None, vec![], now());
    assert_eq!(shown(&odd), ["! unknown-kind"]);
}

// --- all

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
