//! Errors in the protocol's format: `{"error": "…"}`.

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    http::{
        errors::ApiError,
        status::{Cause, RETRY_AFTER},
    },
    repository::{RepositoryError, Unknown},
};

/// Cause and message for the client.
#[derive(Debug)]
pub(in crate::http) struct V2Error {
    cause: Cause,
    pub(in crate::http) message: String,
}

impl V2Error {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Cause::Malformed, message)
    }

    /// Returns the error with words in front of its message.
    pub(super) fn prefixed(self, words: &str) -> Self {
        Self { message: words.to_owned() + &self.message, ..self }
    }

    /// Returns the status of the response.
    pub(super) fn status(&self) -> StatusCode {
        self.cause.protocol_status()
    }
}

impl From<Unknown> for V2Error {
    fn from(unknown: Unknown) -> Self {
        Self::new(Cause::NotFound, unknown.to_string())
    }
}

impl From<ApiError> for V2Error {
    fn from(error: ApiError) -> Self {
        Self::new(error.cause(), error.message())
    }
}

impl From<BytesRejection> for V2Error {
    fn from(rejection: BytesRejection) -> Self {
        let cause = match rejection.status() {
            status if status == Cause::TooLarge.status() => Cause::TooLarge,
            _ => Cause::Malformed,
        };
        Self::new(cause, rejection.body_text())
    }
}

impl From<RepositoryError> for V2Error {
    fn from(error: RepositoryError) -> Self {
        let cause = match error {
            RepositoryError::NoSuchModel(_) => Cause::NotFound,
            _ => Cause::Malformed,
        };
        Self::new(cause, error.to_string())
    }
}

impl IntoResponse for V2Error {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(json!({ "error": self.message }))).into_response();
        if self.cause.is_temporary() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
