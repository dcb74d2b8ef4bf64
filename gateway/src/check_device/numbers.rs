//! How a device numbers its reports, judged by all that came in at the door: a number that comes
//! twice is one report in the journal, whatever the second was about.

use std::collections::HashMap;

use zhiban_vocabulary::BootId;
use zhiban_vocabulary::device::HealthStatus;
use zhiban_vocabulary::report::{self, Kind, Observation, Origin};

use super::{Findings, Verdict};
use crate::journal::Heard;

/// A numbered report, and the connection it came by; `None` for one that came when there was none
/// any more, as a will does.
pub(super) type Numbered = (Heard, Option<u64>);

/// What is wrong with the numbers of a device.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    /// Reports with a number not above the one before, on one connection.
    back: usize,
    /// Reports with a number that something else had.
    lost: usize,
    /// The first of them.
    first_lost: Option<String>,
    /// The first boot that began to count again after the device had been away.
    begun_again: Option<String>,
    boots: usize,
}

/// Highest number of a boot, and the connection it came by.
type Highest = (u64, Option<u64>);

pub(super) fn check(numbered: &[Numbered], findings: &mut Findings) {
    let faults = judge(numbered);
    findings.judge("seq only counts up", faults.back == 0, "");
    let detail = faults.first_lost.map_or_else(String::new, |first| {
        let lost = faults.lost;
        format!("{lost} reports are lost, their numbers were used before, such as {first}")
    });
    findings.judge("no number is used twice", faults.lost == 0, detail);
    let what = "a boot of its own for each start";
    match faults.begun_again {
        Some(detail) => findings.note(what, Verdict::Broken, detail),
        None if faults.boots > 1 => findings.note(what, Verdict::Kept, ""),
        None => findings.note(what, Verdict::Unseen, "the device was not started anew"),
    }
}

fn judge(numbered: &[Numbered]) -> Faults {
    let mut faults = Faults::default();
    let mut said: HashMap<&Origin, (Kind, &[u8])> = HashMap::new();
    let mut highest: HashMap<&BootId, Highest> = HashMap::new();
    for (heard, connection) in numbered {
        let Origin { boot, seq } = &heard.origin;
        match said.get(&heard.origin) {
            // Sent again, as it should be.
            Some(before) if *before == (heard.kind, &heard.payload[..]) => continue,
            Some(_) => {
                let name = || format!("{} with boot {boot} seq {seq}", heard.kind.as_str());
                faults.lost += 1;
                faults.first_lost.get_or_insert_with(name);
            }
            None => {
                said.insert(&heard.origin, (heard.kind, &heard.payload));
            }
        }
        if let Some((top, by)) = highest.get(boot)
            && seq <= top
        {
            // A will is numbered when the device connects.
            if is_will(heard) {
                continue;
            }
            if by == connection {
                faults.back += 1;
                continue;
            }
            let story = || format!("boot {boot} had {seq} after {top} when the device came back");
            faults.begun_again.get_or_insert_with(story);
        }
        highest.insert(boot, (*seq, *connection));
    }
    faults.boots = highest.len();
    faults
}

fn is_will(heard: &Heard) -> bool {
    let parsed = report::parse(heard.kind.as_str(), &heard.payload);
    parsed.is_ok_and(|parsed| {
        matches!(parsed.observation, Observation::Health(health)
            if health.status == HealthStatus::Down)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of reports given as boot, number, content and connection.
    fn faults(said: &[(&str, u64, &str, u64)]) -> Faults {
        let numbered = said.iter().map(|(boot, seq, payload, connection)| {
            let heard = Heard {
                device: "ks-1".parse().unwrap(),
                kind: Kind::DeviceHealth,
                origin: Origin {
                    boot: boot.parse().unwrap(),
                    seq: *seq,
                },
                payload: (*payload).to_owned().into(),
            };
            (heard, Some(*connection))
        });
        judge(&numbered.collect::<Vec<_>>())
    }

    #[test]
    fn what_is_sent_again_is_no_fault() {
        let good = [("a", 1, "x", 1), ("a", 2, "y", 1), ("a", 1, "x", 2)];
        let more = [("a", 2, "y", 2), ("a", 3, "z", 2), ("b", 1, "x", 3)];
        let faults = faults(&[good, more].concat());
        let expected = Faults {
            boots: 2,
            ..Faults::default()
        };
        assert_eq!(faults, expected);
    }

    #[test]
    fn a_number_of_something_else_is_a_report_lost() {
        let faults = faults(&[("t", 1, "a", 1), ("t", 1, "b", 1), ("t", 1, "c", 1)]);
        let lost = faults.first_lost.as_deref();
        assert_eq!((faults.lost, faults.back), (2, 2));
        assert_eq!(lost, Some("device.health with boot t seq 1"));
        assert_eq!(faults.begun_again, None);
    }

    #[test]
    fn a_boot_that_begins_again_is_named() {
        let lower = faults(&[("t", 7, "a", 1), ("t", 1, "b", 2), ("t", 2, "c", 2)]);
        let said = "boot t had 1 after 7 when the device came back";
        assert_eq!(lower.begun_again.as_deref(), Some(said));
        assert_eq!((lower.lost, lower.back), (0, 0));
        let same = faults(&[("t", 1, "a", 1), ("t", 2, "b", 1), ("t", 1, "c", 2)]);
        assert!(same.begun_again.is_some() && same.lost == 1, "{same:?}");
    }

    #[test]
    fn a_step_back_on_one_connection_and_a_will_are_told_apart() {
        let will = r#"{"status":"down","boot":"t","seq":1}"#;
        let faults = faults(&[
            ("t", 2, "a", 1),
            ("t", 1, will, 2),
            ("u", 5, "b", 2),
            ("u", 4, "c", 2),
        ]);
        assert_eq!((faults.back, faults.begun_again), (1, None));
    }
}
