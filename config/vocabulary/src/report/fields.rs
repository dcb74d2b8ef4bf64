//! The fields of a payload, cut apart but not yet read: every report is parsed at its door and
//! again by each follower, so nothing is copied that is not kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Error;
use serde_json::value::RawValue;

/// A payload may have thousands: nothing here looks at one for each other.
pub(super) struct Fields<'a> {
    all: Vec<(Name<'a>, &'a RawValue)>,
    /// What a field should have been, where errors must not tell what it was.
    expected: Option<fn(&str) -> &'static str>,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(payload)
    }

    /// From here on errors say what `expected` says of a field, and never its value.
    pub(super) fn keep_values_secret(&mut self, expected: fn(&str) -> &'static str) {
        self.expected = Some(expected);
    }

    /// Removes a field and reads it; null is the same as no field.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Error> {
        let value = self.remove(name).filter(|value| value.get() != "null");
        value.map(|value| self.read_one(name, value)).transpose()
    }

    /// Like [`Self::take`], for a field that may be absent but not null.
    pub(super) fn take_given<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, Error> {
        let value = self.remove(name);
        value.map(|value| self.read_one(name, value)).transpose()
    }

    fn remove(&mut self, name: &'static str) -> Option<&'a RawValue> {
        let at = self.all.iter().rposition(|field| field.0.0 == name)?;
        Some(self.all.swap_remove(at).1)
    }

    fn read_one<T: DeserializeOwned>(
        &self,
        name: &'static str,
        value: &RawValue,
    ) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| match self.expected {
            Some(expected) => {
                let expected = expected(name);
                Error::custom(format_args!("field {name:?}: expected {expected}"))
            }
            None => in_field(name, &error),
        })
    }

    /// Like [`Self::take`], for a field that must be there.
    pub(super) fn need<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Error> {
        self.take(name)?.ok_or_else(|| Error::missing_field(name))
    }

    /// Reads what is left as one value.
    pub(super) fn read_all<T: DeserializeOwned>(self) -> Result<T, Error> {
        let all = || {
            let fields = self.all.iter().map(|(Name(name), value)| (&**name, *value));
            MapDeserializer::<_, Error>::new(fields)
        };
        // Only what is wrong is read a second time, to find where.
        T::deserialize(all()).or_else(|_| {
            serde_path_to_error::deserialize(all()).map_err(|error| {
                let path = error.path().to_string();
                match &path[..] {
                    "." => error.into_inner(),
                    path => in_field(path, error.inner()),
                }
            })
        })
    }
}

/// The place the error tells is one within the field, and would mislead.
fn in_field(path: &str, error: &Error) -> Error {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    Error::custom(format_args!("field {path:?}: {what}"))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut all = Vec::with_capacity(8);
        while let Some(field) = map.next_entry()? {
            all.push(field);
        }
        Ok(Fields {
            all,
            expected: None,
        })
    }
}
