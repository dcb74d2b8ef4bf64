//! Part of `make bench`: how fast the centre takes facts in on both makes of database, beside what
//! each does bare, and how long a comparison of 2,000 halls over a month takes. Prints a table and
//! keeps it in BENCHMARKS.md.
//!
//!     cargo bench -p zhiban-central --bench centre -- --quick     a tenth, nothing is kept

#[path = "../tests/halls/mod.rs"]
mod halls;
#[path = "../../tests/src/harness/postgres.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "one file for all that need a server"
)]
mod postgres;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use postgres::{Place, Server, name_of};
use serde_json::{Value, json};
use zhiban_central::compare::{Moment, Period, rows};
use zhiban_central::intake::Intake;
use zhiban_central::postgres::{Options, Postgres};
use zhiban_central::trust::{Member, Members};
use zhiban_central::{aggregator, facts, stores};
use zhiban_kernel::sql::Sql;
use zhiban_kernel::{Clock, Database};
use zhiban_vocabulary::envelope::{Answer, Batch, Claims, Envelope, Epoch, Lane, PROTOCOL, Upward};
use zhiban_vocabulary::topics;

/// Halls that send at once, as many as an evening's drain keeps busy.
const HALLS: usize = 8;
const BATCH_ITEMS: usize = 500;
const BATCHES: usize = 40;
const QUEUES: usize = 14;
const QUARTERS: usize = 36;
const COMPARED_HALLS: usize = 2_000;
/// Days that are there; one month of them is asked for.
const DAYS: i64 = 92;
const ROUNDS: usize = 40;
const FIRST_DAY: &str = "2020-01-01";

/// A database to be measured.
struct Site {
    name: &'static str,
    store: Database,
}

fn sqlite(folder: &Path) -> anyhow::Result<Site> {
    std::fs::create_dir_all(folder)?;
    Ok(Site {
        name: "SQLite",
        store: aggregator::open_store(folder)?.into(),
    })
}

fn on_server(place: &Place) -> anyhow::Result<Site> {
    let options = Options::of(&zhiban_config::central::Database {
        url: place.url.clone(),
        password_file: Some(place.password_file.clone()),
        authority: None,
        allow_plaintext: false,
    })?;
    Ok(Site {
        name: "PostgreSQL",
        store: Database::new(Postgres::open(&options)?),
    })
}

fn main() -> anyhow::Result<()> {
    let part = if std::env::args().any(|argument| argument == "--quick") {
        10
    } else {
        1
    };
    let folder = std::env::temp_dir().join(format!("zhiban-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let server = Server::start();
    let mut lines = vec![
        "| | facts/s | of bare | batch of 500 p50 | p99 |".to_owned(),
        "|---|---:|---:|---:|---:|".to_owned(),
    ];
    let batches = BATCHES / part;
    let facts = HALLS * batches * BATCH_ITEMS;
    let bare = bare_sqlite(&folder, facts)?;
    line(
        &mut lines,
        "bare SQLite: the same rows into one table, 5,000 a commit",
        bare,
        None,
        &[],
    );
    intake_lines(&mut lines, &sqlite(&folder.join("intake"))?, batches, bare)?;
    let copied = bare_copy(&server, &folder, facts)?;
    line(
        &mut lines,
        "bare PostgreSQL: COPY of the same rows by psql",
        copied,
        None,
        &[],
    );
    let inserted = bare_inserts(&server, &folder, facts)?;
    line(
        &mut lines,
        "bare PostgreSQL: insert of 500 rows a commit by psql",
        inserted,
        None,
        &[],
    );
    intake_lines(
        &mut lines,
        &on_server(&server.database())?,
        batches,
        inserted,
    )?;
    lines.extend([
        "".into(),
        "| | p50 | p99 |".into(),
        "|---|---:|---:|".into(),
    ]);
    let halls = COMPARED_HALLS / part;
    compare_line(&mut lines, &sqlite(&folder.join("compare"))?, halls)?;
    let place = server.database();
    let site = on_server(&place)?;
    compare_line(&mut lines, &site, halls)?;
    let text = lines.join("\n");
    println!("{text}");
    if part == 1 {
        keep(&text)?;
    }
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

fn line(lines: &mut Vec<String>, what: &str, rate: f64, of: Option<f64>, took: &[Duration]) {
    let ratio = of.map_or(String::new(), |of| format!("{:.2}", rate / of));
    let at = |percent| took.get(took.len().saturating_sub(1) * percent / 100);
    let [p50, p99] = [50, 99].map(|percent| at(percent).map_or(String::new(), millis));
    lines.push(format!("| {what} | {rate:.0} | {ratio} | {p50} | {p99} |"));
    println!("{}", lines[lines.len() - 1]);
}

fn millis(time: &Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn day(after: i64) -> String {
    let first = facts::day_number(FIRST_DAY.parse().expect("a day"));
    facts::day_of(first + after).to_string()
}

/// The nth fact of a hall's day.
fn fact(day: &str, nth: usize) -> Value {
    let minute = 15 * (nth % QUARTERS);
    let slot = format!("{day}T{:02}:{:02}:00Z", 7 + minute / 60, minute % 60);
    json!({"item": "fact", "version": 1, "day": day, "fact": "queue-quarter", "slot": slot,
        "queue": format!("Q{}", nth / QUARTERS % QUEUES), "class": "ordinary", "issued": 9,
        "called": 8, "started": 8, "finished": 7, "no_show": 1,
        "waiting": {"sum_s": 2_310, "buckets": [[3, 1], [8, 4], [12, 3]]},
        "handling": {"sum_s": 3_120, "buckets": [[14, 2], [18, 5]]}, "ratings": [0, 0, 1, 2, 3]})
}

fn batch(store: &str, first: u64, items: &[Value]) -> Vec<u8> {
    let envelope = |(seq, item): (u64, &Value)| Envelope {
        seq,
        body: serde_json::value::to_raw_value(item).expect("JSON"),
    };
    let batch = Upward::Batch(Batch {
        protocol: PROTOCOL,
        store: store.parse().expect("an id"),
        epoch: Epoch(7),
        lane: Lane::History,
        claims: Claims::default(),
        envelopes: (first..).zip(items).map(envelope).collect(),
    });
    let store = store.parse().expect("an id");
    halls::sealed(&store, &serde_json::to_vec(&batch).expect("JSON"))
}

/// All halls of the bench.
fn members() -> Members {
    let members = Members::default();
    let numbered = (0..HALLS).flat_map(|nth| [format!("alone-{nth}"), format!("many-{nth}")]);
    let row = |(nth, name): (usize, String)| {
        let member = Member {
            store: name.parse().expect("an id"),
            key: halls::key().public(),
            until: jiff::Timestamp::MAX,
            used: true,
            revoked: false,
        };
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&nth.to_le_bytes());
        (digest, member)
    };
    let all = numbered.chain(["hall-0".to_owned()]);
    members.learn(all.enumerate().map(row).collect());
    members
}

/// Sends one batch and sees that all of it was taken.
async fn send(intake: &Intake, store: &str, last: u64, message: &[u8]) -> Duration {
    let key = topics::up(&store.parse().expect("an id"));
    let started = Instant::now();
    let answer = intake
        .receive(&key, message.to_vec())
        .await
        .expect("an answer");
    let took = started.elapsed();
    let Answer::Committed { committed, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(committed.history, last);
    took
}

/// Days of one hall, a batch each, beginning with its number `from`.
async fn drain(intake: &Intake, store: &str, messages: &[Vec<u8>]) -> Vec<Duration> {
    let mut took = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let last = (nth + 1) * BATCH_ITEMS;
        took.push(send(intake, store, last as u64, message).await);
    }
    took
}

fn messages(store: &str, batches: usize) -> Vec<Vec<u8>> {
    let one = |nth: usize| {
        let day = day(nth as i64);
        let items: Vec<_> = (0..BATCH_ITEMS).map(|at| fact(&day, at)).collect();
        batch(store, (nth * BATCH_ITEMS + 1) as u64, &items)
    };
    (0..batches).map(one).collect()
}

fn intake_lines(
    lines: &mut Vec<String>,
    site: &Site,
    batches: usize,
    bare: f64,
) -> anyhow::Result<()> {
    let intake = Intake::new(site.store.clone(), Clock::new(None), members());
    for (halls, prefix) in [(1, "alone"), (HALLS, "many")] {
        let stores: Vec<_> = (0..halls).map(|nth| format!("{prefix}-{nth}")).collect();
        let all: Vec<_> = stores
            .iter()
            .map(|store| messages(store, batches))
            .collect();
        let started = Instant::now();
        let drains = stores
            .iter()
            .zip(&all)
            .map(|(store, all)| drain(&intake, store, all));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let mut took: Vec<_> = runtime.block_on(join_all(drains)).concat();
        let rate = (halls * batches * BATCH_ITEMS) as f64 / started.elapsed().as_secs_f64();
        took.sort_unstable();
        let what = format!("intake on {}, {halls} halls at once", site.name);
        line(lines, &what, rate, Some(bare), &took);
    }
    Ok(())
}

/// The columns of a fact as text, for the bare ways in.
fn bare_row(nth: usize) -> [String; 6] {
    let (hall, at) = (nth / (BATCHES * BATCH_ITEMS), nth % (BATCHES * BATCH_ITEMS));
    let (day, slot) = (18_262 + at / BATCH_ITEMS, at % QUARTERS);
    let queue = at % BATCH_ITEMS / QUARTERS;
    [
        format!("hall-{hall}"),
        day.to_string(),
        (day * 96 + slot).to_string(),
        format!("Q{queue}"),
        "ordinary".into(),
        "4294967297\t9\t8\t8\t7\t1\t0\t0\t0".into(),
    ]
}

const BARE: &str = "create table bare (store text, day bigint, slot bigint, queue text, class text,
    version bigint, issued bigint, called bigint, started bigint, finished bigint, no_show bigint,
    transferred bigint, cancelled bigint, abandoned bigint, waiting bytea, handling bytea,
    rating_1 bigint, rating_2 bigint, rating_3 bigint, rating_4 bigint, rating_5 bigint,
    primary key (store, day, slot, queue, class))";

fn bare_sqlite(folder: &Path, facts: usize) -> anyhow::Result<f64> {
    let mut connection = rusqlite::Connection::open(folder.join("bare.db"))?;
    connection.execute_batch(&format!(
        "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 0;
         {BARE} without rowid"
    ))?;
    let histograms = [vec![9_u8; 8], vec![9_u8; 6]];
    let started = Instant::now();
    for from in (0..facts).step_by(5_000) {
        let tx = connection.transaction()?;
        let mut insert = tx.prepare_cached(
            "insert into bare values (?1, ?2, ?3, ?4, ?5, 4294967297, 9, 8, 8, 7, 1, 0, 0, 0, ?6,
                 ?7, 0, 0, 1, 2, 3)",
        )?;
        for nth in from..facts.min(from + 5_000) {
            let [store, day, slot, queue, class, _] = bare_row(nth);
            let (day, slot): (i64, i64) = (day.parse()?, slot.parse()?);
            let [waiting, handling] = &histograms;
            insert.execute((store, day, slot, queue, class, waiting, handling))?;
        }
        drop(insert);
        tx.commit()?;
    }
    Ok(facts as f64 / started.elapsed().as_secs_f64())
}

/// A database with the bare table, and how fast a file of psql fills it.
fn by_psql(server: &Server, file: &Path, facts: usize, order: &str) -> anyhow::Result<f64> {
    let place = server.database();
    let run = |sql: &str| {
        server
            .psql(name_of(&place), sql)
            .map_err(anyhow::Error::msg)
    };
    run(BARE)?;
    let started = Instant::now();
    run(order)?;
    let rate = facts as f64 / started.elapsed().as_secs_f64();
    anyhow::ensure!(
        run("select count(*) from bare")? == facts.to_string(),
        "rows are missing"
    );
    std::fs::remove_file(file)?;
    Ok(rate)
}

fn bare_copy(server: &Server, folder: &Path, facts: usize) -> anyhow::Result<f64> {
    let file = folder.join("bare.tsv");
    let mut text = String::new();
    for nth in 0..facts {
        let row = bare_row(nth).join("\t");
        writeln!(
            text,
            "{row}\t\\\\x0909090909090909\t\\\\x090909090909\t0\t0\t1\t2\t3"
        )?;
    }
    std::fs::write(&file, text)?;
    by_psql(
        server,
        &file,
        facts,
        &format!("\\copy bare from '{}'", file.display()),
    )
}

fn bare_inserts(server: &Server, folder: &Path, facts: usize) -> anyhow::Result<f64> {
    let file: PathBuf = folder.join("bare.sql");
    let mut text = String::new();
    for nth in 0..facts {
        text.push_str(if nth % BATCH_ITEMS == 0 {
            "insert into bare values\n"
        } else {
            ",\n"
        });
        let [store, day, slot, queue, class, rest] = bare_row(nth);
        let rest = rest.replace('\t', ", ");
        write!(
            text,
            "('{store}', {day}, {slot}, '{queue}', '{class}', {rest}, '\\x0909090909090909', \
             '\\x090909090909', 0, 0, 1, 2, 3)"
        )?;
        if nth % BATCH_ITEMS == BATCH_ITEMS - 1 {
            text.push_str(";\n");
        }
    }
    std::fs::write(&file, text)?;
    by_psql(server, &file, facts, &format!("\\i {}", file.display()))
}

/// One hall sends three months, and all others are like it.
async fn fill(site: &Site, halls: usize) -> anyhow::Result<()> {
    let clock = Clock::new(None);
    let intake = Intake::new(site.store.clone(), clock, members());
    let profile = json!({"item": "profile", "name": "Wola", "grade": "A",
        "time_zone": "Europe/Warsaw", "opens": "08:00:00", "closes": "17:00:00",
        "queues": [["Q0", "x"]]});
    send(&intake, "hall-0", 1, &batch("hall-0", 1, &[profile])).await;
    let mut last = 1;
    for after in 0..DAYS {
        let day = day(after);
        let hall = |fact: &Value| {
            json!({"item": "fact", "version": 1, "day": day, "fact": "hall-quarter",
                "slot": fact["slot"]})
        };
        let queues: Vec<_> = (0..2 * QUARTERS).map(|nth| fact(&day, nth)).collect();
        let halls: Vec<_> = queues.iter().take(QUARTERS).map(hall).collect();
        let items = [queues, halls].concat();
        let message = batch("hall-0", last + 1, &items);
        last += items.len() as u64;
        send(&intake, "hall-0", last, &message).await;
    }
    let copy = move |tx: &dyn Sql| {
        let others = format!(
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < {})",
            halls - 1
        );
        for (table, columns) in [
            (
                "stores_store",
                "profile, first_seen_ms, last_seen_ms, first_day",
            ),
            (
                "facts_hall_day",
                "day, issued, called, started, finished, no_show, transferred, cancelled,
                 abandoned, waiting, handling, rating_1, rating_2, rating_3, rating_4, rating_5,
                 climate_measured_min, climate_in_band_min, slots, issued_slots",
            ),
        ] {
            let sql = format!(
                "{others} insert into {table} (store, {columns})
                 select 'hall-' || i, {columns} from n, {table} where store = 'hall-0'"
            );
            tx.execute(&sql, &[])?;
            tx.execute(&format!("analyze {table}"), &[])?;
        }
        Ok(())
    };
    Ok(site.store.write(copy).await?)
}

fn compare_line(lines: &mut Vec<String>, site: &Site, halls: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(fill(site, halls))?;
    let from = facts::day_number(FIRST_DAY.parse()?) + 31;
    let period = Period {
        from,
        to: from + 30,
    };
    let moment = Moment::of(&Clock::new(None));
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let ask = move |sql: &dyn Sql| rows(sql, stores::all(sql)?, moment, period);
        let started = Instant::now();
        let found = runtime.block_on(site.store.read(ask))?;
        took.push(started.elapsed());
        anyhow::ensure!(found.len() == halls, "{} halls", found.len());
        let whole = |tally: &facts::Tally| tally.issued == 31 * 9 * 2 * QUARTERS as u64;
        anyhow::ensure!(
            found
                .iter()
                .all(|row| row.tally.as_ref().is_some_and(whole))
        );
    }
    took.sort_unstable();
    let (p50, p99) = (
        millis(&took[ROUNDS / 2]),
        millis(&took[(ROUNDS - 1) * 99 / 100]),
    );
    let name = site.name;
    lines.push(format!(
        "| {halls} halls over 31 of {DAYS} days on {name} | {p50} | {p99} |"
    ));
    println!("{}", lines[lines.len() - 1]);
    Ok(())
}

const BEGIN: &str = "<!-- the centre, generated by `make bench` -->";
const END: &str = "<!-- the centre ends here -->";

/// Puts the table between its marks.
fn keep(text: &str) -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../BENCHMARKS.md");
    let old = std::fs::read_to_string(&file)?;
    let marked = old.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some(format!("{head}{BEGIN}\n\n{text}\n\n{END}{tail}"))
    });
    let new = marked.ok_or_else(|| anyhow::anyhow!("BENCHMARKS.md has no place for the centre"))?;
    Ok(std::fs::write(file, new)?)
}
