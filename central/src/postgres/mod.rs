//! PostgreSQL behind [`Database`](zhiban_kernel::Database).
//!
//! A job is one transaction on a connection of its own, on a thread that may block. Several
//! programs may use one database: what must go one after the other takes [`Sql::lock`]; a job the
//! server could not bring in order with another runs again.
//!
//! ```text
//!   begin -- job -- commit --> the caller is told
//!     |       |        '-- connection lost: nobody knows, the caller is told so and sends again
//!     '-------'-- connection lost, deadlock: run again, nothing was kept
//! ```

mod copy;
mod link;
mod migrate;
mod options;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::Semaphore;
use zhiban_kernel::StoreError;
use zhiban_kernel::database::{Backend, Job, Pending};
use zhiban_kernel::sql::Sql;

pub use copy::{Copied, Sum, copy};
use link::{Failure, Link, Manner, Work};
pub use options::Options;

/// Connections of one program that write; each is a process of the server.
const WRITERS: usize = 8;
const READERS: usize = 4;
/// Runs of a job before its failure is told.
const TRIES_MAX: u32 = 5;
const PAUSE_MAX: Duration = Duration::from_millis(40);

/// A database on a PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    writers: Arc<Pool>,
    readers: Arc<Pool>,
}

impl Postgres {
    /// Connects and brings the database to today's shape. Blocks.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or the database is newer than this program.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let writers = Pool::new(options, Manner::Write, WRITERS);
        let first = Link::open(options, Manner::Write)?;
        migrate::migrate(&first)?;
        check_whole(&first)?;
        writers.give(first);
        Ok(Self {
            writers: Arc::new(writers),
            readers: Arc::new(Pool::new(options, Manner::Read, READERS)),
        })
    }
}

impl Backend for Postgres {
    fn write(&self, job: Job) -> Pending<'_, ()> {
        Box::pin(run(Arc::clone(&self.writers), job))
    }

    fn read(&self, job: Job) -> Pending<'_, ()> {
        Box::pin(run(Arc::clone(&self.readers), job))
    }

    fn size_bytes(&self) -> Pending<'_, u64> {
        let pool = Arc::clone(&self.readers);
        Box::pin(async move {
            let size = Arc::new(Mutex::new(0));
            let place = Arc::clone(&size);
            let job = move |sql: &dyn Sql| {
                let query = "select pg_database_size(current_database())";
                let bytes = sql.one(query, &[], |row| row.get(0))?;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
                Ok(())
            };
            run(pool, Box::new(job)).await?;
            Ok(*size.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

/// One transaction on a connection that is not of a pool.
fn one_at_a_time(
    link: &Link,
    work: &dyn Fn(&dyn Sql) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let done = link.transaction(&mut |sql| work(sql));
    done.map_err(|failure| failure.error)
}

/// Half a copy of another database is none.
fn check_whole(link: &Link) -> Result<(), StoreError> {
    let sql: &dyn Sql = link;
    let half = "select exists (select 1 from central_copy where state = 'copying')";
    if sql.one(half, &[], |row| row.get(0))? {
        let text = "a copy from SQLite into it was broken off: run `migrate` again";
        return Err(StoreError::Database(text.into()));
    }
    Ok(())
}

async fn run(pool: Arc<Pool>, mut job: Job) -> Result<(), StoreError> {
    let gone = |error: &dyn std::fmt::Display| StoreError::Database(error.to_string());
    let permits = Arc::clone(&pool.permits);
    let permit = permits.acquire_owned().await.map_err(|e| gone(&e))?;
    let work = tokio::task::spawn_blocking(move || {
        let done = pool.run(&mut *job);
        drop(permit);
        done
    });
    work.await.map_err(|error| gone(&error))?
}

/// Connections for one kind of jobs.
#[derive(Debug)]
struct Pool {
    options: Options,
    manner: Manner,
    idle: Mutex<Vec<Link>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    fn new(options: &Options, manner: Manner, size: usize) -> Self {
        Self {
            options: options.clone(),
            manner,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(size)),
        }
    }

    /// Runs a job in a transaction, again if the server wants that.
    fn run(&self, job: Work<'_>) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let link = self.take()?;
            let done = link.transaction(job);
            let Err(Failure { error, again }) = done else {
                self.give(link);
                return Ok(());
            };
            if link.is_lost() {
                // The others are as old: the server was most likely restarted.
                self.idle().clear();
            } else {
                self.give(link);
            }
            if !again || tries >= TRIES_MAX {
                return Err(error);
            }
            tracing::debug!(%error, tries, "a job runs again");
            metrics::counter!("zhiban_database_retries_total").increment(1);
            tries += 1;
            std::thread::sleep(PAUSE_MAX.mul_f64(rand::rng().random()));
        }
    }

    fn take(&self) -> Result<Link, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| Link::open(&self.options, self.manner), Ok)
    }

    fn give(&self, link: Link) {
        self.idle().push(link);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
