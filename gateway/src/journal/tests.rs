//! The promises of the journal.

use std::path::PathBuf;

use bytes::Bytes;
use zhiban_vocabulary::report::Kind;

use super::*;

struct Hall {
    journal: Journal,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn open(name: &str) -> Hall {
    let folder = std::env::temp_dir().join(format!("zhiban-journal-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    Hall {
        journal: reopen(&folder).await,
        folder,
    }
}

async fn reopen(folder: &std::path::Path) -> Journal {
    let store = Store::open(&folder.join("hall.db"), migrate).unwrap();
    Journal::open(store, Clock::new(None)).await.unwrap()
}

fn issued(device: &str, payload: &str) -> Submission {
    Submission {
        door: Door::Http,
        device: device.parse().unwrap(),
        kind: Kind::TicketIssued.as_str().into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        topic: None,
        redelivery: None,
    }
}

fn numbered(device: &str, boot: &str, seq: u64) -> Submission {
    let payload = format!(r#"{{"ticket":"A{seq}","queue":"A","boot":"{boot}","seq":{seq}}}"#);
    issued(device, &payload)
}

async fn kept(journal: &Journal) -> usize {
    journal
        .store()
        .read(|c| Ok(entries_after(c, 0, 1_000_000)?.0.len()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_report_that_comes_twice_is_one_report_also_after_a_restart() {
    let hall = open("twice").await;
    let first = hall
        .journal
        .submit(vec![numbered("tm-1", "b1", 1), numbered("tm-1", "b1", 2)]);
    assert_eq!(
        first.await.unwrap(),
        [Outcome::Committed(1), Outcome::Committed(2)]
    );
    let both = || vec![numbered("tm-1", "b1", 2), numbered("tm-1", "b1", 1)];
    let again = hall.journal.submit(both()).await.unwrap();
    assert_eq!(again, [Outcome::Duplicate, Outcome::Duplicate]);
    let restarted = reopen(&hall.folder).await;
    let again = restarted.submit(both()).await.unwrap();
    assert_eq!(again, [Outcome::Duplicate, Outcome::Duplicate]);
    let others = vec![numbered("tm-1", "b2", 1), numbered("tm-2", "b1", 1)];
    restarted.submit(others).await.unwrap();
    assert_eq!(kept(&restarted).await, 4);
}

#[tokio::test]
async fn twice_in_one_submission_is_once() {
    let hall = open("inside").await;
    let outcomes = hall
        .journal
        .submit(vec![numbered("tm-1", "b", 7), numbered("tm-1", "b", 7)])
        .await;
    assert_eq!(
        outcomes.unwrap(),
        [Outcome::Committed(1), Outcome::Duplicate]
    );
}

#[tokio::test]
async fn a_redelivered_packet_without_number_is_one_report() {
    let hall = open("packet").await;
    let packet = |again| {
        let mut submission = issued("tm-1", r#"{"ticket":"A1","queue":"A"}"#);
        submission.redelivery = Some(Redelivery {
            packet_id: 9,
            part: 0,
            again,
        });
        vec![submission]
    };
    let submit = async |again| hall.journal.submit(packet(again)).await.unwrap().remove(0);
    assert_eq!(submit(false).await, Outcome::Committed(1));
    assert_eq!(submit(true).await, Outcome::Duplicate);
    // Packet ids come round again: without the mark of a redelivery it is news.
    assert_eq!(submit(false).await, Outcome::Committed(2));
}

#[tokio::test]
async fn the_same_bytes_of_another_kind_are_another_report() {
    let hall = open("kinds").await;
    let say = async |kind: Kind, again| {
        let mut submission = issued("caller", r#"{"ticket":"A1","counter":"3"}"#);
        submission.kind = kind.as_str().into();
        submission.redelivery = Some(Redelivery {
            packet_id: 1,
            part: 0,
            again,
        });
        hall.journal
            .submit(vec![submission])
            .await
            .unwrap()
            .remove(0)
    };
    assert_eq!(say(Kind::TicketCalled, false).await, Outcome::Committed(1));
    // Its first delivery was lost on the way; the packet id had become free again.
    assert_eq!(say(Kind::TicketStarted, true).await, Outcome::Committed(2));
    assert_eq!(say(Kind::TicketStarted, true).await, Outcome::Duplicate);
}

#[tokio::test]
async fn what_cannot_be_understood_is_kept_with_bytes_and_reason() {
    let hall = open("letters").await;
    let mut unknown = issued("tm-1", "{}");
    unknown.kind = "ticket.eaten".into();
    let mut internal = issued("tm-1", r#"{"day":"2020-01-02"}"#);
    internal.kind = Kind::DayClosed.as_str().into();
    let bad = vec![
        issued("tm-1", "{\"ticket\""),
        unknown,
        internal,
        numbered("tm-1", "b", 1),
    ];
    let outcomes = hall.journal.submit(bad).await.unwrap();
    let codes: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::DeadLettered { code, .. } => *code,
            Outcome::Committed(_) => "committed",
            Outcome::Duplicate => "duplicate",
        })
        .collect();
    assert_eq!(
        codes,
        ["bad-json", "unknown-kind", "unknown-kind", "committed"]
    );
    let read = |c: &Connection| Ok(pages::letters(c, i64::MAX, 10, Some("tm-1"), None)?);
    let letters = hall.journal.store().read(read).await.unwrap();
    assert_eq!(letters.len(), 3);
    assert_eq!(letters[2].payload, b"{\"ticket\"");
    assert!(
        letters[2]
            .reason
            .starts_with("payload is not a JSON object")
    );
}

#[tokio::test]
async fn a_refused_transaction_keeps_no_phone_number() {
    let hall = open("numbers").await;
    let refused = |hash: &str| {
        let payload = format!(
            r#"{{"id":"T-42","kind":"payment","amount_fen":123456,"method":"cash","succeeded":true,"number_hash":{hash}}}"#
        );
        let mut txn = issued("ks-1", &payload);
        txn.kind = Kind::KioskTxn.as_str().into();
        txn
    };
    let bad = vec![refused(r#""13800001111""#), refused("13800001111")];
    for outcome in hall.journal.submit(bad).await.unwrap() {
        assert!(
            matches!(outcome, Outcome::DeadLettered { .. }),
            "{outcome:?}"
        );
    }
    let read = |c: &Connection| Ok(pages::letters(c, i64::MAX, 10, Some("ks-1"), None)?);
    let letters = hall.journal.store().read(read).await.unwrap();
    assert_eq!(letters.len(), 2);
    for letter in letters {
        let text = String::from_utf8(letter.payload).unwrap();
        assert!(
            text.contains("***********") && text.contains("123456"),
            "{text}"
        );
        assert!(
            !letter.reason.contains("1380") && !text.contains("1380"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn numbers_of_customers_are_kept_nowhere() {
    let hall = open("private").await;
    let said = |kind: &str, payload: &str| Submission {
        kind: kind.into(),
        ..issued("ks-1", payload)
    };
    let good = r#"{"id":"T-1","kind":"payment","method":"cash","succeeded":true,
        "time":"2026-01-02T08:00:00Z","boot":"b","seq":7,"phone":"13800001111"}"#;
    let bad = [
        said(
            "kiosk.txn",
            r#"{"kind":"kiosk.txn","method":"13800001111"}"#,
        ),
        said(
            "kiosk.txn",
            r#"{"kind":"x","id":"1","phone":"138-0000-1111","tel":"+86 (138) 00001111"}"#,
        ),
        said(
            "kiosk.transaction",
            r#"{"amount_fen":5,"phone":"138 0000 1111"}"#,
        ),
        said("13800001111", r#"{"number_hash":"13800001111"}"#),
    ];
    let count = bad.len();
    let all = std::iter::once(said("kiosk.txn", good))
        .chain(bad)
        .collect();
    let outcomes = hall.journal.submit(all).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Committed(1));
    let read = |c: &Connection| {
        let reports = reports_of_device(c, "ks-1", i64::MAX, 10)?;
        Ok((
            reports,
            pages::letters(c, i64::MAX, 10, Some("ks-1"), None)?,
        ))
    };
    let (reports, letters) = hall.journal.store().read(read).await.unwrap();
    let report = String::from_utf8(reports[0].payload.clone()).unwrap();
    for kept in [
        "T-1",
        "payment",
        "2026-01-02T08:00:00Z",
        r#""boot":"b""#,
        r#""seq":7"#,
    ] {
        assert!(report.contains(kept), "{kept} is not in {report}");
    }
    assert!(!report.contains("phone"), "{report}");
    assert_eq!(letters.len(), count);
    for letter in letters {
        let payload = String::from_utf8(letter.payload).unwrap();
        let topic = letter.topic.unwrap_or_default();
        let whole = format!("{topic} {} {payload}", letter.reason);
        assert!(!whole.contains("138") && !whole.contains("1111"), "{whole}");
    }
}

#[tokio::test]
async fn clocks_are_judged_and_a_wrong_one_loses_nothing() {
    let hall = open("clocks").await;
    let at = |time: &str| {
        issued(
            "tm-1",
            &format!(r#"{{"ticket":"A1","queue":"A","time":"{time}"}}"#),
        )
    };
    let now = Clock::real_now();
    let hour_ago = now
        .checked_sub(jiff::SignedDuration::from_hours(1))
        .unwrap()
        .to_string();
    let all = vec![
        at("1970-01-01T00:00:00Z"),
        at("2999-01-01T00:00:00Z"),
        at(&hour_ago),
    ];
    hall.journal.submit(all).await.unwrap();
    let read = |c: &Connection| Ok(entries_after(c, 0, 10)?.0);
    let entries = hall.journal.store().read(read).await.unwrap();
    let flags: Vec<_> = entries.iter().map(|entry| entry.clock).collect();
    assert_eq!(
        flags,
        [ClockFlag::Suspect, ClockFlag::Suspect, ClockFlag::Late]
    );
    assert_eq!(entries[0].time, entries[0].received);
    assert_eq!(entries[2].time.to_string(), hour_ago);
}

struct Counting;

impl Follower for Counting {
    const NAME: &'static str = "counting";
    fn apply(&self, connection: &Connection, entries: &[Entry]) -> Result<(), StoreError> {
        let sql = "insert into journal_value values ('counted', ?1)
             on conflict do update set value = value + excluded.value";
        connection.execute(sql, [i64::try_from(entries.len()).unwrap()])?;
        Ok(())
    }
}

#[tokio::test]
async fn a_follower_sees_every_report_once_and_goes_on_where_it_was() {
    let hall = open("follow").await;
    let counted = || hall.journal.store().read(|c| Ok(value(c, "counted")?));
    for round in 1..=3_u64 {
        let stop = tokio_util::sync::CancellationToken::new();
        let task = tokio::spawn(follow(hall.journal.clone(), Counting, stop.clone()));
        let reports = (0..500)
            .map(|n| numbered("tm-1", "b", round * 1_000 + n))
            .collect();
        hall.journal.submit(reports).await.unwrap();
        let expected = i64::try_from(round * 500).unwrap();
        while counted().await.unwrap() < expected {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        stop.cancel();
        task.await.unwrap();
    }
    assert_eq!(counted().await.unwrap(), 1_500);
}

#[tokio::test]
async fn the_reports_of_one_device_are_found_among_those_of_others() {
    let hall = open("chain").await;
    for seq in 1..=6 {
        let both = vec![numbered("tm-1", "b", seq), numbered("tm-2", "b", seq)];
        hall.journal.submit(both).await.unwrap();
    }
    let page = async |device: &'static str, before: i64, limit: u32| -> Vec<i64> {
        let read = move |c: &Connection| Ok(reports_of_device(c, device, before, limit)?);
        let found = hall.journal.store().read(read).await.unwrap();
        assert!(found.iter().all(|report| report.device == device));
        found.iter().map(|report| report.id).collect()
    };
    assert_eq!(page("tm-1", i64::MAX, 4).await, [11, 9, 7, 5]);
    assert_eq!(page("tm-1", 5, 4).await, [3, 1]);
    assert_eq!(page("tm-1", 1, 4).await, [0; 0]);
    // Not one of its own.
    assert_eq!(page("tm-1", 6, 4).await, [5, 3, 1]);
    assert_eq!(page("nobody", i64::MAX, 4).await, [0; 0]);
}

/// A journal with five reports and a dead letter, spoiled by `sql`.
async fn spoiled(name: &str, sql: &'static str) -> (Hall, rusqlite::Connection) {
    let hall = open(name).await;
    let reports = (1..=5).map(|seq| numbered("tm-1", "b1", seq)).collect();
    hall.journal.submit(reports).await.unwrap();
    let letter = issued("tm-1", "no JSON");
    hall.journal.submit(vec![letter]).await.unwrap();
    let connection = rusqlite::Connection::open(hall.folder.join("hall.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    (hall, connection)
}

#[tokio::test]
async fn a_cell_that_is_no_text_any_more_is_damage() {
    let cells = [
        "update journal_report set kind = cast(x'ff66' as text) where id = 3",
        "update journal_report set boot = cast(x'ff' as text) where id = 3",
        "update journal_device set name = cast(x'ff' as text)",
    ];
    for (nth, sql) in cells.into_iter().enumerate() {
        let (_hall, connection) = spoiled(&format!("cell-{nth}"), sql).await;
        let error = StoreError::from(prove_rows(&connection).unwrap_err());
        assert!(matches!(error, StoreError::Damaged(_)), "{sql}: {error:?}");
        let followed = StoreError::from(entries_after(&connection, 0, 100).unwrap_err());
        assert!(
            matches!(followed, StoreError::Damaged(_)),
            "{sql}: {followed:?}"
        );
    }
}

#[tokio::test]
async fn what_is_rescued_is_counted_and_what_is_lost_too() {
    let sql = "update journal_report set kind = cast(x'ff' as text) where id = 3;
        update journal_report set time_ms = 1 where id = 4";
    let (_hall, damaged) = spoiled("rescued", sql).await;
    let back = open("rescued-to").await;
    let rescued = back
        .journal
        .store()
        .write(move |c| rescue(&damaged, c))
        .await
        .unwrap();
    // Three reports and the letter.
    assert_eq!(
        (rescued.rows, rescued.lost, rescued.is_end_unknown),
        (4, 2, false)
    );
    assert_eq!(kept(&back.journal).await, 3);
    assert_eq!(
        back.journal
            .store()
            .read(|c| Ok(store::counts(c)?))
            .await
            .unwrap()
            .dead_letters,
        1
    );
}
