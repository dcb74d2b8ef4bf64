use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::Connection;
use zhiban_config::gateway::Retention;
use zhiban_vocabulary::envelope::{Item, Lane, SetAside};

use super::store::{Done, KINDS, Step, dropped, step, used_bytes};
use crate::federation::Spared;
use crate::{federation, journal};

const DAY_MS: i64 = 24 * 3_600_000;

struct Hall {
    connection: Connection,
    folder: PathBuf,
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Hall {
    fn new(name: &str) -> Self {
        let name = format!("zhiban-retention-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut connection = Connection::open(folder.join("hall.db")).unwrap();
        connection
            .execute_batch("pragma synchronous = off; pragma journal_mode = wal")
            .unwrap();
        journal::migrate(&mut connection).unwrap();
        Self { connection, folder }
    }

    fn run(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn count(&self, sql: &str) -> i64 {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    /// Reports of about 500 bytes, all read by a follower up to `read`.
    fn reports(&self, count: u32, read: i64) {
        self.run(&format!(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
             insert into journal_report
                 (received_ms, device, kind, boot, seq, time_ms, clock, payload)
             select 0, 1, 'ticket.issued', 'b', i, 0, 0, zeroblob(500) from n;
             insert or replace into journal_follower values ('queue', {read})"
        ));
    }

    fn facts(&self, lane: Lane, count: u32) {
        for number in 0..count {
            let reason = format!("{number} {}", "x".repeat(500));
            let item = Item::SetAside(SetAside { reason });
            federation::put(&self.connection, lane, &item, Timestamp::UNIX_EPOCH).unwrap();
        }
    }

    fn settle(&self, upto: i64) {
        self.run(&format!(
            "update federation_line set settled = {upto} where lane = 'history'"
        ));
    }

    /// Steps until there is no more to do.
    fn settle_down(&self, plan: &Step) -> u32 {
        let mut plan = plan.clone();
        for rounds in 0..1_000 {
            let Done { seen, more } = step(&self.connection, &plan).unwrap();
            plan = Step {
                seen,
                ran_ms: 0,
                ..plan
            };
            if !more {
                return rounds;
            }
        }
        panic!("it never ends");
    }

    fn dropped(&self) -> Vec<(String, i64)> {
        let all = dropped(&self.connection).unwrap();
        all.into_iter().map(|one| (one.what, one.rows)).collect()
    }
}

fn plan(ran_ms: i64, limit_bytes: u64) -> Step {
    Step {
        retention: Retention {
            report_days: 7,
            disk_percent: 50,
        },
        ran_ms,
        limit_bytes,
        stands_alone: false,
        seen: None,
        spared: Spared {
            sent: 500,
            newest: 1_000,
        },
        now: Timestamp::from_second(1_800_000_000).unwrap(),
    }
}

#[test]
fn reports_go_after_so_many_days_of_running_whatever_the_clock_says() {
    let hall = Hall::new("age");
    hall.reports(100, 100);
    // The reports are of 1970 by their dates, and a day of running is over.
    hall.settle_down(&plan(DAY_MS, u64::MAX));
    assert_eq!(hall.count("select count(*) from journal_report"), 100);
    hall.reports(50, 150);
    for _ in 0..7 {
        assert_eq!(hall.count("select count(*) from journal_report"), 150);
        hall.settle_down(&plan(DAY_MS, u64::MAX));
    }
    // A step in which the box ran no time at all brings nothing nearer.
    hall.settle_down(&plan(0, u64::MAX));
    assert_eq!(hall.count("select count(*) from journal_report"), 150);
    hall.settle_down(&plan(DAY_MS, u64::MAX));
    assert_eq!(hall.count("select min(id) from journal_report"), 101);
    assert!(hall.dropped().is_empty(), "they had their age");
}

#[test]
fn what_a_follower_has_not_read_stays_and_the_last_always() {
    let hall = Hall::new("unread");
    hall.reports(5_000, 40);
    hall.settle_down(&plan(DAY_MS, 1));
    assert_eq!(hall.count("select min(id) from journal_report"), 41);
    hall.run("update journal_follower set position = 5000");
    hall.settle_down(&plan(0, 1));
    assert_eq!(hall.count("select min(id) from journal_report"), 5_000);
    assert_eq!(hall.dropped(), [("report".to_owned(), 4_999)]);
}

#[test]
fn room_is_made_by_what_matters_least_and_unsent_facts_go_last() {
    let hall = Hall::new("share");
    hall.facts(Lane::History, 6_000);
    hall.settle(3_000);
    hall.reports(6_000, 6_000);
    let full = used_bytes(&hall.connection).unwrap();
    let share = |percent| full / 100 * percent;
    // Rows the centre has are enough.
    hall.settle_down(&plan(0, share(85)));
    assert!(used_bytes(&hall.connection).unwrap() <= share(85));
    assert_eq!(
        hall.count("select count(*) from federation_outbox where seq > 3000"),
        3_000
    );
    assert_eq!(hall.count("select count(*) from journal_report"), 6_000);
    // Then reports.
    hall.settle_down(&plan(0, share(40)));
    let words = "select count(*) from federation_outbox where body like '%dropped by the hall%'";
    assert_eq!(
        hall.count(words),
        0,
        "nothing unsent while there is something else"
    );
    assert!(hall.count("select count(*) from journal_report") < 6_000);
    // Only then facts nobody has; their numbers stay without gaps.
    hall.settle_down(&plan(0, share(20)));
    assert!(hall.count(words) > 0);
    assert_eq!(
        hall.count("select count(*) from federation_outbox where seq > 3000"),
        3_000
    );
    assert_eq!(hall.count("select count(*) from journal_report"), 1);
    // What the centre may have, and the newest, stay whatever it is that fills the disk.
    hall.settle_down(&plan(0, 1));
    let words_at = |seq: u32| hall.count(&format!("{words} and lane = 'history' and seq = {seq}"));
    let emptied: Vec<_> = [3_500, 3_501, 5_000, 5_001].map(words_at).into();
    assert_eq!(emptied, [0, 1, 1, 0]);
    let kinds: Vec<_> = hall.dropped().into_iter().map(|(what, _)| what).collect();
    assert_eq!(kinds, ["report", "settled", "unsent"]);
    assert!(kinds.iter().all(|kind| KINDS.contains(&kind.as_str())));
    let since = dropped(&hall.connection).unwrap()[0].since;
    assert_eq!(since, plan(0, 0).now);
}

#[test]
fn numbers_seen_are_forgotten_with_the_last_report_they_were_used_for() {
    let hall = Hall::new("seen");
    hall.reports(10, 10);
    hall.run("insert into journal_seen values (1, 'old', '1-5', 5), (1, 'young', '6-20', 20)");
    hall.settle_down(&plan(DAY_MS, u64::MAX));
    hall.reports(10, 20);
    hall.settle_down(&plan(8 * DAY_MS, u64::MAX));
    hall.settle_down(&plan(DAY_MS, u64::MAX));
    assert_eq!(
        hall.count("select count(*) from journal_seen where boot = 'old'"),
        0
    );
    assert_eq!(
        hall.count("select count(*) from journal_seen where boot = 'young'"),
        1
    );
}

#[test]
fn a_hall_that_stands_alone_keeps_the_newest_rows_for_a_centre_to_come() {
    let hall = Hall::new("alone");
    hall.facts(Lane::History, 10);
    hall.run("update federation_line set given = 300004 where lane = 'history'");
    let alone = Step {
        stands_alone: true,
        ..plan(0, u64::MAX)
    };
    hall.settle_down(&plan(0, u64::MAX));
    assert_eq!(
        hall.count("select count(*) from federation_outbox"),
        10,
        "a centre is to get them"
    );
    hall.settle_down(&alone);
    assert_eq!(hall.count("select min(seq) from federation_outbox"), 5);
    assert!(hall.dropped().is_empty());
}
