//! Requests due in a window: those sent to a service that answers at once.
//!
//! Users who start together think in step for a while, and the number of arrivals varies around
//! their rate: over a short window neither equals the mean. A generator draws think times from
//! separate streams, so the counts here use exactly the same times.

use std::time::Duration;

use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::{Plan, Segment, StepTimes, Traffic, WaitTime};

/// Most requests counted one by one, which takes some milliseconds. Above it, a few requests more
/// or fewer do not change the rate.
const MOST: f64 = 1e5;

/// Returns the random generator of a user's think times.
pub fn think_times(seed: u64, user: u32) -> Pcg32 {
    const STREAM: u64 = 0x7468_696e_6b00_0000;
    Pcg32::seed_from_u64(seed ^ STREAM ^ (u64::from(user) << 32))
}

impl Plan {
    /// Returns the requests due in each window, given as from and to from the start of the plan.
    /// `None` if there is no rate to keep, or if they are too many to count.
    pub fn due_between(&self, windows: &[(Duration, Duration)]) -> Option<Vec<u64>> {
        let last = windows.iter().map(|(_, to)| *to).max()?;
        let highest = self.steps.iter().map(|step| step.target).fold(self.start, f64::max);
        let rate = match self.traffic {
            Traffic::Closed(wait_time) => wait_time.planned_per_second(highest)?,
            Traffic::Open { .. } => highest,
        };
        if rate * last.as_secs_f64() > MOST {
            return None;
        }
        let mut counts = vec![0; windows.len()];
        let mut count = |due: Duration| {
            for (count, (from, to)) in counts.iter_mut().zip(windows) {
                *count += u64::from((*from..*to).contains(&due));
            }
        };
        match self.traffic {
            Traffic::Closed(wait_time) => self.due_of_users(wait_time, last, &mut count),
            Traffic::Open { .. } => {
                let arrivals = Segment::whole(self.clone(), Vec::new()).arrivals();
                arrivals.into_iter().flatten().take_while(|due| *due < last).for_each(&mut count);
            }
        }
        Some(counts)
    }

    /// Returns the requests per second due in each step's window.
    pub fn due_per_second(&self) -> Vec<Option<f64>> {
        let whole = |times: &StepTimes| (times.measured_from, times.end);
        self.due_per_second_in(&self.times().iter().map(whole).collect::<Vec<_>>())
    }

    /// Returns the requests per second due in a window of each step, or its planned rate if they
    /// are too many to count; `None` if there is no rate to keep.
    pub fn due_per_second_in(&self, windows: &[(Duration, Duration)]) -> Vec<Option<f64>> {
        let counted = self.due_between(windows);
        let of = |(index, (from, to)): (usize, &(Duration, Duration))| {
            let length = to.saturating_sub(*from).as_secs_f64();
            let counted = counted.as_ref().map(|counts| counts[index] as f64 / length);
            let counted = counted.filter(|_| length > 0.0);
            counted.or_else(|| self.planned_per_second(index))
        };
        windows.iter().enumerate().map(of).collect()
    }

    fn due_of_users(&self, wait_time: WaitTime, last: Duration, count: &mut impl FnMut(Duration)) {
        let times = self.times();
        for user in 0..self.max_users() {
            let mut rng = think_times(self.seed, user);
            let mut after = Duration::ZERO;
            while let Some(presence) =
                self.presence(user, &times, after).filter(|presence| presence.from < last)
            {
                let mut due = presence.from;
                while due < presence.until.min(last) {
                    count(due);
                    due = wait_time.next_due(due, due, &mut rng);
                }
                if presence.until >= last {
                    break;
                }
                after = presence.until;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workload::{Gaps, Step};

    const SECOND: Duration = Duration::from_secs(1);

    fn plan(target: f64, hold: Duration, traffic: Traffic) -> Plan {
        let step = Step { target, ramp: Duration::ZERO, hold, warm_up: Duration::ZERO };
        Plan { start: 0.0, steps: vec![step], traffic, seed: 1 }
    }

    fn closed(wait_time: &str) -> Traffic {
        Traffic::Closed(wait_time.parse().unwrap())
    }

    #[test]
    fn users_who_start_together_think_in_step() {
        let plan = plan(100.0, 10 * SECOND, closed("constant(4)"));
        let windows = [(Duration::ZERO, SECOND), (SECOND, 4 * SECOND), (4 * SECOND, 5 * SECOND)];
        assert_eq!(plan.due_between(&windows), Some(vec![100, 0, 100]));
        assert_eq!(
            plan.due_per_second(),
            [Some(30.0)],
            "at 0, 4 and 8 s, where the mean is 25 a second"
        );
    }

    #[test]
    fn users_that_left_send_nothing() {
        let mut plan = plan(100.0, 10 * SECOND, closed("constant(1)"));
        plan.steps.push(Step { target: 50.0, ..plan.steps[0] });
        let windows = [(9 * SECOND, 10 * SECOND), (12 * SECOND, 13 * SECOND)];
        assert_eq!(plan.due_between(&windows), Some(vec![100, 50]));
    }

    #[test]
    fn arrivals_are_the_schedules() {
        let traffic = Traffic::Open { gaps: Gaps::Exponential, connections: 10 };
        let plan = plan(20.0, 5 * SECOND, traffic);
        let arrivals = Segment::whole(plan.clone(), Vec::new()).arrivals().unwrap().count() as u64;
        assert_eq!(plan.due_between(&[(Duration::ZERO, 5 * SECOND)]), Some(vec![arrivals]));
    }

    #[test]
    fn where_there_is_no_rate_nothing_is_due_and_too_many_are_not_counted() {
        assert_eq!(plan(10.0, SECOND, closed("constant(0)")).due_per_second(), [None]);
        let long = plan(10_000.0, 86_400 * SECOND, closed("constant(1)"));
        assert_eq!(
            (long.due_between(&[(Duration::ZERO, 86_400 * SECOND)]), long.due_per_second()[0]),
            (None, Some(10_000.0))
        );
    }

    proptest! {
        #[test]
        fn over_a_long_window_it_is_the_mean(users in 1u32..50, seed in any::<u64>()) {
            let plan =
                Plan { seed, ..plan(users.into(), 2000 * SECOND, closed("between(1, 2.5)")) };
            let (due, planned) =
                (plan.due_per_second()[0].unwrap(), plan.planned_per_second(0).unwrap());
            prop_assert!((due / planned - 1.0).abs() < 0.05, "{due} of {planned}");
        }
    }
}
