//! How requests fail.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The connection was refused.
    ConnectRefused,
    /// The connection could not be made for another reason.
    ConnectFailed,
    /// The TLS handshake failed, for instance since nobody who is trusted speaks for the
    /// certificate.
    Tls,
    /// No whole answer within the timeout.
    Timeout,
    /// The server closed or reset the connection instead of answering.
    ConnectionClosed,
    /// What came is no HTTP/1.1 answer.
    Malformed,
    /// It was due and never sent: all connections were busy, or the user was until the end.
    Dropped,
    /// The login's answer has no token.
    NoToken,
    /// An answer that a check has to see whole, and that is larger than what is kept for checks.
    TooLarge,
    /// An answer with this status, which is not 2xx.
    Status(u16),
    /// An answer that did not pass the scenario's check with this number.
    Check(u16),
}

impl FailureKind {
    /// Whether the user was made to wait before it came to this, so that the wait counts among the
    /// times.
    pub fn took_its_time(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Status(_) | Self::NoToken | Self::TooLarge | Self::Check(_)
        )
    }

    /// Whether no whole answer came: the request was due and was not completed.
    pub fn is_unanswered(self) -> bool {
        !matches!(self, Self::NoToken | Self::TooLarge | Self::Status(_) | Self::Check(_))
    }

    /// Whether the target could not be connected to: another one may do.
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

/// Failures of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// When the first one was, from the start of the plan.
    pub first: Duration,
    /// When the last one was.
    pub last: Duration,
    /// How long all of them took together, from sending to the failure.
    pub took: Duration,
    /// How long the longest took.
    pub longest: Duration,
}

impl Failures {
    /// Counts one more, which ended at `at` and took so long.
    pub fn add(&mut self, at: Duration, took: Duration) {
        self.merge(&Self { count: 1, first: at, last: at, took, longest: took });
    }

    /// Returns how long one took, on average.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.took.as_secs_f64() / self.count.max(1) as f64)
    }

    /// Counts another thread's.
    pub fn merge(&mut self, other: &Self) {
        self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.took += other.took;
        self.longest = self.longest.max(other.longest);
    }
}
