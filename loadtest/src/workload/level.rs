//! Load levels: users, or arrivals per second.

use std::{fmt, str::FromStr};

/// A load level and its change over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// A fixed level such as `500`.
    Fixed(f64),
    /// A linear change such as `100..1000`.
    Ramp(f64, f64),
    /// Steps such as `500:5000:500` (from, to, by), each held as a step of its own.
    Steps(f64, f64, f64),
}

/// Highest level allowed.
const MAX: f64 = 10_000_000.0;

impl Level {
    /// Returns the highest level.
    pub fn highest(self) -> f64 {
        match self {
            Self::Fixed(level) | Self::Steps(_, level, _) => level,
            Self::Ramp(from, to) => from.max(to),
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = |text: &str| positive(text).and_then(in_range);
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Self::Ramp(level(from)?, level(to)?));
        }
        match text.split(':').collect::<Vec<_>>()[..] {
            [fixed] => Ok(Self::Fixed(level(fixed)?)),
            [from, to, by] => {
                let (from, to, by) = (level(from)?, level(to)?, level(by)?);
                if from > to {
                    Err("steps go up".to_owned())
                } else {
                    Ok(Self::Steps(from, to, by))
                }
            }
            _ => Err(format!("{text:?} is none of 500, 100..1000 and 500:5000:500")),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(level) => write!(f, "{level}"),
            Self::Ramp(from, to) => write!(f, "{from}..{to}"),
            Self::Steps(from, to, by) => write!(f, "{from}:{to}:{by}"),
        }
    }
}

pub(super) fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err(format!("{text:?} is no number from 0")),
    }
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    number(text)
        .and_then(|value| if value > 0.0 { Ok(value) } else { Err("0 is too little".to_owned()) })
}

pub(super) fn in_range(level: f64) -> Result<f64, String> {
    if level <= MAX { Ok(level) } else { Err(format!("{level} is more than {MAX}")) }
}
