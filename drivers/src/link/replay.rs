//! Traces: bytes a device sent, kept as text files, fed to a codec whole and byte by byte.
//!
//! A trace is hex (blanks allowed), `#` starts a comment, and `> event` is what the codec must
//! say after the bytes so far.

/// One trace file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    pub bytes: Vec<u8>,
    pub events: Vec<String>,
}

/// # Errors
/// The number of the line that is not hex, an event or a comment.
pub fn parse(text: &str) -> Result<Trace, String> {
    let mut trace = Trace::default();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(event) = line.strip_prefix("> ") {
            trace.events.push(event.to_owned());
        } else {
            let bytes = hex(line).ok_or_else(|| format!("line {}: not hex", at + 1))?;
            trace.bytes.extend(bytes);
        }
    }
    Ok(trace)
}

/// Feeds the trace to a codec in one piece and then byte by byte to another one, and gives what
/// each said.
pub fn replay<F>(trace: &Trace, mut codec: impl FnMut() -> F) -> [Vec<String>; 2]
where
    F: FnMut(&[u8]) -> Vec<String>,
{
    let whole = codec()(&trace.bytes);
    let fed = codec();
    let single = trace.bytes.chunks(1).flat_map(fed).collect();
    [whole, single]
}

/// Bytes of a hex text; `None` when it is not one.
#[must_use]
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_bytes_events_and_comments() {
        let trace = parse("# from the manual\nA0 ff # tail\n> one\n> two\n").unwrap();
        assert_eq!(trace.bytes, [0xA0, 0xFF]);
        assert_eq!(trace.events, ["one", "two"]);
        assert_eq!(parse("a0\nA"), Err("line 2: not hex".into()));
    }

    #[test]
    fn a_trace_is_fed_whole_and_byte_by_byte() {
        let trace = parse("01 02 03").unwrap();
        let [whole, single] = replay(&trace, || |bytes: &[u8]| vec![format!("{bytes:?}")]);
        assert_eq!(whole, ["[1, 2, 3]"]);
        assert_eq!(single, ["[1]", "[2]", "[3]"]);
    }
}
