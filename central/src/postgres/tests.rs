//! What only PostgreSQL has: a server that goes away, others beside us, partitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Database, StoreError, values};

use crate::compare::{Moment, Period, rows};
use crate::facts;
use crate::intake::Intake;
use crate::stores;
use crate::tests::postgres_server::{Place, Server, name_of};
use crate::tests::{
    Folder, Make, TestHall, clock_at, hall_quarter, members, postgres, profile, queue_quarter,
};

fn open(place: &Place) -> Database {
    Database::new(postgres(place))
}

fn place(folder: &Folder) -> &Place {
    folder.place.as_ref().unwrap()
}

/// What psql says about the database of a test.
fn psql(folder: &Folder, sql: &str) -> String {
    Server::shared().psql(name_of(place(folder)), sql).unwrap()
}

async fn table(store: &Database) {
    let make = |tx: &dyn Sql| tx.execute("create table t (n bigint primary key)", &[]);
    store.write(make).await.unwrap();
}

async fn count(store: &Database) -> i64 {
    let read = |sql: &dyn Sql| sql.one("select count(*) from t", &[], |row| row.get(0));
    store.read(read).await.unwrap()
}

#[tokio::test]
async fn a_failed_job_takes_back_all_of_itself_and_no_other() {
    let folder = Folder::on(Make::Postgres);
    let store = folder.store();
    table(&store).await;
    let refuse = store.write(|tx| {
        tx.post("insert into t values (1)", &[])?;
        Err::<(), _>(StoreError::Refused("no".into()))
    });
    let panics = store.write(|tx| -> Result<(), StoreError> {
        tx.execute("insert into t values (2)", &[])?;
        panic!("a job that panics")
    });
    // What was posted fails later; a job that passes over it is not kept either.
    let twice = store.write(|tx| {
        tx.post("insert into t values (5)", &[])?;
        tx.post("insert into t values (5)", &[])
    });
    let passed_over = store.write(|tx| {
        let _ = tx.execute("insert into t values (null)", &[]);
        Ok(())
    });
    let kept = store.write(|tx| tx.execute("insert into t values (3)", &[]));
    let (refused, panicked, twice, passed_over, kept) =
        tokio::join!(refuse, panics, twice, passed_over, kept);
    assert_eq!(kept.unwrap(), 1);
    assert_eq!(refused.unwrap_err().to_string(), "no");
    assert!(panicked.is_err());
    assert!(twice.unwrap_err().to_string().contains("duplicate key"));
    assert!(passed_over.unwrap_err().to_string().contains("not-null"));
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn jobs_in_each_others_way_run_again_and_a_lock_keeps_their_order() {
    let folder = Folder::on(Make::Postgres);
    let store = folder.store();
    table(&store).await;
    store
        .write(|tx| tx.execute("insert into t values (1), (2)", &[]))
        .await
        .unwrap();
    // Two that lock the same rows in the other order: one of them runs again.
    let runs = Arc::new(AtomicU32::new(0));
    let cross = |first: i64, second: i64| {
        let runs = Arc::clone(&runs);
        store.write(move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            for n in [first, second] {
                let row = "select n from t where n = ?1 for update";
                tx.one(row, values![n], |row| row.get::<i64>(0))?;
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            Ok(())
        })
    };
    let (one, other) = tokio::join!(cross(1, 2), cross(2, 1));
    one.unwrap();
    other.unwrap();
    assert!(runs.load(Ordering::Relaxed) > 2, "there was no deadlock");
    // Reading, then writing what follows from it, by many at once.
    let next = |tx: &dyn Sql| {
        tx.lock("t")?;
        let last: i64 = tx.one("select max(n) from t", &[], |row| row.get(0))?;
        tx.execute("insert into t values (?1)", values![last + 1])
    };
    let many = (0..50).map(|_| store.write(next));
    for done in futures_util::future::join_all(many).await {
        done.unwrap();
    }
    assert_eq!(count(&store).await, 52);
}

#[tokio::test]
async fn one_hall_at_two_intakes_at_once_counts_once() {
    let folder = Folder::on(Make::Postgres);
    let clock = clock_at("2020-01-02T12:00:00Z");
    let [one, other] =
        [folder.store(), folder.store()].map(|store| Intake::new(store, clock, members()));
    let (hall, key) = (TestHall::new("wola"), TestHall::new("wola").key());
    for round in 0..40_u32 {
        let first = u64::from(3 * round + 1);
        let items = [1, 2, 3].map(|n| {
            let version = 3 * round + n;
            queue_quarter("2020-01-02", "2020-01-02T08:00:00Z", version, version)
        });
        let batch = hall.batch(first, &items);
        let everywhere =
            [&one, &other, &one, &other].map(|intake| intake.receive(&key, batch.clone()));
        for answer in futures_util::future::join_all(everywhere).await {
            assert_eq!(crate::tests::committed(&answer.unwrap()), first + 2);
        }
    }
    let sums = "select items, duplicates from intake_cursor";
    assert_eq!(psql(&folder, sums), "120|360");
    assert_eq!(psql(&folder, "select issued from facts_hall_day"), "120");
}

#[tokio::test]
async fn a_server_that_was_killed_has_what_was_acknowledged_and_is_found_again() {
    let mut server = Server::start();
    let place = server.database();
    let intake = Intake::new(open(&place), clock_at("2020-01-02T12:00:00Z"), members());
    let hall = TestHall::new("wola");
    let mut acknowledged = 0;
    for kill in 0..3_u64 {
        let (sender, hall_there) = (intake.clone(), hall.clone());
        let sending = tokio::spawn(async move {
            let mut acknowledged = acknowledged;
            loop {
                let first = acknowledged + 1;
                let items = (first..first + 5).map(|n| {
                    let version = u32::try_from(n).unwrap();
                    queue_quarter("2020-01-02", "2020-01-02T08:00:00Z", version, version)
                });
                let items: Vec<_> = items.collect();
                let batch = hall_there.batch(first, &items);
                match sender.receive(&hall_there.key(), batch).await {
                    Ok(answer) => acknowledged = crate::tests::committed(&answer),
                    Err(error) => return (acknowledged, error),
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(300 + 77 * kill)).await;
        server = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap();
        let (last, error) = sending.await.unwrap();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(error.is_passing());
        assert!(last > acknowledged, "nothing was sent before kill {kill}");
        acknowledged = last;
        server.run();
        // The same connection handle finds the server again. It may know more than it could say.
        let now = hall.send(&intake, acknowledged + 1, &[]).await;
        assert!(now >= acknowledged, "{now} of {acknowledged} acknowledged");
        acknowledged = now;
        let (version, name) = (u32::try_from(now).unwrap(), name_of(&place));
        for sum in ["facts_queue_quarter", "facts_hall_day"] {
            let found = server.psql(name, &format!("select issued from {sum}"));
            assert_eq!(found.unwrap(), version.to_string());
        }
        let items = server.psql(name, "select items from intake_cursor");
        assert_eq!(items.unwrap(), now.to_string());
    }
}

#[tokio::test]
async fn months_are_kept_apart_and_a_question_reads_only_its_own() {
    let folder = Folder::on(Make::Postgres);
    let intake = Intake::new(folder.store(), clock_at("2020-03-02T12:00:00Z"), members());
    let hall = TestHall::new("wola");
    let mut items = vec![profile("Wola", "A")];
    for day in ["2020-01-31", "2020-02-01", "2020-02-29", "2020-03-01"] {
        let slot = format!("{day}T08:00:00Z");
        items.push(queue_quarter(day, &slot, 1, 5));
        items.push(hall_quarter(day, &slot));
    }
    assert_eq!(hall.send(&intake, 1, &items).await, 9);
    let parts = "select count(*) from pg_inherits where inhparent = 'facts_hall_day'::regclass";
    assert_eq!(psql(&folder, parts), "3");
    assert_eq!(
        psql(&folder, "select count(*) from facts_hall_day_2020_02"),
        "2"
    );
    // Nothing swallows what has no month.
    let homeless = "insert into facts_hall_quarter values ('wola', 19000, 1, 1, 0, 0, 0)";
    let refused = Server::shared().psql(name_of(place(&folder)), homeless);
    assert!(refused.unwrap_err().contains("no partition"));

    let day = |text: &str| facts::day_number(text.parse().unwrap());
    let (from, to) = (day("2020-02-01"), day("2020-02-29"));
    psql(&folder, "select pg_stat_reset()");
    let moment = Moment::of(&clock_at("2020-03-02T12:00:00Z"));
    let store = folder.store();
    let read = move |sql: &dyn Sql| rows(sql, stores::all(sql)?, moment, Period { from, to });
    let found = store.read(read).await.unwrap();
    assert_eq!(found[0].tally.as_ref().unwrap().issued, 10);
    drop(store);
    // The server counts what was read when a session ends.
    let scans = "select string_agg(relname, ' ' order by relname) from pg_stat_user_tables
        where relname like 'facts_%' and seq_scan + coalesce(idx_scan, 0) > 0";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while psql(&folder, scans) != "facts_hall_day_2020_02" {
        let seen = psql(&folder, scans);
        assert!(std::time::Instant::now() < deadline, "read: {seen:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_character_the_server_cannot_keep_does_not_stop_the_line() {
    let folder = Folder::on(Make::Postgres);
    let intake = Intake::new(folder.store(), clock_at("2020-01-02T12:00:00Z"), members());
    let hall = TestHall::new("wola");
    let alarm = serde_json::json!({"item": "alarm", "device": "tm-1", "at": "2020-01-02T08:00:00Z",
        "alarm": "paper", "severity": "major", "text": "a\u{0}b"});
    assert_eq!(hall.send(&intake, 1, &[alarm]).await, 1);
    assert_eq!(psql(&folder, "select text from alarms_alarm"), "a\u{fffd}b");
}

#[tokio::test]
async fn two_programs_start_at_once_and_one_that_is_older_refuses() {
    let folder = Folder::on(Make::Postgres);
    let both = (0..4).map(|_| {
        let place = place(&folder).clone();
        tokio::task::spawn_blocking(move || drop(postgres(&place)))
    });
    for started in futures_util::future::join_all(both).await {
        started.unwrap();
    }
    psql(
        &folder,
        "insert into central_migrations values (9000, 'later', 1, 1)",
    );
    let options = options(place(&folder));
    let open = tokio::task::spawn_blocking(move || super::Postgres::open(&options));
    let error = open.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("9000 later"), "{error}");
}

#[tokio::test]
async fn commits_are_synced_whatever_the_server_is_set_to() {
    let folder = Folder::on(Make::Postgres);
    let name = name_of(place(&folder));
    psql(
        &folder,
        &format!("alter database {name} set synchronous_commit = off"),
    );
    let store = folder.store();
    let setting = "select current_setting('synchronous_commit')";
    let found = store.write(|tx| tx.one(setting, &[], |row| row.get::<String>(0)));
    assert_eq!(found.await.unwrap(), "on");
}

/// A SQLite database with something in every table.
async fn filled(folder: &Folder) {
    drop(zhiban_kernel::runtime::take_folder(folder.path()).unwrap());
    let intake = Intake::new(folder.store(), clock_at("2020-03-02T12:00:00Z"), members());
    for hall in ["wola", "mokotow"] {
        let hall = TestHall::new(hall);
        let mut items = vec![profile("x\u{0}y", "A")];
        for day in ["2020-01-31", "2020-03-01"] {
            let slot = format!("{day}T08:00:00Z");
            items.push(queue_quarter(day, &slot, 1, 5));
            items.push(hall_quarter(day, &slot));
        }
        hall.send(&intake, 1, &items).await;
        hall.send(&intake, 6, &[serde_json::json!({"item": "junk"})])
            .await;
        let beat = hall.beat(1, "2020-03-02T12:00:00Z", 4);
        intake.receive(&hall.key(), beat).await.unwrap();
    }
    let rest = |tx: &dyn Sql| {
        for sql in [
            "insert into people_account values ('1', 'n', '[]', null, true, true, 1, null)",
            "insert into people_session values (x'01', '1', 1, 1)",
            "insert into watch_probe values (1, 1)",
            "insert into trust_code values ('wola', x'01', 1, '1', 2, null, null)",
            "insert into trust_certificate values (x'01', 'wola', x'02', 1, 2, null, null, null, 1, 1)",
            "insert into questions_question values (1, 'wola', 1, '1', 'operator', '{}', 2, 'away', null, null, 3, null)",
            "insert into documents_document values ('agent', 'wola', 'a', 7, null)",
            "insert into documents_version values (7, 'agent', 'wola', 'a', null, 1, '1')",
            "insert into documents_place values ('wola', null, true)",
            "insert into documents_proposal values ('wola', '1', 1, '{}', 'open', null, null, null)",
            "insert into alarms_alarm values ('wola', 'd', 'a', 'major', 'a' || char(0), 1)",
            "insert into facts_counter_day values ('wola', 18262, '1', '', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
            "insert into facts_climate_quarter values ('wola', 18262, 1, 'd', 1, 1, 1, 1, -5)",
        ] {
            tx.execute(sql, &[])?;
        }
        zhiban_kernel::people::note(tx, "1", "here", "test", "x")
    };
    folder.store().write(rest).await.unwrap();
}

fn options(place: &Place) -> super::Options {
    let config = zhiban_config::central::Database {
        url: place.url.clone(),
        password_file: Some(place.password_file.clone()),
        authority: None,
        allow_plaintext: false,
    };
    super::Options::of(&config).unwrap()
}

#[tokio::test]
async fn within_tls_only_the_server_its_authority_vouches_for_is_spoken_to() {
    let server = Server::start_encrypted();
    let place = server.database();
    let try_open = async |url: String, authority: std::path::PathBuf| {
        let config = zhiban_config::central::Database {
            url,
            password_file: Some(place.password_file.clone()),
            authority: Some(authority),
            allow_plaintext: false,
        };
        let options = super::Options::of(&config).unwrap();
        let open = move || super::Postgres::open(&options).map(Database::new);
        tokio::task::spawn_blocking(open).await.unwrap()
    };
    let by_name = server.by_network(&place);
    let store = try_open(by_name.clone(), server.authority()).await.unwrap();
    let encrypted = store.read(|sql| {
        let own = "select count(*) from pg_stat_ssl where ssl and pid = pg_backend_pid()";
        sql.one(own, &[], |row| row.get::<i64>(0))
    });
    assert_eq!(
        encrypted.await.unwrap(),
        1,
        "the server says it is not encrypted"
    );

    let by_number = by_name.replace("localhost", "127.0.0.1");
    let other = Server::start_encrypted();
    for (url, authority, said) in [
        (by_name, other.authority(), "BadSignature"),
        (by_number, server.authority(), "not valid for name"),
        (place.url.clone(), server.authority(), "TLS"),
    ] {
        let refused = try_open(url, authority).await.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

/// Copies as the command does, off the asynchronous thread.
async fn copy_to(folder: &Folder, place: &Place) -> anyhow::Result<Vec<super::Copied>> {
    let (data, options) = (folder.path().to_owned(), options(place));
    let copy = move || crate::aggregator::migrate_to(&data, &options, &|_| {});
    tokio::task::spawn_blocking(copy).await.unwrap()
}

#[tokio::test]
async fn a_copy_is_whole_also_after_one_that_broke_off_and_never_mixes() {
    let folder = Folder::on(Make::Sqlite);
    filled(&folder).await;
    let server = Server::shared();
    let place = server.database();
    let psql = |sql: &str| server.psql(name_of(&place), sql).unwrap();
    let copied = copy_to(&folder, &place).await.unwrap();
    for table in &copied {
        assert!(
            table.sum.rows > 0,
            "{}: nothing was there to copy",
            table.table
        );
        let count = psql(&format!("select count(*) from {}", table.table));
        assert_eq!(count, table.sum.rows.to_string());
    }
    assert_eq!(psql("select count(*) from facts_hall_day_2020_03"), "2");
    assert_eq!(psql("select must_change_password from people_account"), "t");
    let again = copy_to(&folder, &place).await.unwrap_err();
    assert!(format!("{again:#}").contains("already"), "{again:#}");
    // What was taken in goes on where it was; new letters get numbers of their own.
    let intake = Intake::new(open(&place), clock_at("2020-03-02T12:00:00Z"), members());
    let hall = TestHall::new("wola");
    assert_eq!(hall.send(&intake, 6, &[]).await, 5);
    let junk = serde_json::json!({"item": "more junk"});
    let letter = hall.batch(6, &[profile("Wola", "A"), junk]);
    intake.receive(&hall.key(), letter).await.unwrap();
    assert_eq!(psql("select count(*) from intake_dead_letter"), "3");

    // As if it had been killed: half is there, and marked.
    psql("update central_copy set state = 'copying'");
    psql("delete from facts_hall_day; update stores_store set profile = 'no'");
    let half = options(&place);
    let open_half = tokio::task::spawn_blocking(move || super::Postgres::open(&half));
    let error = open_half.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("broken off"), "{error}");
    assert_eq!(copy_to(&folder, &place).await.unwrap(), copied);
    drop(open(&place));

    let used = server.database();
    drop(open(&used));
    server
        .psql(name_of(&used), "insert into watch_probe values (1, 1)")
        .unwrap();
    let error = copy_to(&folder, &used).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("watch_probe has rows"),
        "{error:#}"
    );
}

#[tokio::test]
async fn a_copy_that_lost_something_is_found_out() {
    let folder = Folder::on(Make::Sqlite);
    filled(&folder).await;
    let server = Server::shared();
    let place = server.database();
    drop(open(&place));
    // A server that changes one number on its way in.
    let meddle = "create function meddle() returns trigger language plpgsql as
        $$ begin new.issued := new.issued + 1; return new; end $$;
        create trigger meddle before insert on facts_hall_day
        for each row when (new.store = 'wola') execute function meddle();";
    server.psql(name_of(&place), meddle).unwrap();
    let error = copy_to(&folder, &place).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("facts_hall_day: differs"),
        "{error:#}"
    );
}
