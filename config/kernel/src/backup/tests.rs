use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::*;

pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("zhiban-backup-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("data/federation")).unwrap();
        fs::create_dir_all(folder.join("disk")).unwrap();
        Self(folder)
    }

    pub(super) fn subject(&self) -> Subject {
        Subject {
            program: "zhiban-test",
            version: "1.2.3",
            id: "hall-7".into(),
            data: self.0.join("data"),
            database: "hall.db",
            is_elsewhere: false,
            config: self.0.join("gateway.toml"),
            migrate,
            read_through: prove_notes,
            rescue,
            tell: |_, _| Ok(()),
        }
    }

    /// A data folder as a program leaves it behind when it is killed: with a log.
    pub(super) fn fill(&self, notes: u32) -> Connection {
        let data = self.0.join("data");
        let mut connection = Connection::open(data.join("hall.db")).unwrap();
        connection
            .execute_batch("pragma journal_mode = wal")
            .unwrap();
        migrate(&mut connection).unwrap();
        for note in 0..notes {
            connection
                .execute("insert into note (text) values (?1)", [note])
                .unwrap();
        }
        for (name, text) in [
            ("lock", ""),
            ("epoch", "7"),
            (TRUST_LEDGER, "joined\n"),
            ("authority.pem", "key"),
            ("federation/cert.pem", "cert"),
        ] {
            fs::write(data.join(name), text).unwrap();
        }
        fs::write(self.0.join("gateway.toml"), "a = 1\n").unwrap();
        connection
    }

    fn notes(&self) -> i64 {
        let connection = Connection::open(self.0.join("data/hall.db")).unwrap();
        connection
            .query_row("select count(*) from note", [], |row| row.get(0))
            .unwrap()
    }

    pub(super) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join("data").join(name)).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A note that says another number than its own is not what was written.
fn prove_notes(connection: &Connection) -> Result<(), StoreError> {
    let wrong = "select id from note where text not in ('half', 'later')
         and cast(text as text) <> cast(id - 1 as text)";
    let mut statement = connection.prepare(wrong)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        None => Ok(()),
        Some(row) => Err(crate::store::damaged_row("note", row.get::<_, i64>(0)?).into()),
    }
}

fn rescue(damaged: &Connection, back: &Connection) -> Result<Rescued, StoreError> {
    let last: i64 = back.query_row("select max(id) from note", [], |row| row.get(0))?;
    let mut one = damaged.prepare("select cast(text as text) from note where id = ?1")?;
    let mut rescued = Rescued::default();
    for id in last + 1..=2_000 {
        // One that is not there, or on a page that cannot be read, is passed over.
        let Ok(text) = one.query_row([id], |row| row.get::<_, String>(0)) else {
            continue;
        };
        if text == (id - 1).to_string() {
            back.execute("insert into note values (?1, ?2)", (id, text))?;
            rescued.rows += 1;
        }
    }
    Ok(rescued)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    connection.execute_batch("create table if not exists note (id integer primary key, text)")?;
    let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    match version {
        0 => Ok(()),
        newer => Err(StoreError::Database(format!("shape {newer} is not known"))),
    }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[test]
fn a_backup_of_a_database_in_use_is_put_back_with_secrets_and_without_the_epoch() {
    let place = Place::new("whole");
    let subject = place.subject();
    let open = place.fill(100);
    // A writer in the middle of a transaction disturbs nothing, and nothing of it is copied.
    open.execute_batch("begin; insert into note (text) values ('half')")
        .unwrap();
    let taken = take(&subject, &place.0.join("disk"), at(0)).unwrap();
    open.execute_batch("commit; insert into note (text) values ('later')")
        .unwrap();
    drop(open);
    assert_eq!(taken.manifest.tables["note"], 100);
    assert_eq!(
        fs::metadata(&taken.file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        newest(&subject, &place.0.join("disk"), at(0)),
        Some(taken.file.clone())
    );
    assert_eq!(taken_at(&taken.file), Some(at(0)));
    let left: Vec<_> = fs::read_dir(place.0.join("disk")).unwrap().collect();
    assert_eq!(left.len(), 1, "no scratch is left: {left:?}");

    fs::write(place.0.join("data/authority.pem"), "another key").unwrap();
    fs::write(
        place.0.join("data").join(TRUST_LEDGER),
        "joined\nshut out\n",
    )
    .unwrap();
    let restored = restore(&subject, &taken.file, at(60)).unwrap();
    assert_eq!(place.notes(), 100);
    assert_eq!(place.read("authority.pem").as_deref(), Some("key"));
    assert_eq!(place.read("federation/cert.pem").as_deref(), Some("cert"));
    assert_eq!(
        place.read("epoch"),
        None,
        "the hall must know that it was restored"
    );
    let ledger = place.read(TRUST_LEDGER);
    assert_eq!(ledger.as_deref(), Some("joined\nshut out\n"), "stays");
    assert_eq!(restored.other_config, None, "the box has the same");
    let aside = restored.aside.unwrap();
    assert_eq!(
        fs::read_to_string(aside.join("authority.pem")).unwrap(),
        "another key"
    );
    let old = Connection::open(aside.join("hall.db")).unwrap();
    let notes: i64 = old
        .query_row("select count(*) from note", [], |row| row.get(0))
        .unwrap();
    assert_eq!(notes, 102, "what was there is kept");
}

#[test]
fn where_the_database_is_a_servers_the_secrets_are_backed_up_and_the_summary_says_so() {
    let place = Place::new("elsewhere");
    // The one of before the move lies there still.
    drop(place.fill(3));
    let here = place.subject();
    let subject = Subject {
        is_elsewhere: true,
        ..here.clone()
    };
    let taken = take(&subject, &place.0.join("disk"), at(0)).unwrap();
    let said = taken.summary();
    let says = |word: &str| assert!(said.contains(word), "{said}");
    says("authority.pem");
    says("The database is not in it");
    assert!(!said.contains("hall.db"), "{said}");
    fs::remove_file(place.0.join("data/authority.pem")).unwrap();
    let refused = restore(&here, &taken.file, at(1)).unwrap_err().to_string();
    assert!(refused.contains("expected a backup of"), "{refused}");
    let restored = restore(&subject, &taken.file, at(2)).unwrap();
    assert_eq!(place.read("authority.pem").as_deref(), Some("key"));
    let said = restored.summary(&place.0.join("gateway.toml"));
    assert!(said.contains("the database was not put back"), "{said}");
}

#[test]
fn a_restore_on_an_empty_box_brings_the_configuration_along() {
    let place = Place::new("empty");
    drop(place.fill(3));
    let taken = take(&place.subject(), &place.0.join("disk/one.tar.gz"), at(0)).unwrap();
    fs::remove_dir_all(place.0.join("data")).unwrap();
    fs::remove_file(place.0.join("gateway.toml")).unwrap();
    let restored = restore(&place.subject(), &taken.file, at(60)).unwrap();
    assert_eq!((place.notes(), restored.aside), (3, None));
    assert_eq!(place.read("gateway.toml").as_deref(), Some("a = 1\n"));
}

#[test]
fn a_restore_interrupted_at_any_step_is_ended_by_the_next_start() {
    for emptied in [false, true] {
        let place = Place::new(&format!("cut-{emptied}"));
        let data = place.0.join("data");
        drop(place.fill(5));
        let stage = data.join("restoring");
        fs::create_dir(&stage).unwrap();
        let new = Connection::open(stage.join("hall.db")).unwrap();
        new.execute_batch(
            "create table note (id integer primary key); insert into note values (1)",
        )
        .unwrap();
        drop(new);
        let aside = data.join("before-restore-x");
        fs::write(stage.join(".ready"), aside.to_string_lossy().as_bytes()).unwrap();
        if emptied {
            restore::put_aside(&data, &aside, &[]).unwrap();
            fs::rename(stage.join(".ready"), stage.join(".emptied")).unwrap();
        } else {
            // The power went after the first file had been moved.
            fs::create_dir(&aside).unwrap();
            fs::rename(data.join("epoch"), aside.join("epoch")).unwrap();
        }
        finish_restore(&data).unwrap();
        assert_eq!(place.notes(), 1);
        assert!(!stage.exists());
        let old = Connection::open(aside.join("hall.db")).unwrap();
        let notes: i64 = old
            .query_row("select count(*) from note", [], |row| row.get(0))
            .unwrap();
        assert_eq!(notes, 5);
    }
}

#[test]
fn a_damaged_foreign_or_newer_archive_is_refused_by_name_and_nothing_changes() {
    let place = Place::new("bad");
    let subject = place.subject();
    drop(place.fill(2_000));
    let disk = place.0.join("disk");
    let good = take(&subject, &disk, at(0)).unwrap().file;
    let bytes = fs::read(&good).unwrap();
    let refused = |name: &str, bytes: &[u8]| -> String {
        let file = disk.join(name);
        fs::write(&file, bytes).unwrap();
        restore(&subject, &file, at(1)).unwrap_err().to_string()
    };
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    for (name, bad) in [
        ("cut", &bytes[..bytes.len() - 40]),
        ("flipped", &flipped[..]),
        ("other", b"no archive"),
    ] {
        let error = refused(name, bad);
        assert!(error.contains(&format!("{name} is damaged: ")), "{error}");
    }
    let another = Subject {
        id: "hall-8".into(),
        ..subject.clone()
    };
    let error = restore(&another, &good, at(1)).unwrap_err().to_string();
    assert!(
        error.contains("expected a backup of hall-8, found one of hall-7"),
        "{error}"
    );
    let newer = Connection::open(place.0.join("data/hall.db")).unwrap();
    newer.execute_batch("pragma user_version = 9").unwrap();
    drop(newer);
    let any = Subject {
        migrate: |_| Ok(()),
        version: "9.0.0",
        ..subject.clone()
    };
    let newer = take(&any, &disk, at(9)).unwrap().file;
    let error = restore(&subject, &newer, at(10)).unwrap_err().to_string();
    assert!(
        error.contains(
            "was made by zhiban-test 9.0.0, which is newer than this program: database: shape 9"
        ),
        "{error}"
    );
    assert_eq!(
        place.read("epoch").as_deref(),
        Some("7"),
        "nothing was touched"
    );
    assert!(!place.0.join("data/restoring").exists());
}

#[test]
fn a_restore_beside_a_running_program_is_refused() {
    let place = Place::new("running");
    drop(place.fill(1));
    let taken = take(&place.subject(), &place.0.join("disk"), at(0)).unwrap();
    let _running = crate::runtime::take_folder(&place.0.join("data")).unwrap();
    let error = restore(&place.subject(), &taken.file, at(1))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("another process uses it; stop the service first"),
        "{error}"
    );
}

#[test]
fn a_backup_the_program_cannot_read_is_no_backup() {
    let place = Place::new("lost");
    drop(place.fill(10));
    let blind = Subject {
        read_through: |_| Err(StoreError::Database("cannot be read".into())),
        ..place.subject()
    };
    assert!(take(&blind, &place.0.join("disk"), at(0)).is_err());
    assert_eq!(fs::read_dir(place.0.join("disk")).unwrap().count(), 0);
}

#[test]
fn only_the_newest_are_kept_and_only_ours_are_deleted() {
    let place = Place::new("rotated");
    drop(place.fill(1));
    let (subject, disk) = (place.subject(), place.0.join("disk"));
    fs::write(
        disk.join("zhiban-test_hall-8_20200101T000000Z.tar.gz"),
        "theirs",
    )
    .unwrap();
    for second in 0..4 {
        take(&subject, &disk, at(second)).unwrap();
    }
    keep_newest(&subject, &disk, 2, at(3)).unwrap();
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 3);
    assert_eq!(
        newest(&subject, &disk, at(3)).as_deref().and_then(taken_at),
        Some(at(3))
    );
    keep_newest(&subject, Path::new("/nowhere"), 2, at(3)).unwrap();
    // The clock is back from ten years ahead: what was taken there goes first.
    let [ahead, right] = [at(315_360_000), at(10)].map(|now| take(&subject, &disk, now).unwrap());
    assert_eq!(newest(&subject, &disk, at(10)), Some(right.file.clone()));
    keep_newest(&subject, &disk, 2, at(10)).unwrap();
    assert!(right.file.exists() && !ahead.file.exists());
}
