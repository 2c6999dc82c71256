//! When the next thing is to be done.
//!
//! Two kinds of timers with different shapes: due times come in any order and go into a heap; deadlines are all the same
//! distance away, so they come in order and a queue is enough. Neither is ever cancelled: an entry carries the user's
//! generation, and one that is out of date is dropped when it comes up.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// Something to do for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When, from the start of the plan.
    pub at: Duration,
    /// For which user of this thread.
    pub user: u32,
    /// The user's generation when it was set.
    pub generation: u32,
}

/// The timers of one thread.
#[derive(Debug, Default)]
pub struct Timers {
    due: BinaryHeap<Reverse<Timer>>,
    deadlines: VecDeque<Timer>,
}

impl Timers {
    /// A user's next request is due.
    pub fn set_due(&mut self, timer: Timer) {
        self.due.push(Reverse(timer));
    }

    /// A request must be over by then. Calls come with ever later times, since the timeout is the same for all.
    pub fn set_deadline(&mut self, timer: Timer) {
        self.deadlines.push_back(timer);
    }

    /// Takes the next due timer that is not after `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<Timer> {
        self.due.peek().filter(|t| t.0.at <= now)?;
        self.due.pop().map(|t| t.0)
    }

    /// Takes the next deadline that is not after `now`.
    pub fn pop_deadline(&mut self, now: Duration) -> Option<Timer> {
        self.deadlines.front().filter(|t| t.at <= now)?;
        self.deadlines.pop_front()
    }

    /// When there is something to do next.
    pub fn next(&self) -> Option<Duration> {
        let due = self.due.peek().map(|t| t.0.at);
        let deadline = self.deadlines.front().map(|t| t.at);
        match (due, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_timers_come_in_order_and_never_early(times in proptest::collection::vec(0u64..1000, 1..100), now in 0u64..1000) {
            let mut timers = Timers::default();
            for (user, &at) in times.iter().enumerate() {
                timers.set_due(Timer { at: Duration::from_nanos(at), user: user as u32, generation: 0 });
            }
            let mut popped = Vec::new();
            while let Some(timer) = timers.pop_due(Duration::from_nanos(now)) {
                popped.push(timer.at.as_nanos() as u64);
            }
            let mut expected: Vec<u64> = times.iter().copied().filter(|&t| t <= now).collect();
            expected.sort_unstable();
            prop_assert_eq!(popped, expected);
            prop_assert!(timers.next().is_none_or(|t| t.as_nanos() as u64 > now));
        }
    }
}
