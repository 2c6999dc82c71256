//! What an answer has to be, beyond being one.

use std::fmt;

use serde_json::Value;

/// A check on an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The status is one of these; without such a check, any 2xx.
    Status(Vec<u16>),
    /// The value at a JSON pointer (RFC 6901) is this one.
    Json(String, Value),
    /// The body has this text in it.
    Contains(String),
}

impl Check {
    /// Whether it needs the body.
    pub fn reads_body(&self) -> bool {
        !matches!(self, Self::Status(_))
    }

    /// Whether an answer passes.
    pub fn passes(&self, status: u16, body: &[u8]) -> bool {
        match self {
            Self::Status(statuses) => statuses.contains(&status),
            Self::Json(pointer, wanted) => {
                let value: Option<Value> = serde_json::from_slice(body).ok();
                value.as_ref().and_then(|value| value.pointer(pointer)) == Some(wanted)
            }
            Self::Contains(text) => body.windows(text.len().max(1)).any(|window| window == text.as_bytes()),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(statuses) => write!(f, "status is one of {statuses:?}"),
            Self::Json(pointer, value) => write!(f, "{pointer} is {value}"),
            Self::Contains(text) => write!(f, "the answer has {text:?} in it"),
        }
    }
}
