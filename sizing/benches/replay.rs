//! Does the search give the answers that journals of earlier searches hold, with fewer trials?
//!
//!     cargo bench -p sizing --bench replay
//!
//! `journals/grid.jsonl` is a grid of points that was measured with 2,000 users, those near the
//! edge three times. Searches are played on it, each trial one of those that were made at its
//! point, drawn by chance; without probes, which were not made. The truth is the cheapest point of
//! which most trials passed.
//!
//! `journals/processes.jsonl` is a sweep of the search before this one: the model is given its
//! first trials, and has to name the rung that the whole sweep answered, within one rung, from half
//! of them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use loadtest::verdict::Verdict;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use sizing::{
    sweep::{Finding, Next, answer, next},
    trial::{Ladder, Point, Purpose, Settings, Trial},
};

const SEARCHES: u64 = 1000;
/// Share of the searches that have to end within one rung of the truth.
const WANTED: f64 = 0.95;

fn main() {
    let near = grid();
    let is_half_enough = processes();
    if near < WANTED || !is_half_enough {
        eprintln!(
            "{:.0}% within one rung, and the journal's answer from half of its trials are wanted",
            WANTED * 100.0
        );
        std::process::exit(1);
    }
}

fn journal(name: &str) -> Vec<Trial> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/journals").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        })
        .collect()
}

/// Plays searches on the grid. Returns the share that ended within one rung of the truth.
fn grid() -> f64 {
    let trials = journal("grid.jsonl");
    let mut points: HashMap<Point, Vec<Trial>> = HashMap::new();
    for trial in
        trials.iter().filter(|t| t.spec.purpose == Purpose::Fresh && t.verdict != Verdict::Invalid)
    {
        points.entry(trial.spec.point).or_default().push(trial.clone());
    }
    let ladder =
        |of: fn(&Point) -> u64| Ladder::new(points.keys().map(of).collect()).expect("a rung");
    let (cpus, memory) =
        (ladder(|p| p.limits.cpus.millis.into()), ladder(|p| p.limits.memory_bytes));
    let settings = Settings {
        max_users: trials[0].spec.users,
        host_cpus: cpus.rung(cpus.top()),
        host_memory_bytes: memory.rung(memory.top()),
        cpus,
        memory,
        can_probe: false,
        ..Settings::example()
    };
    let holds =
        |trials: &Vec<Trial>| trials.iter().filter(|t| t.passed()).count() * 2 > trials.len();
    let holding = points.iter().filter(|(_, trials)| holds(trials)).map(|(point, _)| *point);
    let truth = holding
        .min_by(|a, b| settings.cost(*a).total_cmp(&settings.cost(*b)))
        .expect("a point that holds");
    println!(
        "grid: {} points, {} trials; the cheapest point that holds is {truth}\n",
        points.len(),
        trials.len()
    );

    let (mut answers, mut counts, mut near) = (BTreeMap::new(), Vec::new(), 0);
    for seed in 0..SEARCHES {
        let mut rng = Pcg32::seed_from_u64(seed);
        let mut made: Vec<Trial> = Vec::new();
        while let Next::Try(planned) = next(&settings, &made) {
            let at = &points[&planned.spec.point];
            let drawn = at[rng.random_range(0..at.len())].clone();
            // The machine itself was not measured beside the grid.
            let verdict = if planned.spec.purpose == Purpose::Calibrate {
                Verdict::Invalid
            } else {
                drawn.verdict
            };
            made.push(Trial { spec: planned.spec, verdict, ..drawn });
            assert!(made.len() < 200, "a search without end");
        }
        let found = answer(&settings, &made).cheapest(&settings).map(|minimum| minimum.point);
        let rungs = |point: Point| settings.rungs(point).expect("on the grid");
        let is_near = found.is_some_and(|found| {
            let (a, b) = (rungs(found), rungs(truth));
            a.cpu.abs_diff(b.cpu) <= 1 && a.memory.abs_diff(b.memory) <= 1
        });
        near += u64::from(is_near);
        *answers
            .entry(found.map_or_else(|| "no answer".to_owned(), |found| found.to_string()))
            .or_insert(0u64) += 1;
        counts.push(made.iter().filter(|trial| trial.spec.purpose != Purpose::Calibrate).count());
    }
    counts.sort_unstable();
    println!("| answer | of {SEARCHES} searches |\n|---|---|");
    answers.iter().for_each(|(name, count)| {
        println!("| {name} | {:.1}% |", *count as f64 / SEARCHES as f64 * 100.0);
    });
    let share = near as f64 / SEARCHES as f64;
    println!(
        "\nwithin one rung: {:.1}%; trials: median {}, 95% at most {}\n",
        share * 100.0,
        counts[counts.len() / 2],
        counts[counts.len() * 95 / 100]
    );
    share
}

/// Gives the model the first trials of a sweep. Returns whether half of them name the answer of
/// all.
fn processes() -> bool {
    let trials = journal("processes.jsonl");
    let settings = Settings { can_probe: false, ..Settings::example() };
    // What the search that made them answered.
    let answered = 180;
    println!(
        "a sweep over processes, {} trials, answered 0.18 CPU:\n\n| trials | rung named | p_hold \
            at 0.14, 0.16, 0.18, 0.20 |\n|---|---|---|",
        trials.len()
    );
    let named = |count: usize| {
        let known = answer(&settings, &trials[..count]);
        let known = known.per_replicas.first()?;
        let cpus = match &known.finding {
            Finding::Minimum(minimum) | Finding::Unconfirmed { minimum, .. } => {
                minimum.point.limits.cpus.millis
            }
            _ => return None,
        };
        let p: Vec<String> = [140, 160, 180, 200]
            .iter()
            .filter_map(|millis| known.rungs.iter().find(|rung| rung.cpus.millis == *millis))
            .map(|rung| format!("{:.2}", rung.p_hold))
            .collect();
        println!("| {count} | {} | {} |", f64::from(cpus) / 1000.0, p.join(", "));
        Some(cpus)
    };
    let all: Vec<Option<u32>> = (1..=trials.len()).map(named).collect();
    let rung = |millis: u32| settings.cpus.at_least(f64::from(millis));
    let half = all[trials.len() / 2 - 1];
    half.is_some_and(|half| rung(half).abs_diff(rung(answered)) <= 1)
}
