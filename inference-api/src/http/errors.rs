//! Errors of requests, as JSON.
//!
//! Client errors are 4xx and name the field, the expected value and the received one.
//! A 500 has a single cause: metrics that fail to render.

use std::time::Duration;

use axum::{
    Json,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::status::{Cause, RETRY_AFTER};
use crate::{model::RunError, predict::Fault, repository::Unknown};

/// Reasons for a response other than 200.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApiError {
    /// Body larger than the limit.
    TooLarge {
        /// Limit, in bytes.
        limit: usize,
        /// Description of the received size.
        got: String,
    },
    /// Unreadable body: cut off, or wrongly chunked.
    Unreadable(String),
    /// Body in an unsupported content coding.
    Coding(String),
    /// Body of a media type that the path does not accept.
    Media(String),
    /// Invalid field.
    Fault(Fault),
    /// Unknown model or version.
    Unknown(Unknown),
    /// Values of the right shape and type that the model refused.
    Refused(String),
    /// Too little memory for the request's tensors or response.
    Memory(String),
    /// Full queue: the configured status and the number of waiting requests.
    QueueFull(StatusCode, usize),
    /// Timeout: the limit that the request exceeded.
    Timeout(Duration),
    /// Models that are still loading.
    Loading,
    /// Too many bytes of unread responses over all clients.
    Unread,
    /// Unknown path.
    NotFound(String),
    /// Method that the path does not support.
    Method(Method, String),
    /// Internal error of the server.
    Internal(String),
}

impl ApiError {
    /// Returns the cause, which determines the status.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::TooLarge { .. } => Cause::TooLarge,
            Self::Unreadable(_) => Cause::Malformed,
            Self::Coding(_) | Self::Media(_) => Cause::Media,
            Self::Fault(fault) if fault.malformed => Cause::Malformed,
            Self::Fault(_) | Self::Refused(_) => Cause::Invalid,
            Self::NotFound(_) | Self::Unknown(_) => Cause::NotFound,
            Self::Method(..) => Cause::Method,
            Self::QueueFull(status, _) => Cause::QueueFull(*status),
            Self::Timeout(_) => Cause::Timeout,
            Self::Memory(_) => Cause::Memory,
            Self::Loading | Self::Unread => Cause::Unavailable,
            Self::Internal(_) => Cause::Internal,
        }
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.cause().status()
    }
}

impl ApiError {
    /// Returns the error as JSON; client errors have a field, the expected and the received value.
    fn details(&self) -> serde_json::Value {
        let of = |field: &str, expected: &str, got: &str, message: &str| {
            json!({
                "field": field,
                "expected": expected,
                "got": got,
                "message": message,
            })
        };
        match self {
            Self::TooLarge { limit, got } => of(
                "body",
                &format!("at most {limit} bytes (--max-body-bytes)"),
                got,
                "the body is too large",
            ),
            Self::Unreadable(got) => of("body", "a whole body", got, "the body could not be read"),
            Self::Coding(got) => of(
                "content-encoding",
                "gzip, deflate or none",
                got,
                "the body's content-encoding is not known",
            ),
            Self::Media(got) => of(
                "content-type",
                "application/json or text/csv",
                got,
                "the body's content-type is not known",
            ),
            Self::Fault(fault) => of(&fault.field, &fault.expected, &fault.got, &fault.to_string()),
            Self::Unknown(unknown) => {
                of("model", "a model that is loaded", "another", &unknown.to_string())
            }
            Self::Refused(reason) => {
                of("body", "values that the model takes", reason, "the model refused the values")
            }
            Self::NotFound(path) => {
                of("path", "one of those that GET /openapi.json lists", path, "no such path")
            }
            Self::Method(method, path) => {
                of("method", allowed(path), method.as_str(), &format!("{path} has no {method}"))
            }
            Self::QueueFull(_, waiting) => {
                json!({ "message": format!("the queue is full: {waiting} requests wait") })
            }
            Self::Timeout(limit) => {
                json!({ "message": format!("not answered within {} ms", limit.as_millis()) })
            }
            Self::Memory(reason) => {
                let message = format!("there is not enough memory for this request: {reason}");
                json!({ "message": message })
            }
            Self::Loading => json!({ "message": "the models are being loaded" }),
            Self::Unread => {
                json!({ "message": "clients have not read the answers that they were sent: there \
                    is no room for one more" })
            }
            Self::Internal(message) => json!({ "message": message }),
        }
    }

    /// Returns the error as one sentence.
    pub(super) fn message(&self) -> String {
        let details = self.details();
        let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
        match self {
            Self::Fault(_)
            | Self::Unknown(_)
            | Self::Internal(_)
            | Self::QueueFull(..)
            | Self::Timeout(_)
            | Self::Memory(_)
            | Self::Loading
            | Self::Unread => text("message"),
            _ => format!("{}: expected {}, got {}", text("message"), text("expected"), text("got")),
        }
    }
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(reason) => Self::Refused(reason),
            RunError::Memory(reason) => Self::Memory(reason),
        }
    }
}

impl From<Unknown> for ApiError {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Json(json!({ "error": self.details() }));
        match &self {
            Self::Method(_, path) => {
                (self.status(), [(header::ALLOW, allowed(path))], error).into_response()
            }
            _ if self.cause().is_temporary() => {
                (self.status(), [(header::RETRY_AFTER, RETRY_AFTER)], error).into_response()
            }
            _ => (self.status(), error).into_response(),
        }
    }
}

/// Returns the allowed method of a path.
pub(super) fn allowed(path: &str) -> &'static str {
    let posted = path == "/predict"
        || path == "/invocations"
        || path.ends_with("/infer")
        || path.starts_with("/v2/repository");
    if posted { "POST" } else { "GET" }
}
