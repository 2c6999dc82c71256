//! How near does the search come to the truth? Searches are played on a grid of points that was measured.
//!
//!     cargo bench -p loadgen --bench grid
//!
//! The README beside it has the commands that made the grid. Each trial that a search asks for is one of those that were made at
//! that point, drawn by chance: with three of them near the edge, labels flip as they did. The truth is the cheapest point of
//! which most trials passed. The search has to end within one rung of it, in CPU and in memory, in at least 95% of 1,000 searches.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use loadgen::{
    sweep::{Answer, Cheapest, Ladder, Load, Mode, Next, Point, Purpose, Settings, Trial, TrialSpec, next},
    verdict::Verdict,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

const SEARCHES: u64 = 1000;
const WANTED: f64 = 0.95;

/// The trials of a grid.
struct Grid {
    settings: Settings,
    trials: HashMap<Point, Vec<Trial>>,
}

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/grid/trials.jsonl");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; the command above makes it", path.display()));
    let trials: Vec<Trial> = text.lines().map(|line| serde_json::from_str(line).expect("a trial a line")).collect();
    if play(&Grid::new(&trials)) < WANTED {
        eprintln!("{:.0}% within one rung are wanted", WANTED * 100.0);
        std::process::exit(1);
    }
}

/// Plays searches; the share of them that ended within one rung of the truth.
fn play(grid: &Grid) -> f64 {
    let truth = grid.truth().expect("a point that holds");
    let all: usize = grid.trials.values().map(Vec::len).sum();
    println!("{} points, {all} trials; the cheapest point that holds is {truth}\n", grid.trials.len());

    let (mut distances, mut searches, mut confirmations) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut answers = BTreeMap::new();
    for seed in 0..SEARCHES {
        let made = grid.search(seed);
        let answer = Answer::from_trials(&grid.settings, &made).cheapest(&grid.settings);
        let distance = answer.as_ref().map(|minimum| grid.distance(minimum.point, truth));
        *distances.entry(distance).or_insert(0u64) += 1;
        let name = answer.map_or_else(|| "no answer".to_owned(), |minimum| minimum.point.to_string());
        *answers.entry(name).or_insert(0u64) += 1;
        let is_search = |t: &&Trial| matches!(t.spec.purpose, Purpose::Calibrate | Purpose::Search);
        searches.push(made.iter().filter(is_search).count());
        confirmations.push(made.iter().filter(|t| t.spec.purpose == Purpose::Confirm).count());
    }
    println!("| answer | of {SEARCHES} searches |\n|---|---|");
    for (name, count) in &answers {
        println!("| {name} | {:.1}% |", *count as f64 / SEARCHES as f64 * 100.0);
    }
    println!("\n| rungs from the truth | of {SEARCHES} searches |\n|---|---|");
    for (distance, count) in &distances {
        let name = distance.map_or_else(|| "no answer".to_owned(), |rungs: usize| rungs.to_string());
        println!("| {name} | {:.1}% |", *count as f64 / SEARCHES as f64 * 100.0);
    }
    for (name, counts) in [("to calibrate and search", &mut searches), ("to confirm", &mut confirmations)] {
        counts.sort_unstable();
        let at = |share: f64| counts[((counts.len() - 1) as f64 * share) as usize];
        println!("\ntrials {name}: median {}, 95% at most {}, most {}", at(0.5), at(0.95), at(1.0));
    }
    let near: u64 =
        distances.iter().filter(|(rungs, _)| rungs.is_some_and(|rungs| rungs <= 1)).map(|(_, count)| count).sum();
    let share = near as f64 / SEARCHES as f64;
    println!("\nwithin one rung: {:.1}%", share * 100.0);
    share
}

impl Grid {
    fn new(trials: &[Trial]) -> Self {
        let users = trials.first().expect("a trial").spec.users;
        let mut points: HashMap<Point, Vec<Trial>> = HashMap::new();
        for trial in trials.iter().filter(|t| t.spec.load == Load::Direct && t.verdict != Verdict::Invalid) {
            points.entry(trial.spec.point).or_default().push(trial.clone());
        }
        let rungs = |f: fn(&Point) -> u64| Ladder::new(points.keys().map(f).collect()).expect("a rung");
        let cpus = rungs(|point| point.limits.cpus.millis.into());
        let memory = rungs(|point| point.limits.memory_bytes);
        let settings = Settings {
            mode: Mode::Minimal,
            max_users: users,
            step: 500,
            wait_time: "between(1, 2.5)".parse().expect("a think time"),
            replicas: vec![1],
            host_cpus: cpus.rung(cpus.top()),
            host_memory_bytes: memory.rung(memory.top()),
            cpus,
            memory,
            cheapest: Cheapest::Cost,
            cpu_price: 1.0,
            memory_price: 0.11,
            most_steal: 0.02,
            seed: 1,
        };
        Self { settings, trials: points }
    }

    fn truth(&self) -> Option<Point> {
        let holds = |trials: &Vec<Trial>| trials.iter().filter(|t| t.passed()).count() * 2 > trials.len();
        let holding = self.trials.iter().filter(|(_, trials)| holds(trials)).map(|(point, _)| *point);
        holding.min_by(|a, b| self.settings.cost(*a).total_cmp(&self.settings.cost(*b)))
    }

    fn search(&self, seed: u64) -> Vec<Trial> {
        let mut rng = Pcg32::seed_from_u64(seed);
        let mut made = Vec::new();
        while let Next::Try(spec) = next(&self.settings, &made) {
            made.push(self.trial(spec, &mut rng));
            assert!(made.len() < 200, "a search without end");
        }
        made
    }

    fn trial(&self, spec: TrialSpec, rng: &mut Pcg32) -> Trial {
        // References are made beyond the grid.
        let top = Point::new(1, self.settings.host_cpus, self.settings.host_memory_bytes);
        let at = if spec.load == Load::Saturate { top } else { spec.point };
        let made = self.trials.get(&at).unwrap_or_else(|| panic!("{} is not on the grid", spec.point));
        let drawn = made[rng.random_range(0..made.len())].clone();
        // A reference is of the machine, which does not change here.
        let verdict = if spec.load == Load::Saturate { Verdict::Pass } else { drawn.verdict };
        let usage = if spec.load == Load::Saturate { made[0].usage.clone() } else { drawn.usage.clone() };
        Trial { spec, verdict, usage, ..drawn }
    }

    /// Rungs between two points, in CPU or in memory, whichever is more.
    fn distance(&self, a: Point, b: Point) -> usize {
        let cpu = |point: Point| self.settings.cpus.at_least(f64::from(point.limits.cpus.millis));
        let memory = |point: Point| self.settings.memory.at_least(point.limits.memory_bytes as f64);
        cpu(a).abs_diff(cpu(b)).max(memory(a).abs_diff(memory(b)))
    }
}
