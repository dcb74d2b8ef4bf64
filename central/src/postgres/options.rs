//! Where the server is and who we are there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use zhiban_config::central;

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// What was sent and is not acknowledged by then: the network or the server is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How to connect; shows no password.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) server: tokio_postgres::Config,
    tls: Arc<ClientConfig>,
}

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
        "database.url: expected database.authority, which encrypts, a socket or a loopback address, or database.allow_plaintext = true, found {0}"
    )]
    Plaintext(String),
    #[error("database.authority: expected certificates in PEM in {}, found: {found}", file.display())]
    Authority { file: PathBuf, found: String },
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
            && config.authority.is_none()
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
        let mode = match config.authority {
            Some(_) => SslMode::Require,
            None => SslMode::Disable,
        };
        options
            .ssl_mode(mode)
            .connect_timeout(CONNECT_TIME_MAX)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX);
        let tls = Arc::new(client(config.authority.as_deref())?);
        Ok(Self {
            server: options,
            tls,
        })
    }

    /// What encrypts, if anything is to be.
    pub(super) fn tls(&self) -> MakeRustlsConnect {
        MakeRustlsConnect::new(ClientConfig::clone(&self.tls))
    }
}

/// Trusts the authorities in a file, and nobody without one.
fn client(authority: Option<&Path>) -> Result<ClientConfig, OptionsError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = authority {
        let unfit = |found: String| OptionsError::Authority {
            file: file.to_owned(),
            found,
        };
        let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
        let read: Vec<_> = read.map_err(|error| unfit(error.to_string()))?;
        if read.is_empty() {
            return Err(unfit("none".into()));
        }
        for certificate in read {
            let added = roots.add(certificate);
            added.map_err(|error| unfit(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the versions of TLS that are safe");
    Ok(config.with_root_certificates(roots).with_no_client_auth())
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
            authority: None,
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
            (
                "postgresql://zhiban@db.example/zhiban",
                "database.authority",
            ),
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
            authority: None,
            allow_plaintext: false,
        });
        std::fs::remove_file(&file).unwrap();
        let read = read.unwrap();
        assert_eq!(read.server.get_password(), Some(&b"s3cret"[..]));
        assert!(!format!("{read:?}").contains("s3cret"));
    }

    #[test]
    fn an_authority_that_is_none_is_named() {
        let file = std::env::temp_dir().join(format!("zhiban-authority-{}", std::process::id()));
        for (text, found) in [(None, "No such file"), (Some("no PEM\n"), "found: none")] {
            let _ = std::fs::remove_file(&file);
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let refused = Options::of(&central::Database {
                url: "postgresql://zhiban@db.example/zhiban".into(),
                password_file: None,
                authority: Some(file.clone()),
                allow_plaintext: false,
            });
            let error = refused.unwrap_err().to_string();
            let named = error.contains("database.authority") && error.contains(found);
            assert!(named && error.contains(file.to_str().unwrap()), "{error}");
        }
        let _ = std::fs::remove_file(&file);
    }
}
