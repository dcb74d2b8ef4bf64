//! What must hold.

use crate::centre::StoreDisk;
use crate::hall::{Hall, Matter, Row};
use crate::world::World;

impl World {
    /// A row is settled when its matter took effect at the centre.
    pub(crate) fn check_settled(&self, hall: usize, rows: &[Row]) {
        if self.centre_restored {
            // What the centre lost since is sent anew; `check_level` sees to it.
            return;
        }
        let effects = self.centre.stores.get(&self.halls[hall].store);
        for matter in rows.iter().filter_map(|row| row.matter.as_ref()) {
            let took_effect = effects.is_some_and(|disk| disk.effects.contains_key(&matter.id));
            assert!(took_effect, "hall {hall} settled {} too early", matter.id);
        }
    }

    /// After the faults ended: nothing waits, nothing is missing, nothing counted twice.
    pub(crate) fn check_level(&self) {
        let nothing = StoreDisk::default();
        for (number, hall) in self.halls.iter().enumerate() {
            let centre = self.centre.stores.get(&hall.store).unwrap_or(&nothing);
            let waiting = hall.disk.waiting();
            assert_eq!(waiting, 0, "hall {number} is not level after the calm");
            check_arrived(number, hall, centre);
            self.check_aside(number, hall, centre);
            if !self.has_twin(hall) {
                check_facts(number, hall, centre);
            }
            assert!(
                hall.unanswered <= 1,
                "hall {number} sends and hears nothing"
            );
        }
        if self.weather.is_plain() {
            for (number, centre) in &self.centre.stores {
                let twice = centre.effects.iter().find(|(_, times)| **times > 1);
                assert_eq!(twice, None, "took effect twice, store {number}");
                assert_eq!(centre.lives.len(), 1, "needless epoch, store {number}");
            }
        }
    }

    /// Poison is set aside at the hall and known at the centre, and nothing else is.
    fn check_aside(&self, number: usize, hall: &Hall, centre: &StoreDisk) {
        for (_, letter) in &hall.disk.letters {
            let why = letter.poison || letter.novel;
            assert!(why, "hall {number} set {} aside for nothing", letter.id);
            let known = centre.letters.get(&letter.id).copied().unwrap_or(0);
            let tries = known >= 3 || self.centre_restored || !self.weather.is_plain();
            assert!(tries, "hall {number} gave up {} after {known}", letter.id);
        }
        let poison = hall.accepted.iter().filter(|(_, (_, poison))| *poison);
        for (id, _) in poison {
            let kept = hall.disk.letters.iter().any(|(_, letter)| letter.id == *id);
            assert!(kept, "poison {id} of hall {number} is nowhere");
        }
    }

    fn has_twin(&self, hall: &Hall) -> bool {
        self.halls
            .iter()
            .filter(|other| other.store == hall.store)
            .count()
            > 1
    }

    /// Two boxes that speak for one store are told from one.
    pub(crate) fn check_twins(&self) {
        for hall in &self.halls {
            let twin = self
                .centre
                .stores
                .get(&hall.store)
                .is_some_and(|disk| disk.twin);
            assert_eq!(
                twin,
                self.has_twin(hall),
                "store {} and its twin",
                hall.store
            );
        }
    }
}

/// The centre says what the hall says, of everything the hall stated in this life.
fn check_facts(number: usize, hall: &Hall, centre: &StoreDisk) {
    for key in &hall.stated {
        let Some(matter) = hall.disk.facts.get(key) else {
            continue;
        };
        let aside = hall
            .disk
            .letters
            .iter()
            .any(|(_, letter)| letter.id == matter.id);
        if aside {
            continue;
        }
        let value = centre.facts.get(key).map(|(_, value)| *value);
        assert_eq!(value, Some(matter.value), "fact {key} of hall {number}");
    }
}

/// Everything that was acknowledged to a device is at the centre or set aside.
fn check_arrived(number: usize, hall: &Hall, centre: &StoreDisk) {
    for (id, (lane, poison)) in &hall.accepted {
        // Kept for a person, who sends it again.
        let aside = |(_, letter): &(_, Matter)| letter.id == *id;
        if *poison || hall.disk.letters.iter().any(aside) {
            continue;
        }
        let arrived = centre.effects.contains_key(id);
        assert!(arrived, "{lane:?} item {id} of hall {number} is lost");
    }
}
