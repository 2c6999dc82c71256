//! How much a sweep may take.

use std::time::{Duration, Instant};

/// Trials and time that are left.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    trials: Option<u32>,
    until: Option<Instant>,
}

impl Budget {
    /// So many trials and so much time from now on; no bound where there is none.
    pub fn new(trials: Option<u32>, time: Option<Duration>) -> Self {
        Self { trials, until: time.and_then(|time| Instant::now().checked_add(time)) }
    }

    /// Whether no other trial may be begun.
    pub fn is_spent(&self) -> bool {
        self.trials == Some(0) || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Counts a trial.
    pub fn spend(&mut self) {
        self.trials = self.trials.map(|left| left.saturating_sub(1));
    }
}
