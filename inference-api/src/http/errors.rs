//! The one place where errors become statuses and JSON.
//!
//! The client's faults are 4xx and name the field, what was expected and what came. What only we could have done wrong
//! is a 500, and there is one way to it: metrics that do not render.

use axum::{
    Json,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::predict::Fault;

/// Why a request was not answered with 200.
#[derive(Debug)]
pub enum ApiError {
    /// The body is larger than this server takes.
    TooLarge {
        /// What it takes, in bytes.
        limit: usize,
        /// How much came.
        got: String,
    },
    /// The body could not be read: cut off, or wrongly chunked.
    Unreadable(String),
    /// A field is wrong.
    Fault(Fault),
    /// The model refused values of the right shape and type.
    Refused(String),
    /// No such path.
    NotFound(String),
    /// The path has other methods.
    Method(Method, String),
    /// Our own fault.
    Internal(String),
}

impl ApiError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Fault(fault) if fault.malformed => StatusCode::BAD_REQUEST,
            Self::Fault(_) | Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(..) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let error = match self {
            Self::TooLarge { limit, got } => json!({
                "field": "body", "expected": format!("at most {limit} bytes (--max-body-bytes)"), "got": got,
                "message": "the body is too large",
            }),
            Self::Unreadable(got) => json!({
                "field": "body", "expected": "a whole body", "got": got, "message": "the body could not be read",
            }),
            Self::Fault(fault) => json!({
                "field": fault.field, "expected": fault.expected, "got": fault.got, "message": fault.to_string(),
            }),
            Self::Refused(reason) => json!({
                "field": "body", "expected": "values that the model takes", "got": reason, "message": "the model refused the values",
            }),
            Self::NotFound(path) => json!({
                "field": "path", "expected": "POST /predict, GET /model, GET /health or GET /metrics", "got": path,
                "message": "no such path",
            }),
            Self::Method(method, path) => {
                let allowed = if path == "/predict" { "POST" } else { "GET" };
                let error = json!({
                    "field": "method", "expected": allowed, "got": method.as_str(),
                    "message": format!("{path} has no {method}"),
                });
                return (status, [(header::ALLOW, allowed)], Json(json!({ "error": error }))).into_response();
            }
            Self::Internal(message) => json!({ "message": message }),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound(uri.path().to_owned())
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::Method(method, uri.path().to_owned())
}
