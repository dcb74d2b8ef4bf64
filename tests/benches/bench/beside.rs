//! What stands beside ours: a bare SQLite insert of the same bytes, which is the ceiling here, and
//! mosquitto with the same clients.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};
use tokio::process::Child;
use zhiban_tests::harness::free_port;
use zhiban_tests::harness::peers::debian;

use super::load::{Client, Run, payload};

/// Rows in one transaction: as many as the journal is handed at once.
const GROUP: usize = 5_000;
/// Any time of today's size.
const NOW_MS: i64 = 1_700_000_000_000;

/// What a row of the bare insert holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The same bytes as a row of the journal: what is known of a report beside its payload, too.
    AsJournal,
    Payload,
}

/// Groups of rows into one table, each committed with a sync, and never a checkpoint: nothing can
/// be faster and durable.
pub(crate) fn bare_sqlite(folder: &Path, events: usize, rows: Rows) -> anyhow::Result<Run> {
    let file = folder.join("bare.db");
    for part in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("bare.db{part}")));
    }
    let mut connection = Connection::open(file)?;
    connection.execute_batch(
        "pragma page_size = 4096; pragma journal_mode = wal; pragma synchronous = full;
         pragma cache_size = -16000; pragma wal_autocheckpoint = 0;
         create table event (
             id integer primary key, received_ms integer, device integer, previous integer,
             kind text, boot text, seq integer, time_ms integer, clock integer,
             payload blob not null) strict;",
    )?;
    let sql = match rows {
        Rows::Payload => "insert into event (payload) values (?1)",
        Rows::AsJournal => {
            "insert into event
                 (received_ms, device, previous, kind, boot, seq, time_ms, clock, payload)
             values (?2, 1, ?3, ?4, ?5, ?3, ?2, 0, ?1)"
        }
    };
    let bodies: Vec<_> = (0..events)
        .map(|seq| payload("tm-1", "bare", seq as u64))
        .collect();
    let mut run = Run::default();
    let mut seq = 0_i64;
    let started = Instant::now();
    for group in bodies.chunks(GROUP) {
        let begun = Instant::now();
        let tx = connection.transaction()?;
        let mut insert = tx.prepare_cached(sql)?;
        for body in group {
            seq += 1;
            match rows {
                Rows::Payload => insert.execute([body])?,
                Rows::AsJournal => {
                    insert.execute(params![body, NOW_MS + seq, seq, "ticket.issued", "bare"])?
                }
            };
        }
        drop(insert);
        tx.commit()?;
        run.answers
            .extend(std::iter::repeat_n(begun.elapsed(), group.len()));
    }
    run.took = started.elapsed();
    run.events = events;
    run.answers.sort_unstable();
    Ok(run)
}

/// A mosquitto as Debian has it, with persistence on. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    _process: Child,
    address: String,
}

impl Mosquitto {
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (port, data) = (free_port()?, folder.join("mosquitto"));
        std::fs::create_dir_all(&data)?;
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
             persistence_location {}/\nuser root\nlog_type error\n",
            data.display()
        );
        let file = folder.join("mosquitto.conf");
        std::fs::write(&file, config)?;
        let process = debian("mosquitto").arg("-c").arg(&file).spawn()?;
        let address = format!("127.0.0.1:{port}");
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(&address).await.is_ok() {
                return Ok(Self {
                    _process: process,
                    address,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("mosquitto does not listen on {address}")
    }

    pub(crate) async fn clients(&self, count: usize) -> anyhow::Result<Vec<Client>> {
        let mut clients = Vec::new();
        for nth in 1..=count {
            let client = Client::connect(&self.address, &format!("tm-{nth}"), "x", "m1").await;
            clients.push(client.context("mosquitto")?);
        }
        Ok(clients)
    }
}
