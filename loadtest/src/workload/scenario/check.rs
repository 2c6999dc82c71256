//! Checks on answers beyond the transport.

use std::fmt;

use serde_json::Value;

use super::{Sender, data::Data};

/// A check on an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The status is one of these; without such a check, any 2xx passes.
    Status(Vec<u16>),
    /// The value at a JSON pointer (RFC 6901; empty for the whole document) equals the wanted one.
    Json {
        /// JSON pointer.
        pointer: String,
        /// Expected value.
        wanted: Wanted,
        /// Largest allowed difference between numbers.
        tolerance: f64,
    },
    /// The body contains this text.
    Contains(String),
}

/// Expected value of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A fixed value.
    Value(Value),
    /// A column of the row that filled in the request, with the index of its data file.
    Data(usize, String),
}

impl Check {
    /// Returns true if the check needs the body.
    pub fn reads_body(&self) -> bool {
        !matches!(self, Self::Status(_))
    }

    /// Returns true if the answer to this sender's request passes.
    pub(super) fn passes(
        &self,
        status: u16,
        body: &[u8],
        sender: Sender<'_>,
        data: &[Data],
    ) -> bool {
        match self {
            Self::Status(statuses) => statuses.contains(&status),
            Self::Json { pointer, wanted, tolerance } => {
                let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
                let Some(got) = value.pointer(pointer) else { return false };
                match wanted {
                    Wanted::Value(wanted) => is_same(got, wanted, *tolerance),
                    Wanted::Data(file, column) => match data[*file].value(sender, column) {
                        // Cells of a CSV file are text, also where they hold numbers.
                        Some(Value::String(text)) if !got.is_string() => serde_json::from_str(text)
                            .is_ok_and(|wanted| is_same(got, &wanted, *tolerance)),
                        Some(wanted) => is_same(got, wanted, *tolerance),
                        None => false,
                    },
                }
            }
            Self::Contains(text) => {
                body.windows(text.len().max(1)).any(|window| window == text.as_bytes())
            }
        }
    }
}

/// Compares two values, numbers within the tolerance: 1 and 1.0 are equal.
fn is_same(got: &Value, wanted: &Value, tolerance: f64) -> bool {
    match (got, wanted) {
        (Value::Number(got), Value::Number(wanted)) => {
            got == wanted
                || got
                    .as_f64()
                    .zip(wanted.as_f64())
                    .is_some_and(|(got, wanted)| (got - wanted).abs() <= tolerance)
        }
        (Value::Array(got), Value::Array(wanted)) => {
            got.len() == wanted.len()
                && got.iter().zip(wanted).all(|(got, wanted)| is_same(got, wanted, tolerance))
        }
        (Value::Object(got), Value::Object(wanted)) => {
            got.len() == wanted.len()
                && wanted.iter().all(|(key, wanted)| {
                    got.get(key).is_some_and(|got| is_same(got, wanted, tolerance))
                })
        }
        _ => got == wanted,
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(statuses) => write!(f, "status is one of {statuses:?}"),
            Self::Json { pointer, wanted, tolerance } => {
                f.write_str(if pointer.is_empty() { "the answer" } else { pointer })?;
                match wanted {
                    Wanted::Value(value @ (Value::Array(_) | Value::Object(_))) => {
                        let text = value.to_string();
                        let beginning: String = text.chars().take(60).collect();
                        write!(
                            f,
                            " is {beginning}{}",
                            if beginning.len() < text.len() { "…" } else { "" }
                        )?;
                    }
                    Wanted::Value(value) => write!(f, " is {value}")?,
                    Wanted::Data(_, column) => write!(f, " is the row's {column}")?,
                }
                if *tolerance > 0.0 { write!(f, ", give or take {tolerance}") } else { Ok(()) }
            }
            Self::Contains(text) => write!(f, "the answer has {text:?} in it"),
        }
    }
}
