//! A simulated service, on which whole searches run in microseconds: the search's property tests.

mod doubt;
mod edge;
mod minimal;
mod modes;
mod reference;

use std::collections::BTreeMap;

use orchestrator::Limits;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

use super::{
    Answer, Below, Binding, Cheapest, Finding, Load, Minimum, Mode, Next, Point, Purpose, Settings, StepResult, Trial,
    TrialSpec, TrialUsage, cpu_ladder, memory_ladder, next, ramps, unevenness,
};
use crate::{
    measure::Percentiles,
    verdict::{Missed, Verdict},
};

/// A service whose replicas need so much, and whose trials near the edge come out either way.
#[derive(Debug, Clone)]
struct Service {
    /// CPU seconds a request, in one replica that is not throttled.
    demand: f64,
    /// More that every further replica costs, as a share.
    split_cost: f64,
    /// Memory below which a replica is killed.
    memory_floor: u64,
    /// What it uses where nothing limits it, in terms of what it needs.
    ease: f64,
    /// What it uses for as many requests where one waits behind the other, in the same terms.
    saturated: f64,
    /// Share of the needed CPU by which a trial's need may differ from the true one.
    noise: f64,
}

/// What most tests search on: needs 229 thousandths of a processor and 40 MiB, and each trial of it comes out the same.
const STEADY: Service =
    Service { demand: 40e-6, split_cost: 0.0, memory_floor: 40 << 20, ease: 1.3, saturated: 0.83, noise: 0.0 };

const RATE: f64 = 5714.0;
const USERS: u32 = 10_000;

impl Service {
    fn cpus_needed(&self, replicas: u32) -> f64 {
        RATE * self.demand * (1.0 + self.split_cost * f64::from(replicas - 1)) / f64::from(replicas)
    }

    fn holds(&self, point: Point, noise: f64) -> bool {
        self.holds_users(point, USERS, noise)
    }

    fn holds_users(&self, point: Point, users: u32, noise: f64) -> bool {
        let needed = self.cpus_needed(point.replicas) * f64::from(users) / f64::from(USERS);
        point.limits.memory_bytes >= self.memory_floor && point.limits.cpus.as_f64() >= needed * (1.0 + noise)
    }

    fn trial(&self, spec: TrialSpec, rng: &mut Pcg32) -> Trial {
        let Limits { cpus, memory_bytes } = spec.point.limits;
        let noise = if self.noise > 0.0 { rng.random_range(-self.noise..self.noise) } else { 0.0 };
        let judged = |users: u32| match self.holds_users(spec.point, users, noise) {
            true => Verdict::Pass,
            false => Verdict::Fail,
        };
        let verdict = judged(spec.users);
        let killed = memory_bytes < self.memory_floor;
        // A server that is woken for every request needs more than one that finds many waiting: what it gets, it uses, up to
        // `ease` times what it needs.
        let replicas = f64::from(spec.point.replicas);
        let (needed, limit) = (self.cpus_needed(spec.point.replicas) * replicas, cpus.as_f64() * replicas);
        let cpus_used = match spec.load {
            Load::Saturate => limit.min(needed * self.saturated),
            _ => limit.min(needed * self.ease),
        };
        let answered = (limit / needed).min(1.0);
        let cost = cpus_used / (RATE * answered);
        let step = |users: u32| StepResult {
            users,
            window_seconds: 15.0,
            planned_per_second: Some(RATE),
            requests_per_second: RATE,
            requests: 85_000,
            failures: 0,
            reopened: 0,
            service_ms: Percentiles::default(),
            intended_ms: Percentiles::default(),
            missed: Vec::new(),
            lag_p99_ms: 0.1,
            generator_busy: 0.3,
            generator_run_delay: None,
            generator_steal: None,
            verdict: judged(users),
            reasons: Vec::new(),
            failed: BTreeMap::new(),
            binding_resource: None,
        };
        // A ramp ends at the first step that fails.
        let steps = match spec.load {
            Load::Ramp => {
                let all = (1..=spec.users.div_ceil(500)).map(|i| (i * 500).min(spec.users));
                let held = all.clone().take_while(|users| judged(*users) == Verdict::Pass).count();
                all.take(held + 1).map(step).collect()
            }
            _ => vec![step(spec.users)],
        };
        Trial {
            spec,
            steps,
            usage: TrialUsage {
                cpu_seconds_per_request: Some(cost),
                cpus_used,
                memory_peak_bytes: (self.memory_floor + (30 << 20)).min(memory_bytes),
                file_bytes: 30 << 20,
                oom_kills: u64::from(killed),
                ..TrialUsage::default()
            },
            verdict,
            reasons: Vec::new(),
            binding_resource: (verdict != Verdict::Pass).then_some(if killed { Binding::Memory } else { Binding::Cpu }),
            cold: true,
            warm_because: None,
            stopped_early: None,
            wall_seconds: 40.0,
        }
    }
}

fn settings(replicas: &[u32], host_millis: u64) -> Settings {
    Settings {
        mode: Mode::Minimal,
        max_users: 10_000,
        step: 500,
        wait_time: "between(1, 2.5)".parse().unwrap(),
        replicas: replicas.to_vec(),
        cpus: cpu_ladder(None, host_millis).unwrap(),
        memory: memory_ladder(None, 16 << 30).unwrap(),
        host_cpus: host_millis,
        host_memory_bytes: 16 << 30,
        cheapest: Cheapest::Cost,
        cpu_price: 1.0,
        memory_price: 0.11,
        most_steal: 0.02,
        seed: 1,
    }
}

fn sweep(service: &Service, settings: &Settings, seed: u64) -> Vec<Trial> {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut trials = Vec::new();
    while let Next::Try(spec) = next(settings, &trials) {
        trials.push(service.trial(spec, &mut rng));
        assert!(trials.len() < 100, "no end: {:#?}", trials.iter().map(|t| t.spec).collect::<Vec<_>>());
    }
    trials
}

fn services() -> impl Strategy<Value = Service> {
    (10e-6..150e-6, 0.0..0.1, 34u64..400, 0.0..0.04, 1.0..2.2, 0.4..1.0).prop_map(
        |(demand, split_cost, mib, noise, ease, saturated)| Service {
            demand,
            split_cost,
            memory_floor: mib << 20,
            ease,
            saturated,
            noise,
        },
    )
}
