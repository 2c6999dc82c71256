//! Decoder of one number, string or boolean, appended to the input's buffer.

use std::fmt;

use half::{bf16, f16};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::fault::{Trail, refuse, shorten};
use crate::model::Buffer;

/// Prefix of a string that stands for a Python number; no string that a model accepts contains it.
const PYTHON: char = '\0';

/// Rewrites Python's `NaN`, `Infinity` and `-Infinity`, which JSON lacks, to marked strings.
///
/// Floats are decoded from these strings. Returns `None` if no rewrite is needed.
pub fn without_python_numbers(json: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    if !json.windows(3).any(|three| three == b"NaN" || three == b"Inf") {
        return None;
    }
    let mut out = Vec::with_capacity(json.len() + 64);
    let (mut in_string, mut at) = (false, 0);
    while at < json.len() {
        let word = WORDS.iter().find(|word| !in_string && json[at..].starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"\"\\u0000");
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            continue;
        }
        if in_string && json[at] == b'\\' {
            out.push(json[at]);
            at += 1;
        } else {
            in_string ^= json[at] == b'"';
        }
        out.extend(json.get(at));
        at += 1;
    }
    Some(out)
}

fn python_number(text: &str) -> Option<f64> {
    match text.strip_prefix(PYTHON)? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

pub(super) struct Scalar<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) nullable: bool,
    pub(super) trail: &'a Trail,
}

impl Scalar<'_> {
    pub(super) fn expected(&self) -> &'static str {
        match (&self.buffer, self.nullable) {
            (buffer, false) if buffer.element().is_float() => "a finite number",
            (buffer, true) if buffer.element().is_float() => {
                "a finite number, or null for a missing value"
            }
            (Buffer::Bool(_), _) => "true or false",
            (Buffer::Text(_), _) => "a string without NUL",
            (Buffer::Int8(_), _) => "an integer from -128 to 127",
            (Buffer::Int16(_), _) => "an integer of 16 bits",
            (Buffer::Int32(_), _) => "an integer of 32 bits",
            (Buffer::Int64(_), _) => "an integer of 64 bits",
            (Buffer::Uint8(_), _) => "an integer from 0 to 255",
            (Buffer::Uint16(_), _) => "an integer from 0 to 65535",
            (Buffer::Uint32(_), _) => "an unsigned integer of 32 bits",
            (_, _) => "an unsigned integer of 64 bits",
        }
    }

    fn wrong<E: de::Error>(&self, got: impl Into<String>) -> E {
        self.trail.fault(self.expected(), got)
    }

    /// Appends an integer if it fits; float inputs accept integers too.
    fn integer<E: de::Error>(self, value: i128) -> Result<(), E> {
        macro_rules! fit {
            ($v:ident) => {
                match value.try_into() {
                    Ok(n) => {
                        $v.push(n);
                        true
                    }
                    Err(_) => false,
                }
            };
        }
        let fits = match self.buffer {
            Buffer::Float16(_) | Buffer::Bfloat16(_) | Buffer::Float32(_) | Buffer::Float64(_) => {
                return self.visit_f64(value as f64);
            }
            Buffer::Int8(v) => fit!(v),
            Buffer::Int16(v) => fit!(v),
            Buffer::Int32(v) => fit!(v),
            Buffer::Int64(v) => fit!(v),
            Buffer::Uint8(v) => fit!(v),
            Buffer::Uint16(v) => fit!(v),
            Buffer::Uint32(v) => fit!(v),
            Buffer::Uint64(v) => fit!(v),
            Buffer::Bool(_) | Buffer::Text(_) => false,
        };
        if fits { Ok(()) } else { Err(self.wrong(format!("the number {value}"))) }
    }
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        let takes_integers = self.buffer.element().is_integer();
        match self.buffer {
            // A finite JSON number that overflows to infinity in a narrower float is not valid.
            Buffer::Float16(v) if f16::from_f64(value).is_finite() => v.push(f16::from_f64(value)),
            Buffer::Bfloat16(v) if bf16::from_f64(value).is_finite() => {
                v.push(bf16::from_f64(value));
            }
            Buffer::Float32(v) if (value as f32).is_finite() => v.push(value as f32),
            Buffer::Float64(v) if value.is_finite() => v.push(value),
            // Many clients write 3 as 3.0.
            _ if takes_integers && value.fract() == 0.0 && value.abs() < 2f64.powi(53) => {
                return self.integer(value as i128);
            }
            _ => return Err(self.wrong(format!("the number {value:?}"))),
        }
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        match self.buffer {
            Buffer::Bool(v) => {
                v.push(value);
                Ok(())
            }
            _ => Err(self.wrong(value.to_string())),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        if let Some(number) = python_number(value) {
            match self.buffer {
                Buffer::Float16(v) => v.push(f16::from_f64(number)),
                Buffer::Bfloat16(v) => v.push(bf16::from_f64(number)),
                Buffer::Float32(v) => v.push(number as f32),
                Buffer::Float64(v) => v.push(number),
                _ => return Err(self.wrong(value.trim_start_matches('\0').to_owned())),
            }
            return Ok(());
        }
        match self.buffer {
            // The runtime ends its strings at a NUL.
            Buffer::Text(v) if !value.contains('\0') => {
                v.push(value.to_owned());
                Ok(())
            }
            _ => Err(self.wrong(format!("the string {:?}", shorten(value)))),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        match self.buffer {
            Buffer::Float16(v) if self.nullable => v.push(f16::NAN),
            Buffer::Bfloat16(v) if self.nullable => v.push(bf16::NAN),
            Buffer::Float32(v) if self.nullable => v.push(f32::NAN),
            Buffer::Float64(v) if self.nullable => v.push(f64::NAN),
            _ => return Err(self.wrong("null")),
        }
        Ok(())
    }

    refuse!(list, object);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_numbers_are_told_from_text() {
        let rewritten = |json: &str| {
            without_python_numbers(json.as_bytes())
                .map(|out| String::from_utf8(out).unwrap())
                .unwrap_or_default()
        };
        assert_eq!(rewritten(r#"[1, NaN, -Infinity]"#), r#"[1, "\u0000NaN", "\u0000-Infinity"]"#);
        assert_eq!(
            rewritten(r#"{"NaN": "a \" NaN", "b\\": NaN}"#),
            r#"{"NaN": "a \" NaN", "b\\": "\u0000NaN"}"#
        );
        assert_eq!(without_python_numbers(b"[1, 2]"), None);
        assert!(python_number("\0NaN").unwrap().is_nan());
        assert_eq!(
            (python_number("\0Infinity"), python_number("NaN")),
            (Some(f64::INFINITY), None)
        );
    }
}
