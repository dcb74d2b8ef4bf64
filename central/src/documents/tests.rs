use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use zhiban_kernel::{Database, StoreError};
use zhiban_vocabulary::down::{Cursor, DOCUMENTS_MAX, Family, Fetched};
use zhiban_vocabulary::masters::Content;

use super::edit::{self, Actor};
use super::*;
use crate::tests::{Folder, Make, on_both};

pub(super) fn by() -> Actor {
    Actor {
        staff: "1001".into(),
        address: "10.0.0.9".into(),
    }
}

pub(super) fn hall(name: &str) -> StoreId {
    name.parse().unwrap()
}

fn content(value: &Value) -> Content {
    value.as_object().unwrap().clone()
}

/// One edit, in a transaction of its own.
pub(super) async fn write(
    store: &Database,
    work: impl Fn(&dyn Sql) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    store.write(work).await
}

pub(super) async fn unit(
    store: &Database,
    id: &str,
    parent: Option<&str>,
) -> Result<(), StoreError> {
    let (id, parent) = (id.to_owned(), parent.map(str::to_owned));
    let said = content(&json!({"name": id, "level": "city"}));
    write(store, move |tx| {
        edit::set_unit(tx, &id, said.clone(), parent.as_deref(), &by())
    })
    .await
}

pub(super) async fn place(
    store: &Database,
    name: &str,
    parent: Option<&str>,
) -> Result<(), StoreError> {
    let (id, parent) = (hall(name), parent.map(str::to_owned));
    write(store, move |tx| {
        edit::place_hall(tx, &id, parent.as_deref(), &by())
    })
    .await
}

async fn announce(store: &Database, scope: &str, id: &str, title: Option<&str>) -> bool {
    let said = title.map(|title| {
        content(
            &json!({"title": title, "text": "内容", "from": "2026-01-01T00:00:00Z",
            "until": "2027-01-01T00:00:00Z"}),
        )
    });
    let (scope, id) = (scope.to_owned(), id.to_owned());
    let put = move |tx: &dyn Sql| {
        edit::put(
            tx,
            (&Family::Announcement, &scope, &id),
            said.as_ref(),
            &by(),
        )
    };
    write(store, put).await.is_ok()
}

/// What happens when somebody puts an announcement that was made from that version.
async fn edit_from(store: &Database, id: &'static str, made_from: i64) -> Option<String> {
    let edit = write(store, move |tx| {
        let key = (&Family::Announcement, "wola", id);
        edit::check_unchanged(tx, key, made_from)?;
        let said = json!({"title": format!("from {made_from}"), "text": "内容",
            "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"});
        edit::put(tx, key, Some(&content(&said)), &by())
    });
    match edit.await {
        Ok(_) => None,
        Err(StoreError::RefusedBecause { reason, facts, .. }) => Some(format!("{reason} {facts}")),
        Err(other) => panic!("{other}"),
    }
}

async fn of_two_edits_from_one_version_the_second_is_told(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    assert!(place(&store, "wola", None).await.is_ok());
    let change = async || {
        let key = (&Family::Announcement, "wola", "a");
        let read = store.read(move |sql| store::versions(sql, key, 1)).await;
        read.unwrap()[0].change
    };
    assert_eq!(edit_from(&store, "a", 0).await, None);
    let first = change().await;
    // Somebody makes one of the same name, and another two edit the same.
    let told = edit_from(&store, "a", 0).await.unwrap();
    assert!(
        told.contains("changed-meanwhile") && told.contains(&by().staff),
        "{told}"
    );
    assert_eq!(edit_from(&store, "a", first).await, None);
    let told = edit_from(&store, "a", first).await.unwrap();
    assert!(
        told.contains(&format!("\"change\":{}", change().await)),
        "{told}"
    );
    // What was taken back may be made anew.
    assert!(announce(&store, "wola", "a", None).await);
    assert_eq!(edit_from(&store, "a", 0).await, None);
}

pub(super) async fn fetch(store: &Database, name: &str, has: Cursor) -> Fetched {
    let id = hall(name);
    store.read(move |tx| since(tx, &id, has)).await.unwrap()
}

/// A hall that keeps what it fetches, as the wire has it.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelHall {
    pub(super) cursor: Cursor,
    pub(super) kept: BTreeMap<(String, String, String), Value>,
}

impl ModelHall {
    pub(super) fn apply(&mut self, fetched: &Fetched) {
        if fetched.afresh {
            self.kept.clear();
        }
        for document in &fetched.documents {
            let (family, scope) = (document.family.as_str().to_owned(), document.scope.clone());
            let key = (family, scope, document.id.clone());
            match &document.content {
                Some(content) => drop(self.kept.insert(key, content.clone())),
                None => drop(self.kept.remove(&key)),
            }
        }
        self.cursor = fetched.upto;
    }

    pub(super) async fn follow(&mut self, store: &Database, name: &str) {
        for _ in 0..100 {
            let fetched = fetch(store, name, self.cursor).await;
            self.apply(&fetched);
            if !fetched.more {
                return;
            }
        }
        panic!("{name} never has all");
    }
}

/// What a hall should have: asked of the tables, not of `since`.
pub(super) async fn effective(
    store: &Database,
    name: &str,
) -> BTreeMap<(String, String, String), Value> {
    let name = name.to_owned();
    let read = move |sql: &dyn Sql| {
        let mut found = BTreeMap::new();
        for scope in store::chain(sql, &name)? {
            for document in store::of_scope(sql, &scope)? {
                let family = document.family.as_str().to_owned();
                let key = (family, document.scope, document.id);
                found.insert(key, document.content.unwrap());
            }
        }
        Ok(found)
    };
    store.read(read).await.unwrap()
}

async fn whatever_happens_a_hall_ends_with_what_concerns_it(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    let units = ["group", "east", "west", "city"];
    let names = ["wola", "ursus", "mokotow"];
    let mut halls = names.map(|name| (name, ModelHall::default()));
    let mut random = rand::rngs::StdRng::seed_from_u64(4);
    unit(&store, "group", None).await.unwrap();
    let mut refused = 0;
    for step in 0..300 {
        let one = units[random.random_range(0..4)];
        let other = units[random.random_range(0..4)];
        let name = names[random.random_range(0..3)];
        let scope = if random.random() { one } else { name };
        let id = format!("n{}", random.random_range(0..3));
        let title = format!("第 {step} 号");
        let done = match random.random_range(0..8) {
            0 => unit(&store, one, Some(other)).await.is_ok(),
            1 | 2 => place(&store, name, Some(one)).await.is_ok(),
            3 => {
                let one = one.to_owned();
                let remove = move |tx: &dyn Sql| edit::remove_unit(tx, &one, &by());
                write(&store, remove).await.is_ok()
            }
            4 => announce(&store, scope, &id, None).await,
            5 if step % 9 == 0 => place(&store, name, None).await.is_ok(),
            _ => announce(&store, scope, &id, Some(&title)).await,
        };
        refused += usize::from(!done);
        let (name, model) = &mut halls[random.random_range(0..3)];
        match random.random_range(0..4) {
            // The answer was lost on its way.
            0 => drop(fetch(&store, name, model.cursor).await),
            1 | 2 => model.follow(&store, name).await,
            _ => {}
        }
    }
    assert!(
        refused > 0 && refused < 250,
        "{refused} of 300 were refused"
    );
    for (name, mut model) in halls {
        model.follow(&store, name).await;
        assert_eq!(model.kept, effective(&store, name).await, "{name}");
        let again = fetch(&store, name, model.cursor).await;
        assert!(again.is_empty(), "{name}: {again:?}");
    }
}

async fn more_than_one_answer_holds_comes_in_several(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    unit(&store, "group", None).await.unwrap();
    place(&store, "wola", Some("group")).await.unwrap();
    let many = move |tx: &dyn Sql| {
        for n in 0..DOCUMENTS_MAX {
            let said = content(&json!({"name": format!("代理 {n}")}));
            let key = (&Family::Agent, "group", format!("a{n}"));
            edit::put(tx, (key.0, key.1, &key.2), Some(&said), &by())?;
        }
        Ok(())
    };
    write(&store, many).await.unwrap();
    let first = fetch(&store, "wola", Cursor::default()).await;
    assert_eq!(first.documents.len(), DOCUMENTS_MAX);
    assert!(first.more && !first.afresh);
    let mut model = ModelHall::default();
    model.apply(&first);
    // It moves while half of it is on its way.
    unit(&store, "city", Some("group")).await.unwrap();
    place(&store, "wola", Some("city")).await.unwrap();
    let second = fetch(&store, "wola", model.cursor).await;
    assert!(second.afresh && second.more);
    model.apply(&second);
    model.follow(&store, "wola").await;
    assert_eq!(model.kept, effective(&store, "wola").await);
    // Long texts: fewer fit.
    let long = move |tx: &dyn Sql| {
        for n in 0..150 {
            let said = content(&json!({"title": "t", "text": "长".repeat(4_000),
                "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}));
            let id = format!("l{n}");
            edit::put(tx, (&Family::Announcement, "wola", &id), Some(&said), &by())?;
        }
        Ok(())
    };
    write(&store, long).await.unwrap();
    let page = fetch(&store, "wola", model.cursor).await;
    assert!(page.more && serde_json::to_vec(&page).unwrap().len() < 700 << 10);
    model.follow(&store, "wola").await;
    assert_eq!(model.kept, effective(&store, "wola").await);
}

async fn a_hall_that_knows_what_a_restored_centre_forgot_begins_afresh(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    announce_to_known(&store).await;
    let mut model = ModelHall::default();
    model.follow(&store, "wola").await;
    announce(&store, "wola", "late", Some("将被遗忘")).await;
    model.follow(&store, "wola").await;
    // As a backup from before has it.
    let forget = |tx: &dyn Sql| {
        tx.execute("delete from documents_document where id = 'late'", &[])?;
        let last = "delete from documents_version where id = 'late'";
        tx.execute(last, &[]).map(drop)
    };
    write(&store, forget).await.unwrap();
    announce(&store, "wola", "new", Some("新")).await;
    let fetched = fetch(&store, "wola", model.cursor).await;
    assert!(fetched.afresh, "{fetched:?}");
    model.follow(&store, "wola").await;
    assert_eq!(model.kept, effective(&store, "wola").await);
    let known = Cursor {
        life: 1,
        change: 12_345,
    };
    let woken = store.read(move |tx| changes(tx, known)).await.unwrap();
    assert_eq!(woken.concerned, Concerned::All);
}

async fn announce_to_known(store: &Database) {
    unit(store, "group", None).await.unwrap();
    place(store, "wola", Some("group")).await.unwrap();
    place(store, "ursus", None).await.unwrap();
    assert!(announce(store, "group", "a", Some("公告")).await);
    assert!(!announce(store, "nowhere", "a", Some("公告")).await);
}

async fn only_halls_a_change_concerns_are_woken(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    announce_to_known(&store).await;
    let standing = |known| {
        let store = store.clone();
        async move { store.read(move |tx| changes(tx, known)).await.unwrap() }
    };
    let at = standing(Cursor::default()).await.upto;
    let nobody = Concerned::Halls([].into());
    assert_eq!(standing(at).await.concerned, nobody);
    let only = |found: Concerned, name: &str| match found {
        Concerned::Halls(halls) => halls.contains(&hall(name)) && halls.len() <= 2,
        Concerned::All => false,
    };
    announce(&store, "group", "b", Some("公告")).await;
    let now = standing(at).await;
    assert!(only(now.concerned.clone(), "wola") && !only(now.concerned, "ursus"));
    announce(&store, "ursus", "b", Some("公告")).await;
    let then = standing(now.upto).await;
    assert!(only(then.concerned.clone(), "ursus") && !only(then.concerned, "wola"));
    // Out of the tree: it has to forget what was for the unit.
    place(&store, "wola", None).await.unwrap();
    assert!(only(standing(then.upto).await.concerned, "wola"));
}

async fn the_tree_stays_a_tree(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    let why = |refused: Result<(), StoreError>| match refused.unwrap_err() {
        StoreError::RefusedBecause { reason, .. } => reason,
        other => panic!("{other}"),
    };
    unit(&store, "group", None).await.unwrap();
    unit(&store, "city", Some("group")).await.unwrap();
    place(&store, "wola", Some("city")).await.unwrap();
    assert_eq!(why(unit(&store, "group", Some("city")).await), "misplaced");
    assert_eq!(why(unit(&store, "city", Some("city")).await), "misplaced");
    assert_eq!(why(unit(&store, "wola", None).await), "misplaced");
    assert_eq!(why(unit(&store, "x", Some("wola")).await), "misplaced");
    assert_eq!(why(unit(&store, "x", Some("none")).await), "unknown-scope");
    assert_eq!(why(place(&store, "city", None).await), "misplaced");
    let remove = |id: &'static str| {
        let store = store.clone();
        async move { write(&store, move |tx| edit::remove_unit(tx, id, &by())).await }
    };
    assert_eq!(why(remove("city").await), "not-empty");
    place(&store, "wola", Some("group")).await.unwrap();
    remove("city").await.unwrap();
    let mut above = "group".to_owned();
    let mut depth = 1;
    while unit(&store, &format!("u{depth}"), Some(&above))
        .await
        .is_ok()
    {
        above = format!("u{depth}");
        depth += 1;
    }
    assert_eq!(depth, 12);
    // A branch that would hang too deep when it moves as a whole.
    unit(&store, "top", None).await.unwrap();
    assert_eq!(why(unit(&store, "group", Some("top")).await), "misplaced");
}

async fn a_proposal_becomes_the_master_or_is_declined_and_the_hall_hears_of_it(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    announce_to_known(&store).await;
    let proposal = |id: u64, changes: &Value| Proposal {
        id: format!("{id:016x}"),
        at: Timestamp::UNIX_EPOCH,
        by: "2001".into(),
        changes: content(changes),
        note: None,
    };
    let send = |one: Proposal| {
        let store = store.clone();
        async move {
            let work = move |tx: &dyn Sql| propose(tx, &hall("wola"), &one, Timestamp::UNIX_EPOCH);
            store.write(work).await.unwrap()
        }
    };
    let first = proposal(1, &json!({"name": "沃拉", "area_m2": 620}));
    send(first.clone()).await.unwrap();
    send(first).await.expect("it came twice");
    send(proposal(2, &json!({"area_m2": 1}))).await.unwrap();
    let refused = send(proposal(3, &json!({"area_m2": "much"}))).await;
    assert!(refused.unwrap_err().contains("area_m2"));
    let decide = |id: u64, declined: Option<&'static str>| {
        let (store, id) = (store.clone(), format!("{id:016x}"));
        let work = move |tx: &dyn Sql| {
            edit::decide(
                tx,
                &hall("wola"),
                &id,
                declined,
                &by(),
                Timestamp::UNIX_EPOCH,
            )
        };
        async move { store.write(work).await }
    };
    decide(1, None).await.unwrap();
    decide(2, Some("面积不符")).await.unwrap();
    assert!(decide(2, None).await.is_err(), "it was decided");
    assert!(decide(9, None).await.is_err(), "there is none");
    let kept = effective(&store, "wola").await;
    let of = |family: &str, id: &str| &kept[&(family.into(), "wola".into(), id.into())];
    let master = of("hall", "wola");
    assert_eq!(master["area_m2"], 620);
    assert_eq!(master["unit"], "group", "its place stays");
    assert_eq!(of("proposal", "0000000000000001")["state"], "accepted");
    assert_eq!(of("proposal", "0000000000000002")["reason"], "面积不符");
}

async fn a_table_comes_back_as_it_went_out_and_a_wrong_one_changes_nothing(make: Make) {
    let folder = Folder::on(make);
    let store = folder.store();
    announce_to_known(&store).await;
    let export = || {
        let store = store.clone();
        async move { store.read(table::export).await.unwrap() }
    };
    let import = |text: String| {
        let rows = table::read(&text).unwrap();
        let store = store.clone();
        async move { store.write(move |tx| table::import(tx, &rows, &by())).await }
    };
    // Units stand in the order a person wrote them, not from the top.
    let table = "node,kind,parent,level,name,area_m2\n\
        wola,hall,district,,'=HYPERLINK(1),620\n\
        district,unit,city,area,区,\n\
        city,unit,group,city,城,\n";
    import(table.into()).await.unwrap();
    let out = export().await;
    assert!(out.contains("wola,hall,district,,'=HYPERLINK(1)"), "{out}");
    let kept = effective(&store, "wola").await;
    let master = &kept[&("hall".into(), "wola".into(), "wola".into())];
    assert_eq!(master["name"], "=HYPERLINK(1)");
    import(out.clone()).await.unwrap();
    assert_eq!(export().await, out);
    let circle = "node,kind,parent,level,name\na,unit,b,city,甲\nb,unit,a,city,乙\n";
    assert!(import(circle.into()).await.is_err());
    let half = "node,kind,parent,level,name\nnew,unit,,city,甲\nwola,hall,none,,\n";
    assert!(import(half.into()).await.is_err());
    assert_eq!(export().await, out, "nothing of it was taken");
}

on_both!(
    whatever_happens_a_hall_ends_with_what_concerns_it,
    more_than_one_answer_holds_comes_in_several,
    a_hall_that_knows_what_a_restored_centre_forgot_begins_afresh,
    only_halls_a_change_concerns_are_woken,
    the_tree_stays_a_tree,
    of_two_edits_from_one_version_the_second_is_told,
    a_proposal_becomes_the_master_or_is_declined_and_the_hall_hears_of_it,
    a_table_comes_back_as_it_went_out_and_a_wrong_one_changes_nothing,
);
