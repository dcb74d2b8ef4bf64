//! One SQLite database with one writer thread.
//!
//! The writer takes everything that is queued, runs each job in its own savepoint inside one
//! transaction, commits, and only then tells the callers. While it syncs, the next group queues
//! up: group commit without a timer. `synchronous=FULL` makes the answer mean "on disk".
//!
//! ```text
//!   running --group fails (disk full, busy)--> running, callers told, nothing was kept
//!   running --fsync fails, database damaged--> stopped, for good: the state of the disk is
//!                                              unknown, only a restart reads it anew
//! ```

mod connection;
mod mark;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{Semaphore, oneshot, watch};

pub(crate) use self::connection::log_file;
pub(crate) use self::mark::{clear_mark, found_mark, leave_mark, mark_file};
pub use self::mark::{damaged_row, row_sum};

use self::connection::{BUSY_WAIT, configure_writer, open_reader};
use crate::crash_point;

/// Jobs that may wait for the writer; beyond, callers wait for room.
const QUEUE_JOBS: usize = 4_096;
/// Most jobs in one transaction.
const GROUP_JOBS: usize = 2_000;
const READERS: usize = 3;
/// A read that takes longer is cut off: an open reader pins the write-ahead log.
const READ_TIME_MAX: Duration = Duration::from_secs(10);
/// Size of the write-ahead log above which an idle writer moves it into the database.
const CHECKPOINT_IDLE_BYTES: u64 = 16 << 20;
/// Size above which it does so even when jobs wait; larger would make their wait longer.
const CHECKPOINT_BUSY_BYTES: u64 = 64 << 20;
const CHECKPOINT_WAIT: Duration = Duration::from_millis(20);

/// Why something could not be read or written. Nothing was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("disk is full")]
    Full,
    /// The writer stopped for good; the reason is shown until the program is restarted.
    #[error("writer has stopped: {0}")]
    Stopped(String),
    /// What is on disk is not what was written there. The writer stops, the next start mends it.
    #[error("database is damaged: {0}")]
    Damaged(String),
    /// No connection, or it broke; a commit under way then may have been kept.
    #[error("database cannot be reached: {0}")]
    Unreachable(String),
    #[error("database: {0}")]
    Database(String),
    /// The job itself refused, with its own reason.
    #[error("{0}")]
    Refused(String),
    /// Likewise, with a word of a closed list and the names and numbers that belong to it, so that
    /// a program can say it in words of its own.
    #[error("{text}")]
    RefusedBecause {
        text: String,
        reason: &'static str,
        facts: serde_json::Value,
    },
}

impl StoreError {
    /// Whether trying again later, unchanged, may work.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::RefusedBecause { .. })
    }

    /// Tells passing failures from those after which nothing on disk may be trusted unread.
    fn of(error: &rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|found| found.extended_code);
        let lost_trust = matches!(
            code,
            Some(
                ffi::SQLITE_IOERR_FSYNC
                    | ffi::SQLITE_IOERR_DIR_FSYNC
                    | ffi::SQLITE_IOERR_TRUNCATE
                    | ffi::SQLITE_IOERR_CORRUPTFS
            )
        );
        match error.sqlite_error_code() {
            _ if lost_trust => Self::Stopped(error.to_string()),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Database(error.to_string()),
        }
    }

    /// Whether the rest of the transaction is lost with the job that met this.
    fn ends_group(&self) -> bool {
        matches!(self, Self::Full | Self::Stopped(_) | Self::Damaged(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(&error)
    }
}

/// What the writer is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterState {
    /// Set once, when it stopped for good.
    pub stopped: Option<String>,
    /// Set while groups fail, such as on a full disk; cleared by the next commit.
    pub failing: Option<String>,
    /// It stopped because the database is damaged: a start anew mends it.
    pub is_damaged: bool,
}

type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&Connection) -> Finished + Send>;

/// A job that ran: whether to keep what it wrote, and whom to tell after the commit.
struct Finished {
    keep: bool,
    /// The group as a whole is lost (disk full, I/O): going on would only hide it.
    fatal_to_group: Option<StoreError>,
    tell: Tell,
}

/// Handle to the database; cheap to clone. The writer ends when the last handle is dropped.
#[derive(Clone)]
pub struct Store {
    jobs: SyncSender<Job>,
    room: Arc<Semaphore>,
    readers: Arc<Readers>,
    state: watch::Sender<WriterState>,
    file: Arc<PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Store {
    /// Opens or makes the database, brings it to today's shape with `migrate`, starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or is newer than this program.
    pub fn open(
        file: &Path,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut connection = Connection::open(file)?;
        configure_writer(&connection)?;
        migrate(&mut connection)?;
        let readers: Vec<_> = (0..READERS)
            .map(|_| open_reader(file))
            .collect::<Result<_, rusqlite::Error>>()?;
        let (jobs, queue) = sync_channel(QUEUE_JOBS);
        let state = watch::Sender::new(WriterState::default());
        let shared = Arc::new(file.to_owned());
        let room = Arc::new(Semaphore::new(QUEUE_JOBS));
        let mut writer = Writer {
            connection,
            state: state.clone(),
            room: Arc::clone(&room),
            file: Arc::clone(&shared),
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&queue))
            .map_err(|error| StoreError::Database(error.to_string()))?;
        let readers = Arc::new(Readers {
            idle: Mutex::new(readers),
            permits: Semaphore::new(READERS),
        });
        Ok(Self {
            jobs,
            room,
            readers,
            state,
            file: shared,
        })
    }

    /// Runs `work` in the next group and answers after its commit. If `work` fails, what it wrote
    /// is taken back and the rest of the group goes on.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was kept.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, committed) = oneshot::channel();
        let job: Job = Box::new(move |connection| match work(connection) {
            Ok(value) => Finished {
                keep: true,
                fatal_to_group: None,
                tell: Box::new(move |result| {
                    let _ = answer.send(result.map(|()| value));
                }),
            },
            Err(error) => {
                let fatal = error.ends_group().then(|| error.clone());
                Finished {
                    keep: false,
                    fatal_to_group: fatal,
                    tell: Box::new(move |_| {
                        let _ = answer.send(Err(error));
                    }),
                }
            }
        });
        // The permit is given back by the writer when it takes the job, so the channel always
        // has room and sending never blocks an async worker.
        let gone = || StoreError::Stopped("the writer is gone".into());
        self.room.acquire().await.map_err(|_| gone())?.forget();
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(gone()),
        }
        committed.await.map_err(|_| self.why_not_run())?
    }

    /// Why a job was dropped unrun: the writer had stopped, or another job of the group failed.
    fn why_not_run(&self) -> StoreError {
        let state = self.state.borrow();
        match &state.stopped {
            Some(reason) => StoreError::Stopped(reason.clone()),
            None => StoreError::Database("the group of this write failed".into()),
        }
    }

    /// Runs a query on a read-only connection, off the async workers.
    ///
    /// # Errors
    /// [`StoreError`], also when the query ran longer than 10 s.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = |error: &dyn std::fmt::Display| StoreError::Database(error.to_string());
        let permit = self
            .readers
            .permits
            .acquire()
            .await
            .map_err(|error| gone(&error))?;
        let readers = Arc::clone(&self.readers);
        let (file, state) = (Arc::clone(&self.file), self.state.clone());
        let result = tokio::task::spawn_blocking(move || {
            let idle = readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            // A reader lost to a panic is opened again.
            let mut connection = idle.map_or_else(|| open_reader(&file), Ok)?;
            let started = Instant::now();
            connection.progress_handler(10_000, Some(move || started.elapsed() > READ_TIME_MAX))?;
            let result = work(&connection);
            readers
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            if let Err(StoreError::Damaged(reason)) = &result {
                mark::condemn(&file, &state, reason);
            }
            result
        })
        .await
        .map_err(|error| gone(&error))?;
        drop(permit);
        result
    }

    /// What the writer is doing, and every change of it.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<WriterState> {
        self.state.subscribe()
    }

    /// Bytes of database and write-ahead log on disk.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let size = |file: &Path| std::fs::metadata(file).map_or(0, |found| found.len());
        size(&self.file) + size(&log_file(&self.file))
    }

    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

struct Writer {
    connection: Connection,
    state: watch::Sender<WriterState>,
    room: Arc<Semaphore>,
    file: Arc<PathBuf>,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Job>) {
        let mut next = queue.recv().ok();
        while let Some(first) = next {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(GROUP_JOBS - 1));
            self.room.add_permits(group.len());
            self.commit_group(group);
            // Few jobs of many rows each keep the writer as busy as many small ones.
            next = queue.try_recv().ok();
            self.checkpoint(next.is_some());
            next = next.or_else(|| queue.recv().ok());
        }
        // Last handle dropped: leave a small log behind for the next start. Not after a failed
        // sync: the log is the only good copy then, and is left for the next start to read.
        if self.state.borrow().stopped.is_some() {
            return;
        }
        let _ = self
            .connection
            .execute_batch("pragma wal_checkpoint(truncate)");
    }

    fn commit_group(&mut self, group: Vec<Job>) {
        let stopped = self.state.borrow().stopped.clone();
        let mut tells = Vec::with_capacity(group.len());
        let result = match stopped {
            // Jobs are dropped unrun; their callers see the reason.
            Some(reason) => Err(StoreError::Stopped(reason)),
            None => self.run_group(group, &mut tells),
        };
        self.note(&result);
        for tell in tells {
            tell(result.clone());
        }
        crash_point!("store: told");
    }

    /// Runs all jobs and commits. On an error nothing of the group is kept.
    fn run_group(&self, group: Vec<Job>, tells: &mut Vec<Tell>) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("begin immediate")?
            .execute([])?;
        crash_point!("store: group begun");
        for job in group {
            match self.run_job(job) {
                Ok(tell) => tells.push(tell),
                Err((error, tell)) => {
                    tells.extend(tell);
                    self.roll_back();
                    return Err(error);
                }
            }
        }
        crash_point!("store: before the commit");
        let committed = self.connection.prepare_cached("commit")?.execute([]);
        crash_point!("store: committed, nobody told");
        if let Err(error) = committed {
            self.roll_back();
            return Err(error.into());
        }
        Ok(())
    }

    fn run_job(&self, job: Job) -> Result<Tell, (StoreError, Option<Tell>)> {
        let step = |sql: &str| -> Result<(), (StoreError, Option<Tell>)> {
            let run = || self.connection.prepare_cached(sql)?.execute([]);
            run()
                .map(|_| ())
                .map_err(|error| (StoreError::from(error), None))
        };
        step("savepoint job")?;
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| job(&self.connection)));
        crash_point!("store: job ran");
        let Ok(finished) = ran else {
            // The caller's channel went down with the job; the rest of the group is well.
            tracing::error!("a write job panicked and was taken back");
            step("rollback to job")?;
            step("release job")?;
            return Ok(Box::new(|_| {}));
        };
        if let Some(error) = finished.fatal_to_group {
            return Err((error, Some(finished.tell)));
        }
        let settle = || {
            if !finished.keep {
                step("rollback to job")?;
            }
            step("release job")
        };
        match settle() {
            Ok(()) => Ok(finished.tell),
            Err((error, _)) => Err((error, Some(finished.tell))),
        }
    }

    fn roll_back(&self) {
        // SQLite has already rolled back by itself after some errors.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("rollback");
        }
    }

    fn note(&self, result: &Result<(), StoreError>) {
        if let Err(StoreError::Damaged(reason)) = result {
            mark::condemn(&self.file, &self.state, reason);
            return;
        }
        self.state.send_if_modified(|state| {
            let before = state.clone();
            match result {
                Ok(()) => state.failing = None,
                Err(StoreError::Stopped(reason)) => state.stopped = Some(reason.clone()),
                Err(error) => state.failing = Some(error.to_string()),
            }
            let changed = *state != before;
            if changed && let Some(reason) = state.stopped.as_ref().or(state.failing.as_ref()) {
                tracing::error!(reason, "writes are refused");
            }
            changed
        });
    }

    fn checkpoint(&self, more_wait: bool) {
        let limit = if more_wait {
            CHECKPOINT_BUSY_BYTES
        } else {
            CHECKPOINT_IDLE_BYTES
        };
        let bytes = std::fs::metadata(log_file(&self.file)).map_or(0, |found| found.len());
        if bytes < limit || self.state.borrow().stopped.is_some() {
            return;
        }
        // Truncate gives the space back. It waits for readers, which are short, and gives way to
        // them soon: the next group tries again.
        let _ = self.connection.busy_timeout(CHECKPOINT_WAIT);
        let mode = "pragma wal_checkpoint(truncate)";
        crash_point!("store: before the checkpoint");
        let moved = self
            .connection
            .query_row(mode, [], |row| row.get::<_, i64>(0));
        crash_point!("store: after the checkpoint");
        let _ = self.connection.busy_timeout(BUSY_WAIT);
        if let Err(error) = moved {
            let error = StoreError::from(error);
            self.note(&Err(error));
        }
    }
}

/// Runs one set of embedded migrations, recorded in `table`.
///
/// # Errors
/// When one fails, or the database has one this program does not know (it is newer).
pub fn migrate(
    connection: &mut Connection,
    mut runner: refinery::Runner,
    table: &str,
) -> Result<(), StoreError> {
    crash_point!("store: before a migration");
    runner.set_migration_table_name(table);
    runner
        .run(connection)
        .map_err(|error| StoreError::Database(format!("migration: {error}")))?;
    crash_point!("store: migrated");
    Ok(())
}

#[cfg(test)]
mod tests;
