//! The other side of the promise: what an independent device says it was told.
//!
//! Three outcomes: acknowledged reports must be there once, unknown ones at most once, and
//! nothing may be there that was never sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::database::Copied;
use super::peers::{Peer, python};
use super::program::Running;

/// How an independent device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Mqtt311,
    Mqtt5,
    Http,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct LedgerClient<'a> {
    pub speaks: Speaks,
    /// `host:port` of the door.
    pub address: &'a str,
    pub device: &'a str,
    pub secret: &'a str,
    pub boot: &'a str,
    pub every_ms: u32,
}

/// A device that runs as a program of its own, with its ledger. Killed when dropped.
#[derive(Debug)]
pub struct LedgerDevice {
    pub device: String,
    pub boot: String,
    file: PathBuf,
    peer: Peer,
}

impl LedgerClient<'_> {
    /// Starts it; its ledger is kept in `folder`.
    pub async fn start(&self, folder: &Path) -> LedgerDevice {
        let file = folder.join(format!("ledger-{}-{}", self.device, self.boot));
        let speaks = match self.speaks {
            Speaks::Mqtt311 => "4",
            Speaks::Mqtt5 => "5",
            Speaks::Http => "http",
        };
        let (host, port) = self.address.rsplit_once(':').unwrap_or((self.address, "0"));
        let mut command = python("ledger_client.py");
        command.args([speaks, host, port, self.device, self.secret, self.boot]);
        command.arg(&file).arg(self.every_ms.to_string());
        let mut peer = Peer::start(&mut command);
        peer.until("started").await;
        LedgerDevice {
            device: self.device.to_owned(),
            boot: self.boot.to_owned(),
            file,
            peer,
        }
    }
}

impl LedgerDevice {
    /// No new reports; waits until everything is acknowledged.
    pub async fn drain(&mut self) {
        self.peer.order("drain").await;
        self.peer.until("drained").await;
    }

    /// Ends the device in the middle of what it does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> ExitStatus {
        self.peer.process.kill().await.expect("it can be killed");
        self.peer
            .process
            .wait()
            .await
            .expect("it can be waited for")
    }

    /// What it knows by now.
    ///
    /// # Panics
    /// When the ledger cannot be read.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::read(&fs::read_to_string(&self.file).expect("a ledger"))
    }

    /// Every difference between what `journal` has of it and what it knows.
    #[must_use]
    pub fn differences(&self, journal: &Copied) -> Vec<String> {
        differences(journal, &self.device, &self.boot, &self.ledger())
    }
}

/// Starts one device for each secret, at the doors of `gateway`.
///
/// # Panics
/// When the program is no gateway.
pub async fn start_devices(
    gateway: &Running,
    folder: &Path,
    devices: &[(&str, Speaks)],
    secrets: &[String],
) -> Vec<LedgerDevice> {
    let mut started = Vec::new();
    for ((device, speaks), secret) in devices.iter().zip(secrets) {
        let address = match speaks {
            Speaks::Http => gateway.addresses.web.as_str(),
            _ => gateway.addresses.mqtt.as_deref().expect("a gateway"),
        };
        let (speaks, boot, every_ms) = (*speaks, "b1", 5);
        let client = LedgerClient {
            speaks,
            address,
            device,
            secret,
            boot,
            every_ms,
        };
        started.push(client.start(folder).await);
    }
    started
}

/// Acknowledged reports of all devices.
#[must_use]
pub fn acked(devices: &[LedgerDevice]) -> usize {
    devices
        .iter()
        .map(|device| device.ledger().acked.len())
        .sum()
}

/// Holds the journal of a stopped gateway against all ledgers.
///
/// # Panics
/// When anything acknowledged is missing, twice there or another, or the database is damaged.
pub fn nothing_is_lost(data: &Path, devices: &[LedgerDevice]) {
    let journal = Copied::of(data, "hall.db");
    assert_eq!(journal.integrity(), "ok");
    for device in devices {
        let wrong = device.differences(&journal);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// What a device knows of its reports, by their numbers.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    /// Ticket and kind.
    pub sent: BTreeMap<u64, (String, String)>,
    /// When, by the monotonic clock of the machine in seconds.
    pub acked: BTreeMap<u64, f64>,
    pub refused: BTreeMap<u64, String>,
}

impl Ledger {
    /// Reads what a device wrote; half a line, as a killed one leaves, says nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut ledger = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let seq = words.get(1).and_then(|seq| seq.parse().ok());
            match (words.as_slice(), seq) {
                (["sent", _, ticket, kind], Some(seq)) => {
                    let report = ((*ticket).to_owned(), (*kind).to_owned());
                    ledger.sent.insert(seq, report);
                }
                (["acked", _, at], Some(seq)) => {
                    ledger.acked.insert(seq, at.parse().unwrap_or(f64::NAN));
                }
                (["refused", _, code], Some(seq)) => {
                    ledger.refused.insert(seq, (*code).to_owned());
                }
                _ => {}
            }
        }
        ledger
    }

    /// Sent, and nobody knows what became of it.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.sent.len() - self.acked.len() - self.refused.len()
    }

    /// Of the acknowledged ones, those of one kind.
    #[must_use]
    pub fn acked_of(&self, kind: &str) -> usize {
        let of_kind = |seq: &&u64| self.sent.get(seq).is_some_and(|(_, found)| found == kind);
        self.acked.keys().filter(of_kind).count()
    }
}

/// Holds what a journal has of one device against its ledger; gives every difference.
#[must_use]
pub fn differences(journal: &Copied, device: &str, boot: &str, ledger: &Ledger) -> Vec<String> {
    let sql = format!(
        "select seq, kind, payload from journal_report report
         join journal_device device on device.id = report.device
         where name = '{device}' and boot = '{boot}'"
    );
    let read = |row: &rusqlite::Row<'_>| {
        let payload: Vec<u8> = row.get(2)?;
        Ok((
            row.get::<_, i64>(0)?.cast_unsigned(),
            row.get::<_, String>(1)?,
            payload,
        ))
    };
    let rows = journal.rows(&sql, read);
    let who = format!("{device} {boot}");
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for (seq, kind, payload) in rows {
        if !found.insert(seq) {
            wrong.push(format!("{who}: {seq} is there twice"));
        }
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        match ledger.sent.get(&seq) {
            None => wrong.push(format!("{who}: {seq} was never sent")),
            Some((ticket, sent_kind)) => {
                if *sent_kind != kind || payload["ticket"] != ticket.as_str() {
                    wrong.push(format!(
                        "{who}: {seq} is not what was sent: {kind} {payload}"
                    ));
                }
            }
        }
    }
    let lost = ledger.acked.keys().filter(|seq| !found.contains(seq));
    wrong.extend(lost.map(|seq| format!("{who}: {seq} was acknowledged and is lost")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_tells_three_outcomes_and_forgives_half_a_line() {
        let text = "sent 1 t-1 ticket.issued\nsent 2 t-1 ticket.called\nacked 1 12.5\n\
                    sent 3 t-1 ticket.started\nrefused 3 0x99\nack";
        let ledger = Ledger::read(text);
        assert_eq!(
            (ledger.sent.len(), ledger.acked.len(), ledger.unknown()),
            (3, 1, 1)
        );
        assert_eq!(ledger.acked_of("ticket.issued"), 1);
        assert_eq!(ledger.acked_of("ticket.called"), 0);
    }
}
