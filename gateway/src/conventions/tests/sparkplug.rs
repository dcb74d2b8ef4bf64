//! Edge nodes of Sparkplug B.

use prost::Message;

use super::super::payload::{Metric, Payload, PropertySet, PropertyValue, Value as Held};
use super::*;

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
