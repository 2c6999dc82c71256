//! Kinds of request failures.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Reason why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The connection was refused.
    ConnectRefused,
    /// The connection could not be made for another reason.
    ConnectFailed,
    /// The TLS handshake failed, for instance because no trusted authority signed the certificate.
    Tls,
    /// No complete answer arrived within the timeout.
    Timeout,
    /// The server closed or reset the connection instead of answering.
    ConnectionClosed,
    /// The response is not valid HTTP/1.1.
    Malformed,
    /// The request was due and never sent: all connections were busy, or the user was until the
    /// end.
    Dropped,
    /// The login's answer contains no token.
    NoToken,
    /// The answer has to be checked whole and is larger than the buffer for checks.
    TooLarge,
    /// The answer has this status, which is not 2xx.
    Status(u16),
    /// The answer failed the scenario's check with this number.
    Check(u16),
}

impl FailureKind {
    /// Returns true if the user waited before this failure, so that its time counts as a latency.
    pub fn took_its_time(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Status(_) | Self::NoToken | Self::TooLarge | Self::Check(_)
        )
    }

    /// Returns true if no complete answer came: the request was due and was not completed.
    pub fn is_unanswered(self) -> bool {
        !matches!(self, Self::NoToken | Self::TooLarge | Self::Status(_) | Self::Check(_))
    }

    /// Returns true if connecting to the target failed; another target may work.
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::ConnectRefused | Self::ConnectFailed | Self::Tls)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectRefused => f.write_str("connection refused"),
            Self::ConnectFailed => f.write_str("connection failed"),
            Self::Tls => f.write_str("TLS handshake failed"),
            Self::Timeout => f.write_str("timed out"),
            Self::ConnectionClosed => f.write_str("connection closed before the answer"),
            Self::Malformed => f.write_str("malformed answer"),
            Self::Dropped => f.write_str(
                "dropped: never sent, since all connections were busy or its login failed",
            ),
            Self::NoToken => f.write_str("the login's answer has no token"),
            Self::TooLarge => f.write_str("the answer is larger than the 1 MiB that checks see"),
            Self::Status(code) => write!(f, "status {code}"),
            Self::Check(number) => write!(f, "check {number} failed"),
        }
    }
}

/// Error for a text that names no kind of failure.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no kind of failure")]
pub struct UnknownFailure(String);

impl FromStr for FailureKind {
    type Err = UnknownFailure;

    /// Reads a kind from its text in result files.
    fn from_str(text: &str) -> Result<Self, UnknownFailure> {
        let plain = [
            Self::ConnectRefused,
            Self::ConnectFailed,
            Self::Tls,
            Self::Timeout,
            Self::ConnectionClosed,
            Self::Malformed,
            Self::Dropped,
            Self::NoToken,
            Self::TooLarge,
        ];
        let numbered = || {
            let status = text.strip_prefix("status ").and_then(|code| code.parse().ok());
            let check = || text.strip_prefix("check ")?.strip_suffix(" failed")?.parse().ok();
            status.map(Self::Status).or_else(|| check().map(Self::Check))
        };
        let known = plain.into_iter().find(|kind| kind.to_string() == text).or_else(numbered);
        known.ok_or_else(|| UnknownFailure(text.to_owned()))
    }
}

/// Failures of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Number of failures.
    pub count: u64,
    /// Time of the first failure, from the start of the plan.
    pub first: Duration,
    /// Time of the last failure, from the start of the plan.
    pub last: Duration,
    /// Sum of the times from sending to the failure.
    pub took: Duration,
    /// Longest time from sending to the failure.
    pub longest: Duration,
}

impl Failures {
    /// Counts one failure that ended at `at` after `took`.
    pub fn add(&mut self, at: Duration, took: Duration) {
        self.merge(&Self { count: 1, first: at, last: at, took, longest: took });
    }

    /// Returns the mean time from sending to the failure.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.took.as_secs_f64() / self.count.max(1) as f64)
    }

    /// Adds the failures of another thread.
    pub fn merge(&mut self, other: &Self) {
        self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.took += other.took;
        self.longest = self.longest.max(other.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_from_their_text() {
        for kind in [
            FailureKind::Tls,
            FailureKind::Dropped,
            FailureKind::TooLarge,
            FailureKind::Status(503),
            FailureKind::Check(2),
        ] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("status of things".parse::<FailureKind>().is_err());
    }
}
