//! Timers of a load thread.
//!
//! There are two kinds: the due time of a user's next request, and the deadline of a request.
//! Neither is ever cancelled. A due time carries the user's generation, and is ignored if that is
//! out of date when the timer fires. Each user has at most one deadline timer. If the user has
//! begun a later request when it fires, it is set again for that one. So a request that is answered
//! in microseconds, as nearly all are, costs nothing here.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Timer for a user's next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Due time, from the start of the plan.
    pub at: Duration,
    /// Index of the user in this thread.
    pub user: u32,
    /// Generation of the user when the timer was set.
    pub generation: u32,
}

/// Timers of one thread.
#[derive(Debug, Default)]
pub struct Timers {
    due: BinaryHeap<Reverse<Due>>,
    deadlines: BinaryHeap<Reverse<(Duration, u32)>>,
}

impl Timers {
    /// Sets the timer for a user's next request.
    pub fn set_due(&mut self, due: Due) {
        self.due.push(Reverse(due));
    }

    /// Sets a timer to check user `user` at `at`.
    pub fn set_deadline(&mut self, at: Duration, user: u32) {
        self.deadlines.push(Reverse((at, user)));
    }

    /// Returns the due time of the next request.
    pub fn next_due(&self) -> Option<Duration> {
        self.due.peek().map(|due| due.0.at)
    }

    /// Removes and returns the next request that is due by `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<Due> {
        self.due.peek().filter(|due| due.0.at <= now)?;
        self.due.pop().map(|due| due.0)
    }

    /// Removes and returns the next user to be checked by `now`.
    pub fn pop_deadline(&mut self, now: Duration) -> Option<u32> {
        self.deadlines.peek().filter(|deadline| deadline.0.0 <= now)?;
        self.deadlines.pop().map(|deadline| deadline.0.1)
    }

    /// Returns the time of the next timer.
    pub fn next(&self) -> Option<Duration> {
        self.next_due().into_iter().chain(self.deadlines.peek().map(|deadline| deadline.0.0)).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_timers_come_in_order_and_never_early(
            times in proptest::collection::vec(0u64..1000, 1..100),
            now in 0u64..1000,
        ) {
            let mut timers = Timers::default();
            for (user, &at) in times.iter().enumerate() {
                timers.set_due(Due {
                    at: Duration::from_nanos(at),
                    user: user as u32,
                    generation: 0,
                });
            }
            let mut popped = Vec::new();
            while let Some(due) = timers.pop_due(Duration::from_nanos(now)) {
                popped.push(due.at.as_nanos() as u64);
            }
            let mut expected: Vec<u64> = times.iter().copied().filter(|&t| t <= now).collect();
            expected.sort_unstable();
            prop_assert_eq!(popped, expected);
            prop_assert!(timers.next().is_none_or(|t| t.as_nanos() as u64 > now));
        }
    }
}
