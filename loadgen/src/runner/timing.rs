//! How long the parts of a trial take.
//!
//! Set for the default think time; users who think longer send fewer requests a second, so everything that waits for requests
//! is stretched by as much. With the times of the default a user who thinks for 10 s would not send one in a step.

use std::time::Duration;

use crate::{
    sweep::{Load, Settings},
    verdict::LEAST_CHANCE,
    workload::{Plan, Step, Traffic, WaitTime},
};

/// The think time for which the times are right, at its longest.
const DEFAULT_LONGEST: Duration = Duration::from_millis(2500);
/// Users that a direct trial starts a second: gently, for at low quotas the ramp breaks a service before the load does.
const DIRECT_SPAWN_RATE: u32 = 500;
/// But however few the users are, and however many, the ramp takes between these times.
const DIRECT_RAMP: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Not measured: what the ramp left behind is worked off.
const DIRECT_WARM_UP: Duration = Duration::from_secs(3);
/// A step of a ramp: its users are started in at least this time,
const STEP_RAMP: Duration = Duration::from_secs(1);
/// and so many a second, of so many in all: a new connection costs a service as much as a few requests, so that few users who came as fast as
/// many would be another load.
const STEP_SPAWN_RATE: (u32, u32) = (100, DIRECT_SPAWN_RATE);
const STEP_SPAWN_SHARE: u32 = 20;
/// Then they are held, the first second unmeasured. The last step alone can prove a pass, and is held for longer.
const STEP_HOLD: Duration = Duration::from_secs(5);
const STEP_WARM_UP: Duration = Duration::from_secs(1);
/// The window that decides is looked at after so many seconds, and after the first look that decides the trial is over.
/// Near the edge more requests are needed than far from it; few looks, since each is one more chance to err.
const LOOKS: [u32; 4] = [15, 25, 40, 60];
const RAMP_LOOKS: [u32; 4] = [20, 30, 45, 60];
/// The window is begun again after a theft by the hypervisor: for so much longer than to the last look users may be held.
const THEFT: Duration = Duration::from_secs(60);
/// Users without think time: enough to keep a server busy, few enough to keep queues short.
const SATURATE_USERS: u32 = 64;
const SATURATE_RAMP: Duration = Duration::from_secs(1);
const SATURATE_HOLD: Duration = Duration::from_secs(12);
/// Before one of the replicas is killed, and after.
const LOSS_HOLD: Duration = Duration::from_secs(15);
/// Deploying and tearing down, for estimates.
const OVERHEAD: Duration = Duration::from_secs(3);

/// Of the plans that tell one version's from another's.
const EXAMPLE_USERS: u32 = 10_000;

/// The times of a sweep's trials.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// By how much longer users think than with the default.
    pub patience: f64,
}

impl Timing {
    /// For users with this think time.
    pub fn new(wait_time: WaitTime) -> Self {
        Self { patience: (wait_time.longest().as_secs_f64() / DEFAULT_LONGEST.as_secs_f64()).max(1.0) }
    }

    /// Seconds of the deciding window after which it is looked at.
    pub fn looks(self, load: Load) -> [u64; LOOKS.len()] {
        let looks = if load == Load::Ramp { RAMP_LOOKS } else { LOOKS };
        looks.map(|seconds| self.stretch(Duration::from_secs(seconds.into())).as_secs())
    }

    /// The last of them.
    pub fn longest_look(self, load: Load) -> u64 {
        self.looks(load)[LOOKS.len() - 1]
    }

    /// How long is not measured after users were started, or after a theft, while they are held.
    pub fn settle(self) -> Duration {
        self.stretch(DIRECT_WARM_UP)
    }

    /// What users do in a trial with this load.
    pub fn plan(self, settings: &Settings, load: Load, users: u32) -> Plan {
        let longest = self.longest_hold(load);
        let max = users;
        let (steps, wait_time) = match load {
            Load::Direct => {
                let (ramp, warm_up) = self.direct(max);
                (vec![Step { target: max.into(), ramp, hold: warm_up + longest, warm_up }], settings.wait_time)
            }
            Load::Ramp => {
                let step = settings.step.clamp(1, max);
                let warm_up = self.stretch(STEP_WARM_UP);
                let counts = (1..=max.div_ceil(step)).map(|i| (i * step).min(max));
                let steps = counts.map(|users| Step {
                    target: users.into(),
                    ramp: self.stretch(step_ramp(step, max)),
                    hold: if users == max { warm_up + longest } else { self.stretch(STEP_HOLD) },
                    warm_up,
                });
                (steps.collect(), settings.wait_time)
            }
            Load::Loss => {
                let (ramp, warm_up) = self.direct(max);
                let before = Step { target: max.into(), ramp, hold: warm_up + self.stretch(LOSS_HOLD), warm_up };
                // Nothing of the second one is left out: the requests that the killed one had are to be counted.
                let after = Step { ramp: Duration::ZERO, warm_up: Duration::ZERO, ..before };
                (vec![before, after], settings.wait_time)
            }
            Load::Saturate => {
                let step = Step {
                    target: SATURATE_USERS.into(),
                    ramp: SATURATE_RAMP,
                    hold: SATURATE_HOLD,
                    warm_up: STEP_WARM_UP,
                };
                (vec![step], WaitTime::Constant(Duration::ZERO))
            }
        };
        Plan { start: 0.0, steps, traffic: Traffic::Closed(wait_time), seed: settings.seed }
    }

    /// What users do in the trials of a sweep, for so many of them as a journal's trials have or not: a name for all of it.
    pub fn loads(self, settings: &Settings) -> String {
        let plan = |load| (self.looks(load), self.plan(settings, load, EXAMPLE_USERS));
        format!("{:?}", ([Load::Direct, Load::Ramp, Load::Saturate, Load::Loss].map(plan), LEAST_CHANCE))
    }

    /// About how long a trial with this load takes, deploying included, if the second look decides.
    pub fn length(self, settings: &Settings, load: Load) -> Duration {
        let whole = self.plan(settings, load, settings.max_users).duration() + OVERHEAD;
        let looks = self.looks(load);
        match load {
            Load::Saturate | Load::Loss => whole,
            Load::Direct | Load::Ramp => whole + Duration::from_secs(looks[1]) - self.longest_hold(load),
        }
    }

    /// How long it takes to start so many users, and how long they are not measured then.
    fn direct(self, users: u32) -> (Duration, Duration) {
        let ramp = Duration::from_secs(u64::from(users / DIRECT_SPAWN_RATE));
        (self.stretch(ramp.clamp(DIRECT_RAMP.0, DIRECT_RAMP.1)), self.settle())
    }

    /// How long users are held at most where looks decide.
    fn longest_hold(self, load: Load) -> Duration {
        Duration::from_secs(self.longest_look(load)) + self.stretch(THEFT)
    }

    fn stretch(self, time: Duration) -> Duration {
        time.mul_f64(self.patience)
    }
}

/// How long it takes to start the users of a step, of so many in all.
fn step_ramp(step: u32, max: u32) -> Duration {
    let rate = (max / STEP_SPAWN_SHARE).clamp(STEP_SPAWN_RATE.0, STEP_SPAWN_RATE.1);
    (Duration::from_secs(step.into()) / rate).max(STEP_RAMP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sweep::{cpu_ladder, memory_ladder};

    fn settings(wait_time: WaitTime, max_users: u32, step: u32) -> Settings {
        Settings {
            mode: crate::sweep::Mode::Minimal,
            max_users,
            step,
            wait_time,
            replicas: vec![1],
            cpus: cpu_ladder(None, 1000).unwrap(),
            memory: memory_ladder(None, 1 << 34).unwrap(),
            host_cpus: 1000,
            host_memory_bytes: 1 << 34,
            cheapest: crate::sweep::Cheapest::Cost,
            cpu_price: 1.0,
            memory_price: 0.11,
            most_steal: 0.02,
            seed: 1,
        }
    }

    #[test]
    fn ten_thousand_users_go_through_twenty_steps() {
        let wait: WaitTime = "between(1, 2.5)".parse().unwrap();
        let timing = Timing::new(wait);
        let plan = timing.plan(&settings(wait, 10_000, 500), Load::Ramp, 10_000);
        let users: Vec<u32> = plan.steps.iter().map(Step::users).collect();
        assert_eq!(users, (1..=20).map(|i| i * 500).collect::<Vec<_>>());
        assert_eq!((timing.patience, timing.looks(Load::Direct)), (1.0, [15, 25, 40, 60]));
        assert_eq!(plan.steps[0].ramp, Duration::from_secs(1));
        let fewer = timing.plan(&settings(wait, 2000, 500), Load::Ramp, 2000);
        assert_eq!(fewer.steps[0].ramp, Duration::from_secs(5), "the twentieth part a second");
    }

    proptest! {
        #[test]
        fn every_plan_can_be_played_and_every_user_sends_while_it_is_measured(
            max_ms in 1u64..60_000, max_users in 1u32..20_000, step in 1u32..2000,
        ) {
            let wait = WaitTime::Between(Duration::from_millis(max_ms / 2), Duration::from_millis(max_ms));
            for load in [Load::Direct, Load::Ramp, Load::Saturate, Load::Loss] {
                let plan = Timing::new(wait).plan(&settings(wait, max_users, step), load, max_users);
                prop_assert_eq!(plan.check(), Ok(()));
                if load != Load::Saturate {
                    let long_enough = |s: &Step| s.hold - s.warm_up >= wait.longest().mul_f64(1.5);
                    prop_assert!(plan.steps.iter().all(long_enough));
                    prop_assert_eq!(plan.max_users(), max_users);
                }
            }
        }
    }
}
