//! Typed, validated identifiers. A value of one of these types is always well formed: parsing is
//! the only way to make one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not an identifier. Names the kind of id, the text (shortened) and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: expected {expected}")]
pub struct IdError {
    pub kind: &'static str,
    pub text: String,
    pub expected: &'static str,
}

fn check(
    kind: &'static str,
    expected: &'static str,
    text: &str,
    length_max: usize,
    allowed: fn(usize, char) -> bool,
) -> Result<(), IdError> {
    let long = text.chars().count() > length_max;
    if text.is_empty() || long || !text.chars().enumerate().all(|(at, c)| allowed(at, c)) {
        let text = text.chars().take(64).collect();
        return Err(IdError {
            kind,
            text,
            expected,
        });
    }
    Ok(())
}

/// Lower-case ASCII, digits and inner dashes: safe as a zenoh key chunk and a file name.
fn is_key_char(at: usize, c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || (at > 0 && c == '-')
}

/// ASCII only and no MQTT meta character: safe as a client id and a topic level.
fn is_device_char(at: usize, c: char) -> bool {
    c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '.' | '_' | '-'))
}

/// Letters of any script and digits: what people print on tickets and hang over counters.
fn is_label_char(at: usize, c: char) -> bool {
    c.is_alphanumeric() || (at > 0 && matches!(c, '.' | '_' | '-'))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $allowed:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(min = 1, max = $max))] String);

        impl $name {
            /// Longest accepted length in characters.
            pub const LENGTH_MAX: usize = $max;

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check($kind, $expected, text, $max, $allowed)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A hall (营业厅) as the fleet knows it; a chunk of every zenoh key.
    StoreId, "store id", 32, is_key_char, "1-32 of a-z, 0-9 and inner '-'");
text_id!(
    /// A device (设备) of the hall; its MQTT client id and a level of its topics.
    DeviceId, "device id", 48, is_device_char, "1-48 of A-Z, a-z, 0-9 and inner '.', '_', '-'");
text_id!(
    /// One power-up of a device; sequence numbers start again with each.
    BootId, "boot id", 48, is_device_char, "1-48 of A-Z, a-z, 0-9 and inner '.', '_', '-'");
text_id!(
    /// A counter (台席, 窗口) as its sign says.
    CounterId, "counter id", 24, is_label_char, "1-24 letters or digits and inner '.', '_', '-'");
text_id!(
    /// A service group customers queue for (队列).
    QueueId, "queue id", 24, is_label_char, "1-24 letters or digits and inner '.', '_', '-'");
text_id!(
    /// A single service (业务) inside a queue.
    ServiceId, "service id", 48, is_label_char, "1-48 letters or digits and inner '.', '_', '-'");
text_id!(
    /// A member of staff (工号).
    StaffId, "staff number", 24, is_label_char, "1-24 letters or digits and inner '.', '_', '-'");
text_id!(
    /// The number printed on a ticket (票号), unique within a hall and a business day.
    TicketNumber, "ticket number", 24, is_label_char, "1-24 letters or digits and inner '.', '_', '-'");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_id_never_holds_what_hurts_an_mqtt_router() {
        for bad in [
            "",
            "a/b",
            "a+",
            "#",
            "$SYS",
            "排队机",
            "-a",
            "a b",
            &"a".repeat(49),
        ] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad:?} was accepted");
        }
        for good in ["tm-1", "KIOSK_07", "a.b", &"a".repeat(48)] {
            assert!(good.parse::<DeviceId>().is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn a_ticket_number_may_be_chinese() {
        assert_eq!(
            "贵宾001".parse::<TicketNumber>().map(|t| t.to_string()),
            Ok("贵宾001".into())
        );
        assert!("A 1".parse::<TicketNumber>().is_err());
        assert!("A001\u{0}".parse::<TicketNumber>().is_err());
    }

    #[test]
    fn the_error_names_kind_text_and_rule() {
        let error = "Wola!".parse::<StoreId>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Wola!\" is not a store id: expected 1-32 of a-z, 0-9 and inner '-'"
        );
    }
}
