//! One connection, used by one job at a time.
//!
//! It has a small runtime of its own, which runs only while somebody waits for the server: what is
//! posted meanwhile leaves together with the next statement that is waited for.

use std::cell::{Cell as Place, RefCell};
use std::collections::HashMap;
use std::fmt::Write;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{Client, Statement};
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::{Bound, Cell, Dialect, Result, Row, Sql, damaged, inserting};
use zhiban_kernel::values;

use super::Options;

/// Statements posted and not answered; beyond, the next waits for all of them.
const POSTED_MAX: usize = 500;

/// Rows of one statement, so that few statements are prepared.
const INSERTED_TOGETHER: [usize; 3] = [64, 8, 1];

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Write,
    Read,
}

impl Manner {
    /// Settings of the session. A commit means "on disk" whatever the server's configuration says.
    fn session(self) -> &'static str {
        match self {
            Self::Write => {
                "set client_min_messages = warning;
                 select set_config('synchronous_commit', 'on', false)
                 where current_setting('synchronous_commit') in ('off', 'local', 'remote_write');
                 set statement_timeout = '30s'; set idle_in_transaction_session_timeout = '60s'"
            }
            // A plan for the very days that are asked leaves out all other partitions.
            Self::Read => "set statement_timeout = '10s'; set plan_cache_mode = force_custom_plan",
        }
    }

    fn begin(self) -> &'static str {
        match self {
            Self::Write => "begin",
            Self::Read => "begin isolation level repeatable read read only",
        }
    }
}

/// Why a transaction was not kept.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// Nothing was kept, and the same may succeed now.
    pub(super) again: bool,
}

/// What is done in a transaction; a [`Job`](zhiban_kernel::database::Job) or part of one.
pub(super) type Work<'w> = &'w mut dyn FnMut(&dyn Sql) -> Result<()>;

type Answer = Pin<Box<dyn Future<Output = std::result::Result<u64, tokio_postgres::Error>> + Send>>;

/// A connection.
pub(super) struct Link {
    runtime: Option<Runtime>,
    client: Arc<Client>,
    manner: Manner,
    /// By their text; the sources have a few dozen.
    statements: RefCell<HashMap<String, Statement>>,
    posted: RefCell<Vec<Answer>>,
    /// The first failure of a transaction: everything after it fails too.
    failed: RefCell<Option<Failure>>,
    lost: Place<bool>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Dropping a runtime waits, which is not allowed everywhere.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Connects. Blocks.
    pub(super) fn open(options: &Options, manner: Manner) -> Result<Self> {
        let unreachable =
            |error: &dyn std::fmt::Display| StoreError::Unreachable(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(&error))?;
        let connected = runtime.block_on(options.server.connect(options.tls()));
        let (client, connection) = connected.map_err(|error| unreachable(&said(&error)))?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the database ended");
            }
        });
        let link = Self {
            runtime: Some(runtime),
            client: Arc::new(client),
            manner,
            statements: RefCell::default(),
            posted: RefCell::default(),
            failed: RefCell::default(),
            lost: Place::new(false),
        };
        link.script(manner.session())?;
        Ok(link)
    }

    /// Whether the connection broke.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get() || self.client.is_closed()
    }

    /// Runs a job as one transaction.
    pub(super) fn transaction(&self, job: Work<'_>) -> std::result::Result<(), Failure> {
        self.failed.take();
        let done = self
            .script(self.manner.begin())
            .and_then(|()| job(self))
            .and_then(|()| self.settle());
        // A job may have passed over what the server will not: it would not commit.
        let failed = self.failed.take();
        let refused = done.err().map(|error| Failure {
            error,
            again: false,
        });
        if let Some(failure) = failed.or(refused) {
            self.roll_back();
            return Err(failure);
        }
        self.script("commit").map_err(|error| {
            let failed = self.failed.take();
            let lost = self.is_lost();
            Failure {
                error,
                again: !lost && failed.is_some_and(|failure| failure.again),
            }
        })
    }

    fn roll_back(&self) {
        let _ = self.settle();
        if !self.is_lost() && self.script("rollback").is_err() {
            self.lost.set(true);
        }
        self.failed.take();
    }

    /// Runs statements that have neither parameters nor answers.
    pub(super) fn script(&self, sql: &str) -> Result<()> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Waits for what was posted.
    fn settle(&self) -> Result<()> {
        let posted = self.posted.take();
        if posted.is_empty() {
            return Ok(());
        }
        self.wait(async {
            for answer in posted {
                answer.await?;
            }
            Ok(())
        })
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.block_on(work).map_err(|error| self.fail(&error))
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("only taken when dropped");
        runtime.block_on(work)
    }

    /// Notes a failure and gives the first of the transaction, which says why.
    fn fail(&self, error: &tokio_postgres::Error) -> StoreError {
        let failure = judge(error);
        if matches!(failure.error, StoreError::Unreachable(_)) {
            self.lost.set(true);
        }
        let mut failed = self.failed.borrow_mut();
        failed.get_or_insert(failure).error.clone()
    }

    fn prepare(&self, sql: &str, values: &[Bound<'_>]) -> Result<Statement> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let types: Vec<Type> = values.iter().map(type_of).collect();
        let text = numbered(sql);
        let prepared = self.block_on(self.client.prepare_typed(&text, &types));
        if prepared.is_err() {
            self.settle()?;
        }
        let statement = prepared.map_err(|error| self.fail(&error))?;
        let mut statements = self.statements.borrow_mut();
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Sql for Link {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&self, sql: &str, values: &[Bound<'_>]) -> Result<u64> {
        let statement = self.prepare(sql, values)?;
        let params = values.iter().map(|value| Param(*value));
        let changed = self.block_on(self.client.execute_raw(&statement, params));
        // What failed before it is the reason.
        self.settle()?;
        changed.map_err(|error| self.fail(&error))
    }

    fn post(&self, sql: &str, values: &[Bound<'_>]) -> Result<()> {
        let statement = self.prepare(sql, values)?;
        let values: Vec<Owned> = values.iter().map(Owned::of).collect();
        let client = Arc::clone(&self.client);
        let mut answer: Answer =
            Box::pin(async move { client.execute_raw(&statement, values).await });
        // The first poll hands it to the connection, in the order of these calls.
        let polled = self.block_on(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))));
        match polled {
            Poll::Ready(Err(error)) => return Err(self.fail(&error)),
            Poll::Ready(Ok(_)) => return Ok(()),
            Poll::Pending => self.posted.borrow_mut().push(answer),
        }
        if self.posted.borrow().len() >= POSTED_MAX {
            self.settle()?;
        }
        Ok(())
    }

    /// Many rows a statement: each statement costs the server a turn of its own.
    fn insert(&self, table: &str, rows: &[Vec<Bound<'_>>]) -> Result<()> {
        let columns = rows.first().map_or(0, Vec::len);
        let mut rest = rows;
        for size in INSERTED_TOGETHER {
            let sql = inserting(table, size, columns);
            while rest.len() >= size {
                let (now, later) = rest.split_at(size);
                self.post(&sql, &now.concat())?;
                rest = later;
            }
        }
        Ok(())
    }

    fn each(
        &self,
        sql: &str,
        values: &[Bound<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()> {
        let statement = self.prepare(sql, values)?;
        let params = values.iter().map(|value| Param(*value));
        let mut done = Ok(());
        let answered = self.block_on(async {
            let mut rows = pin!(self.client.query_raw(&statement, params).await?);
            while let Some(row) = rows.try_next().await? {
                if done.is_ok() {
                    done = each(&Got(row));
                }
            }
            Ok(())
        });
        self.settle()?;
        answered.map_err(|error| self.fail(&error))?;
        done
    }

    fn lock(&self, name: &str) -> Result<()> {
        let sql = "select pg_advisory_xact_lock(hashtextextended(?1, 0))";
        self.each(sql, values![name], &mut |_| Ok(()))
    }
}

/// What an error of the driver means for a transaction that was not being committed.
fn judge(error: &tokio_postgres::Error) -> Failure {
    let text = said(error);
    let Some(code) = error.code() else {
        // Not the server's word: the connection broke, or a value could not be sent.
        let source = std::error::Error::source(error);
        let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
        let lost = error.is_closed() || io.is_some();
        return Failure {
            error: if lost {
                StoreError::Unreachable(text)
            } else {
                StoreError::Database(text)
            },
            again: lost,
        };
    };
    let again = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(code);
    let ended = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code);
    let error = match code {
        _ if ended => StoreError::Unreachable(text),
        code if *code == SqlState::DISK_FULL => StoreError::Full,
        _ => StoreError::Database(text),
    };
    Failure {
        error,
        again: again || ended,
    }
}

/// What happened, in the server's words where it has some.
fn said(error: &tokio_postgres::Error) -> String {
    let mut text = match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.to_string(),
    };
    let source = std::error::Error::source(error).filter(|_| error.as_db_error().is_none());
    if let Some(source) = source {
        let _ = write!(text, ": {source}");
    }
    text
}

/// `?1` as PostgreSQL writes it.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn type_of(value: &Bound<'_>) -> Type {
    match value {
        Bound::Integer(_) => Type::INT8,
        Bound::Text(_) => Type::TEXT,
        Bound::Bytes(_) => Type::BYTEA,
        Bound::Flag(_) => Type::BOOL,
    }
}

/// A value on its way to the server.
#[derive(Debug)]
struct Param<'v>(Bound<'v>);

type Encoded = std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        match self.0 {
            Bound::Integer(value) => value.to_sql(kind, out),
            // The one character of a text PostgreSQL cannot keep. A hall that sends it must not
            // be refused for ever.
            Bound::Text(Some(text)) if text.contains('\0') => {
                text.replace('\0', "\u{fffd}").to_sql(kind, out)
            }
            Bound::Text(value) => value.to_sql(kind, out),
            Bound::Bytes(value) => value.to_sql(kind, out),
            Bound::Flag(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        self.to_sql(kind, out)
    }
}

/// A value that outlives the call.
#[derive(Debug)]
enum Owned {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Flag(Option<bool>),
}

impl Owned {
    fn of(value: &Bound<'_>) -> Self {
        match *value {
            Bound::Integer(value) => Self::Integer(value),
            Bound::Text(value) => Self::Text(value.map(str::to_owned)),
            Bound::Bytes(value) => Self::Bytes(value.map(<[u8]>::to_vec)),
            Bound::Flag(value) => Self::Flag(value),
        }
    }
}

impl ToSql for Owned {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        let value = match self {
            Self::Integer(value) => Bound::Integer(*value),
            Self::Text(value) => Bound::Text(value.as_deref()),
            Self::Bytes(value) => Bound::Bytes(value.as_deref()),
            Self::Flag(value) => Bound::Flag(*value),
        };
        Param(value).to_sql(kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        self.to_sql(kind, out)
    }
}

/// A row that came.
struct Got(tokio_postgres::Row);

impl Row for Got {
    fn cell(&self, column: usize) -> Result<Cell<'_>> {
        let missing = || damaged(column, "no such column");
        let kind = self.0.columns().get(column).ok_or_else(missing)?.type_();
        let broken = |error: tokio_postgres::Error| damaged(column, error);
        let cell = match *kind {
            Type::INT8 => self
                .0
                .try_get::<_, Option<i64>>(column)
                .map_err(broken)?
                .map(Cell::Integer),
            Type::TEXT | Type::VARCHAR => self
                .0
                .try_get::<_, Option<&str>>(column)
                .map_err(broken)?
                .map(Cell::Text),
            Type::BYTEA => self
                .0
                .try_get::<_, Option<&[u8]>>(column)
                .map_err(broken)?
                .map(Cell::Bytes),
            Type::BOOL => self
                .0
                .try_get::<_, Option<bool>>(column)
                .map_err(broken)?
                .map(Cell::Flag),
            _ => return Err(damaged(column, kind)),
        };
        Ok(cell.unwrap_or(Cell::Null))
    }
}
