//! Where the server is and who we are there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::Host;
use zhiban_config::central;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// What was sent and is not acknowledged by then: the network or the server is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How to connect; shows no password.
#[derive(Debug, Clone)]
pub struct Options(pub(super) tokio_postgres::Config);

/// Why `[database]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    #[error(
        "database.url: expected postgresql://user@host:port/name, found an address that cannot be read: {0}"
    )]
    Url(String),
    #[error(
        "database.url: expected the password in the file database.password_file, found it in the address"
    )]
    PasswordInUrl,
    #[error(
        "database.url: expected a socket or a loopback address, or database.allow_plaintext = true, found {0}"
    )]
    Plaintext(String),
    #[error("database.password_file: {}: {source}", file.display())]
    PasswordFile {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "database.password_file: expected an absolute path, or the name of a systemd credential, found {0} and no $CREDENTIALS_DIRECTORY"
    )]
    NoCredentials(String),
}

impl Options {
    /// Reads `[database]` and the password it points to.
    ///
    /// # Errors
    /// [`OptionsError`] names the key, what is expected and what is found.
    pub fn of(config: &central::Database) -> Result<Self, OptionsError> {
        let parsed = config.url.parse::<tokio_postgres::Config>();
        // Without the source: it may quote the address, and with it a password.
        let mut options = parsed.map_err(|error| OptionsError::Url(error.to_string()))?;
        if options.get_password().is_some() {
            return Err(OptionsError::PasswordInUrl);
        }
        if !config.allow_plaintext
            && let Some(host) = options.get_hosts().iter().find_map(remote)
        {
            return Err(OptionsError::Plaintext(host));
        }
        if let Some(file) = &config.password_file {
            options.password(password(file)?);
        }
        if options.get_application_name().is_none() {
            options.application_name("zhiban-central");
        }
        options
            .ssl_mode(tokio_postgres::config::SslMode::Disable)
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX);
        Ok(Self(options))
    }
}

/// The name of a host that is not this machine.
fn remote(host: &Host) -> Option<String> {
    match host {
        Host::Tcp(name) if name == "localhost" => None,
        Host::Tcp(name) => match name.parse::<std::net::IpAddr>() {
            Ok(address) if address.is_loopback() => None,
            _ => Some(name.clone()),
        },
        Host::Unix(_) => None,
    }
}

/// The first line of a file; the name alone is that of a systemd credential.
fn password(file: &Path) -> Result<String, OptionsError> {
    let file = if file.is_absolute() {
        file.to_owned()
    } else {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
        let missing = || OptionsError::NoCredentials(file.display().to_string());
        PathBuf::from(folder.ok_or_else(missing)?).join(file)
    };
    let text = std::fs::read_to_string(&file);
    let text = text.map_err(|source| OptionsError::PasswordFile { file, source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<Options, OptionsError> {
        Options::of(&central::Database {
            url: url.into(),
            password_file: None,
            allow_plaintext: false,
        })
    }

    #[test]
    fn a_password_stays_in_its_file_and_is_shown_nowhere() {
        for good in [
            "postgresql://zhiban@localhost/zhiban",
            "postgresql://zhiban@127.0.0.1:5433/zhiban",
            "postgresql:///zhiban?host=/run/postgresql&user=zhiban",
        ] {
            options(good).unwrap();
        }
        for (url, key) in [
            (
                "postgresql://zhiban:s3cret@localhost/zhiban",
                "password_file",
            ),
            (
                "postgresql://zhiban:s3cret@localhost:x/zhiban",
                "database.url",
            ),
            ("postgresql://zhiban@db.example/zhiban", "allow_plaintext"),
            ("postgresql://zhiban@10.0.0.1/zhiban", "allow_plaintext"),
        ] {
            let error = options(url).unwrap_err().to_string();
            assert!(error.contains(key) && !error.contains("s3cret"), "{error}");
        }
        let file = std::env::temp_dir().join(format!("zhiban-password-{}", std::process::id()));
        std::fs::write(&file, "s3cret\n").unwrap();
        let read = Options::of(&central::Database {
            url: "postgresql://zhiban@localhost/zhiban".into(),
            password_file: Some(file.clone()),
            allow_plaintext: false,
        });
        std::fs::remove_file(&file).unwrap();
        let read = read.unwrap();
        assert_eq!(read.0.get_password(), Some(&b"s3cret"[..]));
        assert!(!format!("{read:?}").contains("s3cret"));
    }
}
