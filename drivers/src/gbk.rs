//! Text for screens and boards: GBK and nothing that could end a frame early.

use encoding_rs::{Encoder, EncoderResult, GBK};

/// Encodes a text, at most `bytes_max` bytes of it and no half character; a Chinese one takes two.
/// What the character set lacks becomes `?`. Nothing below 20 and no FF is ever among the bytes.
#[must_use]
pub(crate) fn to_gbk(text: &str, bytes_max: usize) -> Vec<u8> {
    let mut encoder = GBK.new_encoder();
    let mut bytes = Vec::new();
    for c in text.chars() {
        let character = encode_char(&mut encoder, c);
        if bytes.len() + character.len() > bytes_max {
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
        assert_eq!(to_gbk("请A1", 96), [0xC7, 0xEB, b'A', b'1']);
        assert!(to_gbk("请A1", 1).is_empty());
        assert_eq!(to_gbk("€\u{7}😀é", 96), [b'?', b'?', b'?', 0xA8, 0xA6]);
    }

    proptest! {
        #[test]
        fn no_text_can_end_a_frame(text in "\\PC{0,80}", max in 0..96_usize) {
            let bytes = to_gbk(&text, max);
            prop_assert!(bytes.len() <= max);
            prop_assert!(!GBK.decode_without_bom_handling(&bytes).1);
            prop_assert!(!bytes.iter().any(|byte| *byte == 0xFF || *byte < 0x20));
        }
    }
}
