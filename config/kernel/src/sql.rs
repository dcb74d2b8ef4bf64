//! SQL as slices write it: once, in the dialect both databases speak, with parameters `?1`, `?2`.
//!
//! A job gets `&dyn Sql`: a transaction of SQLite or of PostgreSQL, it does not know which. Values
//! are whole numbers, texts, bytes and flags, no more. Where the two really differ, the one place
//! that cares asks [`Sql::dialect`].

mod sqlite;

use std::fmt;

use crate::StoreError;

pub type Result<T> = std::result::Result<T, StoreError>;

/// Which database a job talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A value for a parameter. It has its type also when it is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound<'v> {
    Integer(Option<i64>),
    Text(Option<&'v str>),
    Bytes(Option<&'v [u8]>),
    Flag(Option<bool>),
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'v> {
    Null,
    Integer(i64),
    Text(&'v str),
    Bytes(&'v [u8]),
    Flag(bool),
}

/// A row of an answer.
pub trait Row {
    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// When there is no such column, or it holds what no column of ours holds.
    fn cell(&self, column: usize) -> Result<Cell<'_>>;
}

/// One transaction, or one connection outside of any.
pub trait Sql {
    fn dialect(&self) -> Dialect;

    /// Runs a statement and gives the number of rows it changed.
    ///
    /// # Errors
    /// When the database refuses.
    fn execute(&self, sql: &str, values: &[Bound<'_>]) -> Result<u64>;

    /// Runs a statement nobody waits for. PostgreSQL may answer it together with the next one
    /// that is waited for, and at the latest with the commit, which then fails.
    ///
    /// # Errors
    /// When the database refuses this or an earlier one.
    fn post(&self, sql: &str, values: &[Bound<'_>]) -> Result<()> {
        self.execute(sql, values).map(drop)
    }

    /// Posts rows into a table, such as `t (a, b)`; all have as many values.
    ///
    /// # Errors
    /// When the database refuses this or an earlier one.
    fn insert(&self, table: &str, rows: &[Vec<Bound<'_>>]) -> Result<()> {
        let columns = rows.first().map_or(0, Vec::len);
        let sql = inserting(table, 1, columns);
        rows.iter().try_for_each(|row| self.post(&sql, row))
    }

    /// Calls `each` with every row; it must not use the database itself.
    ///
    /// # Errors
    /// When the database refuses, and the first of `each`.
    fn each(
        &self,
        sql: &str,
        values: &[Bound<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()>;

    /// Keeps others who take the lock of this name waiting until this transaction has ended.
    /// SQLite has one writer: there it is held already.
    ///
    /// # Errors
    /// When the database refuses, or others hold it for too long.
    fn lock(&self, name: &str) -> Result<()>;
}

/// The statement that inserts so many rows at once.
#[must_use]
pub fn inserting(table: &str, rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places = (1..=columns).map(|column| format!("?{}", row * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    format!("insert into {table} values {rows}")
}

impl dyn Sql + '_ {
    /// All rows.
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be read.
    pub fn all<T>(
        &self,
        sql: &str,
        values: &[Bound<'_>],
        read: impl Fn(&dyn Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, values, &mut |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The row of a query that has at most one.
    ///
    /// # Errors
    /// When the database refuses, or the row cannot be read.
    pub fn optional<T>(
        &self,
        sql: &str,
        values: &[Bound<'_>],
        read: impl Fn(&dyn Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.each(sql, values, &mut |row| {
            found = Some(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The row of a query that has one.
    ///
    /// # Errors
    /// When the database refuses, has no row, or it cannot be read.
    pub fn one<T>(
        &self,
        sql: &str,
        values: &[Bound<'_>],
        read: impl Fn(&dyn Row) -> Result<T>,
    ) -> Result<T> {
        let found = self.optional(sql, values, read)?;
        found.ok_or_else(|| StoreError::Database(format!("no row: {sql}")))
    }
}

impl dyn Row + '_ {
    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn get<'r, T: FromCell<'r>>(&'r self, column: usize) -> Result<T> {
        let cell = self.cell(column)?;
        T::from_cell(cell).ok_or_else(|| damaged(column, format_args!("{cell:?}")))
    }
}

/// A row that cannot be read: another program wrote it, or the disk is damaged.
#[must_use]
pub fn damaged(column: usize, found: impl fmt::Display) -> StoreError {
    let found: String = found.to_string().chars().take(200).collect();
    StoreError::Database(format!("damaged row: column {column}: {found}"))
}

/// What can be read from a cell.
pub trait FromCell<'r>: Sized {
    /// `None` when the cell holds something else.
    fn from_cell(cell: Cell<'r>) -> Option<Self>;
}

macro_rules! from_whole_number {
    ($($type:ty),*) => {$(
        impl FromCell<'_> for $type {
            fn from_cell(cell: Cell<'_>) -> Option<Self> {
                match cell {
                    Cell::Integer(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
from_whole_number!(i64, u64, u32);

impl FromCell<'_> for bool {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Flag(flag) => Some(flag),
            // SQLite has no flags.
            Cell::Integer(number) => Some(number != 0),
            _ => None,
        }
    }
}

impl<'r> FromCell<'r> for &'r str {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'r> FromCell<'r> for &'r [u8] {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl FromCell<'_> for String {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        <&str>::from_cell(cell).map(str::to_owned)
    }
}

impl FromCell<'_> for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        <&[u8]>::from_cell(cell).map(<[u8]>::to_vec)
    }
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            other => T::from_cell(other).map(Some),
        }
    }
}

/// What can be given for a parameter; [`values!`](crate::values) calls it.
pub trait Bind {
    fn bound(&self) -> Bound<'_>;
}

impl Bind for i64 {
    fn bound(&self) -> Bound<'_> {
        Bound::Integer(Some(*self))
    }
}

impl Bind for u32 {
    fn bound(&self) -> Bound<'_> {
        Bound::Integer(Some((*self).into()))
    }
}

/// Sums saturate: what no column holds is as much as one holds.
impl Bind for u64 {
    fn bound(&self) -> Bound<'_> {
        Bound::Integer(Some((*self).try_into().unwrap_or(i64::MAX)))
    }
}

impl Bind for bool {
    fn bound(&self) -> Bound<'_> {
        Bound::Flag(Some(*self))
    }
}

impl Bind for str {
    fn bound(&self) -> Bound<'_> {
        Bound::Text(Some(self))
    }
}

impl Bind for String {
    fn bound(&self) -> Bound<'_> {
        Bound::Text(Some(self))
    }
}

impl Bind for [u8] {
    fn bound(&self) -> Bound<'_> {
        Bound::Bytes(Some(self))
    }
}

impl Bind for Vec<u8> {
    fn bound(&self) -> Bound<'_> {
        Bound::Bytes(Some(self))
    }
}

impl<T: Bind + ?Sized> Bind for &T {
    fn bound(&self) -> Bound<'_> {
        (**self).bound()
    }
}

impl Bind for Option<i64> {
    fn bound(&self) -> Bound<'_> {
        Bound::Integer(*self)
    }
}

impl Bind for Option<u32> {
    fn bound(&self) -> Bound<'_> {
        Bound::Integer(self.map(i64::from))
    }
}

impl Bind for Option<String> {
    fn bound(&self) -> Bound<'_> {
        Bound::Text(self.as_deref())
    }
}

/// Values for the parameters `?1`, `?2`, … of a statement.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Bind::bound(&$value)),*]
    };
}
