use proptest::prelude::*;

use super::*;

#[test]
fn nothing_but_reading_can_be_asked_for() {
    let names = Ask::ALL.map(Ask::name);
    assert_eq!(
        names,
        [
            "ServicePublisher.GetServices",
            "Common.Capabilities",
            "Common.SetVersions",
            "Common.Status",
            "Storage.GetStorage",
        ]
    );
    // Whoever adds a command must add it here; `SetVersions` is about messages, not devices.
    for name in names {
        let verb = name.split('.').nth(1).unwrap();
        let reads = verb.starts_with("Get") || ["Capabilities", "Status", "SetVersions"].contains(&verb);
        assert!(reads, "{name}");
    }
    for ask in Ask::ALL {
        let text = ask.write(3, "1.0", 5000, &Versions::guess("1.0"));
        let Ok(Message::Command { request, name, version, .. }) = read(&text) else {
            panic!("{text}")
        };
        assert_eq!((request, name.as_str(), version.as_str()), (3, ask.name(), "1.0"));
    }
}

/// Short facts: one message a line, `> ` what it is read as.
#[test]
fn every_trace_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/xfs4iot/traces");
    let mut messages = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let expected = text.lines().filter_map(|line| line.strip_prefix("> "));
        for (line, expected) in lines.zip(expected) {
            assert_eq!(read(line).unwrap().to_string(), expected, "{line}");
            messages += 1;
            // A message is a frame of its own: no beginning of it is one.
            for end in (0..line.len()).filter(|end| line.is_char_boundary(*end)) {
                assert!(read(&line[..end]).is_err());
            }
        }
    }
    assert!(messages >= 9, "only {messages}");
}

#[test]
fn what_is_wrong_is_named() {
    let check = |text: &str, expected: &str| {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n gave {error}");
    };
    check("", "message: expected a JSON object");
    check("[]", "header.type: expected acknowledge, completion");
    check(r#"{"header":{"type":"eaten"}}"#, "found \"eaten\"");
    check(r#"{"header":{"type":"completion"}}"#, "header.requestId: expected a number, found null");
    check(
        r#"{"header":{"type":"completion","requestId":1}}"#,
        "completionCode: expected a code, found null",
    );
}

#[test]
fn the_newest_version_both_know_is_agreed_on() {
    let capabilities = json!({"interfaces": [
        {"name": "Common", "commands": {
            "Common.Status": {"versions": ["1.0", "2.1", "3.0", "2.0", "x"]},
            "Common.Capabilities": {"versions": ["1.0"]},
            "Common.SetVersions": {"versions": ["1.0"]},
            "Common.PowerSaveControl": {"versions": ["1.0"]},
         }, "events": {"Common.ErrorEvent": {"versions": ["1.0", "2.0"]}, "Common.NonceClearedEvent": {"versions": ["1.0"]}}},
        {"name": "Storage", "commands": {"Storage.GetStorage": {"versions": ["3.0"]}}},
    ]});
    let versions = Versions::of(&capabilities);
    assert_eq!(versions.version(Ask::Status), Some("2.1"));
    assert_eq!(versions.version(Ask::GetStorage), None);
    let text = Ask::SetVersions.write(1, "1.0", 0, &versions);
    let Ok(Message::Command { payload, .. }) = read(&text) else {
        panic!("{text}")
    };
    assert_eq!(
        payload,
        json!({"commands": {"Common.Capabilities": 1, "Common.SetVersions": 1, "Common.Status": 2},
            "events": {"Common.ErrorEvent": 2}, "timeout": 0})
    );
    assert_eq!(Versions::of(&json!(7)), Versions::default());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        "(online|full|low|jammed|missing|stop|2\\.0|[a-z]{0,4})".prop_map(Value::from),
    ];
    let keys = "(common|device|printer|paper|media|storage|cash|status|interfaces|commands|events|versions|unit1|Common\\.Status)";
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(keys, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_payload_never_panics(payload in any_json(), kind in "(completion|event|command|acknowledge)") {
        let text = json!({"header": {"type": kind, "name": "x", "requestId": 1, "completionCode": "success"},
            "payload": payload}).to_string();
        fuzz(text.as_bytes());
        let service = super::super::health::Service::default().status(&payload).storage(&payload).error(&payload);
        let services = [("a".to_owned(), service)].into();
        let _ = super::super::health::kiosk(&services);
        let _ = super::super::health::identity(None, &[payload]);
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn commands_are_read_back(request in 1..u64::MAX, version in "[12]\\.[0-9]", timeout in any::<u32>()) {
        for ask in Ask::ALL {
            let text = ask.write(request, &version, timeout.into(), &Versions::guess(&version));
            let read = read(&text);
            let is_same = matches!(&read, Ok(Message::Command { request: again, name, version: of, .. })
                if *again == request && name == ask.name() && *of == version);
            prop_assert!(is_same, "{:?}", read);
        }
    }
}
