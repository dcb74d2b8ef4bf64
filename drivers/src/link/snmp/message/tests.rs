use proptest::prelude::*;

use super::*;
use crate::link::replay::hex;

/// `snmpgetnext -v2c` of net-snmp 5.9.3 and the answer of snmpsim 0.4.5, captured on loopback.
const ASKED: &str = "30 38 02 01  01 04 06 6F  66 66 69 63  65 A1 2B 02
    04 1C 7B 58  DA 02 01 00  02 01 00 30  1D 30 0B 06
    07 2B 06 01  02 01 01 02  05 00 30 0E  06 0A 2B 06
    01 02 01 19  03 05 01 02  05 00";
const ANSWERED: &str = "30 45 02 01  01 04 06 6F  66 66 69 63  65 A2 38 02
    04 1C 7B 58  DA 02 01 00  02 01 00 30  2A 30 16 06
    08 2B 06 01  02 01 01 02  00 06 0A 2B  06 01 04 01
    0B 02 03 09  01 30 10 06  0B 2B 06 01  02 01 19 03
    05 01 02 01  04 01 00";
/// The same with `-v1`, past the end of what there is.
const REFUSED: &str = "30 27 02 01  00 04 07 62  72 6F 74 68  65 72 A2 19
    02 04 2F 1D  5C 97 02 01  02 02 01 01  30 0B 30 09
    06 05 2B 06  01 09 01 05  00";

fn bytes(text: &str) -> Vec<u8> {
    hex(text).unwrap()
}

#[test]
fn a_request_is_written_as_net_snmp_writes_it() {
    let names = [
        Oid(vec![1, 3, 6, 1, 2, 1, 1, 2]),
        Oid(vec![1, 3, 6, 1, 2, 1, 25, 3, 5, 1, 2]),
    ];
    let message = Message::next(Version::V2c, 0x1C7B_58DA, &names);
    assert_eq!(message.write(b"office"), bytes(ASKED));
}

#[test]
fn captured_datagrams_are_read() {
    let check = |text: &str, expected: &str, community: &[u8]| {
        let bytes = bytes(text);
        let (message, read) = Message::read(&bytes).unwrap();
        assert_eq!(message.to_string(), expected);
        assert_eq!(read, community);
        assert_eq!(message.write(community), bytes);
        fuzz(&bytes);
    };
    check(
        ASKED,
        "next 477845722, 1.3.6.1.2.1.1.2 = ?, 1.3.6.1.2.1.25.3.5.1.2 = ?",
        b"office",
    );
    check(
        ANSWERED,
        "answer 477845722, 1.3.6.1.2.1.1.2.0 = 1.3.6.1.4.1.11.2.3.9.1, 1.3.6.1.2.1.25.3.5.1.2.1 = 00",
        b"office",
    );
    check(
        REFUSED,
        "answer 790453399 error 2 at 1, 1.3.6.1.9.1 = ?",
        b"brother",
    );
}

#[test]
fn the_monitor_shows_messages_and_never_a_community() {
    let masked = masked(&bytes(ANSWERED));
    assert!(!masked.windows(6).any(|bytes| bytes == b"office"));
    assert_eq!(masked.len(), bytes(ANSWERED).len());
    let two = [masked, bytes(REFUSED), vec![0x30, 0x45, 1]].concat();
    let texts: Vec<bool> = explain(&two).into_iter().map(|piece| piece.good).collect();
    assert_eq!(texts, [true, true, false]);
    assert!(super::masked(b"community of nothing").is_empty());
}

fn any_oid() -> impl Strategy<Value = Oid> {
    let rest = proptest::collection::vec(prop_oneof![0..200_u32, any::<u32>()], 0..12);
    (0..3_u32, 0..40_u32, rest)
        .prop_map(|(first, second, rest)| Oid([vec![first, second], rest].concat()))
}

fn any_message() -> impl Strategy<Value = Message> {
    let value = prop_oneof![
        Just(Value::Null),
        Just(Value::Absent),
        Just(Value::End),
        any::<i64>().prop_map(Value::Integer),
        (-300..300_i64).prop_map(Value::Integer),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Octets),
        any_oid().prop_map(Value::Oid),
    ];
    let values = proptest::collection::vec((any_oid(), value), 0..6);
    let version = prop_oneof![Just(Version::V1), Just(Version::V2c)];
    let kind = prop_oneof![
        Just(Kind::Get),
        Just(Kind::Next),
        Just(Kind::Bulk),
        Just(Kind::Answer)
    ];
    (version, kind, any::<i32>(), 0..20_u32, 0..20_u32, values).prop_map(
        |(version, kind, id, status, index, values)| Message {
            version,
            kind,
            id,
            status,
            index,
            values,
        },
    )
}

proptest! {
    /// Written by us, read by snmp2.
    #[test]
    fn a_message_survives_the_wire(message in any_message(), community in "[ -~]{0,40}") {
        let written = message.write(community.as_bytes());
        fuzz(&written);
        prop_assert_eq!(length(&written), Some(written.len()));
        let (read, read_community) = Message::read(&written).unwrap();
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(read_community, community.as_bytes());
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
        prop_assert!(masked(&bytes).len() <= bytes.len());
    }

    #[test]
    fn a_broken_message_never_panics(
        message in any_message(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut written = message.write(b"public");
        let at = at.index(written.len());
        written[at] = byte;
        fuzz(&written);
        fuzz(&written[..cut.index(written.len())]);
    }
}
