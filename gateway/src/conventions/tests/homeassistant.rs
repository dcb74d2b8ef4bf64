//! Devices in Home Assistant's form.

use super::*;

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
fn what_is_retained_before_it_is_announced_counts_then() {
    let mut z2m = device(&["z2m"]);
    let long = "i".repeat(EARLY_BYTES_MAX + 1);
    let info = z2m.take("z2m/bridge/info", long.as_bytes(), true, now());
    assert_eq!(shown(&info), ["! unknown-kind"], "too long to wait");
    for (topic, payload, retain) in [
        ("z2m/bridge/state", "online", true),
        ("z2m/door/availability", "online", true),
        // It goes while nobody knows it yet.
        ("z2m/door/availability", "offline", false),
    ] {
        let early = z2m.take(topic, payload.as_bytes(), retain, now());
        assert_eq!(early, Translated::said(Vec::new()), "{topic}");
    }
    let config = json!({"stat_t": "z2m/door", "avty_t": "z2m/door/availability"});
    let down = r#"device.health {"detail":"gone: z2m/door/availability","status":"down"}"#;
    let topic = "homeassistant/sensor/door/config";
    check(&mut z2m, topic, &config, &[down]);
    // Heard once.
    check(&mut z2m, topic, &config, &[]);
    // What nobody announces is shown, once.
    assert!(z2m.overdue(now()).is_empty());
    let later = now() + EARLY_FOR;
    let unknown = vec![("z2m/bridge/state".to_owned(), b"online".to_vec())];
    assert_eq!(z2m.overdue(later), unknown);
    assert!(z2m.overdue(later).is_empty());
    for number in 1..EARLY_MAX {
        let early = z2m.take(&format!("z2m/{number}"), b"x", true, now());
        assert_eq!(early, Translated::said(Vec::new()));
    }
    let more = z2m.take("z2m/more", b"x", true, now());
    assert_eq!(shown(&more), ["! unknown-kind"]);
}

#[test]
fn a_long_message_of_many_parts_makes_no_flood_of_long_reports() {
    let mut own = device(&["own"]);
    for number in 0..256 {
        let template = match number % 2 {
            0 => "{{ value }}",
            // Cannot be run.
            _ => "{{ value | no_such_filter }}",
        };
        let config =
            json!({"name": format!("part {number}"), "stat_t": "own/x", "val_tpl": template});
        let topic = format!("homeassistant/sensor/p{number}/config");
        own.take(&topic, config.to_string().as_bytes(), true, now());
    }
    let translated = own.take("own/x", "纸".repeat(21_000).as_bytes(), false, now());
    let length = |said: &Said| compose(&said.observation, said.time, None).len();
    let lengths: Vec<usize> = translated.said.iter().map(length).collect();
    assert!(lengths.len() >= 256, "{}", lengths.len());
    assert!(
        lengths.iter().all(|length| *length < 400),
        "{:?}",
        lengths.iter().max()
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
    let said = esp.take("esp-hall/x", b"21", true, now());
    assert_eq!(shown(&said), Vec::<String>::new());
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

#[test]
fn what_is_no_longer_announced_is_not_missed() {
    let mut esp = device(&["esp-hall"]);
    for part in ["a", "b"] {
        let topic = format!("homeassistant/sensor/{part}/config");
        let config = json!({"stat_t": "esp-hall/x", "avty_t": format!("esp-hall/{part}")});
        check(&mut esp, &topic, &config, &[]);
    }
    check(
        &mut esp,
        "esp-hall/a",
        &json!("online"),
        &[r#"device.health {"status":"up"}"#],
    );
    let degraded = r#"device.health {"detail":"gone: esp-hall/b","status":"degraded"}"#;
    check(&mut esp, "esp-hall/b", &json!("offline"), &[degraded]);
    let up = r#"device.health {"status":"up"}"#;
    check(&mut esp, "homeassistant/sensor/b/config", &json!(""), &[up]);
    check(&mut esp, "homeassistant/sensor/a/config", &json!(""), &[]);
}
