use proptest::prelude::*;
use serde_json::json;

use super::*;

fn traces() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fqm/traces");
    let mut traces: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect();
    traces.sort();
    traces
}

/// The tickets of a trace, over all its chunks.
fn recorded(text: &str) -> Vec<Ticket> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("> GET /api/v1/tickets/") {
            let body = lines.by_ref().find(|line| line.starts_with('[')).unwrap();
            let chunk = tickets(body.as_bytes()).unwrap();
            assert_eq!(chunk.bad(), 0);
            all.extend(chunk.items);
        }
    }
    all
}

fn said(news: &[Happening<'_>]) -> Vec<String> {
    let text = |news: &Happening<'_>| match news.step {
        Step::Issued if news.ticket.task == 1 => format!("issued {} cash", news.ticket.number),
        Step::Issued => format!("issued {} task-2", news.ticket.number),
        Step::Called => format!("called {} {}", news.ticket.number, news.ticket.office),
        Step::NoShow => format!("no-show {}", news.ticket.number),
        Step::PutBack => format!("transferred {} cash", news.ticket.number),
    };
    news.iter().map(text).collect()
}

#[test]
fn every_trace_tells_what_is_new_since_the_one_before() {
    let mut told = BTreeMap::new();
    let mut with_news = 0;
    for (path, text) in traces() {
        if path.contains("refused") {
            continue;
        }
        let tickets = recorded(&text);
        let expected: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("= "))
            .collect();
        let news = news(&tickets, &told);
        assert_eq!(said(&news), expected, "{path}");
        with_news += usize::from(!news.is_empty());
        told = tickets.iter().map(|ticket| (ticket.id, ticket.clone())).collect();
        assert!(super::news(&tickets, &told).is_empty());
    }
    assert!(with_news >= 7);
}

/// Whoever reads only the last trace of a ticket tells the same happenings, by the same names,
/// as far as FQM still knows of them.
#[test]
fn a_reader_that_starts_late_gives_happenings_the_same_names() {
    let trace = |name: &str| {
        let (_, text) = traces().into_iter().find(|(path, _)| path.contains(name)).unwrap();
        recorded(&text)
    };
    let (called, put_back) = (trace("04"), trace("05"));
    let names = |news: &[Happening<'_>]| {
        let name = |news: &Happening<'_>| format!("{:?} {} {}", news.step, news.ticket.id, news.after);
        news.iter().map(name).collect::<Vec<_>>()
    };
    let nothing = BTreeMap::new();
    let early = names(&news(&called, &nothing));
    let late = names(&news(&put_back, &nothing));
    assert!(early.iter().all(|name| late.contains(name)), "{early:?} {late:?}");
    assert_eq!(late.len(), early.len() + 1);
}

#[test]
fn times_are_those_fqm_says_and_no_others() {
    let (_, text) = traces().remove(4);
    let tickets = recorded(&text);
    let nothing = BTreeMap::new();
    for happening in news(&tickets, &nothing) {
        let ticket = happening.ticket;
        let expected = match happening.step {
            Step::Issued => Some(ticket.issued),
            Step::Called => ticket.pulled.map(|pull| pull.at),
            Step::NoShow | Step::PutBack => None,
        };
        assert_eq!(happening.time(), expected);
    }
    assert!(text.contains(&tickets[0].issued.to_string()[..26]), "as written");
}

#[test]
fn tickets_that_make_no_sense_are_left_out_and_counted() {
    let good = json!({"id": 2, "number": "101", "timestamp": "2026-11-22T05:34:25.961063",
        "p": true, "pdt": "2026-11-22T05:34:26", "pulledBy": 0, "status": "Processed",
        "office_id": 1, "task_id": 1});
    let check = |key: &str, value: Value, readable: bool| {
        let mut ticket = good.clone();
        ticket[key] = value;
        let chunk = tickets(json!([ticket]).to_string().as_bytes()).unwrap();
        assert_eq!((chunk.items.len() == 1, chunk.length), (readable, 1), "{key} {ticket}");
    };
    check("number", json!(101), true);
    check("pulledBy", Value::Null, true);
    check("pdt", Value::Null, true);
    check("status", Value::Null, true);
    check("p", Value::Null, true);
    check("colour", json!("red"), true);
    check("id", json!(-1), false);
    check("number", json!("1 1"), false);
    check("timestamp", json!("noon"), false);
    check("timestamp", Value::Null, false);
    check("pdt", json!("2026-13-01T00:00:00"), false);
    check("office_id", Value::Null, false);
    assert!(tickets(b"{\"message\": \"no\"}").is_err());
    assert!(tickets(b"[{").is_err());
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..2_000_000_000_000_000_i64).prop_map(|us| Timestamp::from_microsecond(us).unwrap())
}

fn any_ticket() -> impl Strategy<Value = Ticket> {
    let pull = (any_time(), proptest::option::of(1..99_u64)).prop_map(|(at, by)| Pull { at, by });
    let state = prop_oneof![
        Just(State::Waiting),
        Just(State::Processed),
        Just(State::Unattended)
    ];
    let ids = (0..40_u64, 1..9_u64, 1..9_u64);
    (ids, any_time(), proptest::option::of(pull), state).prop_map(
        |((id, task, office), issued, pulled, state)| Ticket {
            id,
            number: (100 + id).to_string().parse().unwrap(),
            task,
            office,
            issued,
            pulled,
            state,
        },
    )
}

/// As FQM writes it.
fn written(ticket: &Ticket) -> Value {
    let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string();
    let status = match ticket.state {
        State::Waiting => "Waiting",
        State::Processed => "Processed",
        State::Unattended => "Unattended",
    };
    json!({
        "id": ticket.id, "number": ticket.number, "timestamp": time(ticket.issued),
        "date": "2026-11-22T00:00:00", "name": null, "n": false,
        "p": ticket.state != State::Waiting, "pdt": ticket.pulled.map(|pull| time(pull.at)),
        "pulledBy": ticket.pulled.and_then(|pull| pull.by).unwrap_or(0), "on_hold": false,
        "status": status, "office_id": ticket.office, "task_id": ticket.task,
    })
}

proptest! {
    #[test]
    fn what_fqm_writes_is_read_back(list in proptest::collection::vec(any_ticket(), 0..40)) {
        let body = Value::Array(list.iter().map(written).collect()).to_string();
        let chunk = tickets(body.as_bytes()).unwrap();
        prop_assert_eq!(&chunk.items, &list);
        prop_assert_eq!(chunk.is_last(), list.len() < PER_CHUNK);
        fuzz(body.as_bytes());
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    #[test]
    fn any_damage_never_panics(ticket in any_ticket(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = json!([written(&ticket)]).to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        fuzz(&body);
    }
}
