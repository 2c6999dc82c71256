//! How long does a sweep take, and how good is its answer, on simulated services with physics?
//!
//!     cargo bench -p loadgen --bench search [-- SWEEPS [REPLICAS]]
//!
//! The truth of a limit is the share of fresh starts that hold the objective for 60 seconds.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use loadgen::{
    runner::simulated,
    simulator::{KINDS, Kind, Service, World},
    slo::Objective,
    sweep::{Answer, Cheapest, Mode, Next, Point, Settings, Trial, cpu_ladder, memory_ladder, next},
    verdict::Verdict,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Different services of a kind.
const SERVICES: u64 = 20;
/// Fresh starts of which a truth is the share that holds.
const STARTS: u64 = 150;
const USERS: u32 = 10_000;
const CONFIDENCE: f64 = 0.95;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let sweeps: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(200);
    let replicas: Vec<u32> =
        args.next().map_or(vec![1], |text| text.split(',').filter_map(|n| n.parse().ok()).collect());
    println!("{sweeps} sweeps a kind, {SERVICES} services each, {replicas:?} replicas\n");
    println!(
        "| kind | no answer | mean p at the answer | p >= 0.90 | one rung above the cheapest at most | minutes: median | 95% | trials |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for kind in &KINDS {
        let results = play(kind, sweeps, &replicas);
        println!("| {} | {} |", kind.name, row(&results));
        all.extend(results);
    }
    println!("| all | {} |", row(&all));
}

struct Played {
    /// True p at the answer, and rungs above the cheapest with p >= 0.95.
    answer: Option<(f64, i64)>,
    minutes: f64,
    trials: usize,
}

fn row(all: &[Played]) -> String {
    let answers: Vec<(f64, i64)> = all.iter().filter_map(|played| played.answer).collect();
    let share = |count: usize| count as f64 / answers.len().max(1) as f64 * 100.0;
    let mean = answers.iter().map(|a| a.0).sum::<f64>() / answers.len().max(1) as f64;
    let mut minutes: Vec<f64> = all.iter().map(|played| played.minutes).collect();
    minutes.sort_by(f64::total_cmp);
    let mut trials: Vec<usize> = all.iter().map(|played| played.trials).collect();
    trials.sort_unstable();
    let at = |q: f64| minutes[((minutes.len() - 1) as f64 * q) as usize];
    format!(
        "{:.1}% | {mean:.3} | {:.1}% | {:.1}% | {:.1} | {:.1} | {}",
        (all.len() - answers.len()) as f64 / all.len() as f64 * 100.0,
        share(answers.iter().filter(|a| a.0 >= 0.9).count()),
        share(answers.iter().filter(|a| a.1 <= 1).count()),
        at(0.5),
        at(0.95),
        trials[trials.len() / 2],
    )
}

fn play(kind: &Kind, sweeps: u64, replicas: &[u32]) -> Vec<Played> {
    let results = Mutex::new(Vec::new());
    let next_service = AtomicU64::new(0);
    let work = || {
        loop {
            let index = next_service.fetch_add(1, Ordering::Relaxed);
            if index >= SERVICES {
                break;
            }
            let service = kind.service.scaled(Pcg64::seed_from_u64(index).random_range(0.6..1.8));
            let truths = Truths { service, kind, known: Mutex::new(BTreeMap::new()) };
            for sweep in (0..sweeps).filter(|sweep| sweep % SERVICES == index) {
                let played = truths.play(sweep, replicas);
                results.lock().expect("no panic").push(played);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    results.into_inner().expect("no panic")
}

struct Truths<'a> {
    service: Service,
    kind: &'a Kind,
    known: Mutex<BTreeMap<(u32, u32, u64), f64>>,
}

impl Truths<'_> {
    fn play(&self, seed: u64, replicas: &[u32]) -> Played {
        let (settings, objective) = (settings(replicas), objective());
        let mut world = World::new(self.service, self.kind.machine, seed);
        let mut trials: Vec<Trial> = Vec::new();
        let mut counted: Vec<Trial> = Vec::new();
        while let Next::Try(spec) = next(&settings, &counted) {
            let trial = simulated(&mut world, &settings, &objective, spec);
            if trial.verdict != Verdict::Invalid {
                counted.push(trial.clone());
            }
            trials.push(trial);
            if trials.len() > 150 {
                break;
            }
        }
        let answer = Answer::from_trials(&settings, &counted);
        let point = answer.per_replicas.first().and_then(|a| a.minimum()).map(|m| m.point);
        let seconds: f64 = trials.iter().map(|t| t.wall_seconds).sum();
        let answer = point.map(|point| {
            let rung = settings.cpus.at_least(f64::from(point.limits.cpus.millis)) as i64;
            // With the memory of the answer, and all of it below: what less CPU needs more memory for is not judged.
            let mut cheapest = rung;
            while cheapest > 0
                && self.truth(Point::new(point.replicas, settings.cpus.rung(cheapest as usize - 1), 1 << 30))
                    >= CONFIDENCE
            {
                cheapest -= 1;
            }
            (self.truth(point), rung - cheapest)
        });
        Played { answer, minutes: seconds / 60.0, trials: trials.len() }
    }

    /// The share of fresh starts that hold the objective.
    fn truth(&self, point: Point) -> f64 {
        let key = (point.replicas, point.limits.cpus.millis, point.limits.memory_bytes);
        if let Some(known) = self.known.lock().expect("no panic").get(&key) {
            return *known;
        }
        let held = (0..STARTS).filter(|seed| self.holds(point, *seed)).count();
        let truth = held as f64 / STARTS as f64;
        self.known.lock().expect("no panic").insert(key, truth);
        truth
    }

    fn holds(&self, point: Point, seed: u64) -> bool {
        // Wherever the machine's speed has wandered to by the middle of a sweep.
        let mut world = World::new(self.service, self.kind.machine, seed ^ 0x5eed_0000);
        let mut running = world.start(point.replicas, point.limits, &[100]);
        let (mut requests, mut over, mut failures) = (0, 0, 0);
        for second in 1..=83 {
            let (measured, _) = running.second((f64::from(second) * 500.0).min(f64::from(USERS)));
            if second > 23 {
                requests += measured.requests;
                over += measured.over[0] + measured.failures;
                failures += measured.failures;
            }
        }
        let is_alive = running.usage().iter().all(|usage| usage.running);
        is_alive
            && over as f64 <= 0.05 * requests as f64
            && failures as f64 <= 0.001 * requests as f64
            && requests as f64 >= 0.95 * 60.0 * f64::from(USERS) / 1.75
    }
}

fn objective() -> Objective {
    "p95<100ms,failures<0.1%,rate>=95%".parse().expect("an objective")
}

fn settings(replicas: &[u32]) -> Settings {
    let host_memory_bytes = 16 << 30;
    Settings {
        mode: Mode::Minimal,
        max_users: USERS,
        step: 500,
        wait_time: "between(1, 2.5)".parse().expect("a think time"),
        replicas: replicas.to_vec(),
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
