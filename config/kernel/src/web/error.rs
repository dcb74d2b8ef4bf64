//! The one form errors take on the wire.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use zhiban_vocabulary::roles::Capability;

use crate::StoreError;

pub type Result<T> = std::result::Result<T, WebError>;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("sign in first")]
    NotSignedIn,
    #[error("staff number or password is wrong")]
    WrongCredentials,
    /// A device that is who it says, and is not let in until a person decides.
    #[error("this device is shut out: {0}")]
    ShutOut(String),
    #[error("the code is wrong")]
    WrongCode,
    #[error("this needs the right {}", .0.as_str())]
    Forbidden(Capability),
    #[error("the password must be changed first")]
    PasswordChangeDue,
    #[error("the request comes from another site")]
    CrossSite,
    #[error("{0} was not found")]
    NotFound(String),
    #[error("{field}: {problem}")]
    Invalid {
        field: &'static str,
        problem: String,
    },
    #[error("{0}")]
    Conflict(String),
    #[error("the body has {found} bytes, at most {most} are taken")]
    TooLarge { found: u64, most: u64 },
    #[error("too many tries, wait {retry_after_s} s")]
    TooMany { retry_after_s: u64 },
    #[error("not available now: {0}")]
    Unavailable(String),
    #[error("internal error")]
    Internal(String),
    /// Another error, with what a program needs to say it in words of its own.
    #[error("{error}")]
    Because {
        error: Box<WebError>,
        reason: &'static str,
        facts: Value,
    },
}

impl WebError {
    /// A field of the request that cannot be used.
    pub fn invalid(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Invalid {
            field,
            problem: problem.to_string(),
        }
    }

    /// Says why in a word of a closed list, with the numbers and names that belong to it, as a
    /// JSON object.
    #[must_use]
    pub fn because(self, reason: &'static str, facts: Value) -> Self {
        Self::Because {
            error: Box::new(self),
            reason,
            facts,
        }
    }
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(reason) => Self::Conflict(reason),
            StoreError::RefusedBecause {
                text,
                reason,
                facts,
            } => Self::Conflict(text).because(reason, facts),
            StoreError::Full
            | StoreError::Stopped(_)
            | StoreError::Damaged(_)
            | StoreError::Unreachable(_) => Self::Unavailable(error.to_string()),
            StoreError::Database(detail) => Self::Internal(detail),
        }
    }
}

impl From<rusqlite::Error> for WebError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// Body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What went wrong, for programs (`code`; `reason` and its `facts` where there is more to say) and
/// people (`message`).
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub facts: Option<Value>,
}

impl WebError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "not-signed-in"),
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong-credentials"),
            Self::ShutOut(_) => (StatusCode::FORBIDDEN, "shut-out"),
            Self::WrongCode => (StatusCode::FORBIDDEN, "wrong-code"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::PasswordChangeDue => (StatusCode::FORBIDDEN, "password-change-due"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Because { error, .. } => error.kind(),
        }
    }

    /// What is said of it on the wire.
    fn detail(self) -> ErrorDetail {
        let mut detail = ErrorDetail {
            code: self.kind().1,
            message: self.to_string(),
            field: None,
            capability: None,
            reason: None,
            facts: None,
        };
        match self {
            Self::Invalid { field, .. } => detail.field = Some(field),
            Self::Forbidden(needed) => detail.capability = Some(needed.as_str()),
            Self::Because {
                error,
                reason,
                facts,
            } => {
                detail = error.detail();
                detail.reason = Some(reason);
                detail.facts = Some(facts);
            }
            _ => {}
        }
        detail
    }

    /// Seconds after which it is worth while to try again.
    fn wait_s(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after_s } => Some(*retry_after_s),
            Self::Unavailable(_) => Some(5),
            Self::Because { error, .. } => error.wait_s(),
            _ => None,
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        if let Self::Internal(detail) = &self {
            tracing::error!(detail, "request failed");
        }
        let (status, _) = self.kind();
        let wait_s = self.wait_s();
        let body = ErrorBody {
            error: self.detail(),
        };
        let mut response = (status, Json(body)).into_response();
        if let Some(value) = wait_s.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}
