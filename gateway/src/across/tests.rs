use jiff::tz::TimeZone;
use rusqlite::Connection;
use serde_json::{Value, json};
use zhiban_kernel::Store;
use zhiban_vocabulary::down::{Denial, Outcome, Question};

use super::answer;
use crate::journal::migrate;

/// A hall with 40 tickets, a device with 1,200 reports over two days, and two alarms.
struct Hall {
    store: Store,
    folder: std::path::PathBuf,
}

impl Hall {
    async fn open(name: &str) -> Self {
        let name = format!("zhiban-across-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
        store
            .write(|connection| {
                fill(connection)?;
                Ok(())
            })
            .await
            .unwrap();
        Self { store, folder }
    }

    async fn ask(&self, roles: &[&str], about: Value) -> Outcome {
        let question = Question {
            id: 7,
            asked_by: "1001".into(),
            roles: roles.iter().map(ToString::to_string).collect(),
            about,
        };
        answer(&self.store, &TimeZone::UTC, &question)
            .await
            .unwrap()
    }

    async fn rows(&self, about: Value) -> (Vec<Value>, Option<String>) {
        match self.ask(&["operator"], about).await {
            Outcome::Rows { rows, next } => (rows, next),
            other => panic!("{other:?}"),
        }
    }

    /// All pages of a question.
    async fn all(&self, mut about: Value) -> (Vec<Value>, usize) {
        let (mut all, mut pages) = (Vec::new(), 0);
        loop {
            let (rows, next) = self.rows(about.clone()).await;
            all.extend(rows);
            pages += 1;
            match next {
                Some(next) => about["after"] = next.into(),
                None => return (all, pages),
            }
        }
    }

    async fn audit(&self) -> Vec<String> {
        let sql = "select who || ' ' || address || ' ' || action || ' ' || detail
             from people_audit order by id";
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare(sql)?;
            let lines = statement.query_map([], |row| row.get(0))?;
            Ok(lines.collect::<rusqlite::Result<Vec<String>>>()?)
        };
        self.store.read(read).await.unwrap()
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn fill(connection: &Connection) -> rusqlite::Result<()> {
    for n in 0..40_i64 {
        // Two in each minute from 08:00 of 2020-01-02 on.
        let issued_ms = 1_577_952_000_000 + (n / 2) * 60_000;
        let queue = if n % 4 == 0 { "B" } else { "A" };
        let ticket = json!({"class": "ordinary", "calls": 0, "flags": [], "rating": null,
            "legs": [{"queue": queue, "waiting_since": "2020-01-02T08:00:00Z", "staff": "2001"}]});
        connection.execute(
            "insert into queue_ticket (day, number, ticket, state, queue, class, issued_ms, flagged)
             values ('2020-01-02', ?1, ?2, 'waiting', ?3, 'ordinary', ?4, 0)",
            (format!("T{n:02}"), ticket.to_string(), queue, issued_ms),
        )?;
    }
    connection.execute("insert into journal_device values (1, 'tm-1', 1200)", [])?;
    for id in 1..=1_200_i64 {
        // 600 on the first of January, 600 on the second.
        let received_ms = 1_577_836_800_000 + id * 144_000 - 1;
        let (kind, previous) = match id % 100 {
            0 => ("kiosk.txn", Some(id - 1)),
            _ => ("ticket.issued", (id > 1).then_some(id - 1)),
        };
        connection.execute(
            "insert into journal_report (id, received_ms, device, previous, kind, time_ms, clock, payload)
             values (?1, ?2, 1, ?3, ?4, ?2, 0, ?5)",
            (id, received_ms, previous, kind, br#"{"ticket":"T1"}"#),
        )?;
    }
    for (device, severity) in [("ks-1", "major"), ("ks-2", "cleared"), ("ks-3", "minor")] {
        connection.execute(
            "insert into federation_alarm values (?1, 'paper-out', ?2, '')",
            (device, severity),
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn tickets_come_page_by_page_in_the_order_they_were_issued() {
    let hall = Hall::open("tickets").await;
    let about = json!({"rows": "tickets", "day": "2020-01-02", "limit": 7});
    let (all, pages) = hall.all(about).await;
    let numbers: Vec<_> = all.iter().map(|row| row["number"].clone()).collect();
    let expected: Vec<Value> = (0..40).map(|n| format!("T{n:02}").into()).collect();
    assert_eq!((numbers, pages), (expected, 6));
    assert_eq!(all[0]["staff"], "2001");

    let about = json!({"rows": "tickets", "day": "2020-01-02", "queue": "B", "limit": 500,
        "from": "2020-01-02T08:05:00Z", "until": "2020-01-02T08:10:00Z"});
    let (rows, next) = hall.rows(about).await;
    let numbers: Vec<_> = rows
        .iter()
        .map(|row| row["number"].as_str().unwrap())
        .collect();
    assert_eq!((numbers, next), (vec!["T12", "T16"], None));
}

#[tokio::test]
async fn reports_are_those_of_the_day_and_private_ones_without_their_payload() {
    let hall = Hall::open("reports").await;
    for (day, first) in [("2020-01-01", 1), ("2020-01-02", 601)] {
        let about = json!({"rows": "reports", "device": "tm-1", "day": day, "limit": 250});
        let (all, pages) = hall.all(about).await;
        let ids: Vec<_> = all.iter().map(|row| row["id"].as_i64().unwrap()).collect();
        let expected: Vec<_> = (first..first + 600).rev().collect();
        assert_eq!((ids, pages), (expected, 3), "{day}");
        for row in all {
            let is_private = row["kind"] == "kiosk.txn";
            assert_eq!(row["payload"].is_null(), is_private, "{row}");
        }
    }
    let about = json!({"rows": "reports", "device": "nobody", "day": "2020-01-01", "limit": 9});
    assert_eq!(hall.rows(about).await, (Vec::new(), None));
}

#[tokio::test]
async fn a_clock_that_was_not_set_for_a_while_hides_no_report_of_before() {
    let hall = Hall::open("clock").await;
    let unset = |connection: &Connection| {
        let sql = "update journal_report set received_ms = id where id between 601 and 1150";
        Ok(connection.execute(sql, [])?)
    };
    assert_eq!(hall.store.write(unset).await.unwrap(), 550);
    for (day, count) in [("2020-01-01", 600), ("2020-01-02", 50), ("1970-01-01", 550)] {
        let about = json!({"rows": "reports", "device": "tm-1", "day": day, "limit": 500});
        assert_eq!(hall.all(about).await.0.len(), count, "{day}");
    }
}

#[tokio::test]
async fn alarms_that_stand_come_and_those_that_are_over_do_not() {
    let hall = Hall::open("alarms").await;
    let (all, _) = hall.all(json!({"rows": "alarms", "limit": 1})).await;
    let devices: Vec<_> = all
        .iter()
        .map(|row| row["device"].as_str().unwrap())
        .collect();
    assert_eq!(devices, ["ks-1", "ks-3"]);
}

#[tokio::test]
async fn the_hall_judges_itself_and_writes_down_also_what_it_refused() {
    let hall = Hall::open("judged").await;
    let tickets = json!({"rows": "tickets", "day": "2020-01-02", "limit": 1});
    let alarms = json!({"rows": "alarms", "limit": 1});
    let right = Outcome::Denied {
        reason: Denial::Right,
    };
    let unknown = Outcome::Unanswered {
        reason: Denial::Unknown,
    };
    assert!(matches!(
        hall.ask(&["auditor"], tickets.clone()).await,
        Outcome::Rows { .. }
    ));
    assert_eq!(hall.ask(&["auditor"], alarms.clone()).await, right);
    assert_eq!(hall.ask(&[], tickets.clone()).await, right);
    assert_eq!(hall.ask(&["emperor"], tickets).await, right);
    for wrong in [
        json!({"rows": "people", "limit": 1}),
        json!({"rows": "alarms", "limit": 501}),
        json!({"rows": "alarms", "limit": 0}),
        json!("alarms"),
    ] {
        assert_eq!(hall.ask(&["operator"], wrong).await, unknown);
    }
    let audit = hall.audit().await;
    assert_eq!(audit.len(), 8);
    assert!(
        audit[0].starts_with("1001 centre centre.rows {"),
        "{audit:?}"
    );
    assert!(audit[0].ends_with("as auditor"), "{audit:?}");
    assert!(audit[1].starts_with("1001 centre centre.rows-refused {"));
}

#[test]
fn an_answer_stays_small_and_says_where_it_goes_on() {
    let row = json!({"text": "x".repeat(100_000)});
    let found = vec![row; 20];
    let page = super::page(&found, 500, |_| "mark".into()).unwrap();
    assert_eq!((page.rows.len(), page.next.as_deref()), (5, Some("mark")));
}
