//! The halls a file of records speaks of: their queues, counters, people and hours.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::{Date, Time};
use zhiban_vocabulary::{CounterId, IdError, QueueId, StaffId, StoreId};

use super::invent;
use super::records::{Gid, Records};

/// A hall as its gateway is configured.
#[derive(Debug, Clone)]
pub struct Hall {
    pub store: StoreId,
    pub name: String,
    /// Peer group, by the tickets of the first replayed day.
    pub grade: &'static str,
    pub queues: Vec<HallQueue>,
}

/// One queue and the counters that serve it. Whether a counter serves several queues is not in the
/// feed; every queue is given its own.
#[derive(Debug, Clone)]
pub struct HallQueue {
    pub gid: Gid,
    pub id: QueueId,
    pub name: String,
    pub counters: Vec<HallCounter>,
}

/// A counter and the (invented) person at it.
#[derive(Debug, Clone)]
pub struct HallCounter {
    pub id: CounterId,
    pub staff: StaffId,
    pub staff_name: String,
}

/// A hall before its counters are counted: which queues it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HallGroups {
    pub key: String,
    pub name: String,
    /// gid, queue id, name
    pub queues: Vec<(Gid, String, String)>,
}

/// The halls that have records on one of `dates`, in the order of `groups.csv`. A gid that file
/// does not know becomes a hall of its own, named by the gid.
#[must_use]
pub fn halls_of(records: &Records, dates: &[Date]) -> Vec<HallGroups> {
    let days = records.days.keys().filter(|(date, _)| dates.contains(date));
    let present: BTreeSet<Gid> = days.map(|(_, gid)| *gid).collect();
    let mut order: Vec<&str> = Vec::new();
    let mut members: BTreeMap<&str, Vec<Gid>> = BTreeMap::new();
    for (gid, group) in records
        .groups
        .iter()
        .filter(|(gid, _)| present.contains(gid))
    {
        if !order.contains(&group.hall.as_str()) {
            order.push(&group.hall);
        }
        members.entry(&group.hall).or_default().push(*gid);
    }
    let mut keys = HashSet::new();
    let mut halls: Vec<HallGroups> = Vec::new();
    for hall in order {
        let mut taken = HashSet::new();
        let queues = members[hall].iter().map(|gid| {
            let name = &records.groups[gid].name;
            (
                *gid,
                queue_id(name, &mut taken),
                queue_name(name).to_owned(),
            )
        });
        let queues = queues.collect();
        halls.push(HallGroups {
            key: store_key(hall, &mut keys),
            name: display_name(hall),
            queues,
        });
    }
    for gid in present
        .iter()
        .filter(|gid| !records.groups.contains_key(gid))
    {
        let key = store_key(&format!("gid-{gid}"), &mut keys);
        let queues = vec![(*gid, "A".to_owned(), format!("gid {gid}"))];
        halls.push(HallGroups {
            name: key.clone(),
            key,
            queues,
        });
    }
    halls
}

impl HallGroups {
    /// The hall, now that the greatest number of counters of each queue is known.
    ///
    /// # Errors
    /// [`IdError`] when a made-up id is none, which would be a mistake here.
    pub fn with_counters(&self, counters: &[usize], tickets: u64) -> Result<Hall, IdError> {
        let mut queues = Vec::new();
        let mut number = 0;
        for ((gid, id, name), counters) in self.queues.iter().zip(counters) {
            let mut own = Vec::new();
            for _ in 0..*counters {
                number += 1;
                own.push(HallCounter {
                    id: number.to_string().parse()?,
                    staff: (2_000 + number).to_string().parse()?,
                    staff_name: invent::staff_name(number + self.key.len()),
                });
            }
            queues.push(HallQueue {
                gid: *gid,
                id: id.parse()?,
                name: name.clone(),
                counters: own,
            });
        }
        let grade = match tickets {
            900.. => "A",
            400..900 => "B",
            _ => "C",
        };
        Ok(Hall {
            store: self.key.parse()?,
            name: self.name.clone(),
            grade,
            queues,
        })
    }
}

impl Hall {
    pub fn counters(&self) -> impl Iterator<Item = &HallCounter> {
        self.queues.iter().flat_map(|queue| &queue.counters)
    }
}

/// Opening hours that hold everything from `first` to `last`, on half hours.
#[must_use]
pub fn hours(first: Time, last: Time) -> (Time, Time) {
    let half = |minutes: i32| {
        let minutes = minutes.clamp(0, 24 * 60 - 30);
        let hour = i8::try_from(minutes / 60).unwrap_or(0);
        let minute = if minutes % 60 >= 30 { 30 } else { 0 };
        Time::new(hour, minute, 0, 0).unwrap_or(Time::MIN)
    };
    let minutes = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
    (half(minutes(first)), half(minutes(last) + 30))
}

fn display_name(hall: &str) -> String {
    let readable = |rest: &str| rest.replace('_', " ");
    match hall.split_once('_') {
        Some(("UD", rest)) => format!("{} 区办事大厅", readable(rest)),
        Some(("USC", rest)) => format!("{} 民政登记处", readable(rest)),
        _ => readable(hall),
    }
}

fn store_key(hall: &str, taken: &mut HashSet<String>) -> String {
    let plain: String = hall
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(StoreId::LENGTH_MAX - 4)
        .collect();
    let plain = plain.trim_matches('-');
    unique(if plain.is_empty() { "hall" } else { plain }, "-", taken)
}

/// The letter on the tickets where the name gives one (`K: Kasy`), otherwise a made-up one.
fn queue_id(name: &str, taken: &mut HashSet<String>) -> String {
    let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
    let letters: String = prefix.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = !letters.is_empty() && letters.len() <= 4;
    unique(if plain { &letters } else { "Q" }, "", taken)
}

fn queue_name(name: &str) -> &str {
    match name.split_once(':') {
        Some((prefix, rest)) if prefix.len() <= 5 && !rest.trim().is_empty() => rest.trim(),
        _ => name,
    }
}

fn unique(wanted: &str, joint: &str, taken: &mut HashSet<String>) -> String {
    let mut id = wanted.to_owned();
    let mut next = 2;
    while !taken.insert(id.clone()) {
        id = format!("{wanted}{joint}{next}");
        next += 1;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::super::records::{Group, Row};
    use super::*;

    fn records(groups: &[(Gid, &str, &str)], gids: &[Gid]) -> Records {
        let mut records = Records::default();
        for (gid, hall, name) in groups {
            let group = Group {
                hall: (*hall).into(),
                name: (*name).into(),
            };
            records.groups.insert(*gid, group);
        }
        let date = jiff::civil::date(2020, 1, 2);
        let rows: Vec<Row> = Vec::new();
        records.days = gids
            .iter()
            .map(|gid| ((date, *gid), rows.clone()))
            .collect();
        records
    }

    #[test]
    fn queues_are_named_by_the_letter_on_their_tickets() {
        let groups = [
            (1, "UD_Wola", "K: Kasy"),
            (2, "UD_Wola", "USC B: ŚLUB"),
            (3, "UD_Wola", "Prawa jazdy"),
            (4, "UD_Wola", "K: Kasy 2"),
            (5, "UD_Wola", "Odpisy"),
            (6, "UD_Ursus", "A: not on this day"),
        ];
        let halls = halls_of(
            &records(&groups, &[1, 2, 3, 4, 5]),
            &[jiff::civil::date(2020, 1, 2)],
        );
        assert_eq!(halls.len(), 1);
        assert_eq!(
            (halls[0].key.as_str(), halls[0].name.as_str()),
            ("ud-wola", "Wola 区办事大厅")
        );
        let ids: Vec<&str> = halls[0]
            .queues
            .iter()
            .map(|queue| queue.1.as_str())
            .collect();
        assert_eq!(ids, ["K", "USCB", "Q", "K2", "Q2"]);
        assert_eq!(halls[0].queues[0].2, "Kasy");
    }

    #[test]
    fn an_unknown_gid_is_a_hall_of_its_own() {
        let halls = halls_of(&records(&[], &[7, 9]), &[jiff::civil::date(2020, 1, 2)]);
        let keys: Vec<&str> = halls.iter().map(|hall| hall.key.as_str()).collect();
        assert_eq!(keys, ["gid-7", "gid-9"]);
        let hall = halls[0].with_counters(&[2], 500).unwrap();
        assert_eq!((hall.counters().count(), hall.grade), (2, "B"));
    }

    #[test]
    fn halls_with_names_alike_get_keys_apart() {
        let groups = [(1, "A b", "x"), (2, "A_b", "x"), (3, "é", "x")];
        let halls = halls_of(
            &records(&groups, &[1, 2, 3]),
            &[jiff::civil::date(2020, 1, 2)],
        );
        let keys: Vec<&str> = halls.iter().map(|hall| hall.key.as_str()).collect();
        assert_eq!(keys, ["a-b", "a-b-2", "hall"]);
    }

    #[test]
    fn hours_hold_the_whole_day() {
        let t = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
        assert_eq!(hours(t(7, 54), t(18, 54)), (t(7, 30), t(19, 0)));
        assert_eq!(hours(t(8, 0), t(18, 0)), (t(8, 0), t(18, 30)));
    }
}
