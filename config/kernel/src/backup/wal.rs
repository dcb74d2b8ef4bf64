//! Whether a write-ahead log lost what was committed. SQLite reads a log up to the first frame whose
//! sum does not fit and takes it for the end; after a power cut that is right, and a flipped bit looks
//! the same. What tells them apart: a group is synced before the next one is written, so where two later
//! groups stand whole, the frame before them was on disk once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER: usize = 32;
const FRAME: usize = 24;
/// Of the header; the last bit says in which order the sums read their words.
const MAGIC: u32 = 0x377f_0682;
/// So many later groups are damage, too, where frames in between are damaged as well: no power cut
/// leaves more than one.
const GROUPS_MANY: u32 = 8;

type Sum = (u32, u32);

/// What a scan of the frames keeps.
struct Scan {
    salts: [u8; 8],
    is_big_endian: bool,
    /// The sum the frame before ended with, as it stands there.
    stored: Sum,
    /// The first frame that does not follow, from 1.
    broken_at: Option<u64>,
    /// Ends of groups in frames that follow one another, and in all, behind the broken one.
    groups_in_a_row: u32,
    groups: u32,
}

/// What is wrong with the log `file`, if it lost something; `None` where there is no log.
///
/// # Errors
/// When it cannot be read.
pub(super) fn lost_frames(file: &Path) -> io::Result<Option<String>> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut log = BufReader::with_capacity(1 << 18, opened);
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? || header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let is_big_endian = word(&header, 0) & 1 == 1;
    let sum = checksum((0, 0), &header[..24], is_big_endian);
    let is_sound = word(&header, 0) & !1 == MAGIC && sum == (word(&header, 24), word(&header, 28));
    let page = match word(&header, 8) {
        size if is_sound && (512..=65_536).contains(&size) => size as usize,
        // The one this program writes.
        _ => 4_096,
    };
    let mut scan = Scan {
        salts: salts_in(&header, 16),
        is_big_endian: is_sound && is_big_endian,
        stored: sum,
        broken_at: None,
        groups_in_a_row: 0,
        groups: 0,
    };
    let (mut frame, mut nth) = (vec![0; FRAME + page], 0);
    while fill(&mut log, &mut frame)? {
        nth += 1;
        if nth == 1 && !is_sound {
            scan.salts = salts_in(&frame, 8);
            scan.broken_at = Some(0);
        }
        scan.take(&frame, nth);
        let broken_at = scan.broken_at.unwrap_or_default();
        if scan.groups_in_a_row >= 2 || scan.groups >= GROUPS_MANY {
            return Ok(Some(format!(
                "frame {broken_at} of the write-ahead log is not what was written, and groups behind it are"
            )));
        }
    }
    Ok(None)
}

impl Scan {
    fn take(&mut self, frame: &[u8], nth: u64) {
        let is_of_now = salts_in(frame, 8) == self.salts;
        let stored = (word(frame, 16), word(frame, 20));
        let sum = checksum(self.stored, &frame[..8], self.is_big_endian);
        let sum = checksum(sum, &frame[FRAME..], self.is_big_endian);
        let follows = is_of_now && sum == stored;
        self.stored = stored;
        if !follows {
            self.broken_at.get_or_insert(nth);
            self.groups_in_a_row = 0;
        }
        let ends_group = is_of_now && word(frame, 4) != 0;
        if self.broken_at.is_some_and(|at| at < nth) && ends_group {
            self.groups += 1;
            self.groups_in_a_row += u32::from(follows);
        }
    }
}

/// False at the end, also where a part is left.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..at + 4].try_into().unwrap_or_default();
    u32::from_be_bytes(word)
}

fn salts_in(bytes: &[u8], at: usize) -> [u8; 8] {
    bytes[at..at + 8].try_into().unwrap_or_default()
}

/// As SQLite sums a log, from `sum` on.
fn checksum(sum: Sum, bytes: &[u8], is_big_endian: bool) -> Sum {
    let (mut one, mut two) = sum;
    for pair in bytes.chunks_exact(8) {
        let read = |at: usize| match is_big_endian {
            true => word(pair, at),
            false => word(pair, at).swap_bytes(),
        };
        one = one.wrapping_add(read(0)).wrapping_add(two);
        two = two.wrapping_add(read(4)).wrapping_add(one);
    }
    (one, two)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rusqlite::Connection;

    use super::*;

    /// A log of ten groups, as it stands while a program runs, in a folder of its own.
    fn log(name: &str) -> (PathBuf, Vec<u8>) {
        let folder = std::env::temp_dir().join(format!("zhiban-wal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let open = Connection::open(folder.join("a.db")).unwrap();
        let begin =
            "pragma page_size = 4096; pragma journal_mode = wal; create table t (a) strict;";
        open.execute_batch(&begin.replace("(a) strict", "(a integer) strict"))
            .unwrap();
        for n in 0..9 {
            open.execute("insert into t values (?1)", [n]).unwrap();
        }
        let bytes = std::fs::read(folder.join("a.db-wal")).unwrap();
        (folder, bytes)
    }

    fn judged(folder: &Path, bytes: &[u8]) -> Option<String> {
        let file = folder.join("judged-wal");
        std::fs::write(&file, bytes).unwrap();
        lost_frames(&file).unwrap()
    }

    #[test]
    fn every_flipped_byte_before_the_last_two_groups_is_found() {
        let (folder, bytes) = log("flip");
        assert_eq!(judged(&folder, &bytes), None, "it is sound");
        let frames = (bytes.len() - HEADER) / (FRAME + 4_096);
        let safe = HEADER + (frames - 3) * (FRAME + 4_096);
        // The last words of the header's sum and any byte of the frames; not every one, for time.
        for at in (0..safe).step_by(97).chain(0..HEADER) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            assert!(judged(&folder, &bytes).is_some(), "byte {at}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_power_cut_leaves_is_no_damage() {
        let (folder, bytes) = log("cut");
        let frame = FRAME + 4_096;
        for cut in (HEADER..bytes.len()).step_by(1_000) {
            assert_eq!(judged(&folder, &bytes[..cut]), None, "cut at {cut}");
        }
        // The last group reached the disk in parts.
        let mut torn = bytes.clone();
        let last = torn.len() - frame;
        torn[last + FRAME..].fill(0);
        assert_eq!(judged(&folder, &torn), None);
        // An older log stands behind the end of a newer one.
        let (other, newer) = log("newer");
        let mixed = [&newer[..HEADER + 3 * frame], &bytes[HEADER + 3 * frame..]].concat();
        assert_eq!(judged(&folder, &mixed), None);
        assert_eq!(judged(&folder, &[]), None);
        assert_eq!(judged(&folder, &[0; 8_192]), None);
        for folder in [folder, other] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
