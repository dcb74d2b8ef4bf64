//! The device file of a keyboard, read without blocking.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use input_linux::EvdevHandle;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zhiban_vocabulary::device::DeviceIdentity;

/// An open keyboard.
#[derive(Debug)]
pub(super) struct Keyboard(AsyncFd<File>);

impl Keyboard {
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be waited for.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open(path)?;
        // A `File` keeps its descriptor open and the same, which is all that the replacement (an
        // unsafe function, and so forbidden here) wants to be promised.
        #[expect(deprecated, reason = "unsound for other types than files")]
        let file = AsyncFd::with_interest(file, Interest::READABLE)?;
        Ok(Self(file))
    }

    fn handle(&self) -> EvdevHandle<RawFd> {
        EvdevHandle::new(self.0.as_raw_fd())
    }

    /// Takes the keys for ourselves alone, so that none reaches the console. The kernel gives them
    /// back when the file is closed.
    ///
    /// # Errors
    /// When somebody else has them, or the file is no keyboard.
    pub(super) fn grab(&self) -> io::Result<()> {
        self.handle().grab(true)
    }

    /// Who the device says it is; `None` when it is none that can say.
    pub(super) fn identity(&self) -> Option<DeviceIdentity> {
        let handle = self.handle();
        let id = handle.device_id().ok()?;
        Some(DeviceIdentity {
            vendor: Some(format!("usb {:04x}:{:04x}", id.vendor, id.product)),
            model: handle.device_name().ok().and_then(|bytes| text(&bytes)),
            serial: handle.unique_id().ok().and_then(|bytes| text(&bytes)),
            firmware: Some(format!("{:x}.{:02x}", id.version >> 8, id.version & 0xFF)),
            ..DeviceIdentity::default()
        })
    }

    /// Waits for bytes; 0 when there is nothing more to come. Loses nothing when dropped.
    ///
    /// # Errors
    /// When the device is gone.
    pub(super) async fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.async_io(Interest::READABLE, |mut file| file.read(bytes)).await
    }
}

/// A text of the kernel, up to its zero; `None` when there is nothing in it.
fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\0').trim();
    (!text.is_empty()).then(|| text.chars().take(64).collect())
}
