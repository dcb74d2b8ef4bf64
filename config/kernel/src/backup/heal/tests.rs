//! Bits are flipped in databases and logs; what comes up again holds nothing wrong, and all the backup had.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::backup::take;
use crate::backup::tests::{Place, at};

const BACKED_UP: i64 = 400;
const WRITTEN: i64 = 1_000;

/// A place with a backup of the first notes, and all of them in the database; the last are in its log.
fn damaged_place(name: &str) -> (Place, PathBuf, Subject) {
    let place = Place::new(name);
    let subject = place.subject();
    let open = place.fill(u32::try_from(BACKED_UP).unwrap());
    let disk = place.0.join("disk");
    take(&subject, &disk, at(0)).unwrap();
    let more = |range: std::ops::Range<i64>| {
        for note in range {
            let sql = "insert into note (text) values (?1)";
            open.execute(sql, [note.to_string()]).unwrap();
        }
    };
    more(BACKED_UP..900);
    open.execute_batch("pragma wal_checkpoint(truncate)")
        .unwrap();
    more(900..WRITTEN);
    // As a kill leaves it: closing would empty the log.
    open.set_db_config(
        rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
        true,
    )
    .unwrap();
    (place, disk, subject)
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// The notes of a database that was opened again, each of which must be what was written.
fn notes(subject: &Subject) -> Vec<i64> {
    let connection = Connection::open(subject.data.join(subject.database)).unwrap();
    let mut statement = connection
        .prepare("select id, cast(text as text) from note order by id")
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let rows = statement.query_map([], read).unwrap();
    let checked = rows.map(|row| {
        let (id, text) = row.unwrap();
        assert_eq!(text, (id - 1).to_string(), "a wrong row came through");
        id
    });
    checked.collect()
}

fn folder_of(subject: &Subject) -> PathBuf {
    let (folder, incident) = incidents(subject).pop().expect("it was set aside");
    assert!(incident.is_some(), "it is told what happened");
    folder
}

#[test]
fn flipped_bits_anywhere_bring_up_nothing_wrong_and_all_the_backup_had() {
    let seed = number_of("ZHIBAN_SEED", 15);
    let trials = number_of("ZHIBAN_FLIPS", 50);
    let mut random = StdRng::seed_from_u64(seed);
    let (mut mended, mut rescued) = (0, 0);
    for trial in 0..trials {
        let (place, disk, subject) = damaged_place("flip");
        let name = if random.random_bool(0.5) {
            "hall.db"
        } else {
            "hall.db-wal"
        };
        change(&subject.data.join(name), |bytes| {
            for _ in 0..random.random_range(1..=4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
        });
        let opened = open_mended(&subject, &disk);
        assert!(
            opened.is_ok(),
            "seed {seed}, trial {trial}, {name}: {opened:?}"
        );
        drop(opened);
        let found = notes(&subject);
        let had: Vec<_> = (1..=BACKED_UP).collect();
        assert!(
            found.starts_with(&had),
            "seed {seed}, trial {trial}: the backup had more"
        );
        match incidents(&subject).pop() {
            Some((_, incident)) => {
                mended += 1;
                rescued += incident.unwrap().rescued;
            }
            // Nobody found anything: nothing may be missing but the very last groups of the log.
            None => assert!(
                found.len() >= usize::try_from(WRITTEN - 12).unwrap(),
                "seed {seed}, trial {trial}, {name}: {} notes and no word",
                found.len()
            ),
        }
        // Another start has nothing to mend.
        assert!(mend(&subject, &disk, at(0)).unwrap().is_none());
        drop(place);
    }
    println!("{trials} trials, seed {seed}: {mended} mended, {rescued} newer rows brought over");
    assert!(mended > trials / 2, "the flips hit something: {mended}");
}

fn number_of(variable: &str, otherwise: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn a_damaged_page_costs_what_stood_on_it_and_keys_stay_as_they_are() {
    let (place, disk, subject) = damaged_place("page");
    fs::write(subject.data.join("authority.pem"), "newer key").unwrap();
    // The first leaf, on which newer notes than those of the backup begin.
    change(&subject.data.join("hall.db"), |bytes| {
        bytes[2 * 4_096..2 * 4_096 + 100].fill(0xff);
    });
    drop(open_mended(&subject, &disk).unwrap());
    let found = notes(&subject).len();
    assert!((700..1_000).contains(&found), "{found}");
    assert_eq!(place.read("authority.pem").as_deref(), Some("newer key"));
    assert_eq!(place.read("epoch"), None, "numbers are not given again");
    let aside = folder_of(&subject);
    for name in ["hall.db", "hall.db-wal", "epoch"] {
        assert!(aside.join(name).exists(), "{name} is kept");
    }
}

#[test]
fn a_database_that_lost_the_end_of_its_log_goes_on_without_it_and_says_so() {
    let (_place, disk, subject) = damaged_place("log");
    change(&subject.data.join("hall.db-wal"), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    drop(open_mended(&subject, &disk).unwrap());
    let found = notes(&subject).len();
    assert!(
        (900..1_000).contains(&found),
        "more than the backup: {found}"
    );
    let (_, incident) = incidents(&subject).pop().unwrap();
    assert_eq!(incident.unwrap().outcome, Outcome::CutShort);
    assert!(folder_of(&subject).join("hall.db-wal").exists());
}

#[test]
fn without_a_good_backup_nothing_is_touched_and_the_way_out_is_named() {
    let (_place, disk, subject) = damaged_place("none");
    let spoil = |bytes: &mut Vec<u8>| bytes[0..100].fill(0);
    // The log may have that page, too.
    fs::remove_file(subject.data.join("hall.db-wal")).unwrap();
    change(&subject.data.join("hall.db"), spoil);
    for entry in fs::read_dir(&disk).unwrap() {
        change(&entry.unwrap().path(), |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }
    let before = fs::read(subject.data.join("hall.db")).unwrap();
    for _ in 0..2 {
        let refused = open_mended(&subject, &disk).unwrap_err().to_string();
        for word in [
            "was not mended",
            "zhiban-test restore FILE",
            "zhiban-test begin-anew",
        ] {
            assert!(refused.contains(word), "{refused}");
        }
        assert!(refused.contains(&disk.display().to_string()), "{refused}");
    }
    assert_eq!(fs::read(subject.data.join("hall.db")).unwrap(), before);
    let aside = begin_anew(&subject, at(0)).unwrap();
    assert_eq!(fs::read(aside.join("hall.db")).unwrap(), before);
    drop(open_mended(&subject, &disk).unwrap());
    assert!(notes(&subject).is_empty());
    let refused = begin_anew(&subject, at(0)).unwrap_err().to_string();
    assert!(refused.contains("is sound"), "{refused}");
}

#[test]
fn it_is_mended_once_an_hour_and_three_damaged_ones_are_kept() {
    let (_place, disk, subject) = damaged_place("again");
    let file = subject.data.join("hall.db");
    fs::remove_file(subject.data.join("hall.db-wal")).unwrap();
    let spoil = || change(&file, |bytes| bytes[0..100].fill(0));
    let hours = |hours: i64| at(hours * 3_700);
    for nth in 1..=5 {
        spoil();
        assert!(mend(&subject, &disk, hours(nth)).unwrap().is_some());
        spoil();
        let refused = mend(&subject, &disk, hours(nth) + SignedDuration::from_mins(59));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("less than an hour ago"), "{refused}");
    }
    assert_eq!(incidents(&subject).len(), 3);
}

#[test]
fn a_mark_alone_costs_nothing_and_an_emptied_file_is_no_new_hall() {
    let (_place, disk, subject) = damaged_place("mark");
    let file = subject.data.join("hall.db");
    leave_mark(&file, "a cosmic ray");
    assert!(mend(&subject, &disk, at(0)).unwrap().is_none());
    assert!(!mark_file(&file).exists());
    assert_eq!(notes(&subject).len(), 1_000);
    for gone in ["hall.db-wal", "hall.db-shm"] {
        let _ = fs::remove_file(subject.data.join(gone));
    }
    fs::write(&file, "").unwrap();
    fs::write(subject.data.join(EPOCH), "").unwrap();
    assert!(mend(&subject, &disk, at(0)).unwrap().is_some());
    assert!(notes(&subject).len() >= 400);
}

#[test]
fn a_file_that_is_gone_while_the_backups_are_not_mounted_is_no_new_hall() {
    let (place, _, subject) = damaged_place("gone");
    let nowhere = place.0.join("not mounted");
    for gone in ["hall.db", "hall.db-wal", "hall.db-shm"] {
        let _ = fs::remove_file(subject.data.join(gone));
    }
    for rest in [EPOCH, crate::backup::TRUST_LEDGER] {
        let rest = subject.data.join(rest);
        fs::write(&rest, "").unwrap();
        let refused = open_mended(&subject, &nowhere).unwrap_err().to_string();
        let words = ["the file is gone", "Mount the disk", "begin-anew"];
        assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
        fs::remove_file(&rest).unwrap();
    }
    // Where nothing else is, it is the first start.
    drop(open_mended(&subject, &nowhere).unwrap());
    fs::remove_file(subject.data.join("hall.db")).unwrap();
    fs::write(subject.data.join(EPOCH), "").unwrap();
    begin_anew(&subject, at(0)).unwrap();
    drop(open_mended(&subject, &nowhere).unwrap());
    assert!(notes(&subject).is_empty());
}

#[test]
fn room_is_made_of_what_was_set_aside_and_only_where_that_is_enough() {
    let (_place, _, subject) = damaged_place("room");
    let aside = ["damaged-20200101T000000Z", "damaged-20200102T000000Z"];
    for name in aside {
        let folder = subject.data.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("hall.db"), vec![1; 8 << 20]).unwrap();
    }
    let refused = make_room(&subject, u64::MAX).unwrap_err();
    assert!(refused.contains("make room"), "{refused}");
    assert_eq!(incidents(&subject).len(), 2, "in vain nothing is deleted");
    make_room(&subject, 1).unwrap();
    assert_eq!(incidents(&subject).len(), 2);
    make_room(&subject, free_bytes(&subject.data).unwrap() + (4 << 20)).unwrap();
    assert_eq!(incidents(&subject)[0].0.file_name().unwrap(), aside[1]);
}
