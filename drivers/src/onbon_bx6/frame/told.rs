//! What a card says about itself.

use std::fmt;

/// Bytes of an identity up to its barcode; names for a web service follow, which nobody needs.
const IDENTITY: usize = 47;
const NAMES: usize = 260;
const STATUS: usize = 61;

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// See [`model`].
    pub device: u16,
    /// At most 8 characters of ASCII.
    pub firmware: String,
    /// Whether someone told the card what its screen is like; without that it shows nothing.
    pub is_set_up: bool,
    pub address: u16,
    /// In pixels; so is `height`.
    pub width: u16,
    pub height: u16,
    /// 1 one colour, 3 two, 7 three, FF full colour.
    pub colours: u8,
    pub brightness: u8,
    pub is_on: bool,
    /// At most 16 characters of ASCII.
    pub barcode: Option<String>,
}

/// The answer to the question for its status: what we use of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub is_on: bool,
    pub brightness: u8,
    /// Shows the same until unlocked.
    pub is_locked: bool,
}

/// The name on the card.
#[must_use]
pub fn model(device: u16) -> Option<&'static str> {
    Some(match device {
        0x0154 => "BX-5E1",
        0x0254 => "BX-5E2",
        0x0354 => "BX-5E3",
        0x0052 => "BX-5M1",
        0x0174 => "BX-6E1",
        0x0274 => "BX-6E2",
        0x0374 => "BX-6E3",
        0x0474 => "BX-6E1X",
        0x0574 => "BX-6E2X",
        0x0166 => "BX-6Q1",
        0x0266 => "BX-6Q2",
        0x0366 => "BX-6Q3",
        0x0162 => "BX-6M1",
        _ => return None,
    })
}

impl Identity {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut data = self.device.to_le_bytes().to_vec();
        data.extend(padded::<8>(&self.firmware));
        data.push(u8::from(self.is_set_up));
        data.extend(self.address.to_le_bytes());
        // 57600 baud.
        data.push(2);
        data.extend(self.width.to_le_bytes());
        data.extend(self.height.to_le_bytes());
        data.extend([self.colours, self.brightness, u8::from(self.is_on)]);
        // How the modules are wired: of no use to us.
        data.extend([0; 9]);
        data.push(u8::from(self.barcode.is_some()));
        data.extend(padded::<16>(self.barcode.as_deref().unwrap_or_default()));
        data.resize(IDENTITY + NAMES, 0);
        data
    }

    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let data = data.get(..IDENTITY)?;
        let short = |at: usize| u16::from_le_bytes([data[at], data[at + 1]]);
        let has_barcode = data[30] == 1;
        let barcode = Some(ascii(&data[31..47])).filter(|text| has_barcode && !text.is_empty());
        Some(Self {
            device: short(0),
            firmware: ascii(&data[2..10]),
            is_set_up: data[10] == 1,
            address: short(11),
            width: short(14),
            height: short(16),
            colours: data[18],
            brightness: data[19],
            is_on: data[20] == 1,
            barcode,
        })
    }
}

impl Status {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut data = vec![0; STATUS];
        data[0] = u8::from(self.is_on);
        data[3] = self.brightness;
        data[10] = u8::from(self.is_locked);
        data
    }

    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        // Older firmware may say less behind what we use.
        let data = data.first_chunk::<12>()?;
        Some(Self {
            is_on: data[0] == 1,
            brightness: data[3],
            is_locked: data[10] != 0,
        })
    }
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    bytes
}

/// The printable characters up to the first 0, without blanks around them.
fn ascii(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let printable = bytes.iter().filter(|byte| (0x20..0x7F).contains(*byte));
    let text: String = printable.map(|byte| char::from(*byte)).collect();
    text.trim().to_owned()
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match model(self.device) {
            Some(model) => f.write_str(model)?,
            None => write!(f, "card type {:04X}", self.device)?,
        }
        write!(f, " firmware {}, {}×{}", self.firmware, self.width, self.height)?;
        match &self.barcode {
            Some(barcode) => write!(f, ", {barcode}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switched = if self.is_on { "on" } else { "off" };
        write!(f, "{switched}, brightness {}", self.brightness)?;
        f.write_str(if self.is_locked { ", locked" } else { "" })
    }
}
