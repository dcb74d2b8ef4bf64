//! Who joined and who was shut out, once more beside the database: a file that is no part of backups
//! and stays when one is put back. A database that was set back in time would let in whom it had shut
//! out since, and send away who had joined.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use zhiban_kernel::backup::TRUST_LEDGER;
use zhiban_kernel::doctor::{Mark, Report, Said};
use zhiban_kernel::runtime::write_atomically;
use zhiban_vocabulary::StoreId;

use super::members::{Digest, Member};
use super::model::MEMBER_DAYS;

/// Where a ledger with lines that cannot be read is kept, in the data folder.
const DAMAGED: &str = "trust-damaged.jsonl";

/// A certificate as both keep it, one line of JSON in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(with = "hex")]
    pub(super) digest: Digest,
    pub(super) store: StoreId,
    #[serde(with = "hex")]
    pub(super) key: [u8; 32],
    pub(super) issued: Timestamp,
    pub(super) until: Timestamp,
    pub(super) used: Option<Timestamp>,
    pub(super) revoked: Option<Timestamp>,
    pub(super) revoked_by: Option<String>,
    pub(super) reason: Option<String>,
}

impl Row {
    pub(super) fn member(&self) -> Member {
        Member {
            store: self.store.clone(),
            key: self.key,
            until: self.until,
            used: self.used.is_some(),
            revoked: self.revoked.is_some(),
        }
    }

    /// What is true when both are: nobody who was shut out comes back, and no end moves away.
    pub(super) fn with(self, other: &Self) -> Self {
        let by = if self.revoked.is_some() { &self } else { other }.clone();
        Self {
            until: self.until.min(other.until),
            used: self.used.or(other.used),
            revoked: by.revoked,
            revoked_by: by.revoked_by,
            reason: by.reason,
            ..self
        }
    }

    /// Whether the certificate itself, whatever was decided since, could still be shown.
    fn matters(&self, now: Timestamp) -> bool {
        let holds = SignedDuration::from_hours(24 * i64::from(MEMBER_DAYS));
        self.issued.saturating_add(holds).is_ok_and(|end| end > now)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    file: PathBuf,
    end: Mutex<File>,
}

impl Ledger {
    /// Opens the file, or makes it, and gives what it says. A last line that a power cut tore is
    /// nothing: nobody was answered before it was whole.
    /// A copy is kept of a file with other lines that cannot be read: it is written anew without them.
    pub(super) fn open(data: &Path) -> io::Result<(Self, Vec<Row>)> {
        let file = data.join(TRUST_LEDGER);
        let found = read(&file)?.unwrap_or_default();
        if !found.unreadable.is_empty() {
            let (shown, lines) = (file.display(), &found.unreadable);
            tracing::error!(file = %shown, ?lines, "lines cannot be read; a copy is kept");
            write_atomically(&data.join(DAMAGED), &std::fs::read(&file)?)?;
        }
        let end = Mutex::new(open_end(&file)?);
        Ok((Self { file, end }, found.rows))
    }

    /// Begins the file anew with these, as far as they matter.
    pub(super) fn rewrite(&self, rows: &[Row], now: Timestamp) -> io::Result<()> {
        let text: String = rows
            .iter()
            .filter(|row| row.matters(now))
            .map(line)
            .collect();
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        write_atomically(&self.file, text.as_bytes())?;
        *end = open_end(&self.file)?;
        Ok(())
    }

    /// Adds what changed; on disk when it returns.
    pub(super) fn append(&self, rows: &[Row]) -> io::Result<()> {
        let text: String = rows.iter().map(line).collect();
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let before = end.metadata()?.len();
        let written = end
            .write_all(text.as_bytes())
            .and_then(|()| end.sync_data());
        if written.is_err() {
            // Half a line would take the next one with it.
            let _ = end.set_len(before);
        }
        written
    }
}

/// What a ledger says.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<Row>,
    /// Lines that cannot be read, from 1; not a last one that was torn.
    unreadable: Vec<usize>,
}

/// `None` where there is no file.
fn read(file: &Path) -> io::Result<Option<Found>> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = Found::default();
    // One line that is no text must not hide the others.
    for (nth, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        match (serde_json::from_slice(line), line.ends_with(b"\n")) {
            (Ok(row), _) => found.rows.push(row),
            (Err(_), true) => found.unreadable.push(nth),
            (Err(_), false) => {}
        }
    }
    Ok(Some(found))
}

/// Tells whoever looks after the centre what is wrong with the ledger of a data folder.
pub fn check_ledger(report: &mut Report, data: &Path) {
    let what = Said::new("接入和停用的旁存记录", "ledger of halls");
    let file = data.join(TRUST_LEDGER);
    let kept = data.join(DAMAGED);
    match read(&file) {
        Ok(None) => {
            let found = Said::new(
                format!("{} 不存在", file.display()),
                format!("{} is not there", file.display()),
            );
            report.add(Mark::Look, what, found, advice_missing());
        }
        Ok(Some(Found { unreadable, .. })) if !unreadable.is_empty() => {
            let found = Said::new(
                format!("{} 第 {unreadable:?} 行损坏", file.display()),
                format!("{}: lines {unreadable:?} cannot be read", file.display()),
            );
            report.add(Mark::Bad, what, found, advice_damaged(&kept));
        }
        Ok(Some(_)) if kept.exists() => {
            let found = Said::new(
                format!("曾损坏，原件在 {}", kept.display()),
                format!("it was damaged; as it was it is in {}", kept.display()),
            );
            report.add(Mark::Look, what, found, advice_damaged(&kept));
        }
        Ok(Some(Found { rows, .. })) => {
            let found = Said::new(
                format!("{} 条", rows.len()),
                format!("{} lines", rows.len()),
            );
            report.good(what, found);
        }
        Err(error) => {
            let found = Said::same(format!("{}: {error}", file.display()));
            report.add(Mark::Bad, what, found, advice_missing());
        }
    }
}

fn advice_missing() -> Said {
    Said::new(
        "重启服务会从数据库重写。若其间恢复过备份：在“营业厅接入”页重新停用备份之后停用的营业厅，为之后接入的重新发码",
        "restart the service, which writes it anew from the database. If a backup was put back meanwhile: on \
         the page of halls, shut out again who was shut out after it, and give codes to who joined after it",
    )
}

fn advice_damaged(kept: &Path) -> Said {
    let kept = kept.display();
    Said::new(
        format!(
            "重启服务会用数据库补全并重写，原件存为 {kept}。若恢复过备份：核对“营业厅接入”页的停用记录；无误后删除该文件"
        ),
        format!(
            "restart the service, which makes it whole from the database and keeps the old one in {kept}. If a \
             backup was put back: see on the page of halls whether all are shut out who were; then delete that file"
        ),
    )
}

fn open_end(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(file)
}

fn line(row: &Row) -> String {
    serde_json::to_string(row).unwrap_or_default() + "\n"
}

mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut bytes = [0; 32];
        for (nth, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * nth..2 * nth + 2).filter(|_| is_hex);
            let digits =
                digits.ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))?;
            *byte = u8::from_str_radix(digits, 16).map_err(D::Error::custom)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use zhiban_kernel::doctor::Language;

    use super::*;

    #[test]
    fn a_line_that_is_no_text_hides_no_other_and_the_doctor_names_it() {
        let folder = std::env::temp_dir().join(format!("zhiban-ledger-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let said = || {
            let mut report = Report::default();
            check_ledger(&mut report, &folder);
            (report.mark(), report.text(Language::En))
        };
        let (mark, text) = said();
        assert!(
            mark == Mark::Look && text.contains("is not there"),
            "{text}"
        );

        let row = |byte| Row {
            digest: [byte; 32],
            store: "hall-1".parse().unwrap(),
            key: [byte; 32],
            issued: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            used: None,
            revoked: None,
            revoked_by: None,
            reason: None,
        };
        let (ledger, _) = Ledger::open(&folder).unwrap();
        ledger.append(&[row(1), row(2), row(3)]).unwrap();
        assert_eq!(said().0, Mark::Good);
        let file = folder.join(TRUST_LEDGER);
        let mut bytes = std::fs::read(&file).unwrap();
        let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        bytes[second + 3] = 0xff;
        // A last line that a power cut tore is no damage.
        bytes.extend(b"{\"digest\":\"00");
        std::fs::write(&file, &bytes).unwrap();
        let (mark, text) = said();
        assert!(mark == Mark::Bad && text.contains("lines [2]"), "{text}");

        let (ledger, rows) = Ledger::open(&folder).unwrap();
        assert_eq!(rows, [row(1), row(3)]);
        ledger.rewrite(&rows, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(std::fs::read(folder.join(DAMAGED)).unwrap(), bytes);
        let (mark, text) = said();
        assert!(mark == Mark::Look && text.contains(DAMAGED), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
