use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use serde_json::{Value, json};
use zhiban_vocabulary::masters::drawings::{self as drawings_of, Drawing};

use super::*;

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::journal::migrate(&mut connection).unwrap();
    connection
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn document(family: Family, scope: &str, id: &str, change: u64, content: Value) -> Document {
    Document {
        family,
        id: id.into(),
        scope: scope.into(),
        change,
        content: (!content.is_null()).then_some(content),
    }
}

fn answer(life: u64, afresh: bool, documents: Vec<Document>) -> Fetched {
    let change = documents.last().map_or(0, |last| last.change);
    Fetched {
        upto: Cursor { life, change },
        afresh,
        documents,
        ..Fetched::default()
    }
}

fn hall() -> StoreId {
    "wola".parse().unwrap()
}

fn wola(change: u64, content: Value) -> Document {
    document(Family::Hall, "wola", "wola", change, content)
}

fn ids(connection: &Connection, family: &Family) -> Vec<String> {
    let kept = store::usable(connection, family).unwrap();
    kept.into_iter().map(|kept| kept.id).collect()
}

fn agent(id: &str, change: u64, content: Value) -> Document {
    document(Family::Agent, "city", id, change, content)
}

#[test]
fn an_answer_that_comes_again_changes_nothing_and_what_was_taken_back_stays_away() {
    let connection = database();
    let named = json!({"name": "甲"});
    let first = answer(
        7,
        false,
        vec![agent("a", 5, named.clone()), agent("b", 6, named)],
    );
    let second = answer(7, false, vec![agent("a", 9, Value::Null)]);
    for fetched in [&first, &first, &second, &first, &second] {
        apply(&connection, fetched, at(0)).unwrap();
    }
    assert_eq!(ids(&connection, &Family::Agent), ["b"]);
    assert_eq!(cursor(&connection).unwrap(), second.upto);
}

#[test]
fn another_place_is_begun_afresh_also_page_by_page() {
    let connection = database();
    let named = json!({"name": "甲"});
    let old = answer(7, false, vec![agent("a", 500, named.clone())]);
    let page = answer(8, true, vec![agent("b", 3, named.clone())]);
    let rest = answer(8, false, vec![agent("c", 4, named)]);
    let page = Fetched { more: true, ..page };
    for fetched in [&old, &page] {
        apply(&connection, fetched, at(0)).unwrap();
    }
    // Were the line cut here, the hall would work on.
    assert_eq!(ids(&connection, &Family::Agent), ["b", "a"]);
    apply(&connection, &rest, at(0)).unwrap();
    assert_eq!(ids(&connection, &Family::Agent), ["b", "c"]);
    // One of the place before that was late.
    apply(&connection, &old, at(0)).unwrap();
    assert_eq!(ids(&connection, &Family::Agent), ["b", "c"]);
}

#[test]
fn what_cannot_be_used_is_kept_flagged_and_the_rest_goes_on() {
    let connection = database();
    let future = Family::Other("weather".into());
    let documents = vec![
        document(future, "city", "w", 1, json!([1, 2])),
        agent("wrong", 2, json!({"name": 7})),
        agent("text", 3, json!("x")),
        agent(
            "later",
            4,
            json!({"name": "甲", "colour": "a field of a later version"}),
        ),
    ];
    apply(&connection, &answer(7, false, documents), at(0)).unwrap();
    assert_eq!(ids(&connection, &Family::Agent), ["later"]);
    let unread = store::unread(&connection).unwrap();
    let found = unread
        .iter()
        .map(|[family, _, id, _]| (family.as_str(), id.as_str()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [("agent", "text"), ("agent", "wrong"), ("weather", "w")]
    );
    assert!(unread[1][3].contains("name: expected"), "{unread:?}");
}

#[test]
fn the_age_is_known_to_the_minute_and_not_written_at_every_poll() {
    let connection = database();
    let reached = || store::state(&connection).unwrap().reached;
    let nothing = Fetched::nothing(Cursor::default());
    assert_eq!(reached(), None);
    for (second, expect) in [(0, 0), (59, 0), (60, 60), (100, 60), (-50, -50)] {
        apply(&connection, &nothing, at(second)).unwrap();
        assert_eq!(reached(), Some(at(expect)), "{second}");
    }
    assert_eq!(store::state(&connection).unwrap().changed, None);
    apply(
        &connection,
        &answer(7, false, vec![agent("a", 1, json!({"name": "甲"}))]),
        at(70),
    )
    .unwrap();
    assert_eq!(store::state(&connection).unwrap().changed, Some(at(70)));
}

#[test]
fn thresholds_follow_the_chain_and_the_day() {
    let connection = database();
    let unit = |id: &str, change, parent: Value| {
        let content = json!({"name": id, "level": "city", "parent": parent});
        document(Family::Unit, id, id, change, content)
    };
    let set = |scope: &str, change, from: &str, value: i64| {
        let id = format!("wait-long-s@{from}");
        let content = json!({"name": "wait-long-s", "from": from, "value": value});
        document(Family::Threshold, scope, &id, change, content)
    };
    let documents = vec![
        unit("group", 1, Value::Null),
        unit("city", 2, "group".into()),
        wola(3, json!({"unit": "city"})),
        set("group", 4, "2026-01-01", 700),
        set("city", 5, "2026-03-01", 300),
        set("elsewhere", 6, "2026-01-01", 60),
    ];
    let long = |connection: &Connection, day: &str| {
        let levels = thresholds(connection, &hall(), day.parse().unwrap()).unwrap();
        levels
            .into_iter()
            .find(|level| level.name == "wait-long-s")
            .unwrap()
    };
    assert_eq!(
        long(&connection, "2026-01-01").value,
        Some(600),
        "the default"
    );
    apply(&connection, &answer(7, false, documents), at(0)).unwrap();
    assert_eq!(
        chain(&connection, &hall()).unwrap(),
        ["wola", "city", "group"]
    );
    for (day, value, scope) in [
        ("2025-12-31", 600, None),
        ("2026-02-28", 700, Some("group")),
        ("2026-03-01", 300, Some("city")),
    ] {
        let level = long(&connection, day);
        let found = (level.value, level.scope.as_deref());
        assert_eq!(found, (Some(value), scope), "{day}");
    }
    assert!(
        master(&connection, &hall()).unwrap().is_none(),
        "a place is no master data"
    );
}

#[test]
fn a_proposal_goes_up_once_and_hears_what_became_of_it() {
    let connection = database();
    let changes = |value: &Value| value.as_object().unwrap().clone();
    let area = changes(&json!({"area_m2": 620}));
    propose(&connection, area.clone(), None, "1001", at(0)).unwrap();
    let wrong = propose(
        &connection,
        changes(&json!({"area_m2": "x"})),
        None,
        "1001",
        at(0),
    );
    assert!(matches!(
        wrong,
        Err(StoreError::RefusedBecause {
            reason: "unfit-value",
            ..
        })
    ));
    let body: String = connection
        .query_row("select body from federation_outbox", [], |row| row.get(0))
        .unwrap();
    let Item::Proposal(sent) = serde_json::from_str(&body).unwrap() else {
        panic!("{body}");
    };
    assert_eq!(sent.changes, area);
    let outcome = json!({"state": "declined", "reason": "不符", "at": "2026-01-01T00:00:00Z"});
    let outcome = document(Family::Proposal, "wola", &sent.id, 9, outcome);
    apply(&connection, &answer(7, false, vec![outcome]), at(5)).unwrap();
    let made = store::proposals(&connection, 10).unwrap();
    assert_eq!((made.len(), made[0].state.as_str()), (1, "declined"));
    assert_eq!(made[0].reason.as_deref(), Some("不符"));
    for _ in 0..OPEN_MAX {
        propose(&connection, area.clone(), None, "1001", at(6)).unwrap();
    }
    assert!(
        propose(&connection, area, None, "1001", at(6)).is_err(),
        "too many wait"
    );
}

fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = vec![seed; 450_000];
    bytes[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n");
    bytes
}

fn pieces_of(id: &str, bytes: &[u8]) -> (Drawing, Vec<Document>) {
    let drawing = Drawing::new("water", "水路", bytes).unwrap();
    let ids = drawing.piece_ids(id).into_iter();
    let pieces = ids
        .zip(drawings_of::cut(bytes))
        .map(|(piece, content)| document(Family::Piece, "wola", &piece, 0, content.into()));
    let pieces = pieces.collect();
    (drawing, pieces)
}

#[test]
fn a_drawing_is_shown_when_all_its_pieces_are_there_in_whatever_order_they_came() {
    let (first, second) = (picture(1), picture(2));
    let head =
        |drawing: &Drawing| document(Family::Drawing, "wola", "d", 0, drawing.content().into());
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for _ in 0..40 {
        let connection = database();
        let mut change = 0;
        let mut take = |one: &Document| {
            change += 1;
            let one = Document {
                change,
                ..one.clone()
            };
            apply(&connection, &answer(7, false, vec![one]), at(0)).unwrap();
        };
        let shown = || {
            let found = drawings::whole(&connection, "wola", "d").unwrap();
            found.map(|(_, bytes)| bytes)
        };
        let (drawing, mut documents) = pieces_of("d", &first);
        let pieces = documents.clone();
        documents.push(head(&drawing));
        documents.shuffle(&mut random);
        for one in &documents {
            assert_eq!(shown(), None);
            take(one);
        }
        assert_eq!(shown().as_ref(), Some(&first));
        // As the centre replaces one: new pieces, the drawing, and the old pieces taken back.
        let (newer, mut after) = pieces_of("d", &second);
        // One piece was spoilt on its way; it is flagged and comes again.
        let mut spoilt = after[0].clone();
        spoilt.content.as_mut().unwrap()["digest"] = drawing.sha256.clone().into();
        take(&spoilt);
        assert_eq!(store::unread(&connection).unwrap().len(), 1);
        after.shuffle(&mut random);
        for one in &after {
            take(one);
            assert_eq!(
                shown().as_ref(),
                Some(&first),
                "half of the new one is here"
            );
        }
        take(&head(&newer));
        assert_eq!(shown().as_ref(), Some(&second));
        for one in &pieces {
            take(&Document {
                content: None,
                ..one.clone()
            });
        }
        assert_eq!(shown().as_ref(), Some(&second));
        assert_eq!(ids(&connection, &Family::Piece).len(), after.len());
        let listed = drawings::of_hall(&connection, "wola").unwrap();
        assert!(listed.len() == 1 && listed[0].whole);
        take(&Document {
            content: None,
            ..after[1].clone()
        });
        assert!(!drawings::of_hall(&connection, "wola").unwrap()[0].whole);
        assert_eq!(shown(), None);
    }
}

#[test]
fn the_nearest_register_map_holds_and_one_that_cannot_be_read_leaves_the_one_before() {
    let connection = database();
    let map = |address: u16| format!("title = 'x'\n[switch]\naddress = {address}\n");
    let define = |scope: &str, id: &str, change, text: String| {
        let content = json!({"kind": "register-map", "text": text});
        document(Family::Definition, scope, id, change, content)
    };
    let maps = || register_maps(&connection, &hall()).unwrap();
    let take = |documents| apply(&connection, &answer(7, false, documents), at(0)).unwrap();
    take(vec![
        wola(1, json!({"unit": "city"})),
        define("wola", "meter", 2, map(1)),
        define("city", "meter", 3, map(2)),
        define("city", "door", 4, map(3)),
        define("city", "broken", 5, "title = ".into()),
    ]);
    let expected = [("door", map(3)), ("meter", map(1))];
    let expected = expected.map(|(name, text)| (name.to_owned(), text));
    assert_eq!(maps(), BTreeMap::from(expected.clone()));
    for change in [6, 7] {
        take(vec![define("wola", "meter", change, "[switch".into())]);
        assert_eq!(maps(), BTreeMap::from(expected.clone()), "the former one");
    }
    let unread = store::unread(&connection).unwrap();
    assert_eq!(unread.len(), 2, "{unread:?}");
    assert!(unread[1][3].contains("line 1"), "{unread:?}");
    take(vec![define("wola", "meter", 8, map(9))]);
    assert_eq!(maps()["meter"], map(9));
    assert_eq!(store::unread(&connection).unwrap().len(), 1);
    take(vec![document(
        Family::Definition,
        "wola",
        "meter",
        10,
        Value::Null,
    )]);
    assert_eq!(maps()["meter"], map(2), "that of the city");
}
