//! Devices in Tasmota's form.

use super::*;

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
        r#"device.identity {"firmware":"13.4.0","mac":"a4:cf:12:34:56:78","model":"Sonoff POW"}"#;
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
}

#[test]
fn a_tasmota_plug_tells_its_state_its_switches_and_that_it_goes() {
    let mut plug = device(&["+/tasmota_345678"]);
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
