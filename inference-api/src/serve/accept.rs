//! Rate-limited logging of failed accepts: without file descriptors they occur 100 times a second.

use std::{
    io,
    time::{Duration, Instant},
};

const PERIOD: Duration = Duration::from_secs(10);

/// Log of accept failures: the first at once, then their number at most every 10 s.
#[derive(Debug, Default)]
pub(super) struct Failures {
    logged: Option<Instant>,
    not_logged: u64,
}

impl Failures {
    pub(super) fn tell(&mut self, error: &io::Error) {
        self.not_logged += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= PERIOD) {
            tracing::warn!(%error, failures = self.not_logged, "accept failed");
            *self = Self { logged: Some(Instant::now()), not_logged: 0 };
        }
    }
}
