//! The register maps a device may name: those we ship, and above them those the centre gave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

pub use zhiban_vocabulary::registers::{
    Coil, Encoding, MapKind, Register, RegisterMap, Unit, WordOrder,
};

/// The maps we ship: every file of `maps/`.
pub const MAPS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/maps.rs"));

/// What the centre gave. One for the process, as the shipped maps are: whoever checks the settings of
/// a device finds the same maps as the driver that runs with them.
static GIVEN: RwLock<Library> = RwLock::new(Library(BTreeMap::new()));

/// Maps by name, above the shipped ones.
#[derive(Debug, Default)]
struct Library(BTreeMap<String, String>);

impl Library {
    fn of(mut maps: BTreeMap<String, String>) -> Self {
        maps.retain(|_, text| zhiban_vocabulary::registers::read(text).is_ok());
        Self(maps)
    }

    fn text(&self, name: &str) -> Option<String> {
        let shipped = || MAPS.iter().find(|(known, _)| *known == name);
        let given = self.0.get(name).cloned();
        given.or_else(|| shipped().map(|(_, text)| (*text).to_owned()))
    }

    fn names(&self) -> Vec<String> {
        let shipped = MAPS.iter().map(|(name, _)| (*name).to_owned());
        let names: BTreeSet<_> = shipped.chain(self.0.keys().cloned()).collect();
        names.into_iter().collect()
    }
}

fn given() -> RwLockReadGuard<'static, Library> {
    GIVEN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the maps of the centre instead of those it gave before; a text that is no map is passed over.
pub fn give(maps: BTreeMap<String, String>) {
    let library = Library::of(maps);
    *GIVEN.write().unwrap_or_else(PoisonError::into_inner) = library;
}

/// The text of a map by its name.
#[must_use]
pub fn text(name: &str) -> Option<String> {
    given().text(name)
}

/// The names of all maps.
#[must_use]
pub fn names() -> Vec<String> {
    given().names()
}

/// A map by its name.
#[must_use]
pub fn find(name: &str) -> Option<RegisterMap> {
    // Every shipped map is read by a test, and every given one was read when it was given.
    toml::from_str(&text(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_map_is_read_and_makes_sense() {
        for (name, text) in MAPS {
            let map: RegisterMap = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            map.check().unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!map.title.is_empty() && !map.source.is_empty(), "{name}");
            assert_eq!(find(name), Some(map));
        }
    }

    #[test]
    fn a_map_of_the_centre_comes_above_a_shipped_one_and_beside_it() {
        let map = |address: u16| {
            format!("title = '中心'\n[switch]\naddress = {address}\n")
        };
        let given = [("srth", map(3)), ("of-the-centre", map(4)), ("broken", "x".into())];
        let library = Library::of(given.map(|(name, text)| (name.to_owned(), text)).into());
        assert_eq!(library.text("srth"), Some(map(3)));
        assert_eq!(library.text("of-the-centre"), Some(map(4)));
        assert_eq!(library.text("broken"), None);
        let shipped = MAPS.iter().find(|(name, _)| *name == "querx").unwrap();
        assert_eq!(library.text("querx").as_deref(), Some(shipped.1));
        let names = library.names();
        assert_eq!(names.iter().filter(|name| *name == "srth").count(), 1);
        assert_eq!(names.len(), MAPS.len() + 1);
    }

    fn check(text: &str, expected: &str) {
        let map: RegisterMap = toml::from_str(text).unwrap();
        let answer = map.check().map_or_else(|e| e.to_string(), |()| "good".into());
        assert!(answer.contains(expected), "{text}\n gave {answer}");
    }

    #[test]
    fn a_map_that_makes_no_sense_is_refused() {
        let with = |name: &str, rest: &str| format!("[{name}]\naddress = 1\n{rest}");
        let input = "function = 'discrete'\ntype = 'bit'\nunit = 'state'";
        check(&with("input.door", input), "good");
        check("title = 'x'", "at least one value");
        check("[switch]\naddress = 3", "good");
        let watts = "function = 'input'\ntype = 'f32'\nunit = 'volt'";
        check(
            &with("power", watts),
            "power.unit: expected watt, found volt",
        );
        let wide = "function = 'coil'\ntype = 'u16'\nunit = 'state'";
        check(&with("input.door", wide), "input.door.type");
        let alone = "function = 'input'\ntype = 'u16'\nunit = 'percent'";
        check(&with("humidity", alone), "a temperature beside humidity");
        let far = "function = 'holding'\ntype = 'bit'\nbit = 16\nunit = 'state'";
        check(&with("input.door", far), "input.door.bit");
    }
}
