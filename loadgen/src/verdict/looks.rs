//! Looks at a window that is still open: a sequential test.
//!
//! Every look is one more chance to err, and the bounds of verdicts are made for four looks at one window. So there are few, at
//! times that are fixed before: a window is never judged because it happens to look good.

use std::time::Duration;

use super::{Judgement, Scope, Verdict, chance_to_decide, judge};
use crate::{measure::Window, slo::Objective};

/// When an open window is looked at, and when that is given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    after: Vec<u64>,
    least_chance: f64,
}

/// Result of a look.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// The window passed or failed, or the generator was the limit.
    Decided(Judgement),
    /// The window is undecided, and the longest one is not likely to be decided.
    Futile(Judgement),
    /// The window is undecided; the next look may decide it.
    Open(Judgement),
}

impl Looks {
    /// Looks after so many seconds of the window, in ascending order; never futile.
    pub fn after(seconds: impl IntoIterator<Item = u64>) -> Self {
        Self { after: seconds.into_iter().collect(), least_chance: 0.0 }
    }

    /// Looks after `first` seconds, twice as many, and so on, as long as anybody runs a test.
    pub fn doubling(first: u64) -> Self {
        Self::after((0..32).map(|power| first << power))
    }

    /// The same looks, given up where the chance that the longest window decides is less than this.
    #[must_use]
    pub fn give_up_below(self, least_chance: f64) -> Self {
        Self { least_chance, ..self }
    }

    /// Returns whether a window of so many seconds is to be looked at.
    pub fn is_due(&self, seconds: u64) -> bool {
        self.after.contains(&seconds)
    }

    /// Returns the length of the first look at a window that has so many seconds already; `None` after the last one.
    pub fn next(&self, seconds: u64) -> Option<u64> {
        self.after.iter().copied().find(|look| *look >= seconds)
    }

    /// Returns the length of the longest window.
    pub fn longest(&self) -> u64 {
        self.after.last().copied().unwrap_or(0)
    }

    /// Judges a window at one of the looks.
    pub fn look(&self, window: &Window, objective: &Objective, planned_per_second: Option<f64>, scope: Scope) -> Look {
        let judged = judge(window, objective, planned_per_second, scope);
        if judged.verdict != Verdict::Undecided {
            return Look::Decided(judged);
        }
        let longest = Duration::from_secs(self.longest());
        let is_futile = window.length < longest && chance_to_decide(window, objective, longest) < self.least_chance;
        if is_futile { Look::Futile(judged) } else { Look::Open(judged) }
    }
}
