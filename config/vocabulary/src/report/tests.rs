//! What is read, what is refused, and in which words.

use super::*;

fn check(kind: &str, payload: &str, expected: &str) {
    let answer = match parse(kind, payload.as_bytes()) {
        Ok(parsed) => format!("{:?}", parsed.observation.kind()),
        Err(error) => format!("{}: {error}", error.code()),
    };
    assert!(
        answer.contains(expected),
        "{kind} {payload}\n  gave {answer}\n  not  {expected}"
    );
}

#[test]
fn bad_payloads_name_what_is_wrong_and_where() {
    check(
        "ticket.issued",
        "{",
        "bad-json: payload is not a JSON object: EOF",
    );
    check("ticket.issued", "[1]", "bad-json");
    check(
        "ticket.eaten",
        "{}",
        "unknown-kind: unknown kind \"ticket.eaten\"",
    );
    check("ticket.issued", "{}", "missing field `ticket`");
    check(
        "ticket.issued",
        r#"{"ticket":"A1"}"#,
        "missing field `queue`",
    );
    check(
        "ticket.issued",
        r#"{"ticket":"A 1","queue":"A"}"#,
        "is not a ticket number",
    );
    check(
        "ticket.issued",
        r#"{"ticket":"A1","queue":"A","seq":1}"#,
        "seq-without-boot",
    );
    check(
        "ticket.issued",
        r#"{"ticket":"A1","queue":"A","boot":"b","seq":-1}"#,
        "field \"seq\"",
    );
    check(
        "ticket.issued",
        r#"{"ticket":"A1","queue":"A","time":"noon"}"#,
        "field \"time\"",
    );
    check(
        "ticket.called",
        r#"{"ticket":"A1","counter":7}"#,
        "field \"counter\": invalid type",
    );
    check("rating.given", r#"{"score":6}"#, "a score from 1 to 5");
    check(
        "climate",
        r#"{"temperature":"warm"}"#,
        "field \"temperature\": invalid type: string \"warm\", expected f64",
    );
    check(
        "kiosk.health",
        r#"{"in_service":true,"faults":["a",7]}"#,
        "field \"faults[1]\": invalid type",
    );
    check(
        "counter.state",
        r#"{"counter":"1","state":"asleep"}"#,
        "unknown variant `asleep`",
    );
}

#[test]
fn what_is_wrong_with_a_transaction_is_said_without_its_values() {
    const GOOD: [(&str, &str); 7] = [
        ("id", r#""T-1""#),
        ("kind", r#""payment""#),
        ("method", r#""cash""#),
        ("amount_fen", "5"),
        ("succeeded", "true"),
        ("boot", r#""b""#),
        ("seq", "1"),
    ];
    let with = |name: &str, value: &str| {
        let kept = GOOD.iter().filter(|(good, _)| *good != name);
        let mut fields: Vec<_> = kept
            .map(|(good, value)| format!("{good:?}:{value}"))
            .collect();
        fields.push(format!("{name:?}:{value}"));
        format!("{{{}}}", fields.join(","))
    };
    check("kiosk.txn", &with("more", "1"), "KioskTxn");
    for (name, value, expected) in [
        ("method", r#""13800001111""#, "cash, card, scan or none"),
        ("method", "13800001111", "cash, card, scan or none"),
        ("id", "13800001111", "a text"),
        ("kind", "13800001111", "the business kind"),
        (
            "kind",
            r#""kiosk.txn""#,
            r#"{"kind": "kiosk.txn", "payload": {…}}"#,
        ),
        ("amount_fen", r#""13800001111""#, "a whole number"),
        ("amount_fen", "13800001111", "a whole number"),
        ("succeeded", r#""13800001111""#, "true or false"),
        ("number_hash", "13800001111", "a keyed hash"),
        ("time", r#""13800001111""#, "a time"),
        ("boot", r#""138 0000 1111""#, "a boot id"),
        ("seq", r#""13800001111""#, "a whole number"),
    ] {
        let payload = with(name, value);
        let error = parse("kiosk.txn", payload.as_bytes())
            .unwrap_err()
            .to_string();
        let said = format!("field {name:?}: expected ");
        let is_named = error.contains(&said) && error.contains(expected);
        assert!(
            is_named && !error.contains("1380"),
            "{payload}\n gave {error}"
        );
    }
    for payload in [
        "13800001111",
        r#""13800001111""#,
        "[13800001111]",
        "{13800001111",
    ] {
        let error = parse("kiosk.txn", payload.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(!error.contains("138"), "{payload}\n gave {error}");
    }
}

#[test]
fn an_identity_has_short_texts() {
    let of = |model: &str| format!(r#"{{"vendor":"v","model":"{model}"}}"#);
    let most = "自".repeat(128);
    check("device.identity", &of(&most), "DeviceIdentity");
    let long = of(&format!("{most}x"));
    let expected = "field \"model\": expected at most 128 characters";
    check("device.identity", &long, expected);
    // What a driver reads of its device is cut.
    let said = Observation::Identity(serde_json::from_str(&long).unwrap());
    let parsed = parse("device.identity", &compose(&said, None, None)).unwrap();
    let Observation::Identity(identity) = parsed.observation else {
        panic!("not an identity")
    };
    assert_eq!(identity.model, Some(most));
}

#[test]
fn what_a_vendor_adds_is_ignored_and_a_type_inside_cannot_change_the_kind() {
    let payload = br#"{"ticket":"A1","queue":"B","type":"ticket.cancelled","colour":"red"}"#;
    let parsed = parse("ticket.issued", payload).unwrap();
    let Observation::Ticket(event) = parsed.observation else {
        panic!("not a ticket")
    };
    assert!(matches!(event.step, TicketStep::Issued { .. }));
}

#[test]
fn an_empty_field_is_one_that_is_not_there() {
    let payload = br#"{"ticket":"A1","counter":"3","staff":null,"time":null,"seq":null}"#;
    let parsed = parse("ticket.called", payload).unwrap();
    assert_eq!((parsed.time, parsed.origin), (None, None));
    check(
        "ticket.called",
        r#"{"ticket":null,"counter":"3"}"#,
        "missing field `ticket`",
    );
}

#[test]
fn a_composed_report_is_read_back_the_same() {
    let payload =
        br#"{"ticket":"A1","counter":"3","staff":"2001","time":"2020-01-02T08:00:00Z","boot":"b1","seq":7}"#;
    let parsed = parse("ticket.called", payload).unwrap();
    let again = compose(&parsed.observation, parsed.time, parsed.origin.as_ref());
    assert_eq!(parse("ticket.called", &again), Ok(parsed));
}

#[test]
fn every_kind_has_one_name() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_text(kind.as_str()), Some(*kind));
    }
}
