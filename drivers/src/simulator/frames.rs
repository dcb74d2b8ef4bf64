//! Devices that hear frames and answer some of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Device, Framing};
use crate::link::Wire;
use crate::link::framer::{Codec, Framer};

/// A device of a protocol of frames; it is a [`Device`], too.
pub trait FrameDevice: Send + Sync + 'static {
    type Codec: Codec<Frame: Send> + Send;

    /// Does what a frame says; gives the bytes of the answer.
    fn obey(&self, frame: &<Self::Codec as Codec>::Frame) -> Option<Vec<u8>>;

    /// How long an answer takes.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

impl<T: FrameDevice> Device for T {
    async fn serve(self: Arc<Self>, mut wire: Box<dyn Wire>, _: Framing) -> io::Result<()> {
        let mut framer = Framer::<T::Codec>::default();
        let mut bytes = [0; 512];
        loop {
            let read = wire.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            for frame in framer.feed(&bytes[..read]) {
                if let Some(answer) = self.obey(&frame) {
                    tokio::time::sleep(self.delay()).await;
                    wire.write_all(&answer).await?;
                }
            }
        }
    }
}
