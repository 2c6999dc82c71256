//! Lengths of the parts of a trial.
//!
//! They are set for the default think time. Users who think longer send fewer requests per second,
//! so all times that wait for requests are stretched by the same factor. With the default times a
//! user who thinks for 10 s would not send one request in a step.

use std::time::Duration;

use loadtest::{
    verdict::{LEAST_CHANCE, Looks},
    workload::{Plan, Step, Traffic, WaitTime},
};

use super::{Mode, Purpose, Settings};

/// Longest think time for which the times need no stretching.
const DEFAULT_LONGEST: Duration = Duration::from_millis(2500);
/// Spawn rate of a fresh trial in users per second: low, because at low quotas the start breaks a
/// service before the load does.
const SPAWN_RATE: u32 = 500;
/// Shortest and longest time in which a fresh trial starts its users.
const SPAWN_TIME: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Time not measured after all users were started, in which the service works off the backlog.
const WARM_UP: Duration = Duration::from_secs(3);
/// Shortest time in which the users of a step are started.
const STEP_RAMP: Duration = Duration::from_secs(1);
/// Lowest and highest spawn rate of a step, in users per second; between them it is this part of
/// all users. A new connection costs a service as much as a few requests, so a faster start of few
/// users would be another load.
const STEP_SPAWN_RATE: (u32, u32) = (100, SPAWN_RATE);
const STEP_SPAWN_SHARE: u32 = 20;
/// Hold of a step and its warm-up. The last step alone can prove a pass, and is held for longer.
const STEP_HOLD: Duration = Duration::from_secs(5);
const STEP_WARM_UP: Duration = Duration::from_secs(1);
/// Seconds after which the deciding window is looked at; the first look that decides ends the
/// trial. Near the edge more requests are needed than far from it. The looks are few, since each is
/// one more chance to err.
const LOOKS: [u32; 4] = [15, 25, 40, 60];
const RAMP_LOOKS: [u32; 4] = [20, 30, 45, 60];
/// Time added to the hold beyond the last look, for restarts of the window after steal.
const STEAL_RESTARTS: Duration = Duration::from_secs(60);
/// Users of a calibration, without think time: enough to keep a server busy, few enough to keep
/// queues short.
const CALIBRATION_USERS: u32 = 64;
const CALIBRATION_HOLD: Duration = Duration::from_secs(9);
/// Hold before one of the replicas is killed, and after.
const FAILURE_HOLD: Duration = Duration::from_secs(15);
/// Time that a probe's rung settles, and time that it is measured.
const PROBE_SETTLE: Duration = Duration::from_secs(2);
const PROBE_WINDOW: Duration = Duration::from_secs(4);
/// Longest time for a probe once its users are there, and its usual time.
const PROBE_LONGEST: Duration = Duration::from_secs(240);
const PROBE_USUAL: Duration = Duration::from_secs(70);
/// Times of a demand probe's rung, and the rungs that it measures at each step of users.
const DEMAND_SETTLE: Duration = Duration::from_secs(1);
const DEMAND_WINDOW: Duration = Duration::from_secs(3);
const DEMAND_RUNGS: u32 = 4;
/// Time for deploying and tearing down, for estimates.
const OVERHEAD: Duration = Duration::from_secs(3);

/// Users of the example plans in `Timing::loads`.
const EXAMPLE_USERS: u32 = 10_000;

/// Lengths of a sweep's trials.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Factor of the users' think time over the default.
    pub patience: f64,
}

impl Timing {
    /// Returns the times for users with this think time.
    pub fn new(wait_time: WaitTime) -> Self {
        Self {
            patience: (wait_time.longest().as_secs_f64() / DEFAULT_LONGEST.as_secs_f64()).max(1.0),
        }
    }

    /// Returns the looks at the deciding window.
    pub fn looks(self, purpose: Purpose) -> Looks {
        let looks = if purpose == Purpose::Ramp { RAMP_LOOKS } else { LOOKS };
        let stretched =
            looks.map(|seconds| self.stretch(Duration::from_secs(seconds.into())).as_secs());
        Looks::after(stretched).give_up_below(LEAST_CHANCE)
    }

    /// Returns the unmeasured time after users were started, or after steal.
    pub fn settle(self) -> Duration {
        self.stretch(WARM_UP)
    }

    /// Returns the time that a probe's rung settles, and the time that it is measured.
    pub fn probe_rung(self, mode: Mode) -> (Duration, Duration) {
        let (settle, window) = match mode {
            Mode::Demand => (DEMAND_SETTLE, DEMAND_WINDOW),
            _ => (PROBE_SETTLE, PROBE_WINDOW),
        };
        (self.stretch(settle), self.stretch(window))
    }

    /// Returns the plan of a trial's users.
    pub fn plan(self, settings: &Settings, purpose: Purpose, users: u32) -> Plan {
        let (steps, wait_time) = match purpose {
            Purpose::Fresh => {
                (vec![self.straight(users, self.longest_hold(purpose))], settings.wait_time)
            }
            Purpose::Probe if settings.mode == Mode::Demand => {
                let (settle, window) = self.probe_rung(Mode::Demand);
                let hold = self.stretch(STEP_WARM_UP) + (settle + window) * DEMAND_RUNGS;
                (self.ramp(settings.step, users, hold, hold), settings.wait_time)
            }
            Purpose::Probe => {
                (vec![self.straight(users, self.stretch(PROBE_LONGEST))], settings.wait_time)
            }
            Purpose::Ramp => {
                let last = self.stretch(STEP_WARM_UP) + self.longest_hold(purpose);
                (self.ramp(settings.step, users, self.stretch(STEP_HOLD), last), settings.wait_time)
            }
            Purpose::ReplicaFailure => {
                let before = self.straight(users, self.stretch(FAILURE_HOLD));
                // The second step has no warm-up: failures of the killed replica's requests must
                // count.
                let after = Step { ramp: Duration::ZERO, warm_up: Duration::ZERO, ..before };
                (vec![before, after], settings.wait_time)
            }
            Purpose::Calibrate => {
                let (ramp, warm_up) = (STEP_RAMP, STEP_WARM_UP);
                let step = Step {
                    target: CALIBRATION_USERS.into(),
                    ramp,
                    hold: CALIBRATION_HOLD,
                    warm_up,
                };
                (vec![step], WaitTime::Constant(Duration::ZERO))
            }
        };
        Plan { start: 0.0, steps, traffic: Traffic::Closed(wait_time), seed: settings.seed }
    }

    /// Returns a fingerprint of the load of a sweep's trials; trials with the same one belong
    /// together.
    pub fn loads(self, settings: &Settings) -> String {
        let all = [
            Purpose::Calibrate,
            Purpose::Probe,
            Purpose::Fresh,
            Purpose::Ramp,
            Purpose::ReplicaFailure,
        ];
        let plan = |purpose| (self.looks(purpose), self.plan(settings, purpose, EXAMPLE_USERS));
        format!("{:?}", (all.map(plan), LEAST_CHANCE))
    }

    /// Returns the approximate length of a trial, including deployment, if the first look decides.
    pub fn length(self, settings: &Settings, purpose: Purpose, users: u32) -> Duration {
        let whole = self.plan(settings, purpose, users).duration() + OVERHEAD;
        match purpose {
            Purpose::Probe if settings.mode != Mode::Demand => {
                whole - self.stretch(PROBE_LONGEST) + self.stretch(PROBE_USUAL)
            }
            Purpose::Calibrate | Purpose::ReplicaFailure | Purpose::Probe => whole,
            Purpose::Fresh | Purpose::Ramp => {
                let first = self.looks(purpose).next(0).unwrap_or(0);
                whole + Duration::from_secs(first) - self.longest_hold(purpose)
            }
        }
    }

    /// Returns a step straight to `users` users; `hold` does not include its warm-up.
    fn straight(self, users: u32, hold: Duration) -> Step {
        let ramp = Duration::from_secs(u64::from(users / SPAWN_RATE));
        let warm_up = self.settle();
        Step {
            target: users.into(),
            ramp: self.stretch(ramp.clamp(SPAWN_TIME.0, SPAWN_TIME.1)),
            hold: warm_up + hold,
            warm_up,
        }
    }

    /// Returns the steps of a ramp to `max` users.
    fn ramp(self, step: u32, max: u32, hold: Duration, last_hold: Duration) -> Vec<Step> {
        let step = step.clamp(1, max);
        let counts = (1..=max.div_ceil(step)).map(|i| (i * step).min(max));
        let one = |users| Step {
            target: f64::from(users),
            ramp: self.stretch(step_ramp(step, max)),
            hold: if users == max { last_hold } else { hold },
            warm_up: self.stretch(STEP_WARM_UP),
        };
        counts.map(one).collect()
    }

    /// Returns the longest hold of a trial that looks decide.
    fn longest_hold(self, purpose: Purpose) -> Duration {
        Duration::from_secs(self.looks(purpose).longest()) + self.stretch(STEAL_RESTARTS)
    }

    fn stretch(self, time: Duration) -> Duration {
        time.mul_f64(self.patience)
    }
}

/// Returns the time in which a step's users are started, given the number of all users.
fn step_ramp(step: u32, max: u32) -> Duration {
    let rate = (max / STEP_SPAWN_SHARE).clamp(STEP_SPAWN_RATE.0, STEP_SPAWN_RATE.1);
    (Duration::from_secs(step.into()) / rate).max(STEP_RAMP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(wait_time: WaitTime, max_users: u32, step: u32) -> Settings {
        Settings { wait_time, max_users, step, ..Settings::example() }
    }

    #[test]
    fn ten_thousand_users_go_through_twenty_steps() {
        let wait: WaitTime = "between(1, 2.5)".parse().unwrap();
        let timing = Timing::new(wait);
        let plan = timing.plan(&settings(wait, 10_000, 500), Purpose::Ramp, 10_000);
        let users: Vec<u32> = plan.steps.iter().map(Step::users).collect();
        assert_eq!(users, (1..=20).map(|i| i * 500).collect::<Vec<_>>());
        assert_eq!((timing.patience, timing.looks(Purpose::Fresh).longest()), (1.0, 60));
        assert_eq!(plan.steps[0].ramp, Duration::from_secs(1));
        let fewer = timing.plan(&settings(wait, 2000, 500), Purpose::Ramp, 2000);
        assert_eq!(fewer.steps[0].ramp, Duration::from_secs(5), "the twentieth part a second");
    }

    #[test]
    fn a_demand_probe_has_the_steps_of_a_ramp() {
        let wait: WaitTime = "between(1, 2.5)".parse().unwrap();
        let settings = Settings { mode: Mode::Demand, ..settings(wait, 10_000, 500) };
        let plan = Timing::new(wait).plan(&settings, Purpose::Probe, 10_000);
        assert_eq!(plan.steps.len(), 20);
        assert!(plan.duration() < Duration::from_secs(400), "twenty points in some six minutes");
    }

    proptest! {
        #[test]
        fn every_plan_can_be_played_and_every_user_sends_while_it_is_measured(
            max_ms in 1u64..60_000,
            max_users in 1u32..20_000,
            step in 1u32..2000,
        ) {
            let wait =
                WaitTime::Between(Duration::from_millis(max_ms / 2), Duration::from_millis(max_ms));
            for purpose in [
                Purpose::Probe,
                Purpose::Fresh,
                Purpose::Ramp,
                Purpose::Calibrate,
                Purpose::ReplicaFailure,
            ] {
                let plan =
                    Timing::new(wait).plan(&settings(wait, max_users, step), purpose, max_users);
                prop_assert_eq!(plan.check(), Ok(()));
                if purpose != Purpose::Calibrate {
                    let long_enough = |s: &Step| s.hold - s.warm_up >= wait.longest().mul_f64(1.5);
                    prop_assert!(plan.steps.iter().all(long_enough));
                    prop_assert_eq!(plan.max_users(), max_users);
                }
            }
        }
    }
}
