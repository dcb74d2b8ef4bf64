//! A sign that remembers what is in its files.

use std::collections::BTreeMap;

use super::frame::{Frame, MProtocol};
use crate::simulator::{FrameDevice, Shared};

/// A sign of one address.
#[derive(Debug)]
pub struct SignSimulator {
    address: [u8; 2],
    files: Shared<BTreeMap<char, String>>,
}

impl SignSimulator {
    /// `address` is two hex digits.
    #[must_use]
    pub fn new(address: [u8; 2]) -> Self {
        Self {
            address,
            files: Shared::default(),
        }
    }

    /// The text in a file, `None` when nothing was written there.
    #[must_use]
    pub fn text(&self, file: char) -> Option<String> {
        self.files.lock().get(&file).cloned()
    }
}

impl FrameDevice for SignSimulator {
    type Codec = MProtocol;

    fn obey(&self, frame: &Frame) -> Option<Vec<u8>> {
        if [*b"00", self.address].contains(&frame.address) {
            let text = String::from_utf8_lossy(&frame.text).into_owned();
            self.files.lock().insert(char::from(frame.file), text);
        }
        None
    }
}
