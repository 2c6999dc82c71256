//! Duration, answers and stated probabilities of sweeps on simulated services with physics.
//!
//!     cargo bench -p sizing --bench search [-- SWEEPS [REPLICAS]]
//!
//! The truth of a limit is the share of fresh starts that hold the objective for 60 seconds.
//! Nothing of the search's model is in the services that it is judged on (`sizing::simulator`).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use loadtest::verdict::Verdict;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use sizing::{
    simulator::{KINDS, Kind, Service, World},
    sweep::{Next, answer, next},
    trial::{Point, Settings, Trial},
};

/// Different services of a kind.
const SERVICES: u64 = 20;
/// Fresh starts of which a truth is the share that holds.
const STARTS: u64 = 150;
const USERS: u32 = 10_000;
/// Bins of the calibration table.
const BINS: usize = 10;
/// Trials after which a search is without end.
const ENDLESS: usize = 150;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let sweeps: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let replicas: Vec<u32> = args
        .next()
        .map_or(vec![1], |text| text.split(',').filter_map(|n| n.parse().ok()).collect());
    println!("{sweeps} sweeps a kind on {SERVICES} services each, {replicas:?} replicas\n");
    println!("{HEADER}\n|---|---|---|---|---|---|---|---|---|");
    let only = std::env::var("KIND").ok();
    let (mut all, mut calibration) = (Vec::new(), Calibration::default());
    for kind in KINDS
        .iter()
        .filter(|kind| only.as_ref().is_none_or(|only| kind.name.contains(only.as_str())))
    {
        let played = play(kind, sweeps, &replicas);
        println!("| {} | {} |", kind.name, row(&played));
        played
            .iter()
            .flat_map(|played| &played.rungs)
            .for_each(|(p, truth)| calibration.add(*p, *truth));
        all.extend(played);
    }
    println!("| all | {} |\n\n{}", row(&all), calibration.table());
}

const HEADER: &str = "| kind | no answer | mean p at the answer | p >= 0.90 | at most one rung \
    above | below | minutes: median | 95% | trials |";

/// A sweep that was played.
struct Played {
    /// True p at the answer of the first replica count, and its rungs above the cheapest with p >=
    /// 0.95.
    answer: Option<(f64, i64)>,
    /// Stated and true probabilities of the rungs near the answer.
    rungs: Vec<(f64, f64)>,
    minutes: f64,
    trials: usize,
}

fn row(all: &[Played]) -> String {
    let answers: Vec<(f64, i64)> = all.iter().filter_map(|played| played.answer).collect();
    let share = |is: &dyn Fn(&(f64, i64)) -> bool| {
        answers.iter().filter(|answer| is(answer)).count() as f64 / answers.len().max(1) as f64
            * 100.0
    };
    let mean = answers.iter().map(|a| a.0).sum::<f64>() / answers.len().max(1) as f64;
    let mut minutes: Vec<f64> = all.iter().map(|played| played.minutes).collect();
    minutes.sort_by(f64::total_cmp);
    let mut trials: Vec<usize> = all.iter().map(|played| played.trials).collect();
    trials.sort_unstable();
    let at = |q: f64| minutes[((minutes.len() - 1) as f64 * q) as usize];
    format!(
        "{:.1}% | {mean:.3} | {:.1}% | {:.1}% | {:.1}% | {:.1} | {:.1} | {}",
        (all.len() - answers.len()) as f64 / all.len() as f64 * 100.0,
        share(&|answer| answer.0 >= 0.9),
        share(&|answer| answer.1 <= 1),
        share(&|answer| answer.1 < 0),
        at(0.5),
        at(0.95),
        trials[trials.len() / 2],
    )
}

/// Stated probabilities beside true ones.
#[derive(Default)]
struct Calibration([(f64, f64, u64); BINS]);

impl Calibration {
    fn add(&mut self, stated: f64, truth: f64) {
        let bin = &mut self.0[((stated * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + stated, bin.1 + truth, bin.2 + 1);
    }

    fn table(&self) -> String {
        let row = |(index, (stated, truth, count)): (usize, &(f64, f64, u64))| {
            let n = (*count).max(1) as f64;
            let (low, high) = (index as f64 / BINS as f64, (index + 1) as f64 / BINS as f64);
            let (stated, truth) = (stated / n, truth / n);
            format!(
                "| {low:.1} to {high:.1} | {stated:.3} | {truth:.3} | {:+.3} | {count} |",
                truth - stated
            )
        };
        let rows: Vec<String> = self.0.iter().enumerate().map(row).collect();
        format!(
            "| stated p_hold | mean stated | true | difference | rungs \
                |\n|---|---|---|---|---|\n{}",
            rows.join("\n")
        )
    }
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
            let mut truths = Truths { service, kind, known: BTreeMap::new() };
            for sweep in (0..sweeps).filter(|sweep| sweep % SERVICES == index) {
                let played = truths.play(sweep, replicas);
                results.lock().expect("no panic").push(played);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(work);
        }
    });
    results.into_inner().expect("no panic")
}

/// A service, and what is true of its limits.
struct Truths<'a> {
    service: Service,
    kind: &'a Kind,
    known: BTreeMap<(u32, u32, u64), f64>,
}

impl Truths<'_> {
    fn play(&mut self, seed: u64, replicas: &[u32]) -> Played {
        let settings = Settings { replicas: replicas.to_vec(), ..Settings::example() };
        let mut world = World::new(self.service, self.kind.machine, seed);
        let (mut trials, mut minutes) = (Vec::<Trial>::new(), 0.0);
        while let Next::Try(planned) = next(&settings, &trials) {
            let trial = world.trial(&settings, planned.spec);
            minutes += trial.wall_seconds / 60.0;
            if std::env::var_os("SHOW").is_some() {
                eprintln!("{seed:>3} {:<60} {}", planned.reason, show(&trial));
            }
            trials.push(trial);
            assert!(trials.len() < ENDLESS, "a search without end");
        }
        let answer = answer(&settings, &trials);
        let first = answer.per_replicas.first();
        let point = first.and_then(|first| first.minimum()).map(|minimum| minimum.point);
        let judged = point.map(|point| self.judge(&settings, point));
        let rungs = match (first, point) {
            (Some(first), Some(point)) => {
                let at = settings.rungs(point).map_or(0, |rungs| rungs.cpu);
                let near =
                    first.rungs.iter().enumerate().filter(|(rung, _)| rung.abs_diff(at) <= 3);
                let point = |rung| Point::new(point.replicas, settings.cpus.rung(rung), 1 << 30);
                near.map(|(rung, told)| (told.p_hold, self.truth(point(rung)))).collect()
            }
            _ => Vec::new(),
        };
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{seed:>3} => {point:?} {judged:?} {minutes:.1} min {rungs:.2?}");
        }
        Played { answer: judged, rungs, minutes, trials: trials.len() }
    }

    /// The true p of a point, and by how many rungs of CPU it is above the cheapest that holds.
    fn judge(&mut self, settings: &Settings, point: Point) -> (f64, i64) {
        let rung = settings.rungs(point).map_or(0, |rungs| rungs.cpu);
        // With all the memory there is: what less CPU needs more memory for is not judged.
        let mut holds = |rung: usize| {
            self.truth(Point::new(point.replicas, settings.cpus.rung(rung), 1 << 30))
                >= settings.confidence
        };
        let mut cheapest = rung;
        while cheapest > 0 && holds(cheapest - 1) {
            cheapest -= 1;
        }
        while cheapest < settings.cpus.top() && !holds(cheapest) {
            cheapest += 1;
        }
        (self.truth(point), rung as i64 - cheapest as i64)
    }

    /// The share of fresh starts that hold the objective.
    fn truth(&mut self, point: Point) -> f64 {
        let key = (point.replicas, point.limits.cpus.millis, point.limits.memory_bytes);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let held = (0..STARTS).filter(|seed| self.holds(point, *seed)).count();
        let truth = held as f64 / STARTS as f64;
        self.known.insert(key, truth);
        truth
    }

    fn holds(&self, point: Point, seed: u64) -> bool {
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
        running.usage().iter().all(|usage| usage.running)
            && over as f64 <= 0.05 * requests as f64
            && failures as f64 <= 0.001 * requests as f64
            && requests as f64 >= 0.95 * 60.0 * f64::from(USERS) / 1.75
    }
}

fn show(trial: &Trial) -> String {
    let last = trial.steps.last();
    let share =
        last.and_then(|step| step.violation_rates.first()).map_or(0.0, |rate| rate.share * 100.0);
    let readings: Vec<String> = trial
        .readings
        .iter()
        .map(|r| {
            format!("{}/{}:{:.2}", r.limits.cpus, r.limits.memory_bytes >> 20, r.violation_ratio())
        })
        .collect();
    let verdict = if trial.verdict == Verdict::Pass {
        "pass".to_owned()
    } else {
        trial.verdict.to_string().to_uppercase()
    };
    format!(
        "{:?} {} {verdict} {share:.2}% {:?} {:.0} s {}",
        trial.spec.purpose,
        trial.spec.point,
        trial.bottleneck,
        trial.wall_seconds,
        readings.join(" ")
    )
}
