//! Budget of a sweep.

use std::time::{Duration, Instant};

/// Remaining trials and time.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    trials: Option<u32>,
    until: Option<Instant>,
}

impl Budget {
    /// Creates a budget of trials and of time from now on; `None` is unlimited.
    pub fn new(trials: Option<u32>, time: Option<Duration>) -> Self {
        Self { trials, until: time.and_then(|time| Instant::now().checked_add(time)) }
    }

    /// Returns true if no further trial may begin.
    pub fn is_spent(&self) -> bool {
        self.trials == Some(0) || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Counts a trial.
    pub fn spend(&mut self) {
        self.trials = self.trials.map(|left| left.saturating_sub(1));
    }
}
