//! A pad page that posts to its hook, as those of 浪潮 (Inspur) halls post to `QueueCity.AddScore`.

use crate::SettingsError;
use crate::link::Tap;
use crate::link::http::{Base, Client, HttpError};

/// One answer of a customer, in the page's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PadAnswer<'a> {
    /// `ItemScore`: the number of the button.
    pub button: u8,
    /// `WindowID`
    pub window: &'a str,
    /// `QueueNum`, empty when the page does not know it.
    pub ticket: &'a str,
}

/// A pad.
#[derive(Debug)]
pub struct PadSimulator(Client);

impl PadSimulator {
    /// A pad that posts to this address.
    ///
    /// # Errors
    /// [`SettingsError`] for anything but a plain `http` address.
    pub fn new(hook: &str) -> Result<Self, SettingsError> {
        Ok(Self(Client::new(Base::read("hook", hook)?, Tap::default())))
    }

    /// Posts an answer. Without an error it is on disk.
    ///
    /// # Errors
    /// [`HttpError`]; a page tries again.
    pub async fn post(&self, answer: &PadAnswer<'_>) -> Result<(), HttpError> {
        let button = answer.button.to_string();
        let form = [
            ("Service", "QueueCity.AddScore"),
            ("QueueNum", answer.ticket),
            ("WindowID", answer.window),
            ("EmpNo", ""),
            ("ItemScore", &button),
            ("ItemContent", ""),
        ];
        self.0.post_secrets("", &form).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
