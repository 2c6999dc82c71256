//! When the next thing is to be done.
//!
//! Two kinds of timers: when a user's next request is due, and by when a request must be over.
//! Neither is ever cancelled. A due time carries the user's generation, and one that is out of date
//! is dropped when it comes up. Of deadlines each user has at most one: when it comes up and the
//! user has meanwhile begun a later request, it is set again for that one; so a request that is
//! answered in microseconds, as nearly all are, costs nothing here.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// A user's next request is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
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
    due: BinaryHeap<Reverse<Due>>,
    deadlines: BinaryHeap<Reverse<(Duration, u32)>>,
}

impl Timers {
    /// A user's next request is due.
    pub fn set_due(&mut self, due: Due) {
        self.due.push(Reverse(due));
    }

    /// User `user` is to be looked at then.
    pub fn set_deadline(&mut self, at: Duration, user: u32) {
        self.deadlines.push(Reverse((at, user)));
    }

    /// When the next request is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.due.peek().map(|due| due.0.at)
    }

    /// Takes the next request that is due by `now`.
    pub fn pop_due(&mut self, now: Duration) -> Option<Due> {
        self.due.peek().filter(|due| due.0.at <= now)?;
        self.due.pop().map(|due| due.0)
    }

    /// Takes the next user that is to be looked at by `now`.
    pub fn pop_deadline(&mut self, now: Duration) -> Option<u32> {
        self.deadlines.peek().filter(|deadline| deadline.0.0 <= now)?;
        self.deadlines.pop().map(|deadline| deadline.0.1)
    }

    /// When there is something to do next.
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
        fn due_timers_come_in_order_and_never_early(times in proptest::collection::vec(0u64..1000, 1..100), now in 0u64..1000) {
            let mut timers = Timers::default();
            for (user, &at) in times.iter().enumerate() {
                timers.set_due(Due { at: Duration::from_nanos(at), user: user as u32, generation: 0 });
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
