//! XFS4IoT messages: one JSON object per text frame. Pure.
//!
//! [`Ask`] is the whitelist: there is no other way to write a command, so a command that moves
//! paper, cards or cash cannot be sent.

use serde_json::{Map, Value, json};

/// The commands there are. All of them only read, but for the versions of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    GetServices,
    Capabilities,
    SetVersions,
    Status,
    GetStorage,
}

impl Ask {
    pub const ALL: [Self; 5] = [
        Self::GetServices,
        Self::Capabilities,
        Self::SetVersions,
        Self::Status,
        Self::GetStorage,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetServices => "ServicePublisher.GetServices",
            Self::Capabilities => "Common.Capabilities",
            Self::SetVersions => "Common.SetVersions",
            Self::Status => "Common.Status",
            Self::GetStorage => "Storage.GetStorage",
        }
    }

    /// The command as it is sent. `request` is not 0; only [`Ask::SetVersions`] says anything.
    #[must_use]
    pub fn write(self, request: u64, version: &str, timeout_ms: u64, versions: &Versions) -> String {
        let mut payload = Map::new();
        if self == Self::SetVersions {
            payload = versions.payload();
        }
        // Where the payload of 2021 and the header of 2023 differ, both have it.
        payload.insert("timeout".into(), timeout_ms.into());
        json!({
            "header": {
                "type": "command",
                "name": self.name(),
                "version": version,
                "requestId": request,
                "timeout": timeout_ms,
            },
            "payload": payload,
        })
        .to_string()
    }
}

/// Events that are a reason to ask again.
pub const EVENTS: [&str; 9] = [
    "Common.StatusChangedEvent",
    "Common.ErrorEvent",
    "Printer.PaperThresholdEvent",
    "Printer.TonerThresholdEvent",
    "Printer.InkThresholdEvent",
    "Printer.RetractBinThresholdEvent",
    "Storage.StorageThresholdEvent",
    "Storage.StorageChangedEvent",
    "Storage.StorageErrorEvent",
];

/// Newest major version of any message that is asked for.
const MAJOR_MAX: u64 = 2;

/// Which messages a service offers, in which versions; what is agreed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Name and version such as `2.0`.
    commands: Vec<(String, String)>,
    /// Name and major version.
    events: Vec<(String, u64)>,
}

impl Versions {
    /// All commands in one version: what is asked with before the capabilities are known.
    #[must_use]
    pub fn guess(version: &str) -> Self {
        let commands = Ask::ALL.map(|ask| (ask.name().to_owned(), version.to_owned()));
        Self {
            commands: commands.into(),
            events: Vec::new(),
        }
    }

    /// Reads `interfaces` of the capabilities.
    #[must_use]
    pub fn of(capabilities: &Value) -> Self {
        let mut versions = Self::default();
        let interfaces = capabilities["interfaces"].as_array();
        for interface in interfaces.into_iter().flatten() {
            for ask in Ask::ALL {
                let offered = best(&interface["commands"][ask.name()]);
                let command = offered.map(|(_, version)| (ask.name().to_owned(), version));
                versions.commands.extend(command);
            }
            for event in EVENTS {
                let offered = best(&interface["events"][event]);
                versions.events.extend(offered.map(|(major, _)| (event.to_owned(), major)));
            }
        }
        versions
    }

    /// `None` for a command the service does not offer.
    #[must_use]
    pub fn version(&self, ask: Ask) -> Option<&str> {
        let mut commands = self.commands.iter();
        let found = commands.find(|(name, _)| name == ask.name());
        found.map(|(_, version)| version.as_str())
    }

    fn payload(&self) -> Map<String, Value> {
        let major = |version: &str| version.split('.').next()?.parse::<u64>().ok();
        let commands: Map<String, Value> = self
            .commands
            .iter()
            .filter_map(|(name, version)| Some((name.clone(), major(version)?.into())))
            .collect();
        let events: Map<String, Value> = self
            .events
            .iter()
            .map(|(name, major)| (name.clone(), (*major).into()))
            .collect();
        let mut payload = Map::new();
        for (key, names) in [("commands", commands), ("events", events)] {
            // An empty table is not allowed.
            if !names.is_empty() {
                payload.insert(key.into(), Value::Object(names));
            }
        }
        payload
    }
}

/// The newest version offered that we can read.
fn best(message: &Value) -> Option<(u64, String)> {
    let offered = message["versions"].as_array()?.iter();
    let versions = offered.filter_map(|version| {
        let text = version.as_str()?;
        let major = text.split('.').next()?.parse().ok()?;
        Some((major, text.to_owned()))
    });
    versions.filter(|(major, _)| (1..=MAJOR_MAX).contains(major)).max()
}

/// What a service says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A command was taken, or why it was not.
    Acknowledge {
        request: u64,
        refused: Option<String>,
    },
    Completion {
        request: u64,
        name: String,
        outcome: Outcome,
        payload: Value,
    },
    /// An event, asked for or not.
    Event { name: String, payload: Value },
    /// A command: what only a service reads.
    Command {
        request: u64,
        name: String,
        version: String,
        payload: Value,
    },
}

/// `completionCode` and `errorDescription`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failed { code: String, description: String },
}

/// What is wrong with a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}, found {found}")]
pub struct Malformed {
    pub at: &'static str,
    pub expected: &'static str,
    /// At most 64 characters of it.
    pub found: String,
}

fn malformed(at: &'static str, expected: &'static str, found: &Value) -> Malformed {
    Malformed {
        at,
        expected,
        found: found.to_string().chars().take(64).collect(),
    }
}

/// Reads one message. What 2021 has in the payload and 2023 in the header is taken from either.
///
/// # Errors
/// [`Malformed`] naming the place.
pub fn read(text: &str) -> Result<Message, Malformed> {
    let message: Value = serde_json::from_str(text).map_err(|error| {
        let found = Value::String(error.to_string());
        malformed("message", "a JSON object", &found)
    })?;
    let header = &message["header"];
    let name = header["name"].as_str().unwrap_or_default().to_owned();
    let request = || {
        let request = header["requestId"].as_u64();
        request.ok_or_else(|| malformed("header.requestId", "a number", &header["requestId"]))
    };
    let payload = message["payload"].clone();
    match header["type"].as_str() {
        Some("acknowledge") => Ok(Message::Acknowledge {
            request: request()?,
            refused: refusal(header, &payload),
        }),
        Some("completion") => Ok(Message::Completion {
            request: request()?,
            name,
            outcome: outcome(header, &payload)?,
            payload,
        }),
        Some("event" | "unsolicited") => Ok(Message::Event { name, payload }),
        Some("command") => Ok(Message::Command {
            request: request()?,
            name,
            version: header["version"].as_str().unwrap_or_default().to_owned(),
            payload,
        }),
        _ => {
            let expected = "acknowledge, completion, event, unsolicited or command";
            Err(malformed("header.type", expected, &header["type"]))
        }
    }
}

/// A field of the header, else of the payload.
fn either<'v>(header: &'v Value, payload: &'v Value, key: &str) -> &'v Value {
    match &header[key] {
        Value::Null => &payload[key],
        in_header => in_header,
    }
}

fn refusal(header: &Value, payload: &Value) -> Option<String> {
    let status = either(header, payload, "status").as_str();
    status.filter(|status| *status != "ok").map(str::to_owned)
}

fn outcome(header: &Value, payload: &Value) -> Result<Outcome, Malformed> {
    let code = either(header, payload, "completionCode");
    match code.as_str() {
        Some("success") => Ok(Outcome::Success),
        Some(failure) => {
            let description = either(header, payload, "errorDescription").as_str();
            Ok(Outcome::Failed {
                code: failure.to_owned(),
                description: description.unwrap_or_default().chars().take(120).collect(),
            })
        }
        None => Err(malformed("completionCode", "a code", code)),
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acknowledge { request, refused } => match refused {
                None => write!(f, "{request}: taken"),
                Some(refused) => write!(f, "{request}: not taken, {refused}"),
            },
            Self::Completion { request, name, outcome, .. } => match outcome {
                Outcome::Success => write!(f, "{request}: {name} done"),
                Outcome::Failed { code, .. } => write!(f, "{request}: {name} failed, {code}"),
            },
            Self::Event { name, .. } => write!(f, "{name}"),
            Self::Command { request, name, .. } => write!(f, "{request}: {name}?"),
        }
    }
}

/// For the fuzzer: whatever the bytes are, reading them ends, and so does reading capabilities.
///
/// # Panics
/// When an agreed version cannot be written and read back.
pub fn fuzz(bytes: &[u8]) {
    let Ok(message) = std::str::from_utf8(bytes).map_err(drop).and_then(|text| read(text).map_err(drop)) else {
        return;
    };
    let (Message::Completion { payload, .. } | Message::Event { payload, .. }) = &message else {
        return;
    };
    let versions = Versions::of(payload);
    for ask in Ask::ALL {
        let version = versions.version(ask).unwrap_or("1.0");
        let written = read(&ask.write(1, version, 0, &versions));
        assert!(matches!(written, Ok(Message::Command { name, .. }) if name == ask.name()));
    }
    let _ = super::health::Service::default().status(payload);
}

#[cfg(test)]
mod tests;
