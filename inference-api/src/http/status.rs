//! The one place where an error becomes an HTTP status.

use axum::http::StatusCode;

/// `Retry-After`, in seconds, of a response to a temporary overload.
pub(super) const RETRY_AFTER: &str = "1";

/// Cause of a response other than 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The request cannot be parsed.
    Malformed,
    /// A value of the request is wrong.
    Invalid,
    /// The API key is missing or wrong.
    Unauthorized,
    /// A page of another origin.
    Forbidden,
    /// Unknown path, model or version.
    NotFound,
    /// Method that the path does not support.
    Method,
    /// Body larger than the limit.
    TooLarge,
    /// Unsupported media type or content coding.
    Media,
    /// Full queue, with the configured status.
    QueueFull(StatusCode),
    /// Loading, draining, or no room for one more response.
    Unavailable,
    /// The request waited longer than allowed.
    Timeout,
    /// Too little memory for this request. Not temporary: a retry would need as much.
    Memory,
    /// Fault of the server.
    Internal,
}

impl Cause {
    /// Returns the status of the response.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Media => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::QueueFull(configured) => configured,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Memory => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the status in protocols whose clients expect 400 for every invalid request: the Open
    /// Inference Protocol and MLflow's.
    pub(super) fn protocol_status(self) -> StatusCode {
        match self {
            Self::Invalid => Self::Malformed.status(),
            other => other.status(),
        }
    }

    /// Returns true if the same request may succeed a little later.
    pub(super) fn is_temporary(self) -> bool {
        matches!(self, Self::QueueFull(_) | Self::Unavailable)
    }
}
