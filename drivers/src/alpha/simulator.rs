//! A sign that remembers what is in its files.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt;

use super::frame::Parser;
use crate::link::Wire;
use crate::simulator::{Device, Framing, Port};

/// A sign of one address.
#[derive(Debug)]
pub struct SignSimulator {
    sign: Arc<Sign>,
    port: Port,
}

#[derive(Debug)]
struct Sign {
    address: [u8; 2],
    files: Mutex<BTreeMap<char, String>>,
}

impl SignSimulator {
    /// Starts on a new terminal; `address` is two hex digits. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no terminal to be had.
    pub fn start_pty(address: [u8; 2]) -> io::Result<Self> {
        let sign = Sign::new(address);
        let port = Port::pty(Arc::clone(&sign))?;
        Ok(Self { sign, port })
    }

    /// Starts on a free TCP port, as behind a serial-to-Ethernet converter.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start_tcp(address: [u8; 2]) -> io::Result<Self> {
        let sign = Sign::new(address);
        let port = Port::tcp(Arc::clone(&sign)).await?;
        Ok(Self { sign, port })
    }

    /// What the gateway opens: `/dev/pts/N`, or `host:port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.port.path
    }

    /// The text in a file, `None` when nothing was written there.
    #[must_use]
    pub fn text(&self, file: char) -> Option<String> {
        self.sign.files().get(&file).cloned()
    }
}

impl Sign {
    fn new(address: [u8; 2]) -> Arc<Self> {
        Arc::new(Self {
            address,
            files: Mutex::default(),
        })
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<char, String>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for Sign {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut parser = Parser::default();
        let mut bytes = [0; 256];
        loop {
            let read = wire.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            for frame in parser.feed(&bytes[..read]) {
                if [*b"00", self.address].contains(&frame.address) {
                    let text = String::from_utf8_lossy(&frame.text).into_owned();
                    self.files().insert(char::from(frame.file), text);
                }
            }
        }
    }
}
