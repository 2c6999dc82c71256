//! Load at any time: steps, each a ramp and a hold.
//!
//! The whole schedule is fixed before the first request: the start of user `u` and the time of
//! arrival `n` are functions of the plan alone. So threads, and later machines, share a plan
//! without communicating, and a slow server cannot delay the ramp.

use std::{sync::Arc, time::Duration};

use super::{
    WaitTime,
    arrivals::{Gaps, Piece, Schedule},
};

/// A load level, reached in a ramp and then held: users in the closed model, arrivals per second in
/// the open model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Level at the end of the ramp and through the hold.
    pub target: f64,
    /// Length of the linear ramp to the level.
    pub ramp: Duration,
    /// Length of the hold. A step without a hold is measured over its ramp.
    pub hold: Duration,
    /// Warm-up: the first part of the hold, which is not measured.
    pub warm_up: Duration,
}

/// Longest ramp or hold, because the half-second slices of a window are kept in memory.
pub(super) const MAX_LENGTH: Duration = Duration::from_secs(7 * 86_400);

/// Traffic model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Traffic {
    /// The closed model: users who send, wait for the answer, think, and send again.
    Closed(WaitTime),
    /// The open model: arrivals that do not wait for the answers of earlier ones.
    Open {
        /// Distribution of the gaps between arrivals, as a multiple of their mean.
        gaps: Gaps,
        /// Most connections open at once. An arrival that finds all of them busy is dropped, and
        /// counted.
        connections: u32,
    },
}

/// Load schedule of all users.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Level from which the first step ramps; this load is there from the first moment.
    pub start: f64,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Traffic model.
    pub traffic: Traffic,
    /// Seed of all random draws, which makes them repeatable.
    pub seed: u64,
}

/// The part of a plan that one generator runs: users, or arrivals, `index`, `index + count`,
/// `index + 2 count`, …
#[derive(Debug, Clone)]
pub struct Segment {
    /// The whole plan.
    pub plan: Arc<Plan>,
    /// Index of this generator.
    pub index: u32,
    /// Number of generators.
    pub count: u32,
    /// Processors to pin threads to, one thread on each. If empty, a single thread runs unpinned.
    pub cores: Vec<usize>,
    /// True if threads poll for answers instead of sleeping until one comes.
    ///
    /// On one machine the server's write wakes a sleeping client by an interrupt to another
    /// processor. The server pays for that interrupt, which on a virtual machine costs more than
    /// the answer itself; real clients are elsewhere. Polling occupies the threads' processors
    /// completely.
    pub busy_poll: bool,
}

/// Times of a step's phases, from the start of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimes {
    /// Beginning of the ramp.
    pub start: Duration,
    /// End of the ramp: the level is reached.
    pub ramped: Duration,
    /// Beginning of the measurement window.
    pub measured_from: Duration,
    /// End of the hold and of the measurement window.
    pub end: Duration,
}

/// Interval in which a user is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Start of the user.
    pub from: Duration,
    /// Time from which the user begins no request; the largest duration for a user that stays to
    /// the end.
    pub until: Duration,
}

impl Step {
    /// Warm-up of a step that measures nothing.
    pub(super) const UNMEASURED: Duration = Duration::MAX;

    /// Returns the users at the end of the ramp, in the closed model.
    pub fn users(&self) -> u32 {
        // `check` refuses values below 0 and above 1e9.
        self.target as u32
    }
}

impl Plan {
    /// Returns a plan for `users` users, started at `spawn_rate` per second and held; ramp and hold
    /// together take `run_time`.
    ///
    /// # Errors
    /// Returns an error if the ramp takes all of the time.
    pub fn steady(
        users: u32,
        spawn_rate: f64,
        run_time: Duration,
        wait_time: WaitTime,
    ) -> Result<Self, String> {
        let ramp = Duration::try_from_secs_f64(f64::from(users) / spawn_rate)
            .map_err(|_| format!("spawn rate {spawn_rate}: must be above 0"))?;
        if ramp >= run_time {
            return Err(format!(
                "starting {users} users takes {:.0} s, which leaves no time to measure them: raise \
                    the spawn rate or the run time",
                ramp.as_secs_f64()
            ));
        }
        let step =
            Step { target: users.into(), ramp, hold: run_time - ramp, warm_up: Duration::ZERO };
        Ok(Self { start: 0.0, steps: vec![step], traffic: Traffic::Closed(wait_time), seed: 1 })
    }

    /// Checks that the plan can be played and measures something.
    ///
    /// # Errors
    /// Returns the problem and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for step in &self.steps {
            if !(0.0..=1e9).contains(&step.target) {
                return Err(format!("{}: a level of load is from 0 to 1000000000", step.target));
            }
            if step.ramp > MAX_LENGTH || step.hold > MAX_LENGTH {
                return Err(format!("run time: at most {} days", MAX_LENGTH.as_secs() / 86_400));
            }
            if step.hold.is_zero() && step.ramp.is_zero() {
                return Err("a step without a length measures nothing".to_owned());
            }
            if !step.hold.is_zero() && step.hold <= step.warm_up {
                return Err(format!(
                    "a hold of {} s with {} s of warm-up leaves no time to measure",
                    step.hold.as_secs_f64(),
                    step.warm_up.as_secs_f64()
                ));
            }
        }
        if !(0.0..=1e9).contains(&self.start) {
            return Err(format!("{}: a level of load is from 0 to 1000000000", self.start));
        }
        if self.max_users() == 0 || !self.steps.iter().any(|step| step.target > 0.0) {
            return Err("number of users: must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns the times of every step.
    pub fn times(&self) -> Vec<StepTimes> {
        let mut start = Duration::ZERO;
        self.steps
            .iter()
            .map(|step| {
                let ramped = start + step.ramp;
                let end = ramped + step.hold;
                let measured_from = if step.hold.is_zero() && step.warm_up != Step::UNMEASURED {
                    start
                } else {
                    ramped.saturating_add(step.warm_up).min(end)
                };
                let times = StepTimes { start, ramped, measured_from, end };
                start = end;
                times
            })
            .collect()
    }

    /// Returns the length of the plan, without the time that the last answers need.
    pub fn duration(&self) -> Duration {
        self.steps.iter().map(|step| step.ramp + step.hold).sum()
    }

    /// Returns the largest number of connections at any time, one for each user.
    pub fn max_users(&self) -> u32 {
        match self.traffic {
            Traffic::Closed(_) => {
                self.steps.iter().map(Step::users).max().unwrap_or(0).max(self.start as u32)
            }
            Traffic::Open { connections, .. } => connections,
        }
    }

    /// Returns the requests per second that step `index` plans over its window, on average; `None`
    /// if there is no rate to keep.
    pub fn planned_per_second(&self, index: usize) -> Option<f64> {
        let step = self.steps.get(index)?;
        let level = if step.hold.is_zero() {
            (self.level_before(index) + step.target) / 2.0
        } else {
            step.target
        };
        match self.traffic {
            Traffic::Closed(wait_time) => wait_time.planned_per_second(level),
            Traffic::Open { .. } => Some(level),
        }
    }

    /// Returns the first presence of user `user` (from 0) that does not end before `after`.
    pub fn presence(&self, user: u32, times: &[StepTimes], after: Duration) -> Option<Presence> {
        let user = f64::from(user);
        let mut from = (user < self.start.floor()).then_some(Duration::ZERO);
        for (index, (step, times)) in self.steps.iter().zip(times).enumerate() {
            let before = self.level_before(index).floor();
            let target = step.target.floor();
            let moved =
                |users: f64| times.start + step.ramp.mul_f64(users / (target - before).abs());
            if (before..target).contains(&user) {
                from = Some(moved(user - before));
            } else if (target..before).contains(&user) {
                let until = moved(before - user);
                match from {
                    Some(from) if until > after => return Some(Presence { from, until }),
                    _ => from = None,
                }
            }
        }
        from.map(|from| Presence { from, until: Duration::MAX })
    }

    /// Returns the level from which step `index` ramps.
    pub(super) fn level_before(&self, index: usize) -> f64 {
        index.checked_sub(1).map_or(self.start, |before| self.steps[before].target)
    }
}

impl Segment {
    /// Returns the whole plan as the segment of one generator.
    pub fn whole(plan: Plan, cores: Vec<usize>) -> Self {
        Self { plan: Arc::new(plan), index: 0, count: 1, cores, busy_poll: false }
    }

    /// Returns the users of this segment by their numbers in the plan, in the order in which they
    /// start.
    pub fn users(&self) -> impl Iterator<Item = u32> + use<> {
        (self.index..self.plan.max_users()).step_by(self.count.max(1) as usize)
    }

    /// Returns the arrivals of this segment; `None` in the closed model.
    pub fn arrivals(&self) -> Option<Schedule> {
        let Traffic::Open { gaps, .. } = self.plan.traffic else { return None };
        let pieces = self.plan.steps.iter().enumerate().flat_map(|(index, step)| {
            let from = self.plan.level_before(index);
            [
                Piece { length: step.ramp, from, to: step.target },
                Piece { length: step.hold, from: step.target, to: step.target },
            ]
        });
        Some(Schedule::new(gaps, pieces.collect(), self.plan.seed, self.index, self.count))
    }

    /// Returns part `part` of `parts` of this segment, for one thread.
    pub fn split(&self, part: u32, parts: u32) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            index: self.index + part * self.count,
            count: self.count * parts,
            cores: Vec::new(),
            busy_poll: self.busy_poll,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub const SECOND: Duration = Duration::from_secs(1);

    /// Returns a plan of steps with 5 s of ramp, 5 s of hold and 1 s of warm-up each.
    pub fn steps(counts: &[u32]) -> Plan {
        let step = |&users: &u32| Step {
            target: users.into(),
            ramp: 5 * SECOND,
            hold: 5 * SECOND,
            warm_up: SECOND,
        };
        let traffic = Traffic::Closed(WaitTime::Constant(Duration::ZERO));
        Plan { start: 0.0, steps: counts.iter().map(step).collect(), traffic, seed: 1 }
    }

    #[test]
    fn steps_follow_each_other() {
        let plan = steps(&[500, 1000]);
        let times = plan.times();
        assert_eq!(times[0].ramped, 5 * SECOND);
        assert_eq!(times[0].measured_from, 6 * SECOND);
        assert_eq!(times[0].end, times[1].start);
        assert_eq!(plan.duration(), 20 * SECOND);
        let stays = |from| Some(Presence { from, until: Duration::MAX });
        assert_eq!(plan.presence(500, &times, Duration::ZERO), stays(times[1].start));
        assert_eq!(plan.presence(1000, &times, Duration::ZERO), None);
    }

    #[test]
    fn users_leave_when_there_are_to_be_fewer_and_come_again() {
        let plan = steps(&[100, 20, 100]);
        let times = plan.times();
        let first = plan.presence(60, &times, Duration::ZERO).unwrap();
        assert_eq!(first, Presence { from: 3 * SECOND, until: Duration::from_millis(12_500) });
        let second = plan.presence(60, &times, first.until).unwrap();
        assert_eq!(second, Presence { from: Duration::from_millis(22_500), until: Duration::MAX });
        assert_eq!(
            plan.presence(10, &times, Duration::ZERO).unwrap().until,
            Duration::MAX,
            "one of those who stay"
        );
    }

    #[test]
    fn a_step_without_a_hold_is_measured_over_its_ramp() {
        let mut plan = steps(&[100, 300]);
        plan.steps[1].hold = Duration::ZERO;
        let times = plan.times();
        assert_eq!((times[1].measured_from, times[1].end), (10 * SECOND, 15 * SECOND));
        plan.start = 100.0;
        plan.traffic = Traffic::Open { gaps: Gaps::Equal, connections: 10 };
        assert_eq!(plan.planned_per_second(1), Some(200.0));
        let arrivals = Segment::whole(plan, Vec::new()).arrivals().unwrap().count();
        assert!(arrivals.abs_diff(10 * 100 + 5 * 200) <= 1, "{arrivals}");
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        assert!(
            Plan::steady(1000, 10.0, 60 * SECOND, WaitTime::Constant(SECOND))
                .unwrap_err()
                .contains("spawn rate")
        );
        assert!(Plan::steady(10, 0.0, 60 * SECOND, WaitTime::Constant(SECOND)).is_err());
        assert!(steps(&[0]).check().is_err());
        let mut plan = steps(&[10]);
        plan.steps[0].warm_up = 5 * SECOND;
        assert!(plan.check().unwrap_err().contains("warm-up"));
    }

    proptest! {
        #[test]
        fn segments_share_out_every_user_once(users in 1u32..500, count in 1u32..7) {
            let plan = Arc::new(steps(&[users]));
            let mut all: Vec<u32> = (0..count)
                .flat_map(|index| {
                    Segment { index, count, ..Segment::whole(Plan::clone(&plan), Vec::new()) }
                        .users()
                })
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..users).collect::<Vec<_>>());
        }

        #[test]
        fn as_many_users_are_there_as_the_step_says(
            counts in proptest::collection::vec(1u32..200, 1..6),
        ) {
            let plan = steps(&counts);
            let times = plan.times();
            for (step, times_of) in counts.iter().zip(&times) {
                let at = times_of.measured_from;
                let there = (0..plan.max_users()).filter(|&user| {
                    let mut after = Duration::ZERO;
                    while let Some(presence) = plan.presence(user, &times, after) {
                        if (presence.from..presence.until).contains(&at) {
                            return true;
                        }
                        if presence.until == Duration::MAX {
                            return false;
                        }
                        after = presence.until;
                    }
                    false
                });
                prop_assert_eq!(there.count() as u32, *step);
            }
        }
    }
}
