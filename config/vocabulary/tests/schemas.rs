//! The JSON Schemas in `schema/` are what the types say, and say of a report what its reader does.
//! After a wanted change of the wire, write them anew:
//! `ZHIBAN_WRITE_SCHEMAS=1 cargo test -p zhiban-vocabulary --test schemas`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jsonschema::Validator;
use schemars::{Schema, schema_for};
use serde_json::Value;
use zhiban_vocabulary::down::{About, Answered, Poll, Polled};
use zhiban_vocabulary::envelope::{Answer, Heartbeat, Item};
use zhiban_vocabulary::report::{self, Kind};

/// Payloads the schema and the reader both take: the least, then everything.
const GOOD: &[(&str, &[&str])] = &[
    (
        "ticket.issued",
        &[
            r#"{"ticket":"A001","queue":"A"}"#,
            r#"{"ticket":"贵宾001","queue":"贵宾","class":"vip","service":"fees","COMMON"}"#,
            r#"{"ticket":"A001","queue":"A","class":null,"service":null}"#,
        ],
    ),
    (
        "ticket.called",
        &[
            r#"{"ticket":"A001","counter":"3"}"#,
            r#"{"ticket":"A001","counter":"3","staff":"2001","COMMON"}"#,
            r#"{"ticket":"A001","counter":"3","staff":null}"#,
        ],
    ),
    (
        "ticket.recalled",
        &[
            r#"{"ticket":"A001","counter":"3"}"#,
            r#"{"ticket":"A001","counter":"3","COMMON"}"#,
        ],
    ),
    (
        "ticket.started",
        &[
            r#"{"ticket":"A001","counter":"3"}"#,
            r#"{"ticket":"A001","counter":"3","staff":"2001","COMMON"}"#,
            r#"{"ticket":"A001","counter":"3","staff":null}"#,
        ],
    ),
    (
        "ticket.finished",
        &[
            r#"{"ticket":"A001"}"#,
            r#"{"ticket":"A001","service":"fees","COMMON"}"#,
            r#"{"ticket":"A001","service":null}"#,
        ],
    ),
    (
        "ticket.no-show",
        &[r#"{"ticket":"A001"}"#, r#"{"ticket":"A001","COMMON"}"#],
    ),
    (
        "ticket.transferred",
        &[
            r#"{"ticket":"A001","queue":"B"}"#,
            r#"{"ticket":"A001","queue":"B","counter":"3","COMMON"}"#,
            r#"{"ticket":"A001","queue":"B","counter":null}"#,
        ],
    ),
    (
        "ticket.cancelled",
        &[r#"{"ticket":"A001"}"#, r#"{"ticket":"A001","COMMON"}"#],
    ),
    (
        "counter.state",
        &[
            r#"{"counter":"3","state":"open"}"#,
            r#"{"counter":"3","state":"break","staff":"2001","COMMON"}"#,
            r#"{"counter":"3","state":"closed","staff":null}"#,
        ],
    ),
    (
        "counter.key",
        &[
            r#"{"counter":"3","key":"call-next"}"#,
            r#"{"counter":"3","key":"call-next","staff":"2001","COMMON"}"#,
            r#"{"counter":"3","key":"call-next","staff":null}"#,
        ],
    ),
    (
        "rating.given",
        &[
            r#"{"score":5}"#,
            r#"{"score":1,"counter":"3","ticket":"A001","reason":"slow","staff":"2001","raw":"5","COMMON"}"#,
            r#"{"score":1,"counter":null,"ticket":null,"reason":null,"staff":null,"raw":null}"#,
        ],
    ),
    (
        "kiosk.health",
        &[
            r#"{"in_service":true}"#,
            r#"{"in_service":false,"paper":"jammed","cash_box":"full","faults":["E7"],"COMMON"}"#,
            r#"{"in_service":true,"paper":null,"cash_box":null}"#,
        ],
    ),
    (
        "kiosk.txn",
        &[
            r#"{"id":"1","kind":"bill-query","method":"none","succeeded":true}"#,
            r#"{"id":"2","kind":"payment","amount_fen":4294967295,"method":"scan",
                "succeeded":false,"number_hash":"9f86d081884c7d659a2feaa0c55ad015","COMMON"}"#,
            r#"{"id":"1","kind":"print","method":"cash","succeeded":true,"number_hash":null}"#,
        ],
    ),
    (
        "climate",
        &[
            r#"{"temperature":22}"#,
            r#"{"temperature":-20.5,"humidity":41.2,"COMMON"}"#,
            r#"{"temperature":100000,"humidity":null}"#,
        ],
    ),
    (
        "energy",
        &[
            "{}",
            r#"{"energy_wh":1234567,"power":1500.5,"voltage":230.1,"COMMON"}"#,
            r#"{"energy_wh":null,"power":null,"voltage":null}"#,
        ],
    ),
    (
        "people.count",
        &[
            r#"{"entered":0}"#,
            r#"{"entered":70000,"left":69998,"COMMON"}"#,
            r#"{"entered":1,"left":null}"#,
        ],
    ),
    (
        "measurement",
        &[
            r#"{"name":"pressure","value":1013.25}"#,
            r#"{"name":"mode","value":"auto","COMMON"}"#,
            r#"{"name":"气压","value":-7,"unit":"hPa","COMMON"}"#,
            r#"{"name":"pressure","value":1013,"unit":null}"#,
        ],
    ),
    (
        "power.state",
        &[
            r#"{"source":"mains"}"#,
            r#"{"source":"battery","battery":"low","charge_percent":12,"runtime_s":300,
                "load_percent":40,"COMMON"}"#,
            r#"{"source":"off","battery":null,"charge_percent":null,"runtime_s":null,
                "load_percent":null}"#,
        ],
    ),
    (
        "printer.health",
        &[
            r#"{"online":true}"#,
            r#"{"online":false,"paper":"out","cover_open":true,"cutter_fault":false,
                "toner":"low","faults":["jam"],"COMMON"}"#,
            r#"{"online":true,"paper":null,"cover_open":null,"cutter_fault":null,"toner":null}"#,
        ],
    ),
    (
        "input.state",
        &[
            r#"{"input":"door","on":true}"#,
            r#"{"input":"door","on":false,"COMMON"}"#,
        ],
    ),
    (
        "device.identity",
        &[
            "{}",
            r#"{"vendor":"v","model":"m","serial":"s","firmware":"1","hardware":"2","mac":"a",
                "COMMON"}"#,
            r#"{"vendor":null,"model":null,"serial":null,"firmware":null,"hardware":null,
                "mac":null}"#,
        ],
    ),
    (
        "device.alarm",
        &[
            r#"{"alarm":"paper-low","severity":"warning"}"#,
            r#"{"alarm":"paper-low","severity":"cleared","text":"done","COMMON"}"#,
            r#"{"alarm":"paper-low","severity":"major","text":null}"#,
        ],
    ),
    (
        "command.state",
        &[
            r#"{"command":"7","status":"executing"}"#,
            r#"{"command":"7","status":"failed","reason":"no power","COMMON"}"#,
            r#"{"command":"7","status":"successful","reason":null}"#,
        ],
    ),
    (
        "screen.text",
        &[
            r#"{"text":"请排队"}"#,
            r#"{"text":"请排队","counter":"3","speak":true,"COMMON"}"#,
            r#"{"text":"请排队","counter":null}"#,
        ],
    ),
    (
        "device.health",
        &[
            r#"{"status":"up"}"#,
            r#"{"status":"degraded","detail":"paper low","COMMON"}"#,
            r#"{"status":"down","detail":null}"#,
        ],
    ),
    (
        "screen.shown",
        &[
            r#"{"text":"call B016"}"#,
            r#"{"text":"call B016","acknowledged":true}"#,
            r#"{"text":"","acknowledged":false,"COMMON"}"#,
            r#"{"text":"call B016","acknowledged":null}"#,
        ],
    ),
];

/// What every report may carry, and what only its maker knows.
const COMMON: &str = r#""time":"2020-01-02T16:00:00.5+08:00","boot":"b-1",
    "seq":18446744073709551615,"type":7,"colour":"red""#;

/// Values of their type that a field must not have; see also [`spoilt`].
const BAD: &[(&str, &[&str])] = &[
    (
        "ticket.issued",
        &[
            r#"{"ticket":"","queue":"A"}"#,
            r#"{"ticket":"A001","queue":"A234567890123456789012345"}"#,
            r#"{"ticket":"A001","queue":"A","class":"king"}"#,
        ],
    ),
    (
        "counter.state",
        &[
            r#"{"counter":"3","state":"asleep"}"#,
            r#"{"counter":"3","state":null}"#,
        ],
    ),
    ("counter.key", &[r#"{"counter":"3","key":"any"}"#]),
    (
        "rating.given",
        &[r#"{"score":0}"#, r#"{"score":6}"#, r#"{"score":4.5}"#],
    ),
    (
        "kiosk.health",
        &[
            r#"{"in_service":true,"paper":"wet"}"#,
            r#"{"in_service":true,"cash_box":"low"}"#,
            r#"{"in_service":true,"faults":null}"#,
            r#"{"in_service":true,"faults":[7]}"#,
        ],
    ),
    (
        "kiosk.txn",
        &[
            r#"{"id":"1","kind":"payment","method":"barter","succeeded":true}"#,
            r#"{"id":"1","kind":"payment","method":"cash","succeeded":true,"amount_fen":-1}"#,
            r#"{"id":"1","kind":"payment","method":"cash","succeeded":true,"amount_fen":4294967296}"#,
            r#"{"id":"1","kind":"payment","method":"cash","succeeded":true,"amount_fen":null}"#,
            r#"{"id":"1","kind":"x","method":"none","succeeded":true,"number_hash":"13800001111"}"#,
            r#"{"id":"1","kind":"x","method":"none","succeeded":true,
                "number_hash":"00000000000000000000000013800001111"}"#,
            r#"{"id":"1","kind":"x","method":"none","succeeded":true,
                "number_hash":"9f86d081884c7d659a2feaa0c55ad01 "}"#,
        ],
    ),
    (
        "climate",
        &[
            r#"{"temperature":100001}"#,
            r#"{"temperature":22,"humidity":"41"}"#,
        ],
    ),
    (
        "measurement",
        &[
            r#"{"name":"pressure","value":true}"#,
            r#"{"name":"pressure","value":{"now":1013}}"#,
            r#"{"name":"pressure","value":1013,"unit":7}"#,
        ],
    ),
    ("device.health", &[r#"{"status":"well"}"#]),
];

/// Additions to a good payload that spoil it, whatever the kind.
const BAD_COMMON: &[&str] = &[
    r#""seq":1"#,
    r#""boot":"b-1","seq":-1"#,
    r#""boot":"b-1","seq":18446744073709551616"#,
    r#""boot":"b-1","seq":"1""#,
    r#""boot":"""#,
    r#""boot":7"#,
    r#""time":"noon""#,
    r#""time":1577952000"#,
];

fn check(name: &str, schema: &Schema) {
    let file = folder().join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("ZHIBAN_WRITE_SCHEMAS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what the types say: see the head of this test",
        file.display()
    );
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn sent_by_devices() -> impl Iterator<Item = Kind> {
    let all = Kind::ALL.iter().copied();
    all.filter(|kind| !kind.is_internal())
}

fn validator(kind: Kind) -> Validator {
    let mut options = jsonschema::draft202012::options();
    options = options.should_validate_formats(true);
    let schema = report::schema(kind).to_value();
    options.build(&schema).unwrap()
}

fn samples(table: &'static [(&str, &[&str])], kind: Kind) -> &'static [&'static str] {
    let row = table.iter().find(|(name, _)| *name == kind.as_str());
    row.map_or(&[], |(_, payloads)| payloads)
}

fn good(kind: Kind) -> Vec<String> {
    let payloads = samples(GOOD, kind).iter();
    payloads
        .map(|text| text.replace(r#""COMMON""#, COMMON))
        .collect()
}

/// The least good payload with one of its fields missing or of a wrong type, and with what no
/// report may carry.
fn spoilt(kind: Kind) -> Vec<String> {
    let least = &good(kind)[0];
    let Value::Object(fields) = serde_json::from_str(least).unwrap() else {
        panic!("{least} is not an object")
    };
    let mut all = vec!["[]".to_owned(), "7".to_owned()];
    for name in fields.keys() {
        let mut without = fields.clone();
        without.remove(name);
        all.push(Value::Object(without.clone()).to_string());
        for wrong in [Value::Null, Value::Array(Vec::new())] {
            without.insert(name.clone(), wrong);
            all.push(Value::Object(without.clone()).to_string());
        }
    }
    let open = least.strip_suffix('}').unwrap();
    let comma = if open == "{" { "" } else { "," };
    let common = BAD_COMMON.iter();
    all.extend(common.map(|addition| format!("{open}{comma}{addition}}}")));
    all
}

/// What the schema says of a payload, and what the reader says.
fn verdicts(kind: Kind, schema: &Validator, payload: &str) -> [Result<(), String>; 2] {
    let value: Value = serde_json::from_str(payload).unwrap();
    let by_schema = schema.validate(&value).map_err(|error| error.to_string());
    let read = report::parse(kind.as_str(), payload.as_bytes());
    [by_schema, read.map(drop).map_err(|error| error.to_string())]
}

#[test]
fn the_schemas_in_the_folder_are_what_the_types_say() {
    let mut names = BTreeSet::new();
    for kind in sent_by_devices() {
        check(&format!("report/{}", kind.as_str()), &report::schema(kind));
        names.insert(format!("{}.json", kind.as_str()));
    }
    let entries = std::fs::read_dir(folder().join("report")).unwrap();
    let found = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), names, "files of no kind");
    check("item", &schema_for!(Item));
    check("heartbeat", &schema_for!(Heartbeat));
    check("answer", &schema_for!(Answer));
    check("poll", &schema_for!(Poll));
    check("polled", &schema_for!(Polled));
    check("answered", &schema_for!(Answered));
    check("about", &schema_for!(About));
}

#[test]
fn the_schema_and_the_reader_take_the_same_payloads() {
    for kind in sent_by_devices() {
        let schema = validator(kind);
        let payloads = good(kind);
        assert!(payloads.len() >= 2, "{}: no samples", kind.as_str());
        for payload in payloads {
            let verdicts = verdicts(kind, &schema, &payload);
            assert_eq!(verdicts, [Ok(()), Ok(())], "{} {payload}", kind.as_str());
        }
    }
}

#[test]
fn the_schema_and_the_reader_refuse_the_same_payloads() {
    for kind in sent_by_devices() {
        let schema = validator(kind);
        let bad = samples(BAD, kind).iter().copied().map(str::to_owned);
        for payload in bad.chain(spoilt(kind)) {
            let verdicts = verdicts(kind, &schema, &payload);
            assert!(
                verdicts.iter().all(Result::is_err),
                "{} {payload}: {verdicts:?}",
                kind.as_str()
            );
        }
    }
}

/// Where `report::schema` says that the reader is the judge.
#[test]
fn the_schema_and_the_reader_differ_where_the_schema_says_so() {
    let kind = Kind::RatingGiven;
    let schema = validator(kind);
    let takes = |payload: &str| verdicts(kind, &schema, payload).map(|verdict| verdict.is_ok());
    assert_eq!(takes(r#"{"score":5,"ticket":"A 1"}"#), [true, false]);
    assert_eq!(takes(r#"{"score":5,"boot":null,"seq":1}"#), [true, false]);
    assert_eq!(takes(r#"{"score":5.0}"#), [true, false]);
    assert_eq!(takes(r#"{"score":5,"seq":null}"#), [false, true]);
    assert_eq!(
        takes(r#"{"score":5,"time":"20200102T080000Z"}"#),
        [false, true]
    );
}
