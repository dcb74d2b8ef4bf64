//! Server-sent events: the lines of `text/event-stream`, cut into events. Pure.

/// Longest line and longest data of one event, in bytes.
pub const EVENT_BYTES_MAX: usize = 64 << 10;

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty means `message`.
    pub name: String,
    pub data: String,
    /// The id the stream has reached, for `Last-Event-ID`; kept from event to event.
    pub id: String,
}

/// Collects bytes until they are events.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    after_return: bool,
    /// The line or the event is too long and is thrown away whole.
    too_long: bool,
    event: Event,
    has_data: bool,
    bad: u64,
}

impl Reader {
    /// Takes bytes in and gives the events they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    events.extend(self.end_line());
                }
                _ if self.line.len() < EVENT_BYTES_MAX => self.line.push(*byte),
                _ => self.too_long = true,
            }
        }
        events
    }

    /// Events too long to be read, or not text, since the last call.
    pub fn take_bad(&mut self) -> u64 {
        std::mem::take(&mut self.bad)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        match String::from_utf8(line) {
            Ok(line) => self.field(line.trim_start_matches('\u{feff}')),
            Err(_) => self.too_long = true,
        }
        None
    }

    /// A blank line: the event is complete, if there was any.
    fn end_event(&mut self) -> Option<Event> {
        let id = self.event.id.clone();
        let event = std::mem::replace(
            &mut self.event,
            Event {
                id,
                ..Event::default()
            },
        );
        let complete = std::mem::take(&mut self.has_data);
        if std::mem::take(&mut self.too_long) {
            self.bad += 1;
            return None;
        }
        complete.then_some(event)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.event.data.len() + value.len() >= EVENT_BYTES_MAX {
                    self.too_long = true;
                    return;
                }
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" if !value.contains('\0') => value.clone_into(&mut self.event.id),
            // Comments keep the connection open; `retry` is our own matter.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let events = Reader::default().feed(text.as_bytes());
        let parts = |event: Event| (event.name, event.data, event.id);
        events.into_iter().map(parts).collect()
    }

    fn one(name: &str, data: &str, id: &str) -> Vec<(String, String, String)> {
        vec![(name.into(), data.into(), id.into())]
    }

    /// The rules and examples of the HTML standard, section 9.2.
    #[test]
    fn events_are_read_by_the_rules_of_the_standard() {
        assert_eq!(read("data: {\"id\":7}\n\n"), one("", "{\"id\":7}", ""));
        assert_eq!(
            read("event: add\r\nid: 4\r\ndata:73\r\n\r\n"),
            one("add", "73", "4")
        );
        assert_eq!(
            read("data: YHOO\rdata: +2\rdata: 10\r\r"),
            one("", "YHOO\n+2\n10", "")
        );
        assert_eq!(read(": a comment\n\n"), []);
        assert_eq!(read("data: not ended\n"), []);
        assert_eq!(read("data\n\n"), one("", "", ""));
        assert_eq!(read("data:  two blanks\n\n"), one("", " two blanks", ""));
        assert_eq!(
            read("\u{feff}data: x\n\nfield: y\n\n"),
            one("", "x", ""),
            "a mark at the beginning, a field nobody knows"
        );
        let kept = read("id: 1\ndata: a\n\ndata: b\n\n");
        assert_eq!(kept[1].2, "1", "the id stays");
    }

    #[test]
    fn what_is_too_long_or_no_text_is_left_out_and_counted() {
        let mut reader = Reader::default();
        let long = format!("data: {}\n\n", "x".repeat(EVENT_BYTES_MAX));
        assert_eq!(reader.feed(long.as_bytes()), []);
        assert_eq!(reader.feed(b"data: \xff\n\n"), []);
        assert_eq!(reader.feed(b"data: y\n\n").len(), 1);
        assert_eq!(reader.take_bad(), 2);
        let line = format!("data: {}\n", "x".repeat(EVENT_BYTES_MAX / 2));
        assert_eq!(reader.feed(line.repeat(40).as_bytes()), []);
        assert!(reader.event.data.len() <= EVENT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_events_whole_and_byte_by_byte(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':')], 0..300),
            text in "(data: ?[a-z]{0,3}|id:[0-9]|event: e|:|)(\n|\r\n|\r)",
        ) {
            let bytes = [&bytes[..], text.repeat(3).as_bytes()].concat();
            let (mut whole, mut single) = (Reader::default(), Reader::default());
            let at_once = whole.feed(&bytes);
            let one_by_one: Vec<Event> = bytes.chunks(1).flat_map(|byte| single.feed(byte)).collect();
            prop_assert_eq!(at_once, one_by_one);
            prop_assert_eq!(whole.take_bad(), single.take_bad());
        }
    }
}
