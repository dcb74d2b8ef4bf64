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
use zhiban_kernel::runtime::write_atomically;
use zhiban_vocabulary::StoreId;

use super::members::{Digest, Member};
use super::model::MEMBER_DAYS;

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
    pub(super) fn open(data: &Path) -> io::Result<(Self, Vec<Row>)> {
        let file = data.join(TRUST_LEDGER);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut rows = Vec::new();
        for (nth, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let (file, line) = (file.display(), nth + 1);
                    tracing::warn!(%file, line, %error, "a line cannot be read");
                }
            }
        }
        let end = Mutex::new(open_end(&file)?);
        Ok((Self { file, end }, rows))
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
        end.write_all(text.as_bytes())?;
        end.sync_data()
    }
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
