//! The payload of Sparkplug B, written after `sparkplug_b.proto` of the Eclipse specification 3.0.
//! Fields we do not read (data sets, templates, bytes of files) are left out and skipped.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
    /// Names another form of the whole payload.
    #[prost(string, optional, tag = "4")]
    pub(super) uuid: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(super) properties: Option<PropertySet>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15")]
    pub(super) value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

/// Names and values beside a metric, in the same order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertySet {
    #[prost(string, repeated, tag = "1")]
    pub(super) keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) values: Vec<PropertyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertyValue {
    #[prost(string, optional, tag = "8")]
    pub(super) text: Option<String>,
}

/// Types whose bits are a signed number, or a truth value.
const INT8: u32 = 1;
const INT16: u32 = 2;
const INT32: u32 = 3;
const INT64: u32 = 4;
pub(super) const BOOLEAN: u32 = 11;

/// What a metric holds, once its type is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held {
    Number(serde_json::Number),
    Boolean(bool),
    Text(String),
}

/// `None` for a number JSON has no word for.
pub(super) fn held(value: &Value, datatype: u32) -> Option<Held> {
    let whole = |number: i64| Some(Held::Number(number.into()));
    match value {
        Value::Int(bits) => match datatype {
            BOOLEAN => Some(Held::Boolean(*bits != 0)),
            // The upper bits are the sign again, or nothing: the encoders differ.
            INT8 => whole(i64::from(bits.to_le_bytes()[0].cast_signed())),
            INT16 => {
                let [low, high, ..] = bits.to_le_bytes();
                whole(i64::from(i16::from_le_bytes([low, high])))
            }
            INT32 => whole(i64::from(bits.cast_signed())),
            _ => whole(i64::from(*bits)),
        },
        // Some encoders put every whole number here.
        Value::Long(bits) => match datatype {
            INT8..=INT64 => whole(bits.cast_signed()),
            _ => Some(Held::Number((*bits).into())),
        },
        Value::Float(number) => float(*number),
        Value::Double(number) => serde_json::Number::from_f64(*number).map(Held::Number),
        Value::Boolean(on) => Some(Held::Boolean(*on)),
        Value::Text(text) => Some(Held::Text(text.clone())),
    }
}

/// 21.5 as the device meant it, not the double nearest to its single.
fn float(number: f32) -> Option<Held> {
    let exact: f64 = number.to_string().parse().ok()?;
    serde_json::Number::from_f64(exact).map(Held::Number)
}
