//! How long does a search for one replica take where trials near the edge come out either way?
//!
//!     cargo bench -p loadgen --bench minutes
//!
//! Searches are played on simulated services that need between 0.11 and 0.46 CPU at 10,000 users. What a service needs differs from one
//! trial to the next (lognormal, `spread`), and the share of its requests that are late is 5% where the quota is what it needs, and less
//! by the power `steepness` of the quota. A trial takes as long as it does on a real machine: 39 s if it goes straight to all users and
//! passes, 137 s if it ramps. Beside the minutes stand how
//! often a ramp at the answer passes, and its quota in terms of what the service needs: a search that is quick and answers badly is no
//! better.

use std::collections::BTreeMap;

use loadgen::{
    measure::Percentiles,
    sweep::{
        Answer, Binding, Cheapest, Load, Mode, Next, Point, Purpose, Settings, StepResult, Trial, TrialSpec,
        TrialUsage, cpu_ladder, memory_ladder, next,
    },
    verdict::{Missed, Verdict},
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

const SEARCHES: u64 = 400;
const USERS: u32 = 10_000;
const STEP: u32 = 500;
const RATE: f64 = 5714.3;
/// Of requests that may be late.
const ALLOWED: f64 = 0.05;
/// Half the width of a verdict's bounds, in standard errors.
const WIDTH: f64 = 2.8;
/// Standard error of a window's share of late requests, in terms of the share.
const ERROR: f64 = 0.13;
/// What a replica needs in memory.
const MEMORY_FLOOR: u64 = 40 << 20;
/// What it uses where nothing limits it, in terms of what it needs.
const EASE: f64 = 2.2;
/// What it uses for as many requests a second where one waits behind the other, in the same terms: 0.36, 0.17 and 0.07 CPU were measured.
const SATURATED: f64 = 0.44;

/// A service, and how its trials differ.
struct Service {
    cpus_needed: f64,
    steepness: f64,
    spread: f64,
    /// Share of the trials in which other guests of the machine make the service need a quarter more.
    disturbed: f64,
}

fn main() {
    println!(
        "| steepness | spread | disturbed | minutes, median | 75% | 90% | 95% | over 15 | over 20 | a ramp at the answer passes | quota / need |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let edges =
        [(7.0, 0.03, 0.0), (7.0, 0.06, 0.0), (7.0, 0.1, 0.0), (4.0, 0.1, 0.0), (15.0, 0.08, 0.0), (7.0, 0.06, 0.15)];
    for (steepness, spread, disturbed) in edges {
        println!("{}", row(steepness, spread, disturbed));
    }
}

/// Of all searches on services with such an edge.
fn row(steepness: f64, spread: f64, disturbed: f64) -> String {
    let settings = settings();
    let (mut minutes, mut passing, mut quotas) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..SEARCHES {
        let mut rng = Pcg32::seed_from_u64(seed);
        let service = Service { cpus_needed: RATE * rng.random_range(20e-6..80e-6), steepness, spread, disturbed };
        let trials = search(&service, &settings, &mut rng);
        minutes.push(trials.iter().map(|trial| trial.wall_seconds).sum::<f64>() / 60.0);
        let answers = Answer::from_trials(&settings, &trials);
        let point = answers.per_replicas[0].minimum().expect("every service can be held").point;
        let ramp = TrialSpec { purpose: Purpose::Confirm, point, load: Load::Ramp, users: USERS };
        let passed = (0..100).filter(|_| service.trial(ramp, &mut rng).passed()).count();
        passing.push(passed as f64 / 100.0);
        quotas.push(point.limits.cpus.as_f64() / service.cpus_needed);
    }
    minutes.sort_by(f64::total_cmp);
    let at = |share: f64| minutes[((minutes.len() - 1) as f64 * share) as usize];
    let over =
        |most: f64| minutes.iter().filter(|minutes| **minutes > most).count() as f64 / minutes.len() as f64 * 100.0;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    format!(
        "| {steepness} | {spread} | {disturbed} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0}% | {:.0}% | {:.1}% | {:.2} |",
        at(0.5),
        at(0.75),
        at(0.9),
        at(0.95),
        over(15.0),
        over(20.0),
        mean(&passing) * 100.0,
        mean(&quotas)
    )
}

fn search(service: &Service, settings: &Settings, rng: &mut Pcg32) -> Vec<Trial> {
    let mut trials = Vec::new();
    while let Next::Try(spec) = next(settings, &trials) {
        trials.push(service.trial(spec, rng));
        assert!(trials.len() < 300, "a search without end");
    }
    trials
}

fn settings() -> Settings {
    let host_memory_bytes = 16 << 30;
    Settings {
        mode: Mode::Minimal,
        max_users: USERS,
        step: STEP,
        wait_time: "between(1, 2.5)".parse().expect("a think time"),
        replicas: vec![1],
        cpus: cpu_ladder(None, 1000).expect("a ladder"),
        memory: memory_ladder(None, host_memory_bytes).expect("a ladder"),
        host_cpus: 1000,
        host_memory_bytes,
        cheapest: Cheapest::Cost,
        cpu_price: 1.0,
        memory_price: 0.11,
        most_steal: 0.02,
        seed: 1,
    }
}

impl Service {
    fn trial(&self, spec: TrialSpec, rng: &mut Pcg32) -> Trial {
        let disturbance = if self.disturbed > 0.0 && rng.random_bool(self.disturbed) { 1.25_f64.ln() } else { 0.0 };
        let off = normal(rng) * self.spread - disturbance;
        let memory_bytes = spec.point.limits.memory_bytes;
        if spec.load == Load::Saturate || memory_bytes < MEMORY_FLOOR {
            let verdict = if spec.load == Load::Saturate { Verdict::Pass } else { Verdict::Fail };
            return self.made(spec, verdict, 0.0, off, 12.0);
        }
        let share = self.late(spec.point, USERS, off);
        let error = WIDTH * ERROR * share;
        let verdict = match (share + error < ALLOWED, share - error > ALLOWED) {
            (true, _) => Verdict::Pass,
            (_, true) => Verdict::Fail,
            _ => Verdict::Undecided,
        };
        let seconds = match (spec.load, verdict) {
            (Load::Ramp, Verdict::Pass) => 137.0,
            (Load::Ramp, Verdict::Fail) => self.seconds_to_fail(spec.point, off),
            (Load::Ramp, _) => 150.0,
            (_, Verdict::Pass) => 39.0,
            (_, Verdict::Fail) => 35.0,
            _ => 60.0,
        };
        self.made(spec, verdict, share, off, seconds)
    }

    /// The share of late requests in a trial in which the service needs e^-`off` times what it does.
    fn late(&self, point: Point, users: u32, off: f64) -> f64 {
        let needed = self.cpus_needed * f64::from(users) / f64::from(USERS);
        let room = (point.limits.cpus.as_f64() / needed).ln() + off;
        (ALLOWED * (-self.steepness * room).exp()).min(1.0)
    }

    /// A ramp ends at the first step that fails, each of which takes 5.7 s, the last one 10 more.
    fn seconds_to_fail(&self, point: Point, off: f64) -> f64 {
        let steps = (1..=USERS / STEP).map(|step| step * STEP);
        let clear = |users: &u32| self.late(point, *users, off) * (1.0 - WIDTH * ERROR) <= ALLOWED;
        let held = steps.take_while(clear).count() as f64;
        15.0 + 5.7 * (held + 1.0) + if held + 1.0 >= f64::from(USERS / STEP) { 10.0 } else { 0.0 }
    }

    fn made(&self, spec: TrialSpec, verdict: Verdict, share: f64, off: f64, wall_seconds: f64) -> Trial {
        let limits = spec.point.limits;
        let was_killed = limits.memory_bytes < MEMORY_FLOOR;
        // A machine that changes while a sweep runs is another question: references say the same throughout.
        let off = if spec.load == Load::Saturate { 0.0 } else { off };
        let needed = self.cpus_needed * (-off).exp();
        let answered = (limits.cpus.as_f64() / needed).min(1.0);
        let cpus_used = match spec.load {
            Load::Saturate => limits.cpus.as_f64().min(needed * SATURATED),
            _ => limits.cpus.as_f64().min(needed * EASE),
        };
        let usage = TrialUsage {
            cpu_seconds_per_request: Some(cpus_used / (RATE * answered)),
            cpus_used,
            memory_peak_bytes: (MEMORY_FLOOR + (30 << 20)).min(limits.memory_bytes),
            file_bytes: 30 << 20,
            oom_kills: u64::from(was_killed),
            ..TrialUsage::default()
        };
        let is_short = if was_killed { Binding::Memory } else { Binding::Cpu };
        let binding_resource = (verdict != Verdict::Pass).then_some(is_short);
        // Of a ramp its last step alone: the search looks at no other.
        let missed = Missed { over_ms: Some(100), allowed: ALLOWED, share, standard_error: ERROR * share };
        let step = StepResult {
            users: spec.users,
            window_seconds: 15.0,
            planned_per_second: Some(RATE),
            requests_per_second: RATE * answered,
            requests: 85_000,
            failures: 0,
            failed: BTreeMap::new(),
            reopened: 0,
            service_ms: Percentiles::default(),
            intended_ms: Percentiles::default(),
            missed: vec![missed],
            lag_p99_ms: 0.1,
            generator_busy: 0.3,
            generator_run_delay: None,
            generator_steal: None,
            verdict,
            reasons: Vec::new(),
            binding_resource,
        };
        Trial {
            spec,
            steps: vec![step],
            usage,
            verdict,
            reasons: Vec::new(),
            binding_resource,
            cold: true,
            warm_because: None,
            // What stays open is given up where a longer window is not likely to decide it.
            stopped_early: (verdict == Verdict::Undecided).then(|| "too close to call".to_owned()),
            wall_seconds,
        }
    }
}

/// A standard normal variate (Box and Muller, 1958).
fn normal(rng: &mut Pcg32) -> f64 {
    let (radius, turn) = (rng.random_range(f64::EPSILON..1.0), rng.random_range(0.0..1.0));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}
