//! The one form errors take on the wire.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
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
    #[error("too many tries, wait {retry_after_s} s")]
    TooMany { retry_after_s: u64 },
    #[error("not available now: {0}")]
    Unavailable(String),
    #[error("internal error")]
    Internal(String),
}

impl WebError {
    /// A field of the request that cannot be used.
    pub fn invalid(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Invalid {
            field,
            problem: problem.to_string(),
        }
    }
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(reason) => Self::Conflict(reason),
            StoreError::Full | StoreError::Stopped(_) => Self::Unavailable(error.to_string()),
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

/// What went wrong, for programs (`code`) and people (`message`).
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<&'static str>,
}

impl WebError {
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "not-signed-in"),
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong-credentials"),
            Self::WrongCode => (StatusCode::FORBIDDEN, "wrong-code"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::PasswordChangeDue => (StatusCode::FORBIDDEN, "password-change-due"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        if let Self::Internal(detail) = &self {
            tracing::error!(detail, "request failed");
        }
        let (status, code) = self.kind();
        let field = if let Self::Invalid { field, .. } = &self {
            Some(*field)
        } else {
            None
        };
        let capability = if let Self::Forbidden(needed) = &self {
            Some(needed.as_str())
        } else {
            None
        };
        let detail = ErrorDetail {
            code,
            message: self.to_string(),
            field,
            capability,
        };
        let mut response = (status, Json(ErrorBody { error: detail })).into_response();
        let wait_s = match self {
            Self::TooMany { retry_after_s } => Some(retry_after_s),
            Self::Unavailable(_) => Some(5),
            _ => None,
        };
        if let Some(value) = wait_s.and_then(|s| HeaderValue::from_str(&s.to_string()).ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}
