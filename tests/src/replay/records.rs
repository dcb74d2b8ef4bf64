//! Reads the records (`queue_changes.csv`) and the names of their queues (`groups.csv`), plain or
//! gzipped, and refuses a file that is not what it should be, naming line, column, expected and
//! found.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jiff::civil::{Date, Time};

/// A queue of a hall as the feed numbers it.
pub type Gid = u32;

/// What the display of one queue showed when something on it had changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub time: Time,
    /// Counters open for the queue.
    pub open: u32,
    /// People waiting.
    pub waiting: u32,
    /// Number called last; absent while the display shows none.
    pub number: Option<u32>,
    /// The office's own estimate of minutes per customer; 0 when it has none.
    pub service_min: u32,
}

/// Name of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub hall: String,
    pub name: String,
}

/// The whole input.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Rows of one queue and day, in the order of time.
    pub days: BTreeMap<(Date, Gid), Vec<Row>>,
    pub groups: BTreeMap<Gid, Group>,
}

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}: cannot be read", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{}: line {line}: {message}", file.display())]
    NotCsv {
        file: PathBuf,
        line: u64,
        message: String,
    },
    #[error("{}: line 1: column {column:?} is missing, found {found}", file.display())]
    MissingColumn {
        file: PathBuf,
        column: &'static str,
        found: String,
    },
    #[error("{}: line {line}, column {column}: expected {expected}, found {found:?}", file.display())]
    BadCell {
        file: PathBuf,
        line: u64,
        column: &'static str,
        expected: String,
        found: String,
    },
    #[error("{}: no rows", file.display())]
    Empty { file: PathBuf },
}

impl Records {
    /// Reads both files.
    ///
    /// # Errors
    /// [`ReadError`] for the first thing that is wrong.
    pub fn read(records: &Path, groups: &Path) -> Result<Self, ReadError> {
        Self::parse(records, &bytes_of(records)?, groups, &bytes_of(groups)?)
    }

    /// As [`Records::read`], from bytes; the paths are for messages.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn parse(
        records: &Path,
        records_bytes: &[u8],
        groups: &Path,
        groups_bytes: &[u8],
    ) -> Result<Self, ReadError> {
        let read = Self {
            days: parse_rows(records, records_bytes)?,
            groups: parse_groups(groups, groups_bytes)?,
        };
        if read.days.is_empty() {
            return Err(ReadError::Empty {
                file: records.to_owned(),
            });
        }
        Ok(read)
    }

    /// Days with records, in order.
    #[must_use]
    pub fn dates(&self) -> Vec<Date> {
        let mut dates: Vec<Date> = self.days.keys().map(|(date, _)| *date).collect();
        dates.dedup();
        dates
    }
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, ReadError> {
    let unreadable = |source| ReadError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(Cursor::new(bytes))
        .read_to_end(&mut plain)
        .map_err(unreadable)?;
    Ok(plain)
}

fn parse_rows(file: &Path, bytes: &[u8]) -> Result<BTreeMap<(Date, Gid), Vec<Row>>, ReadError> {
    const COLUMNS: [&str; 7] = ["gid", "date", "time", "open", "queue", "ticket", "svc_min"];
    let mut days: BTreeMap<(Date, Gid), Vec<Row>> = BTreeMap::new();
    each_line(file, bytes, COLUMNS, |line| {
        let gid = line.number(0, 0..=9_999_999)?;
        let date: Date = line.cell(1, "a date like 2020-01-02", |text| text.parse().ok())?;
        let time = line.cell(2, "a time like 08:05", read_time)?;
        let open = line.number(3, 0..=1_000)?;
        let waiting = line.number(4, 0..=100_000)?;
        let number = line.number(5, -1..=999_999)?;
        let service_min = line.number(6, 0..=1_440)?;
        let rows = days.entry((date, gid)).or_default();
        if let Some(last) = rows.last()
            && last.time >= time
        {
            let expected = format!("later than {} of the row before", last.time);
            return Err(line.bad(2, expected));
        }
        let number = u32::try_from(number).ok();
        rows.push(Row {
            time,
            open,
            waiting,
            number,
            service_min,
        });
        Ok(())
    })?;
    Ok(days)
}

fn parse_groups(file: &Path, bytes: &[u8]) -> Result<BTreeMap<Gid, Group>, ReadError> {
    const COLUMNS: [&str; 3] = ["gid", "name", "nazwaGrupy"];
    let mut groups = BTreeMap::new();
    each_line(file, bytes, COLUMNS, |line| {
        let gid = line.number(0, 0..=9_999_999)?;
        let filled = |text: &str| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            (!text.is_empty()).then_some(text)
        };
        let hall = line.cell(1, "the name of a hall", filled)?;
        let name = line.cell(2, "the name of a queue", filled)?;
        if groups.insert(gid, Group { hall, name }).is_some() {
            return Err(line.bad(0, "each gid once"));
        }
        Ok(())
    })?;
    Ok(groups)
}

/// `08:05` or `08:05:30`, nothing shorter.
fn read_time(text: &str) -> Option<Time> {
    let shape = text.len() == 5 || text.len() == 8;
    shape.then(|| text.parse().ok()).flatten()
}

/// One line, with what a message about it needs.
struct Line<'l, const N: usize> {
    file: &'l Path,
    at: u64,
    columns: [&'static str; N],
    cells: [&'l str; N],
}

impl<const N: usize> Line<'_, N> {
    fn bad(&self, column: usize, expected: impl Display) -> ReadError {
        ReadError::BadCell {
            file: self.file.to_owned(),
            line: self.at,
            column: self.columns[column],
            expected: expected.to_string(),
            found: self.cells[column].chars().take(64).collect(),
        }
    }

    fn cell<T>(
        &self,
        column: usize,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ReadError> {
        read(self.cells[column]).ok_or_else(|| self.bad(column, expected))
    }

    /// A whole number; what a spreadsheet writes as `10.0` is one too.
    fn number<T>(&self, column: usize, range: RangeInclusive<T>) -> Result<T, ReadError>
    where
        T: std::str::FromStr + PartialOrd + Display,
    {
        let text = self.cells[column];
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let value = whole.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            self.bad(column, expected)
        })
    }
}

fn each_line<const N: usize>(
    file: &Path,
    bytes: &[u8],
    columns: [&'static str; N],
    mut take: impl FnMut(&Line<'_, N>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The reader starts a line between the two, which makes the line it tells one too low.
    let bytes = without_carriage_returns(bytes);
    let not_csv = |error: &csv::Error, line: u64| ReadError::NotCsv {
        file: file.to_owned(),
        line: error.position().map_or(line, csv::Position::line),
        message: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.as_slice());
    let header = reader
        .headers()
        .map_err(|error| not_csv(&error, 1))?
        .clone();
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        *place = header
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| {
                let found = header.iter().map(|name| format!("{name:?}")).take(20);
                let found = found.collect::<Vec<_>>().join(", ");
                ReadError::MissingColumn {
                    file: file.to_owned(),
                    column,
                    found,
                }
            })?;
    }
    let mut record = csv::StringRecord::new();
    loop {
        let before = reader.position().line();
        if !reader
            .read_record(&mut record)
            .map_err(|error| not_csv(&error, before))?
        {
            return Ok(());
        }
        let at = record.position().map_or(before, csv::Position::line);
        let cells = places.map(|place| record.get(place).unwrap_or_default());
        take(&Line {
            file,
            at,
            columns,
            cells,
        })?;
    }
}

fn without_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let ends_line = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
    (0..bytes.len())
        .filter(|at| !ends_line(*at))
        .map(|at| bytes[at])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GROUPS: &str = "gid,name,idGrupy,nazwaGrupy\n7,UD_Wola,1,\"K:  Kasy,  opłaty \"\n";
    const HEAD: &str = "gid,date,time,open,queue,ticket,svc_min\n";

    fn parse(rows: &str, groups: &str) -> Result<Records, ReadError> {
        Records::parse(
            Path::new("r.csv"),
            rows.as_bytes(),
            Path::new("g.csv"),
            groups.as_bytes(),
        )
    }

    fn check(rows: &str, expected: &str) {
        let error = parse(rows, GROUPS).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n  lacks {expected}");
    }

    #[test]
    fn rows_are_read_by_the_names_of_their_columns() {
        let text =
            "date,gid,time,open,queue,ticket,svc_min,more\n2020-01-02,7,08:05,2,5,-1,10.0,x\r\n";
        let records = parse(text, GROUPS).unwrap();
        let row = Row {
            time: jiff::civil::time(8, 5, 0, 0),
            open: 2,
            waiting: 5,
            number: None,
            service_min: 10,
        };
        assert_eq!(records.days.values().next(), Some(&vec![row]));
        assert_eq!(records.groups[&7].name, "K: Kasy, opłaty");
    }

    #[test]
    fn a_broken_row_is_refused_with_line_column_expected_and_found() {
        let head = |row: &str| format!("{HEAD}7,2020-01-02,08:00,1,0,-1,10\n{row}\n");
        check(
            &head("7,2020-01-02,08:05,1,0,x,10"),
            "r.csv: line 3, column ticket: expected a whole number from -1 to 999999, found \"x\"",
        );
        check(
            &head("7,2020-01-32,08:05,1,0,1,10"),
            "column date: expected a date",
        );
        check(
            &head("7,2020-01-02,8h,1,0,1,10"),
            "column time: expected a time like 08:05",
        );
        check(&head("7,2020-01-02,08:05,-1,0,1,10"), "column open");
        check(&head("7,2020-01-02,08:05,1,,1,10"), "column queue");
        check(&head("7,2020-01-02,08:05,1,0,1,1.5"), "column svc_min");
        check(
            &head("7,2020-01-02,07:55,1,0,1,10"),
            "later than 08:00:00 of the row before",
        );
        check(&head("7,2020-01-02,08:05,1,0"), "line 3");
        check(
            &head("7,2020-01-02,08:05,1,0,x,10").replace('\n', "\r\n"),
            "line 3, column ticket",
        );
        check(
            "gid,date,time,open,queue,number,svc_min\n",
            "column \"ticket\" is missing",
        );
        check(HEAD, "r.csv: no rows");
        check("", "column \"gid\" is missing");
    }

    #[test]
    fn broken_bytes_are_refused_not_guessed() {
        let bytes = [HEAD.as_bytes(), b"7,2020-01-02,08:05,1,0,\xff,10\n"].concat();
        let error = Records::parse(
            Path::new("r.csv"),
            &bytes,
            Path::new("g.csv"),
            GROUPS.as_bytes(),
        );
        assert!(error.unwrap_err().to_string().contains("r.csv: line 2"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            at in 0_usize..80,
        ) {
            let mut bytes = format!("{HEAD}7,2020-01-02,08:00,1,0,-1,10\n").into_bytes();
            bytes.splice(at.min(bytes.len()).., noise);
            let _ = Records::parse(Path::new("r"), &bytes, Path::new("g"), GROUPS.as_bytes());
        }
    }

    #[test]
    fn a_group_twice_is_refused() {
        let twice = format!("{GROUPS}7,UD_Wola,1,K\n");
        let error = parse(&format!("{HEAD}7,2020-01-02,08:00,1,0,-1,10\n"), &twice).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("g.csv: line 3, column gid: expected each gid once")
        );
    }

    #[test]
    fn a_truncated_archive_is_refused() {
        let dir = std::env::temp_dir().join(format!("zhiban-records-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/warsaw/queue_changes.csv.gz");
        let bytes = std::fs::read(whole).unwrap();
        let file = dir.join("half.csv.gz");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let groups = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/warsaw/groups.csv");
        let error = Records::read(&file, &groups).unwrap_err().to_string();
        assert!(error.contains("half.csv.gz: cannot be read"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
