//! Rate-limited logging of failed accepts: without file descriptors they occur 100 times a second.

use std::{
    io,
    time::{Duration, Instant},
};

const PERIOD: Duration = Duration::from_secs(10);

/// Log of accept failures: the first at once, then their number at most every 10 s.
#[derive(Debug, Default)]
pub(super) struct Failures {
    told: Option<Instant>,
    untold: u64,
}

impl Failures {
    pub(super) fn tell(&mut self, error: &io::Error) {
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= PERIOD) {
            tracing::warn!(%error, failures = self.untold, "accept failed");
            *self = Self { told: Some(Instant::now()), untold: 0 };
        }
    }
}
