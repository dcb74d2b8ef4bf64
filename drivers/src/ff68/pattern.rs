//! What the data of a frame looks like, and what in it means something.
//!
//! ```text
//! 4A          this byte
//! {_:2}       two bytes, whatever they are
//! {ticket:ascii4}   a field: ascii, ascii4 (padded with blanks), bcd2, u8, u16 (high byte first)
//! ..          anything, to the end
//! ```

use std::collections::BTreeMap;

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Employee,
    /// Never looked at, logged or shown.
    Password,
    Ticket,
    Queue,
    Window,
    Score,
}

impl Field {
    const ALL: [(&str, Self); 6] = [
        ("employee", Self::Employee),
        ("password", Self::Password),
        ("ticket", Self::Ticket),
        ("queue", Self::Queue),
        ("window", Self::Window),
        ("score", Self::Score),
    ];

    pub(super) fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, field)| *field == self);
        named.map_or("", |(name, _)| name)
    }
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// To the end.
    Open,
    Ascii(usize),
    Bcd(usize),
    /// A number of so many bytes.
    Binary(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Skip(usize),
    Field(Field, Form),
    Rest,
}

/// Fields as texts.
pub(super) type Values = BTreeMap<Field, String>;

/// The data of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// # Errors
    /// The word that is no part of a pattern, or stands where it cannot.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for word in text.split_whitespace() {
            let part = part(word).ok_or_else(|| word.to_owned())?;
            if matches!(parts.last(), Some(Part::Rest | Part::Field(_, Form::Open))) {
                return Err(format!("{word} behind what goes to the end"));
            }
            parts.push(part);
        }
        let pattern = Self(parts);
        let fields: Vec<Field> = pattern.fields().collect();
        let twice = |at: &usize| fields[..*at].contains(&fields[*at]);
        match (0..fields.len()).find(twice) {
            Some(at) => Err(format!("{{{}}} twice", fields[at].as_str())),
            None if pattern.length() > super::frame::DATA_BYTES_MAX => {
                Err(format!("{} bytes", pattern.length()))
            }
            None => Ok(pattern),
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field, _) => Some(*field),
            _ => None,
        })
    }

    /// Whether it can be sent: nothing in it is left open but fields.
    pub(super) fn is_definite(&self) -> bool {
        !self.0.iter().any(|part| matches!(part, Part::Skip(_) | Part::Rest))
    }

    /// Least bytes it takes.
    fn length(&self) -> usize {
        self.0.iter().map(Part::length).sum()
    }

    /// The fields of data that looks like this; `None` when it does not.
    pub(super) fn read(&self, data: &[u8]) -> Option<Values> {
        let mut values = Values::new();
        let mut rest = data;
        for part in &self.0 {
            let length = part.length();
            let (bytes, more) = match part {
                Part::Rest | Part::Field(_, Form::Open) => (rest, &[][..]),
                _ => rest.split_at_checked(length)?,
            };
            rest = more;
            match part {
                Part::Byte(byte) if bytes != [*byte] => return None,
                Part::Field(field, form) => {
                    values.insert(*field, form.read(bytes)?);
                }
                _ => {}
            }
        }
        rest.is_empty().then_some(values)
    }

    /// The data for these fields.
    ///
    /// # Errors
    /// The field that is missing or does not fit.
    pub(super) fn write(&self, values: &Values) -> Result<Vec<u8>, String> {
        let mut data = Vec::new();
        for part in &self.0 {
            match part {
                Part::Byte(byte) => data.push(*byte),
                Part::Skip(length) => data.extend(vec![0; *length]),
                Part::Rest => {}
                Part::Field(field, form) => {
                    let name = field.as_str();
                    let value = values.get(field).ok_or_else(|| format!("no {name}"))?;
                    let bytes = form.write(value);
                    data.extend(bytes.ok_or_else(|| format!("{name} {value} does not fit"))?);
                }
            }
        }
        Ok(data)
    }

    /// The same data without passwords.
    pub(super) fn hide(&self, data: &[u8]) -> Vec<u8> {
        let mut shown = data.to_vec();
        let mut at = 0;
        for part in &self.0 {
            let end = match part {
                Part::Rest | Part::Field(_, Form::Open) => shown.len(),
                _ => at + part.length(),
            };
            if let (Part::Field(Field::Password, _), Some(hidden)) = (part, shown.get_mut(at..end)) {
                hidden.fill(b'*');
            }
            at = end;
        }
        shown
    }

    /// Whether some data looks like both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.classes(), other.classes());
        let length = ours.0.len().max(theirs.0.len());
        let class = |(classes, tail): &(Vec<Class>, Option<Class>), at: usize| {
            classes.get(at).copied().or(*tail)
        };
        (0..length).all(|at| match (class(&ours, at), class(&theirs, at)) {
            (Some(one), Some(other)) => one.meets(other),
            _ => false,
        })
    }

    /// What each byte can be, and what those beyond can be where it has no end.
    fn classes(&self) -> (Vec<Class>, Option<Class>) {
        let mut classes = Vec::new();
        for part in &self.0 {
            let class = match part {
                Part::Byte(byte) => Class::One(*byte),
                Part::Rest => return (classes, Some(Class::Any)),
                Part::Field(_, Form::Open) => return (classes, Some(Class::Ascii)),
                Part::Field(_, Form::Ascii(_)) => Class::Ascii,
                Part::Field(_, Form::Bcd(_)) => Class::Bcd,
                Part::Skip(_) | Part::Field(_, Form::Binary(_)) => Class::Any,
            };
            classes.extend(vec![class; part.length()]);
        }
        (classes, None)
    }
}

fn part(word: &str) -> Option<Part> {
    if word == ".." {
        return Some(Part::Rest);
    }
    let Some(field) = word.strip_prefix('{') else {
        let is_hex = word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(word, 16).ok();
        return byte.filter(|_| is_hex).map(Part::Byte);
    };
    let (name, form) = field.strip_suffix('}')?.split_once(':')?;
    let count = |text: &str| text.parse().ok().filter(|count| (1..=64).contains(count));
    if name == "_" {
        return count(form).map(Part::Skip);
    }
    let (_, field) = *Field::ALL.iter().find(|(known, _)| *known == name)?;
    let form = match form {
        "ascii" => Form::Open,
        "u8" => Form::Binary(1),
        "u16" => Form::Binary(2),
        other => match other.split_at_checked(other.find(|c: char| c.is_ascii_digit())?)? {
            ("ascii", length) => Form::Ascii(count(length)?),
            ("bcd", length) => Form::Bcd(count(length)?),
            _ => return None,
        },
    };
    Some(Part::Field(field, form))
}

impl Part {
    fn length(&self) -> usize {
        match self {
            Self::Byte(_) => 1,
            Self::Rest | Self::Field(_, Form::Open) => 0,
            Self::Skip(length)
            | Self::Field(_, Form::Ascii(length) | Form::Bcd(length) | Form::Binary(length)) => {
                *length
            }
        }
    }
}

impl Form {
    fn read(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Open | Self::Ascii(_) => {
                let is_text = bytes.iter().all(|byte| Class::Ascii.has(*byte));
                let text = std::str::from_utf8(bytes).ok().filter(|_| is_text)?;
                Some(text.trim_matches([' ', '\0']).to_owned())
            }
            Self::Bcd(_) => {
                let is_bcd = bytes.iter().all(|byte| Class::Bcd.has(*byte));
                is_bcd.then(|| bytes.iter().map(|byte| format!("{byte:02X}")).collect())
            }
            Self::Binary(_) => {
                let number = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
                Some(number.to_string())
            }
        }
    }

    fn write(self, value: &str) -> Option<Vec<u8>> {
        let text = value.as_bytes();
        // Of `B016` the digits at the end are what a device of digits shows.
        let before = value.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &value[before.len()..];
        match self {
            Self::Open if value.is_ascii() => Some(text.to_vec()),
            Self::Ascii(length) if value.is_ascii() && text.len() <= length => {
                let mut bytes = text.to_vec();
                bytes.resize(length, b' ');
                Some(bytes)
            }
            Self::Bcd(length) if !digits.is_empty() && digits.len() <= 2 * length => {
                let digits = format!("{digits:0>width$}", width = 2 * length);
                crate::link::replay::hex(&digits)
            }
            Self::Binary(length) => {
                let bytes = digits.parse::<u32>().ok()?.to_be_bytes();
                let (high, low) = bytes.split_at(bytes.len() - length);
                high.iter().all(|byte| *byte == 0).then(|| low.to_vec())
            }
            _ => None,
        }
    }
}

/// What a byte can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    One(u8),
    /// Printable, or a zero as padding.
    Ascii,
    Bcd,
    Any,
}

impl Class {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::One(one) => one == byte,
            Self::Ascii => matches!(byte, 0 | 0x20..=0x7E),
            Self::Bcd => byte >> 4 <= 9 && byte & 15 <= 9,
            Self::Any => true,
        }
    }

    fn meets(self, other: Self) -> bool {
        (0..=u8::MAX).any(|byte| self.has(byte) && other.has(byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn check(text: &str, data: &[u8], expected: &str) {
        let said = match pattern(text).read(data) {
            Some(values) => {
                let pair = |(field, value): (&Field, &String)| format!("{}={value}", field.as_str());
                values.iter().map(pair).collect::<Vec<_>>().join(" ")
            }
            None => "no".into(),
        };
        assert_eq!(said, expected, "{text} {data:02x?}");
    }

    #[test]
    fn data_is_read_by_its_pattern_or_not_at_all() {
        check("", &[], "");
        check("", &[1], "no");
        check("4A", &[0x4A], "");
        check("4A", &[0x4B], "no");
        check("4A {ticket:ascii4}", b"JA16 ", "ticket=A16");
        check("4A {ticket:ascii4}", b"JA16", "no");
        check("{ticket:ascii}", b"B016", "ticket=B016");
        check("{ticket:ascii}", b"B\xFF", "no");
        check("{employee:bcd2} {score:u8}", &[0x20, 0x01, 5], "employee=2001 score=5");
        check("{employee:bcd2}", &[0x2A, 0x01], "no");
        check("{ticket:u16} {_:1} 00", &[1, 2, 9, 0], "ticket=258");
        check("51 ..", &[0x51, 1, 2, 3], "");
        check("51 ..", &[0x51], "");
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for (text, expected) in [
            ("4", "4"),
            ("4A4B", "4A4B"),
            ("+4", "+4"),
            ("{ticket}", "{ticket}"),
            ("{number:u8}", "{number:u8}"),
            ("{ticket:u32}", "{ticket:u32}"),
            ("{ticket:bcd0}", "{ticket:bcd0}"),
            ("{ticket:ascii999}", "{ticket:ascii999}"),
            ("{_:x}", "{_:x}"),
            (".. 00", "00 behind what goes to the end"),
            ("{ticket:ascii} {score:u8}", "{score:u8} behind what goes to the end"),
            ("{score:u8} {score:u8}", "{score} twice"),
            ("{_:64} {_:64} {_:64} {_:64}", "256 bytes"),
        ] {
            assert_eq!(Pattern::parse(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn patterns_that_some_data_fits_both_are_found() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        assert!(overlap("", ""));
        assert!(overlap("01 ..", "01 02"));
        assert!(overlap("..", "{score:u8}"));
        assert!(overlap("{ticket:ascii}", ""));
        assert!(overlap("{ticket:ascii4}", "{employee:bcd4}"));
        assert!(!overlap("01", "02"));
        assert!(!overlap("01", "01 {score:u8}"));
        assert!(!overlap("{ticket:ascii2}", "{_:1} FF"));
        assert!(!overlap("01 02 ..", "01"));
        assert!(!overlap("{ticket:ascii}", "01"));
    }

    #[test]
    fn passwords_are_not_shown() {
        let login = pattern("{employee:ascii4} {password:ascii6} 00");
        assert_eq!(login.hide(b"2001secret\0"), b"2001******\0");
        assert_eq!(pattern("51 {password:ascii}").hide(b"Qabc"), b"Q***");
        assert_eq!(login.hide(b"2001"), b"2001");
    }

    #[test]
    fn fields_are_written_where_they_fit() {
        let write = |text: &str, ticket: &str| {
            let values = Values::from([(Field::Ticket, ticket.to_owned())]);
            pattern(text).write(&values)
        };
        assert_eq!(write("01 {ticket:ascii6}", "B016").unwrap(), b"\x01B016  ");
        assert_eq!(write("{ticket:bcd2}", "B016").unwrap(), [0x00, 0x16]);
        assert_eq!(write("{ticket:u16}", "B258").unwrap(), [1, 2]);
        assert_eq!(write("{ticket:u8}", "B256"), Err("ticket B256 does not fit".into()));
        assert_eq!(write("{ticket:bcd1}", "B123"), Err("ticket B123 does not fit".into()));
        assert_eq!(write("{ticket:bcd1}", "VIP"), Err("ticket VIP does not fit".into()));
        assert_eq!(write("{ticket:ascii6}", "贵宾1"), Err("ticket 贵宾1 does not fit".into()));
        assert_eq!(write("{window:u8}", "B1"), Err("no window".into()));
    }

    proptest! {
        #[test]
        fn any_text_and_data_are_read_or_refused(
            text in "[0-9A-F{}:_. a-z]{0,40}",
            data in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.hide(&data).len(), data.len());
                let _ = pattern.read(&data);
                prop_assert!(pattern.overlaps(&pattern));
            }
        }

        #[test]
        fn patterns_without_overlap_never_take_the_same_data(
            data in proptest::collection::vec(prop_oneof![any::<u8>(), 0x30..0x3A_u8], 0..6),
        ) {
            let patterns = [
                "", "..", "31", "31 ..", "{score:u8}", "{ticket:ascii}", "{ticket:ascii2}",
                "{employee:bcd2}", "{_:1} 32", "{ticket:u16} {score:u8}", "31 {window:bcd1} ..",
            ];
            let takes: Vec<Pattern> = patterns.iter().map(|text| pattern(text))
                .filter(|pattern| pattern.read(&data).is_some()).collect();
            for one in &takes {
                prop_assert!(takes.iter().all(|other| one.overlaps(other)));
            }
        }

        #[test]
        fn what_is_written_is_read_back(ticket in "[A-Z][0-9]{3}", score in 1..=5_u8) {
            let pattern = pattern("4E {ticket:ascii6} {score:u8} {queue:bcd2} {window:ascii}");
            let values = Values::from([
                (Field::Ticket, ticket.clone()),
                (Field::Score, score.to_string()),
                (Field::Queue, "0007".to_owned()),
                (Field::Window, ticket),
            ]);
            let data = pattern.write(&values).unwrap();
            prop_assert_eq!(pattern.read(&data), Some(values));
        }
    }
}
