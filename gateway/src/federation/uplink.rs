//! The transport: a message goes up, the centre's answer comes back, or it did not arrive.

use std::future::Future;
use std::pin::Pin;

use zhiban_vocabulary::envelope::Answer;

/// Why there is no answer. The message may or may not have been committed: it is sent again.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    #[error("the centre is not reached: {0}")]
    Unreachable(String),
    /// The hall's certificate counts no longer.
    #[error("the centre is not reached: {0}")]
    ShutOut(String),
    #[error("the centre did not answer")]
    NoAnswer,
    #[error("the answer cannot be read: {0}")]
    BadAnswer(String),
}

pub(super) type Sending<'u> =
    Pin<Box<dyn Future<Output = Result<Answer, UplinkError>> + Send + 'u>>;

/// One message up, one answer down.
pub trait Uplink: Send + Sync + 'static {
    /// # Errors
    /// [`UplinkError`]: not acknowledged.
    fn send(&self, message: Vec<u8>) -> Sending<'_>;
}
