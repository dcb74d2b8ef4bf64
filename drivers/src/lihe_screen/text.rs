//! Text for instant-text frames: GBK and nothing that could end the frame early.

use encoding_rs::{Encoder, EncoderResult, GBK};

/// Longest text in bytes; two per Chinese character.
pub const TEXT_BYTES_MAX: usize = 96;

/// Encodes a text; what the screen's character set lacks becomes `?`. A whole GBK text never
/// contains FF, the terminator of a frame.
#[must_use]
pub fn to_gbk(text: &str) -> Vec<u8> {
    let mut encoder = GBK.new_encoder();
    let mut bytes = Vec::new();
    for c in text.chars() {
        let character = encode_char(&mut encoder, c);
        if bytes.len() + character.len() > TEXT_BYTES_MAX {
            break;
        }
        bytes.extend(character);
    }
    bytes
}

fn encode_char(encoder: &mut Encoder, c: char) -> Vec<u8> {
    let mut buffer = [0; 8];
    let (result, _, written) =
        encoder.encode_from_utf8_without_replacement(c.encode_utf8(&mut [0; 4]), &mut buffer, true);
    *encoder = GBK.new_encoder();
    match (result, &buffer[..written]) {
        // The euro sign is a lone 80 in newer tables, which the screens' fonts do not know.
        (EncoderResult::InputEmpty, [byte]) if (0x20..0x7F).contains(byte) => vec![*byte],
        (EncoderResult::InputEmpty, pair @ [_, _]) => pair.to_vec(),
        _ => vec![b'?'],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_gbk_lacks_becomes_a_question_mark() {
        assert_eq!(to_gbk("请A1"), [0xC7, 0xEB, b'A', b'1']);
        assert_eq!(to_gbk("€\u{7}😀é"), [b'?', b'?', b'?', 0xA8, 0xA6]);
    }

    proptest! {
        #[test]
        fn no_text_can_end_a_frame(text in "\\PC{0,80}") {
            let bytes = to_gbk(&text);
            prop_assert!(bytes.len() <= TEXT_BYTES_MAX);
            prop_assert!(!bytes.iter().any(|byte| *byte == 0xFF || *byte < 0x20));
        }
    }
}
