use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use zhiban_kernel::{Database, StoreError};
use zhiban_vocabulary::masters::drawings::DRAWING_BYTES_MAX;

use super::super::tests::{ModelHall, by, effective, fetch, hall, place, unit, write};
use super::*;
use crate::tests::{Folder, Make, on_both};

fn picture(seed: usize, len: usize) -> Vec<u8> {
    let noise = (0..len).map(|n| u8::try_from((n * n + seed * 7) % 251).unwrap());
    b"\xff\xd8\xff".iter().copied().chain(noise).collect()
}

fn brought(title: &str, bytes: Vec<u8>) -> Brought {
    let (kind, title) = ("circuit".into(), title.into());
    Brought { kind, title, bytes }
}

async fn bring(store: &Database, id: &str, what: Brought) -> Result<()> {
    let id = id.to_owned();
    write(store, move |tx| put(tx, &hall("wola"), &id, &what, &by())).await
}

async fn take_back(store: &Database, id: &str) -> Result<()> {
    let id = id.to_owned();
    write(store, move |tx| remove(tx, &hall("wola"), &id, &by())).await
}

/// The bytes of a drawing as a hall that keeps these documents puts them together.
fn shown(model: &ModelHall, id: &str) -> Option<Vec<u8>> {
    let of = |family: &str, id: &str| {
        let key = (family.to_owned(), "wola".to_owned(), id.to_owned());
        model.kept.get(&key).and_then(Value::as_object)
    };
    let drawing = Drawing::of(of("drawing", id)?)?;
    let pieces: Option<Vec<_>> = drawing
        .piece_ids(id)
        .iter()
        .map(|one| of("piece", one))
        .collect();
    drawing.joined(pieces?)
}

async fn a_hall_shows_a_drawing_somebody_brought_or_none_and_in_the_end_the_last(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    unit(&store, "group", None).await.unwrap();
    place(&store, "wola", Some("group")).await.unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(9);
    let mut model = ModelHall::default();
    let mut given: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut last: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for step in 0..60 {
        let id = ["a", "b", "c"][random.random_range(0..3)];
        match random.random_range(0..6) {
            0 => {
                let done = take_back(&store, id).await.is_ok();
                assert_eq!(done, last.remove(id).is_some(), "{id}");
            }
            1 if last.contains_key(id) => {
                bring(&store, id, brought("新标题", Vec::new()))
                    .await
                    .unwrap();
            }
            _ => {
                let bytes = picture(step, random.random_range(1..900_000));
                bring(&store, id, brought("图", bytes.clone()))
                    .await
                    .unwrap();
                given.entry(id).or_default().push(bytes.clone());
                last.insert(id, bytes);
            }
        }
        if random.random_range(0..40) == 0 {
            let parent = (model.cursor.life % 2 == 0).then_some("group");
            place(&store, "wola", parent).await.unwrap();
        }
        // A few answers, one of them lost.
        drop(fetch(&store, "wola", model.cursor).await);
        for _ in 0..random.random_range(0..4) {
            model.apply(&fetch(&store, "wola", model.cursor).await);
            for (id, all) in &given {
                let found = shown(&model, id);
                assert!(found.is_none_or(|bytes| all.contains(&bytes)), "{id}");
            }
        }
    }
    model.follow(&store, "wola").await;
    assert_eq!(model.kept, effective(&store, "wola").await);
    for id in ["a", "b", "c"] {
        assert_eq!(shown(&model, id).as_ref(), last.get(id), "{id}");
        let of = id;
        let read = move |sql: &dyn Sql| whole(sql, "wola", of);
        let found = store.read(read).await.unwrap().map(|(_, bytes)| bytes);
        assert_eq!(found.as_ref(), last.get(of), "{of} at the centre");
    }
    let pieces = model.kept.keys().filter(|(family, ..)| family == "piece");
    let expected: usize = last
        .values()
        .map(|bytes| bytes.len().div_ceil(192 << 10))
        .sum();
    assert_eq!(
        pieces.count(),
        expected,
        "no piece is left of what was replaced"
    );
}

async fn a_hall_that_follows_each_step_always_has_one_of_the_two_whole(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    place(&store, "wola", None).await.unwrap();
    let (first, second) = (picture(1, 1_900_000), picture(2, 1_900_000));
    bring(&store, "a", brought("图", first.clone()))
        .await
        .unwrap();
    let mut model = ModelHall::default();
    model.follow(&store, "wola").await;
    bring(&store, "a", brought("图", second.clone()))
        .await
        .unwrap();
    let mut answers = 0;
    loop {
        let found = shown(&model, "a").expect("one of the two");
        let fetched = fetch(&store, "wola", model.cursor).await;
        let size = serde_json::to_vec(&fetched).unwrap().len();
        assert!(size < 1_000 << 10, "{size}");
        model.apply(&fetched);
        answers += 1;
        if !fetched.more {
            assert!(found == first || found == second);
            break;
        }
    }
    assert!(answers > 3, "{answers}: it comes in several answers");
    assert_eq!(shown(&model, "a"), Some(second));
}

async fn what_is_no_drawing_and_one_too_many_are_refused(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    let why = |refused: Result<()>| match refused.unwrap_err() {
        StoreError::RefusedBecause { reason, text, .. } => format!("{reason} {text}"),
        other => panic!("{other}"),
    };
    let small = || picture(1, 10);
    let unknown = bring(&store, "a", brought("图", small())).await;
    assert!(why(unknown).contains("unknown-scope"));
    place(&store, "wola", None).await.unwrap();
    for bytes in [
        b"<svg/>".to_vec(),
        Vec::new(),
        picture(1, DRAWING_BYTES_MAX),
    ] {
        let refused = why(bring(&store, "a", brought("图", bytes)).await);
        assert!(refused.contains("unfit-value file"), "{refused}");
    }
    assert!(why(bring(&store, "a", brought("", small())).await).contains("title"));
    for n in 0..DRAWINGS_MAX {
        bring(&store, &format!("d{n}"), brought("图", small()))
            .await
            .unwrap();
    }
    let more = bring(&store, "a", brought("图", small())).await;
    assert!(why(more).contains("too-many-drawings"));
    bring(&store, "d0", brought("换", picture(3, 20)))
        .await
        .unwrap();
    take_back(&store, "d0").await.unwrap();
    assert!(take_back(&store, "d0").await.is_err());
    bring(&store, "a", brought("图", small())).await.unwrap();
}

on_both!(
    a_hall_shows_a_drawing_somebody_brought_or_none_and_in_the_end_the_last,
    a_hall_that_follows_each_step_always_has_one_of_the_two_whole,
    what_is_no_drawing_and_one_too_many_are_refused,
);
