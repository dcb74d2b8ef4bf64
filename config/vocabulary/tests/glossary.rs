//! The glossary has a line for every word the wire and the pages use.

use std::collections::HashMap;

use serde::Deserialize;
use zhiban_vocabulary::counter::CounterState;
use zhiban_vocabulary::device::DeviceKind;
use zhiban_vocabulary::queue::CustomerClass;
use zhiban_vocabulary::report::Kind;
use zhiban_vocabulary::roles::{Capability, Role};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Glossary {
    word: Vec<Word>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    id: String,
    zh: String,
    en: String,
    meaning: String,
}

#[test]
fn every_word_has_one_line_in_both_languages() {
    let glossary: Glossary = toml::from_str(include_str!("../glossary.toml")).unwrap();
    let mut words = HashMap::new();
    for word in &glossary.word {
        assert!(
            !word.zh.is_empty() && !word.en.is_empty(),
            "{} lacks a language",
            word.id
        );
        assert!(!word.meaning.is_empty(), "{} lacks a meaning", word.id);
        assert!(
            words.insert(word.id.as_str(), word).is_none(),
            "{} stands twice",
            word.id
        );
    }
    let states = [
        CounterState::Open,
        CounterState::Busy,
        CounterState::Break,
        CounterState::Closed,
    ];
    let used = Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain(Role::ALL.iter().map(|role| role.as_str()))
        .chain(Capability::ALL.iter().map(|capability| capability.as_str()))
        .chain(DeviceKind::ALL.iter().map(|kind| kind.as_str()))
        .chain(CustomerClass::ALL.iter().map(|class| class.as_str()))
        .chain(states.iter().map(|state| state.as_str()));
    let missing: Vec<_> = used.filter(|word| !words.contains_key(word)).collect();
    assert!(missing.is_empty(), "glossary.toml lacks {missing:?}");
}
