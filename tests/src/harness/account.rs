//! A person at the panel: first-boot set-up, sign-in, and the API behind the cookie.

use std::time::Duration;

use rand::RngExt as _;
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::program::Running;

/// Why the API did not answer as wanted.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{method} {path}: no answer")]
    NoAnswer {
        method: Method,
        path: String,
        source: reqwest::Error,
    },
    #[error("{method} {path}: {status} {body}")]
    Refused {
        method: Method,
        path: String,
        status: StatusCode,
        body: String,
    },
    #[error("{method} {path}: an answer of another form")]
    OtherForm {
        method: Method,
        path: String,
        source: serde_json::Error,
    },
    #[error("{name} has no one-time code: somebody set it up before")]
    NoCode { name: String },
}

/// A signed-in person with a cookie.
#[derive(Debug, Clone)]
pub struct Account {
    client: Client,
    base: String,
    pub staff: String,
    pub password: String,
}

impl Account {
    /// Sets the program up with its one-time code and a random password.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn set_up(running: &Running, staff: &str, name: &str) -> Result<Self, HttpError> {
        let no_code = || HttpError::NoCode {
            name: running.program.name.clone(),
        };
        let code = running.program.setup_code().ok_or_else(no_code)?;
        let account = Self::new(running, staff, &random_password());
        let body = json!({
            "code": code, "staff": staff, "name": name, "password": account.password,
        });
        account
            .send::<Value>(Method::POST, "/api/v1/setup", Some(&body))
            .await?;
        Ok(account)
    }

    /// Signs in with a password that is known.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn sign_in(
        running: &Running,
        staff: &str,
        password: &str,
    ) -> Result<Self, HttpError> {
        let account = Self::new(running, staff, password);
        let body = json!({ "staff": staff, "password": password });
        account
            .send::<Value>(Method::POST, "/api/v1/session", Some(&body))
            .await?;
        Ok(account)
    }

    fn new(running: &Running, staff: &str, password: &str) -> Self {
        let builder = Client::builder()
            .cookie_store(true)
            .no_proxy()
            .timeout(Duration::from_secs(20));
        Self {
            // Only a broken TLS set-up could fail here, and there is none.
            client: builder.build().unwrap_or_default(),
            base: running.url(),
            staff: staff.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Reads a page of the API.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        self.send(Method::GET, path, None).await
    }

    /// Writes to the API.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, HttpError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Puts something into its place.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, HttpError> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// A request of this person whose body or answer is not JSON.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, HttpError> {
        let no_answer = |source| HttpError::NoAnswer {
            method: method.clone(),
            path: path.to_owned(),
            source,
        };
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("origin", &self.base).json(body);
        }
        let answer = request.send().await.map_err(no_answer)?;
        let status = answer.status();
        let text = answer.text().await.map_err(no_answer)?;
        if !status.is_success() {
            let (path, body) = (path.to_owned(), text);
            return Err(HttpError::Refused {
                method,
                path,
                status,
                body,
            });
        }
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|source| HttpError::OtherForm {
            method,
            path: path.to_owned(),
            source,
        })
    }
}

/// Twenty characters nobody could guess.
#[must_use]
pub fn random_password() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let letter = |_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
    (0..20).map(letter).collect()
}
