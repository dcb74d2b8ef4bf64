//! `settings` of a `novosga` device.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use zhiban_vocabulary::{CounterId, QueueId};

use crate::SettingsError;
use crate::link::http::{Base, Secret};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    unit: u64,
    client_id: String,
    client_secret: Secret,
    username: String,
    password: Password,
    time_zone: String,
    mercure: Option<String>,
    mercure_token: Option<Secret>,
    poll_s: Option<f64>,
    #[serde(default)]
    counters: BTreeMap<String, String>,
    #[serde(default)]
    queues: BTreeMap<String, String>,
}

/// Goes in a form, not in a header: any characters will do.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) base: Base,
    pub(crate) unit: u64,
    client_id: String,
    client_secret: Secret,
    username: String,
    password: Password,
    /// In which NovoSGA writes its times.
    pub(crate) zone: TimeZone,
    pub(crate) hub: Option<(Base, Option<Secret>)>,
    pub(crate) poll: Duration,
    counters: BTreeMap<u64, CounterId>,
    queues: BTreeMap<u64, QueueId>,
}

pub(crate) fn decode(table: toml::Table) -> Result<Settings, SettingsError> {
    let written: Written = crate::settings::decode(table)?;
    let zone = TimeZone::get(&written.time_zone)
        .map_err(|_| SettingsError::new("time_zone", "an IANA zone name", &written.time_zone))?;
    let poll_s = written.poll_s.unwrap_or(5.0);
    if !(0.5..=60.0).contains(&poll_s) {
        return Err(SettingsError::new("poll_s", "0.5 to 60", poll_s));
    }
    let token = written
        .mercure_token
        .map(|token| token.check("mercure_token"))
        .transpose()?;
    let hub = match (written.mercure, token) {
        (Some(hub), token) => Some((Base::read("mercure", &hub)?, token)),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(SettingsError::new("mercure", "the hub's address", "nothing"));
        }
    };
    Ok(Settings {
        base: Base::read("url", &written.url)?,
        unit: written.unit,
        client_id: written.client_id,
        client_secret: written.client_secret.check("client_secret")?,
        username: written.username,
        password: written.password,
        zone,
        hub,
        poll: Duration::from_secs_f64(poll_s),
        counters: ids("counters", written.counters)?,
        queues: ids("queues", written.queues)?,
    })
}

/// Pairs of a number of NovoSGA and a name of ours.
fn ids<T>(key: &str, written: BTreeMap<String, String>) -> Result<BTreeMap<u64, T>, SettingsError>
where
    T: FromStr<Err: Display>,
{
    let check = |(id, name): (String, String)| {
        let key = format!("{key}.{id}");
        let number = id
            .parse()
            .map_err(|_| SettingsError::new(&key, "a number of NovoSGA", &id))?;
        let name = name
            .parse()
            .map_err(|error| SettingsError::new(&key, "a name", error))?;
        Ok((number, name))
    };
    written.into_iter().map(check).collect()
}

impl Settings {
    /// What is sent for a token.
    pub(crate) fn grant(&self) -> [(&'static str, &str); 5] {
        [
            ("grant_type", "password"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.reveal()),
            ("username", &self.username),
            ("password", &self.password.0),
        ]
    }

    pub(crate) fn counter(&self, number: u64) -> Option<CounterId> {
        let set = self.counters.get(&number).cloned();
        set.or_else(|| number.to_string().parse().ok())
    }

    pub(crate) fn queue(&self, service: u64, name: &str) -> Option<QueueId> {
        let set = self.queues.get(&service).cloned();
        let by_name = || name.parse().ok();
        let by_id = || format!("servico-{service}").parse().ok();
        set.or_else(by_name).or_else(by_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "url = 'http://h:8000'\nunit = 1\nclient_id = 'hall'\nclient_secret = 'hush'\n\
                        username = 'hall'\npassword = 'hush hush'\ntime_zone = 'America/Sao_Paulo'\n";

    fn check(text: &str, expected: &str) {
        let answer = match decode(toml::from_str(text).unwrap()) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{text}\n gave {answer}");
        assert!(!answer.contains("hush"), "{answer}");
    }

    #[test]
    fn a_bad_setting_is_named() {
        check(GOOD, "poll: 5s");
        for key in ["url", "unit", "client_id", "client_secret", "username", "password", "time_zone"] {
            let without: Vec<&str> = GOOD.lines().filter(|line| !line.starts_with(key)).collect();
            let expected = format!("settings.{key}: expected a value, found nothing");
            check(&without.join("\n"), &expected);
        }
        check(&GOOD.replace("http:", "https:"), "settings.url: expected http://");
        check(&GOOD.replace("Sao_Paulo", "Sao"), "settings.time_zone: expected an IANA");
        check(&format!("{GOOD}poll_s = 61"), "settings.poll_s: expected 0.5 to 60");
        check(&format!("{GOOD}pol_s = 6"), "settings.pol_s");
        check(&format!("{GOOD}mercure = 'hub'"), "settings.mercure: expected http://");
        check(&format!("{GOOD}mercure_token = 'x'"), "settings.mercure: expected the hub's");
        check(
            &format!("{GOOD}counters = {{ a = '3' }}"),
            "settings.counters.a: expected a number of NovoSGA",
        );
        check(&format!("{GOOD}queues = {{ 1 = '' }}"), "settings.queues.1: expected a name");
    }
}
