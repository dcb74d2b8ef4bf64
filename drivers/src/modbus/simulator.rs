//! A Modbus device with a register map: RTU on a terminal, Modbus TCP on a socket. Written without the
//! library the driver uses, so that both do not share a fault.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::simulator::{Device, Framing, Shared};
use crate::link::Wire;
use crate::link::modbus::{Function, WORDS_MAX};
use super::frame::encode;
use super::map::{Register, RegisterMap};

/// A pause in the middle of a frame after which the frame is given up.
const FRAME_GAP: Duration = Duration::from_millis(50);

const WRITE_COIL: u8 = 5;

const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_COUNT: u8 = 3;

/// A device whose values can be set.
#[derive(Debug)]
pub struct ModbusSimulator {
    unit: u8,
    map: RegisterMap,
    state: Shared<State>,
}

#[derive(Debug, Default)]
struct State {
    words: BTreeMap<(u8, u16), u16>,
    silent: bool,
    delay: Duration,
}

impl ModbusSimulator {
    /// At 22.5 °C and 45 %, or 230 V.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn new(unit: u8, map_name: &str) -> io::Result<Self> {
        let unknown = || io::Error::other(format!("no register map {map_name:?}"));
        let sensor = Self {
            unit,
            map: super::map::find(map_name).ok_or_else(unknown)?,
            state: Shared::default(),
        };
        for (name, _, _) in sensor.map.polled() {
            let value = match &name[..] {
                "temperature" => 22.5,
                "humidity" => 45.0,
                "voltage" => 230.0,
                _ => 0.0,
            };
            sensor.set_value(&name, value);
        }
        if let Some(coil) = sensor.map.switch {
            let coil = (code(Function::Coil), coil.address);
            sensor.state.lock().words.insert(coil, 0);
        }
        if let Some(serial) = &sensor.map.serial {
            sensor.state.lock().hold(serial, 4_711.0);
        }
        Ok(sensor)
    }

    /// For climate sensors.
    pub fn set(&self, temperature_tenths: i32, humidity_tenths: i32) {
        self.set_value("temperature", f64::from(temperature_tenths) / 10.0);
        self.set_value("humidity", f64::from(humidity_tenths) / 10.0);
    }

    /// Sets a value by its name in the map, such as `energy` or `input.door`, in its unit. A name
    /// the map does not have is ignored.
    pub fn set_value(&self, name: &str, value: f64) {
        let polled = self.map.polled();
        if let Some((_, _, register)) = polled.iter().find(|(known, _, _)| known == name) {
            self.state.lock().hold(register, value);
        }
    }

    /// Whether the switch of the map is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let coil = self.map.switch.map(|coil| (code(Function::Coil), coil.address));
        coil.is_some_and(|coil| self.state.lock().words.get(&coil) == Some(&1))
    }

    pub fn stay_silent(&self, silent: bool) {
        self.state.lock().silent = silent;
    }

    /// Every answer from now on takes this long.
    pub fn answer_after(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// The answer to a request; `None` when there is to be none.
    fn answer(&self, unit: u8, request: &[u8]) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        if unit != self.unit || state.silent {
            return None;
        }
        let function = *request.first()?;
        let answer = match function {
            WRITE_COIL => state.write_coil(request),
            _ => state.read(function, request).map(|values| {
                let bytes = pack(function, &values);
                let length = u8::try_from(bytes.len()).unwrap_or(0);
                [&[function, length][..], &bytes].concat()
            }),
        };
        Some(answer.unwrap_or_else(|exception| vec![function | 0x80, exception]))
    }

    async fn wait(&self) {
        let delay = self.state.lock().delay;
        tokio::time::sleep(delay).await;
    }
}

impl State {
    fn hold(&mut self, register: &Register, value: f64) {
        let words = encode(register, value);
        for (address, word) in (register.address..).zip(words) {
            self.words.insert((code(register.function), address), word);
        }
    }

    fn read(&self, function: u8, request: &[u8]) -> Result<Vec<u16>, u8> {
        if !(1..=4).contains(&function) {
            return Err(ILLEGAL_FUNCTION);
        }
        let [_, a, b, c, d] = *request else {
            return Err(ILLEGAL_COUNT);
        };
        let (address, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        if !(1..=WORDS_MAX).contains(&count) {
            return Err(ILLEGAL_COUNT);
        }
        (u32::from(address)..u32::from(address) + u32::from(count))
            .map(|address| {
                let address = u16::try_from(address).map_err(|_| ILLEGAL_ADDRESS)?;
                let word = self.words.get(&(function, address));
                word.copied().ok_or(ILLEGAL_ADDRESS)
            })
            .collect()
    }
}

impl State {
    fn write_coil(&mut self, request: &[u8]) -> Result<Vec<u8>, u8> {
        let [_, a, b, value @ (0 | 0xFF), 0] = *request else {
            return Err(ILLEGAL_COUNT);
        };
        let coil = (code(Function::Coil), u16::from_be_bytes([a, b]));
        let word = self.words.get_mut(&coil).ok_or(ILLEGAL_ADDRESS)?;
        *word = u16::from(value != 0);
        Ok(request.to_vec())
    }
}

/// Words as they are, bits eight to a byte, the first lowest.
fn pack(function: u8, values: &[u16]) -> Vec<u8> {
    if function > 2 {
        return values.iter().flat_map(|word| word.to_be_bytes()).collect();
    }
    let byte = |bits: &[u16]| {
        let set = bits.iter().zip(0..).filter(|(bit, _)| **bit != 0);
        set.fold(0_u8, |byte, (_, at)| byte | 1 << at)
    };
    values.chunks(8).map(byte).collect()
}

fn code(function: Function) -> u8 {
    match function {
        Function::Coil => 1,
        Function::Discrete => 2,
        Function::Holding => 3,
        Function::Input => 4,
    }
}

impl Device for ModbusSimulator {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, framing: Framing) -> io::Result<()> {
        match framing {
            Framing::Serial => self.serve_rtu(&mut wire).await,
            Framing::Tcp => self.serve_tcp(&mut wire).await,
        }
    }
}

impl ModbusSimulator {
    async fn serve_rtu(&self, wire: &mut Box<dyn Wire>) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut bytes = [0; 256];
        loop {
            let read = wire.read(&mut bytes);
            let read = if pending.is_empty() {
                read.await?
            } else if let Ok(read) = tokio::time::timeout(FRAME_GAP, read).await {
                read?
            } else {
                pending.clear();
                continue;
            };
            if read == 0 {
                return Ok(());
            }
            pending.extend_from_slice(&bytes[..read]);
            while let Some((unit, request)) = take_rtu(&mut pending) {
                let Some(answer) = self.answer(unit, &request) else {
                    continue;
                };
                self.wait().await;
                wire.write_all(&seal([&[unit][..], &answer].concat()))
                    .await?;
            }
        }
    }

    async fn serve_tcp(&self, wire: &mut Box<dyn Wire>) -> io::Result<()> {
        loop {
            let mut head = [0; 7];
            wire.read_exact(&mut head).await?;
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            if head[2..4] != [0, 0] || !(2..=254).contains(&length) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut request = vec![0; length - 1];
            wire.read_exact(&mut request).await?;
            let Some(answer) = self.answer(head[6], &request) else {
                continue;
            };
            self.wait().await;
            let length = u16::try_from(answer.len() + 1).unwrap_or(0).to_be_bytes();
            let answer = [&head[..4], &length, &head[6..], &answer].concat();
            wire.write_all(&answer).await?;
        }
    }
}

/// Takes the first request with a good sum out of the buffer. All requests answered here, and all
/// simple writes, are eight bytes long.
fn take_rtu(pending: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let at = pending
        .windows(8)
        .position(|frame| seal(frame[..6].to_vec()) == frame)?;
    let frame: Vec<u8> = pending.drain(..at + 8).skip(at).collect();
    Some((frame[0], frame[1..6].to_vec()))
}

/// Appends the CRC-16 of Modbus.
fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = frame.iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            let poly = if crc & 1 == 1 { 0xA001 } else { 0 };
            crc >> 1 ^ poly
        })
    });
    frame.extend(crc.to_le_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &[u8], expected: Option<&[u8]>) {
        let sensor = ModbusSimulator::new(1, "xy-md02").unwrap();
        sensor.set_value("temperature", -20.5);
        sensor.set_value("humidity", 54.6);
        assert_eq!(
            sensor.answer(1, request).as_deref(),
            expected,
            "{request:?}"
        );
    }

    #[test]
    fn requests_are_answered_as_the_specification_says() {
        check(&[4, 0, 1, 0, 2], Some(&[4, 4, 0xFF, 0x33, 0x02, 0x22]));
        check(&[4, 0, 2, 0, 2], Some(&[0x84, ILLEGAL_ADDRESS]));
        check(&[3, 0, 1, 0, 1], Some(&[0x83, ILLEGAL_ADDRESS]));
        check(&[4, 0, 1, 0, 0], Some(&[0x84, ILLEGAL_COUNT]));
        check(&[6, 0, 1, 0, 0], Some(&[0x86, ILLEGAL_FUNCTION]));
        check(&[4, 0xFF, 0xFF, 0, 2], Some(&[0x84, ILLEGAL_ADDRESS]));
        let sensor = ModbusSimulator::new(1, "xy-md02").unwrap();
        assert_eq!(sensor.answer(2, &[4, 0, 1, 0, 2]), None);
    }

    #[test]
    fn a_request_is_found_behind_noise() {
        // The example of the Modbus serial line guide: unit 2, function 7 has sum 41 12.
        assert_eq!(seal(vec![0x02, 0x07]), [0x02, 0x07, 0x41, 0x12]);
        let mut pending = vec![0x00, 0x55];
        pending.extend(seal(vec![1, 4, 0, 1, 0, 2]));
        assert_eq!(take_rtu(&mut pending), Some((1, vec![4, 0, 1, 0, 2])));
        assert!(pending.is_empty());
    }
}
