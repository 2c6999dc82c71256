//! Errors in the protocol's format: `{"error": "…"}`.

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    http::errors::{ApiError, RETRY_AFTER},
    repository::{RepositoryError, Unknown},
};

/// Status and message for the client.
#[derive(Debug)]
pub(in crate::http) struct V2Error {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) message: String,
    /// True if the same request may succeed a little later.
    pub(in crate::http) retry: bool,
}

impl V2Error {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry: false }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<Unknown> for V2Error {
    fn from(unknown: Unknown) -> Self {
        Self::new(StatusCode::NOT_FOUND, unknown.to_string())
    }
}

impl From<ApiError> for V2Error {
    fn from(error: ApiError) -> Self {
        // The protocol's clients expect 400 for every invalid request.
        let status = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            other => other,
        };
        Self {
            retry: matches!(error, ApiError::QueueFull(..) | ApiError::Loading | ApiError::Unread),
            ..Self::new(status, error.message())
        }
    }
}

impl From<BytesRejection> for V2Error {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<RepositoryError> for V2Error {
    fn from(error: RepositoryError) -> Self {
        let status = match error {
            RepositoryError::NoSuchModel(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for V2Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        if self.retry {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
