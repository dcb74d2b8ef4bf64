//! What boards show for a command, in the hall's own words.

use zhiban_vocabulary::command::Display;

use crate::SettingsError;

/// Sentences; `{ticket}` stands for the ticket in `call` and `serving`, `{counter}` for the counter
/// in `call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wording {
    /// Shown when nobody is called; an empty one leaves the board dark.
    pub(crate) welcome: String,
    pub(crate) call: String,
    pub(crate) serving: String,
    pub(crate) pause: String,
}

impl Default for Wording {
    fn default() -> Self {
        Self {
            welcome: "欢迎光临".into(),
            call: "请{ticket}号到{counter}号窗口".into(),
            serving: "正在办理{ticket}号".into(),
            pause: "暂停服务".into(),
        }
    }
}

/// Sentences as settings have them; what is left out is said in ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) welcome: Option<String>,
    pub(crate) call: Option<String>,
    pub(crate) serving: Option<String>,
    pub(crate) pause: Option<String>,
}

impl Written {
    /// # Errors
    /// When a call would not say whom it calls.
    pub(crate) fn check(self) -> Result<Wording, SettingsError> {
        let ours = Wording::default();
        let wording = Wording {
            welcome: self.welcome.unwrap_or(ours.welcome),
            call: self.call.unwrap_or(ours.call),
            serving: self.serving.unwrap_or(ours.serving),
            pause: self.pause.unwrap_or(ours.pause),
        };
        names_a_ticket("call", &wording.call)?;
        Ok(wording)
    }
}

/// # Errors
/// When the sentence of this setting names no ticket.
pub(crate) fn names_a_ticket(key: &str, sentence: &str) -> Result<(), SettingsError> {
    if sentence.contains("{ticket}") {
        return Ok(());
    }
    let expected = "a text with {ticket} and perhaps {counter} in it";
    Err(SettingsError::new(key, expected, sentence))
}

impl Wording {
    pub(crate) fn text(&self, display: &Display) -> String {
        match display {
            Display::Welcome => self.welcome.clone(),
            Display::Pause => self.pause.clone(),
            Display::Serving { .. } => fill(&self.serving, display),
            Display::Call { .. } => fill(&self.call, display),
            Display::Text { text, .. } => text.clone(),
        }
    }
}

/// A sentence with the ticket and the counter of the command in their places.
pub(crate) fn fill(sentence: &str, display: &Display) -> String {
    match display {
        Display::Serving { ticket } => sentence.replace("{ticket}", ticket.as_str()),
        Display::Call { ticket, counter } => sentence
            .replace("{counter}", counter.as_str())
            .replace("{ticket}", ticket.as_str()),
        Display::Welcome | Display::Pause | Display::Text { .. } => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(display: &str, expected: &str) {
        let display = serde_json::from_str(display).unwrap();
        assert_eq!(Wording::default().text(&display), expected);
    }

    #[test]
    fn every_command_has_its_sentence() {
        check(r#"{"show":"welcome"}"#, "欢迎光临");
        check(r#"{"show":"pause"}"#, "暂停服务");
        check(r#"{"show":"serving","ticket":"A1"}"#, "正在办理A1号");
        check(
            r#"{"show":"call","ticket":"A1","counter":"3"}"#,
            "请A1号到3号窗口",
        );
        check(r#"{"show":"text","text":"{ticket}"}"#, "{ticket}");
    }

    #[test]
    fn a_call_that_names_nobody_is_refused() {
        let written = Written {
            call: Some("请到窗口".into()),
            ..Written::default()
        };
        let error = written.check().unwrap_err().to_string();
        assert!(
            error.contains("settings.call: expected a text with {ticket}"),
            "{error}"
        );
    }
}
