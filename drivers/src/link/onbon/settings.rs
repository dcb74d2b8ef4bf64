//! The settings every card has.

use std::time::Duration;

use super::ANY_CARD;
use crate::SettingsError;
use crate::link::{Link, LinkSettings};
use crate::settings::within;

/// Where a card is and how patiently it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) link: Link,
    pub(crate) address: u16,
    /// For one answer.
    pub(crate) ack_timeout: Duration,
    /// Times a frame is sent again when it is not answered.
    pub(crate) retries: u32,
}

/// The same as settings have it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) link: LinkSettings,
    pub(crate) address: Option<u16>,
    pub(crate) ack_timeout_ms: Option<u64>,
    pub(crate) retries: Option<u32>,
}

impl Written {
    /// # Errors
    /// Names the setting that cannot be used.
    pub(crate) fn check(self, ack_timeout_ms: u64) -> Result<Reach, SettingsError> {
        let address = self.address.unwrap_or(ANY_CARD);
        within("address", address.into(), 1, ANY_CARD.into())?;
        let ack_timeout_ms = self.ack_timeout_ms.unwrap_or(ack_timeout_ms);
        within("ack_timeout_ms", ack_timeout_ms, 20, 10_000)?;
        let retries = self.retries.unwrap_or(2);
        within("retries", retries.into(), 0, 10)?;
        Ok(Reach {
            link: self.link.check()?,
            address,
            ack_timeout: Duration::from_millis(ack_timeout_ms),
            retries,
        })
    }
}
