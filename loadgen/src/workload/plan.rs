//! How many users there are at any time: steps, each a ramp and a hold.
//!
//! The whole schedule is fixed before the first request: when user `u` starts is a function of `u` alone. So threads,
//! and later machines, share a plan without talking to each other, and a slow server cannot make the ramp late.

use std::{sync::Arc, time::Duration};

use super::WaitTime;

/// A number of users, reached at a spawn rate and then held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Users at the end of the ramp; not fewer than in the step before.
    pub users: u32,
    /// Users started per second.
    pub spawn_rate: f64,
    /// How long the users are held after the ramp.
    pub hold: Duration,
    /// The first part of the hold that is not measured.
    pub warm_up: Duration,
}

const MIN_SPAWN_RATE: f64 = 0.01;
const MAX_SPAWN_RATE: f64 = 1_000_000.0;
/// Half-second slices of a window are kept in memory.
const MAX_HOLD: Duration = Duration::from_secs(7 * 86_400);

/// What all users do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// Between a user's requests.
    pub wait_time: WaitTime,
    /// Makes the drawn think times repeatable.
    pub seed: u64,
}

/// The part of a plan that one generator does: users `index`, `index + count`, `index + 2 count`, …
#[derive(Debug, Clone)]
pub struct Segment {
    /// The whole plan.
    pub plan: Arc<Plan>,
    /// Which generator this is.
    pub index: u32,
    /// How many generators there are.
    pub count: u32,
    /// The processors its threads are pinned to, one thread on each; one thread, not pinned, if empty.
    pub cores: Vec<usize>,
}

/// When a step begins, is measured, and ends; all from the start of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimes {
    /// The ramp begins.
    pub start: Duration,
    /// All users have been started.
    pub ramped: Duration,
    /// Measuring begins.
    pub measured_from: Duration,
    /// The hold, and the measuring, end.
    pub end: Duration,
}

impl Plan {
    /// One step that holds `users` so that ramp and hold together take `run_time`.
    pub fn steady(users: u32, spawn_rate: f64, run_time: Duration, wait_time: WaitTime) -> Self {
        let ramp = ramp_time(users, spawn_rate.max(MIN_SPAWN_RATE));
        let step = Step { users, spawn_rate, hold: run_time.saturating_sub(ramp), warm_up: Duration::ZERO };
        Self { steps: vec![step], wait_time, seed: 1 }
    }

    /// Whether it can be played, and measures anything.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for step in &self.steps {
            if !(MIN_SPAWN_RATE..=MAX_SPAWN_RATE).contains(&step.spawn_rate) {
                return Err(format!(
                    "spawn rate {}: must be from {MIN_SPAWN_RATE} to {MAX_SPAWN_RATE} users a second",
                    step.spawn_rate
                ));
            }
            if step.hold > MAX_HOLD {
                return Err(format!("run time: at most {} days", MAX_HOLD.as_secs() / 86_400));
            }
            if step.hold <= step.warm_up {
                let ramp = ramp_time(step.users, step.spawn_rate).as_secs_f64();
                return Err(format!(
                    "starting {} users takes {ramp:.0} s, which leaves no time to measure them: raise the spawn rate or the run time",
                    step.users
                ));
            }
        }
        if self.max_users() == 0 {
            return Err("number of users: must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Times of every step.
    pub fn times(&self) -> Vec<StepTimes> {
        let mut start = Duration::ZERO;
        let mut users = 0;
        self.steps
            .iter()
            .map(|step| {
                let ramped = start + ramp_time(step.users.saturating_sub(users), step.spawn_rate);
                let end = ramped + step.hold;
                let times = StepTimes { start, ramped, measured_from: (ramped + step.warm_up).min(end), end };
                start = end;
                users = users.max(step.users);
                times
            })
            .collect()
    }

    /// How long the plan takes, without the time that the last answers need.
    pub fn duration(&self) -> Duration {
        self.times().last().map_or(Duration::ZERO, |t| t.end)
    }

    /// The most users there are at any time.
    pub fn max_users(&self) -> u32 {
        self.steps.iter().map(|s| s.users).max().unwrap_or(0)
    }

    /// When user `user` (from 0) starts; `None` if no step has that many.
    pub fn spawn_time(&self, user: u32, times: &[StepTimes]) -> Option<Duration> {
        let step = self.steps.iter().position(|s| s.users > user)?;
        let before = if step == 0 { 0 } else { self.steps[..step].iter().map(|s| s.users).max().unwrap_or(0) };
        Some(times[step].start + ramp_time(user - before, self.steps[step].spawn_rate))
    }
}

impl Segment {
    /// The whole plan on one generator.
    pub fn whole(plan: Plan, cores: Vec<usize>) -> Self {
        Self { plan: Arc::new(plan), index: 0, count: 1, cores }
    }

    /// The users of this segment, by their numbers in the plan, in the order in which they start.
    pub fn users(&self) -> impl Iterator<Item = u32> + use<> {
        (self.index..self.plan.max_users()).step_by(self.count.max(1) as usize)
    }

    /// Part `part` of `parts` of this segment, for one thread.
    pub fn split(&self, part: u32, parts: u32) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            index: self.index + part * self.count,
            count: self.count * parts,
            cores: Vec::new(),
        }
    }
}

fn ramp_time(users: u32, spawn_rate: f64) -> Duration {
    Duration::try_from_secs_f64(f64::from(users) / spawn_rate).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(counts: &[u32]) -> Plan {
        let step = |&users: &u32| Step {
            users,
            spawn_rate: 100.0,
            hold: Duration::from_secs(5),
            warm_up: Duration::from_secs(1),
        };
        Plan { steps: counts.iter().map(step).collect(), wait_time: WaitTime::Constant(Duration::ZERO), seed: 1 }
    }

    #[test]
    fn steps_follow_each_other() {
        let plan = steps(&[500, 1000]);
        let times = plan.times();
        assert_eq!(times[0].ramped, Duration::from_secs(5));
        assert_eq!(times[0].measured_from, Duration::from_secs(6));
        assert_eq!(times[0].end, times[1].start);
        assert_eq!(plan.duration(), Duration::from_secs(20));
        assert_eq!(plan.spawn_time(500, &times), Some(times[1].start));
        assert_eq!(plan.spawn_time(1000, &times), None);
    }

    proptest! {
        #[test]
        fn segments_share_out_every_user_once(users in 1u32..500, count in 1u32..7) {
            let plan = Arc::new(steps(&[users]));
            let mut all: Vec<u32> = (0..count)
                .flat_map(|index| Segment { plan: Arc::clone(&plan), index, count, cores: Vec::new() }.users())
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..users).collect::<Vec<_>>());
        }

        #[test]
        fn all_users_have_started_when_the_ramp_is_over(first in 1u32..300, more in 0u32..300) {
            let plan = steps(&[first, first + more]);
            let times = plan.times();
            for user in 0..first + more {
                let step = usize::from(user >= first);
                let spawned = plan.spawn_time(user, &times).unwrap();
                prop_assert!(spawned >= times[step].start && spawned < times[step].ramped);
            }
        }
    }
}
