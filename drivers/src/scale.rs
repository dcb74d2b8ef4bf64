//! Which end of a pad's scale is the best one. Pads disagree, and nothing on the wire tells.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use zhiban_vocabulary::rating::Score;

/// `best = 1` or `best = 5` in the settings; a pad has no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Best {
    One,
    Five,
}

impl Best {
    /// The score, 5 = best, of what a pad says; `None` outside 1 to 5.
    pub(crate) fn score(self, code: u8) -> Option<Score> {
        match self {
            Self::Five => Score::new(code),
            Self::One => Score::new(6_u8.checked_sub(code)?),
        }
    }
}

impl<'de> Deserialize<'de> for Best {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A number, or the same as text, as forms give it.
struct Written;

impl Visitor<'_> for Written {
    type Value = Best;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1 or 5, whichever is the best score")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Best, E> {
        match value {
            1 => Ok(Best::One),
            5 => Ok(Best::Five),
            _ => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Best, E> {
        let number = value.parse();
        let number = number.map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))?;
        self.visit_i64(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_turned_around_or_not_and_never_left() {
        let scores = |best: Best| -> Vec<Option<u8>> {
            (0..=7)
                .map(|code| best.score(code).map(Score::value))
                .collect()
        };
        let (no, same) = (None, [Some(1), Some(2), Some(3), Some(4), Some(5)]);
        let turned = [Some(5), Some(4), Some(3), Some(2), Some(1)];
        assert_eq!(scores(Best::Five), [&[no][..], &same, &[no, no]].concat());
        assert_eq!(scores(Best::One), [&[no][..], &turned, &[no, no]].concat());
        assert!(
            (0..=u8::MAX)
                .filter(|code| Best::One.score(*code).is_some())
                .count()
                == 5
        );
    }

    #[test]
    fn the_setting_is_one_or_five() {
        #[derive(Debug, serde::Deserialize)]
        struct Pad {
            best: Best,
        }
        let read = |text: &str| toml::from_str::<Pad>(text).map(|pad| pad.best);
        assert_eq!(read("best = 1").unwrap(), Best::One);
        assert_eq!(read("best = '5'").unwrap(), Best::Five);
        assert!(read("best = 3").is_err());
        assert!(read("best = 'first'").is_err());
        assert!(read("").is_err());
    }
}
