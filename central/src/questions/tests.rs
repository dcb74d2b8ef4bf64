use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use zhiban_kernel::people::SignedIn;
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database};
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::{About, Answered, Denial, Outcome, Question, Rows};
use zhiban_vocabulary::envelope::PROTOCOL;
use zhiban_vocabulary::roles::Role;

use super::store::Wanted;
use super::{ANSWER_KEPT, ANSWER_TIME_MAX, Asker, CLOCKS_DIFFER, KNOWN, Questions, pending, store};
use crate::tests::{Folder, Make, on_both, postgres};

pub(crate) fn test_asker() -> Asker {
    Asker {
        who: SignedIn {
            staff: "1001".parse().unwrap(),
            name: "王芳".into(),
            roles: vec![Role::Operator],
            must_change_password: false,
            expires: jiff::Timestamp::MAX,
        },
        address: "10.0.0.9".into(),
    }
}

fn wola() -> StoreId {
    "wola".parse().unwrap()
}

fn alarms() -> About {
    About {
        rows: Rows::Alarms,
        after: None,
        limit: 10,
    }
}

fn answered(question: &Question, outcome: Outcome) -> Answered {
    Answered {
        protocol: PROTOCOL,
        store: wola(),
        id: question.id,
        outcome,
    }
}

async fn the_question(database: &Database) -> Question {
    for _ in 0..50 {
        let read = |sql: &dyn Sql| pending(sql, &wola(), Clock::real_now());
        if let Some(question) = database.read(read).await.unwrap().pop() {
            return question;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing was asked");
}

async fn an_answer_that_comes_to_another_process_finds_who_asked_and_is_not_kept(make: Make) {
    let folder = Folder::on(make);
    let database = folder.store();
    let beside = match &folder.place {
        Some(place) => Database::new(postgres(place)),
        None => database.clone(),
    };
    let (here, there) = (Questions::new(database.clone()), Questions::new(beside));
    let asking = {
        let here = here.clone();
        tokio::spawn(async move { here.ask(wola(), &alarms(), test_asker()).await })
    };
    let question = the_question(&database).await;
    let outcome = Outcome::Rows {
        rows: vec![json!({"alarm": "door"})],
        next: Some("ks-1 door".into()),
    };
    let answer = answered(&question, outcome.clone());
    assert!(there.heard(answer.clone()).await.unwrap());
    assert!(!there.heard(answer).await.unwrap(), "it came before");
    assert_eq!(asking.await.unwrap().unwrap(), Some(outcome));
    let left = database
        .read(move |sql| store::is_there(sql, question.id))
        .await;
    assert!(!left.unwrap(), "what was shown is kept");
    let past = wanted(&database, Wanted::default()).await;
    let told = (
        past[0].outcome.as_deref(),
        past[0].rows,
        past[0].asked_by.as_str(),
    );
    assert_eq!(told, (Some("rows"), Some(1), "1001"));
}

async fn wanted(database: &Database, wanted: Wanted) -> Vec<store::Past> {
    let read = move |sql: &dyn Sql| store::newest(sql, &wanted);
    database.read(read).await.unwrap()
}

async fn a_hall_that_does_not_answer_is_away_and_what_it_says_later_changes_nothing(make: Make) {
    let folder = Folder::on(make);
    let database = folder.store();
    let questions = Questions::new(database.clone());
    let began = std::time::Instant::now();
    let asking = {
        let questions = questions.clone();
        tokio::spawn(async move { questions.ask(wola(), &alarms(), test_asker()).await })
    };
    let question = the_question(&database).await;
    assert_eq!(asking.await.unwrap().unwrap(), None);
    assert!(began.elapsed() < ANSWER_TIME_MAX + Duration::from_secs(3));
    let denied = Outcome::Denied {
        reason: Denial::Right,
    };
    let late = questions.heard(answered(&question, denied)).await;
    assert!(!late.unwrap());
    let past = wanted(&database, Wanted::default()).await;
    assert_eq!(past[0].outcome.as_deref(), Some("away"));
    let of = |store: &str, asked_by: &str, before: Option<Timestamp>| Wanted {
        store: store.into(),
        asked_by: asked_by.into(),
        before,
    };
    let asked = past[0].asked;
    let later = Some(asked + SignedDuration::from_secs(1));
    for (of, count) in [
        (of("wola", "1001", later), 1),
        (of("ursus", "", None), 0),
        (of("", "1002", None), 0),
        (of("", "", Some(asked)), 0),
    ] {
        assert_eq!(wanted(&database, of.clone()).await.len(), count, "{of:?}");
    }
    let asked = database
        .read(|sql| store::halls_asked(sql, Clock::real_now()))
        .await;
    assert!(asked.unwrap().is_empty());
}

async fn an_answer_nobody_took_is_forgotten(make: Make) {
    let folder = Folder::on(make);
    let database = folder.store();
    let questions = Questions::new(database.clone());
    let asking = {
        let questions = Questions::new(database.clone());
        tokio::spawn(async move { questions.ask(wola(), &alarms(), test_asker()).await })
    };
    let question = the_question(&database).await;
    asking.abort();
    let rows = Outcome::Rows {
        rows: vec![json!({})],
        next: None,
    };
    assert!(questions.heard(answered(&question, rows)).await.unwrap());
    let id = question.id;
    for (now, kept) in [
        (Clock::real_now(), true),
        (Clock::real_now() + 2 * ANSWER_KEPT, false),
    ] {
        database
            .write(move |tx| store::clean(tx, now))
            .await
            .unwrap();
        let is_there = database.read(move |sql| store::is_there(sql, id)).await;
        assert_eq!(is_there.unwrap(), kept);
    }
}

async fn a_question_whose_asker_went_away_is_over_in_time(make: Make) {
    let folder = Folder::on(make);
    let database = folder.store();
    let asking = {
        let questions = Questions::new(database.clone());
        tokio::spawn(async move { questions.ask(wola(), &alarms(), test_asker()).await })
    };
    the_question(&database).await;
    asking.abort();
    let clean = async |now| {
        database
            .write(move |tx| store::clean(tx, now))
            .await
            .unwrap();
    };
    let outcome = async || {
        let past = wanted(&database, Wanted::default()).await;
        past.into_iter().map(|one| one.outcome).next()
    };
    clean(Clock::real_now()).await;
    assert_eq!(outcome().await, Some(None), "another clock may be behind");
    clean(Clock::real_now() + 2 * CLOCKS_DIFFER).await;
    assert_eq!(outcome().await, Some(Some("away".to_owned())));
    clean(Clock::real_now() + 2 * KNOWN).await;
    assert_eq!(outcome().await, None);
}

on_both!(threads:
    a_question_whose_asker_went_away_is_over_in_time,
    an_answer_that_comes_to_another_process_finds_who_asked_and_is_not_kept,
    a_hall_that_does_not_answer_is_away_and_what_it_says_later_changes_nothing,
    an_answer_nobody_took_is_forgotten,
);
