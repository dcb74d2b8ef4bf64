use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn every_trace_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/qmatic/traces");
    let mut events = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let bodies = text.lines().filter(|line| line.starts_with('{'));
        let expected = text.lines().filter_map(|line| line.strip_prefix("> "));
        for (body, expected) in bodies.zip(expected) {
            let event = read(body.as_bytes()).unwrap();
            assert_eq!(format!("{} {}", event.name, event.time), expected, "{body}");
            events += 1;
            // A body comes whole or not at all: no beginning of it is an event.
            for end in 0..body.len() {
                if body.is_char_boundary(end) {
                    assert!(read(&body.as_bytes()[..end]).is_err(), "{}", &body[..end]);
                }
            }
        }
    }
    assert_eq!(events, 15);
}

fn check(body: &str, expected: &str) {
    let answer = match read(body.as_bytes()) {
        Ok(event) => format!("{event:?}"),
        Err(error) => error.to_string(),
    };
    assert!(answer.contains(expected), "{body}\n gave {answer}");
}

#[test]
fn what_is_wrong_is_named() {
    let time = r#""eventTime":"2014-05-27T09:46:10.757+0000""#;
    check("", "body: expected a JSON object, found EOF");
    check("[1]", "body: expected a JSON object, found [1]");
    check("{}", "eventName: expected a name, found nothing");
    check(r#"{"eventName":7}"#, "eventName: expected a name, found 7");
    check(r#"{"eventName":"A"}"#, "eventTime: expected a time such as");
    check(
        r#"{"eventName":"A","eventTime":"2014-05-27T09:46:10.757"}"#,
        "eventTime: expected a time such as 2014-05-27T09:46:10.757+0000, found",
    );
    check(
        &format!(r#"{{"eventName":"A",{time},"parameters":[]}}"#),
        "parameters: expected an object, found []",
    );
    check(&format!(r#"{{"eventName":"A",{time}}}"#), "unit: None");
    let long = "x".repeat(500);
    let error = read(format!("{{\"eventName\":[\"{long}\"]}}").as_bytes()).unwrap_err();
    assert!(error.to_string().len() < 120);
}

#[test]
fn parameters_are_texts_or_numbers() {
    let body = json!({"eventName": "A", "eventTime": "2014-05-27T09:46:10Z",
        "parameters": {"visitId": 5, "queueId": 110_000_000_001_u64, "ticket": "A1", "user": null, "e": ""}});
    let event = read(body.to_string().as_bytes()).unwrap();
    assert_eq!(event.number("visitId"), Ok(5));
    assert_eq!(event.text(&["none", "user", "e", "queueId"]).as_deref(), Some("110000000001"));
    assert_eq!(event.text(&["none"]), None);
    let error = event.number("ticket").unwrap_err().to_string();
    assert_eq!(error, "parameters.ticket: expected a number, found \"A1\"");
    let error = event.number("user").unwrap_err().to_string();
    assert_eq!(error, "parameters.user: expected a number, found nothing");
}

proptest! {
    #[test]
    fn what_orchestra_writes_is_read_back(
        name in "[A-Z_]{1,30}", ms in 0..2_000_000_000_000_i64, unit in proptest::option::of(0..u64::MAX),
        visit in any::<u64>(), ticket in "\\PC{0,10}",
    ) {
        let time = Timestamp::from_millisecond(ms).unwrap();
        let Value::Object(parameters) = json!({"visitId": visit, "ticket": ticket}) else {
            unreachable!()
        };
        let body = write(&name, time, unit, &parameters).to_string();
        let event = read(body.as_bytes()).unwrap();
        prop_assert_eq!((&event.name, event.time, event.unit), (&name, time, unit));
        prop_assert_eq!(event.number("visitId"), Ok(visit));
        fuzz(body.as_bytes());
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..300_usize) {
        fuzz(&bytes);
        let body = br#"{"eventName":"VISIT_END","eventTime":"2016-01-11T13:55:00.000+0100","eventType":"PUBLIC","unitId":120000000002,"parameters":{"visitId":5,"branchId":1}}"#;
        let cut = cut.min(body.len());
        fuzz(&[&body[..cut], &bytes, &body[cut..]].concat());
    }
}
