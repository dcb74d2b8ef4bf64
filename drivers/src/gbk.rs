//! Text for the fonts of screens and boards: GBK, and nothing they do not know.

use encoding_rs::{EncoderResult, GBK};

/// Encodes a text, cut before the character that would make it longer than `bytes_max`. What the
/// fonts lack, and every control character, becomes `?`; two bytes per Chinese character. A whole
/// text in GBK contains neither FF nor anything below 20.
#[must_use]
pub fn encode(text: &str, bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        let character = encode_char(c);
        if bytes.len() + character.len() > bytes_max {
            break;
        }
        bytes.extend(character);
    }
    bytes
}

fn encode_char(c: char) -> Vec<u8> {
    let (mut utf8, mut buffer) = ([0; 4], [0; 8]);
    let text = c.encode_utf8(&mut utf8);
    let mut encoder = GBK.new_encoder();
    let (result, _, written) =
        encoder.encode_from_utf8_without_replacement(text, &mut buffer, true);
    match (result, &buffer[..written]) {
        // The euro sign is a lone 80 in newer tables, which the fonts do not know.
        (EncoderResult::InputEmpty, [byte]) if (0x20..0x7F).contains(byte) => vec![*byte],
        (EncoderResult::InputEmpty, pair @ [_, _]) => pair.to_vec(),
        _ => vec![b'?'],
    }
}

/// For people: what is no GBK shows as U+FFFD.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    GBK.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_gbk_lacks_becomes_a_question_mark() {
        assert_eq!(encode("请A1", 9), [0xC7, 0xEB, b'A', b'1']);
        assert_eq!(encode("€\u{7}😀é", 9), [b'?', b'?', b'?', 0xA8, 0xA6]);
        assert_eq!(encode("A请请", 4), [b'A', 0xC7, 0xEB]);
    }

    proptest! {
        #[test]
        fn no_text_can_end_a_frame(text in "\\PC{0,80}") {
            let bytes = encode(&text, 96);
            prop_assert!(bytes.len() <= 96);
            prop_assert!(!bytes.iter().any(|byte| *byte == 0xFF || *byte < 0x20));
        }
    }
}
