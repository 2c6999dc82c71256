//! Looks at a window that is still open: a sequential test.
//!
//! Every look is one more chance to err, and the bounds of verdicts are made for four looks at one
//! window. So the looks are few, at times fixed in advance: a window is never judged because it
//! happens to look good.

use std::time::Duration;

use super::{Judgement, Scope, Verdict, chance_to_decide, judge};
use crate::{measure::Window, slo::Slo};

/// Schedule of the looks at an open window, and the threshold for futility stopping.
#[derive(Debug, Clone, PartialEq)]
pub struct Looks {
    after: Vec<u64>,
    least_chance: f64,
}

/// Result of a look.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// The window passed or failed, or the generator limited it.
    Decided(Judgement),
    /// The window is undecided, and the longest one is not likely to be decided.
    Futile(Judgement),
    /// The window is undecided; the next look may decide it.
    Open(Judgement),
}

impl Looks {
    /// Creates looks after these seconds of the window, in ascending order, without futility
    /// stopping.
    pub fn after(seconds: impl IntoIterator<Item = u64>) -> Self {
        Self { after: seconds.into_iter().collect(), least_chance: 0.0 }
    }

    /// Creates looks after `first` seconds, twice as many, and so on, for 32 looks.
    pub fn doubling(first: u64) -> Self {
        Self::after((0..32).map(|power| first << power))
    }

    /// Adds futility stopping: a look gives up if the chance that the longest window decides is
    /// below `least_chance`.
    #[must_use]
    pub fn give_up_below(self, least_chance: f64) -> Self {
        Self { least_chance, ..self }
    }

    /// Returns true if a look is due at a window of `seconds` seconds.
    pub fn is_due(&self, seconds: u64) -> bool {
        self.after.contains(&seconds)
    }

    /// Returns the length of the first look at a window that already has `seconds` seconds; `None`
    /// after the last one.
    pub fn next(&self, seconds: u64) -> Option<u64> {
        self.after.iter().copied().find(|look| *look >= seconds)
    }

    /// Returns the length of the longest window, in seconds.
    pub fn longest(&self) -> u64 {
        self.after.last().copied().unwrap_or(0)
    }

    /// Judges a window at one of the looks.
    pub fn look(
        &self,
        window: &Window,
        objective: &Slo,
        planned_per_second: Option<f64>,
        scope: Scope,
    ) -> Look {
        let judged = judge(window, objective, planned_per_second, scope);
        if judged.verdict != Verdict::Undecided {
            return Look::Decided(judged);
        }
        let longest = Duration::from_secs(self.longest());
        let is_futile = window.length < longest
            && chance_to_decide(window, objective, longest) < self.least_chance;
        if is_futile { Look::Futile(judged) } else { Look::Open(judged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Slice;

    /// Returns a window in which `over` of 5,000 requests are over the limit in every fifth second.
    fn window(seconds: u64, over: u32) -> Window {
        let slice = |i: u64| Slice {
            requests: 5000,
            failures: 0,
            over: [if i % 5 == 2 { over } else { 0 }, 0, 0, 0],
        };
        let slices: Vec<Slice> = (0..seconds).map(slice).collect();
        Window {
            length: Duration::from_secs(seconds),
            requests: seconds * 5000,
            slices,
            ..Window::default()
        }
    }

    #[test]
    fn a_look_decides_waits_or_gives_up() {
        let looks = Looks::after([15, 25, 40, 60]).give_up_below(0.1);
        let objective = "p95<100ms".parse().unwrap();
        let look = |seconds, over| {
            looks.look(&window(seconds, over), &objective, Some(5000.0), Scope::Whole)
        };
        assert!(matches!(look(15, 0), Look::Decided(judged) if judged.verdict == Verdict::Pass));
        assert!(matches!(look(60, 5000), Look::Decided(judged) if judged.verdict == Verdict::Fail));
        assert!(matches!(look(40, 1250), Look::Futile(_)), "5% are over, as many as may be");
        assert!(matches!(look(60, 1250), Look::Open(_)), "at the end there is nothing to give up");
    }

    #[test]
    fn looks_are_at_times_that_are_fixed_before() {
        let looks = Looks::after([15, 25, 40, 60]);
        assert_eq!(
            (looks.next(0), looks.next(15), looks.next(16), looks.next(61)),
            (Some(15), Some(15), Some(25), None)
        );
        assert_eq!((looks.longest(), looks.is_due(25), looks.is_due(26)), (60, true, false));
        let doubling = Looks::doubling(5);
        assert!([5, 10, 20, 40, 5120].into_iter().all(|seconds| doubling.is_due(seconds)));
        assert!([0, 15, 30].into_iter().all(|seconds| !doubling.is_due(seconds)));
    }
}
