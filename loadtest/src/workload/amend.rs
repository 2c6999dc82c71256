//! Amendments of a plan while it is played.

use std::time::Duration;

use super::{Plan, Step, StepTimes, Traffic};

impl Plan {
    /// Returns the plan with another number of users from `now` on: they start, or leave, at
    /// `spawn_rate` per second and stay for the rest of `run_time`, which counts from `now`. The
    /// past of both plans is the same.
    ///
    /// # Errors
    /// Returns an error for an open model, which has no users, for a plan that is over, and for an
    /// invalid rate or run time.
    pub fn amended(
        &self,
        now: Duration,
        users: u32,
        spawn_rate: f64,
        run_time: Duration,
    ) -> Result<Self, String> {
        if let Traffic::Open { .. } = self.traffic {
            return Err("the open model has arrivals instead of users: stop the test and start \
                another"
                .to_owned());
        }
        let times = self.times();
        let Some(index) = times.iter().position(|times| now < times.end) else {
            return Err("the test is over".to_owned());
        };
        let mut plan = self.clone();
        plan.steps.truncate(index);
        let level = self.level_at(now).floor();
        let (step, times) = (self.steps[index], times[index]);
        if now > times.start {
            plan.steps.push(cut(step, times, level, now));
        }
        let change = (f64::from(users) - level).abs();
        let ramp = Duration::try_from_secs_f64(change / spawn_rate)
            .map_err(|_| format!("spawn rate {spawn_rate}: must be above 0"))?;
        if ramp >= run_time {
            return Err(format!(
                "starting or stopping {change} users takes {:.0} s, which leaves no time to \
                    measure the rest: raise the spawn rate or the run time",
                ramp.as_secs_f64()
            ));
        }
        let hold = run_time - ramp;
        plan.steps.push(Step { target: users.into(), ramp, hold, warm_up: Duration::ZERO });
        // The cut step need not measure anything.
        let new = Self { steps: plan.steps[plan.steps.len() - 1..].to_vec(), ..plan.clone() };
        new.check().or_else(|why| if users == 0 { Ok(()) } else { Err(why) })?;
        Ok(plan)
    }

    /// Returns the level at a time: users in the closed model, arrivals per second in the open
    /// model.
    pub fn level_at(&self, now: Duration) -> f64 {
        let times = self.times();
        let Some(index) = times.iter().position(|times| now < times.end) else {
            return self.steps.last().map_or(self.start, |step| step.target);
        };
        let (step, times, before) = (self.steps[index], times[index], self.level_before(index));
        if now >= times.ramped {
            return step.target;
        }
        let share = (now - times.start).div_duration_f64(step.ramp);
        before + (step.target - before) * share
    }
}

/// Shortest window of a step that an amendment cuts; a shorter one would measure too little to be
/// judged.
const LEAST_WINDOW: Duration = Duration::from_secs(1);

/// Returns the part of a step before `now`. Requests of its ramp are not measured, and neither is a
/// window that has hardly begun.
fn cut(step: Step, times: StepTimes, level: f64, now: Duration) -> Step {
    let ramp = step.ramp.min(now - times.start);
    let hold = now.saturating_sub(times.ramped);
    let has_window = hold >= step.warm_up + LEAST_WINDOW;
    let warm_up = if has_window { step.warm_up } else { Step::UNMEASURED };
    Step { target: level, ramp, hold, warm_up }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workload::plan::tests::{SECOND, steps};

    proptest! {
        #[test]
        fn an_amended_plan_has_the_same_past_and_other_users(
            counts in proptest::collection::vec(1u32..60, 1..4),
            at in 0.0f64..1.0,
            users in 1u32..90,
            spawn_rate in 0.5f64..200.0,
        ) {
            let plan = steps(&counts);
            let now = plan.duration().mul_f64(at);
            let amended = plan.amended(now, users, spawn_rate, 500 * SECOND).unwrap();
            for before in (0..=10).map(|tenth| now * tenth / 10) {
                let difference = (plan.level_at(before) - amended.level_at(before)).abs();
                prop_assert!(difference <= 1.0, "{before:?}: {difference}");
            }
            let times = amended.times();
            let later = now + 400 * SECOND;
            let is_there = |user: &u32| {
                amended.presence(*user, &times, later).is_some_and(|presence| {
                    presence.from <= later && presence.until > later
                })
            };
            prop_assert_eq!((0..100).filter(is_there).count(), users as usize);
        }
    }

    #[test]
    fn a_step_that_is_cut_before_its_window_measures_nothing() {
        let plan = steps(&[100]);
        for at in [SECOND, 4 * SECOND, 5 * SECOND + SECOND / 2, 6 * SECOND + SECOND / 2] {
            let cut = plan.amended(at, 50, 100.0, 60 * SECOND).unwrap().times()[0];
            assert_eq!(cut.measured_from, cut.end, "cut at {at:?}");
        }
        let later = plan.amended(8 * SECOND, 50, 100.0, 60 * SECOND).unwrap().times()[0];
        assert_eq!((later.measured_from, later.end), (6 * SECOND, 8 * SECOND));
    }

    #[test]
    fn only_users_can_be_amended() {
        let plan = steps(&[10]);
        assert!(plan.amended(SECOND, 0, 1.0, 20 * SECOND).is_ok(), "all leave");
        assert!(plan.amended(SECOND, 5, 0.0, 20 * SECOND).is_err());
        assert!(plan.amended(10 * SECOND, 5, 1.0, 20 * SECOND).is_err(), "it is over");
        let error = plan.amended(SECOND, 500, 1.0, 20 * SECOND).unwrap_err();
        assert!(error.contains("raise the spawn rate"), "{error}");
        let gaps = "poisson(5)".parse::<crate::workload::Arrivals>().unwrap().gaps;
        let open = Plan { traffic: Traffic::Open { gaps, connections: 5 }, ..plan };
        let error = open.amended(SECOND, 5, 1.0, 20 * SECOND).unwrap_err();
        assert!(error.contains("open model"), "{error}");
    }
}
