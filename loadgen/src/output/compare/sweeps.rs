//! Comparison of sweeps.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use loadtest::{
    slo::Slo,
    verdict::{Verdict, ViolationRate},
};
use orchestrator::{Cpus, Limits};
use serde::Deserialize;
use sizing::trial::{Point, Purpose, Trial};

use crate::output::{
    charts::{Part, Series, overlay},
    numbers::{percent, thousands},
    page::{self, Cell},
};

/// Fields of `sweep.json` that are compared.
#[derive(Debug, Deserialize)]
pub struct SweepFile {
    ended_early: bool,
    #[serde(default)]
    judged_again: Vec<String>,
    minimal: Option<Minimal>,
    estimate: Option<Estimate>,
    max_users: u32,
    confidence: f64,
    per_replicas: Vec<Count>,
    environment: Environment,
    trials: Vec<Trial>,
}

#[derive(Debug, Deserialize)]
struct Minimal {
    replicas: u32,
    cpus: Cpus,
    memory_bytes: u64,
    p_hold: f64,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    cpus: f64,
    interval: [f64; 2],
}

#[derive(Debug, Deserialize)]
struct Count {
    replicas: u32,
    cost: Option<f64>,
    price: Option<Price>,
}

#[derive(Debug, Deserialize)]
struct Price {
    currency: String,
    per_month: f64,
}

#[derive(Debug, Deserialize)]
struct Environment {
    objective: String,
    wait_time: String,
}

/// Smallest violation rate on the chart.
const LEAST_RATE: f64 = 1e-5;

const HEAD: [&str; 10] =
    ["sweep", "answer", "CPU", "MiB", "cost", "p_hold", "edge", "users", "trials", "minutes"];

/// Returns a table for the terminal with a row for each sweep.
pub(super) fn text(sweeps: &[(String, SweepFile)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(HEAD);
    for (name, sweep) in sweeps {
        table.add_row(row(name, sweep));
    }
    format!("{table}\n{}", notes(sweeps).join("\n"))
}

/// Returns a sentence on each sweep.
pub(super) fn notes(sweeps: &[(String, SweepFile)]) -> Vec<String> {
    let note = |(name, sweep): &(String, SweepFile)| {
        let early = if sweep.ended_early { "; not complete" } else { "" };
        let again = match sweep.judged_again.is_empty() {
            true => String::new(),
            false => format!("; judged again: {}", sweep.judged_again.join("; ")),
        };
        format!(
            "{name}: {} in {} of starts; closed model, think time {}{early}{again}",
            sweep.environment.objective,
            percent(sweep.confidence),
            sweep.environment.wait_time
        )
    };
    sweeps.iter().map(note).collect()
}

/// Returns the table of a page.
pub(super) fn table(sweeps: &[(String, SweepFile)]) -> String {
    let cells = |(name, sweep): &(String, SweepFile)| {
        let cell = |(column, text): (usize, String)| match column {
            0 | 1 => Cell::Words(text),
            _ => Cell::Figure(text),
        };
        row(name, sweep).into_iter().enumerate().map(cell).collect::<Vec<Cell>>()
    };
    let caption = "Smallest limits of each sweep; CPU and memory of all replicas together";
    page::table(caption, &HEAD, &sweeps.iter().map(cells).collect::<Vec<_>>())
}

/// Returns the curves of all sweeps, over each other.
pub(super) fn figure(sweeps: &[(String, SweepFile)]) -> String {
    let limits: Vec<Option<(f64, f64)>> = sweeps.iter().map(|(_, sweep)| sweep.limit()).collect();
    let shared = limits.first().copied().flatten();
    let shared = shared.filter(|first| limits.iter().all(|limit| *limit == Some(*first)));
    let parts = [
        Part {
            name: "time from the due time at the objective's percentile, ms",
            least: 0.01,
            is_share: false,
            limit: shared.map(|(ms, _)| (ms, format!("objective: {ms} ms"))),
        },
        Part {
            name: "requests that violate the objective",
            least: LEAST_RATE,
            is_share: true,
            limit: shared.map(|(_, allowed)| (allowed, "allowed".to_owned())),
        },
    ];
    let all: Vec<Series> = sweeps.iter().map(|(name, sweep)| sweep.series(name)).collect();
    let subtitle = "Lines: probes. Marks: fresh trials and ramps; circle passed, diamond failed, \
        ring undecided";
    overlay("CPU limit and objective", subtitle, "CPU limit of a replica", &parts, &all)
        .map_or_else(String::new, |chart| chart.figure())
}

fn row(name: &str, sweep: &SweepFile) -> [String; 10] {
    let none = || "-".to_owned();
    let minimal = sweep.minimal.as_ref();
    let point = minimal.map(|minimal| Point {
        replicas: minimal.replicas,
        limits: Limits { cpus: minimal.cpus, memory_bytes: minimal.memory_bytes },
    });
    let count = minimal
        .and_then(|minimal| sweep.per_replicas.iter().find(|c| c.replicas == minimal.replicas));
    let cost = count.and_then(|count| match (&count.price, count.cost) {
        (Some(price), _) => Some(format!("{:.2} {}/month", price.per_month, price.currency)),
        (None, cost) => cost.map(|cost| format!("{cost:.3}")),
    });
    let edge = sweep.estimate.as_ref().map(|estimate| {
        let [low, high] = estimate.interval;
        format!("{:.3} ({low:.3}–{high:.3})", estimate.cpus)
    });
    let seconds = sweep.trials.iter().fold(0.0, |sum, trial| sum + trial.wall_seconds);
    [
        name.to_owned(),
        point.map_or_else(|| "none confirmed".to_owned(), |point| point.to_string()),
        point.map_or_else(none, |point| format!("{:.2}", point.total_cpus())),
        point.map_or_else(none, |point| (point.total_memory_bytes() >> 20).to_string()),
        cost.unwrap_or_else(none),
        minimal.map_or_else(none, |minimal| percent(minimal.p_hold)),
        edge.unwrap_or_else(none),
        thousands(f64::from(sweep.max_users)),
        sweep.trials.len().to_string(),
        format!("{:.0}", seconds / 60.0),
    ]
}

impl SweepFile {
    /// Returns the objective's first latency limit and the share that it allows.
    fn limit(&self) -> Option<(f64, f64)> {
        let objective: Slo = self.environment.objective.parse().ok()?;
        let limit = objective.latency.first().filter(|_| self.judged_again.is_empty())?;
        Some((limit.limit.as_secs_f64() * 1e3, limit.allowed_over()))
    }

    fn series(&self, name: &str) -> Series {
        let replicas = self
            .minimal
            .as_ref()
            .map(|minimal| minimal.replicas)
            .or(self.per_replicas.first().map(|count| count.replicas));
        let mine = || {
            self.trials.iter().filter(move |trial| {
                Some(trial.spec.point.replicas) == replicas && trial.spec.users == self.max_users
            })
        };
        let readings = mine().flat_map(|trial| &trial.readings);
        let cpu = readings.filter(|reading| {
            reading.users == self.max_users && !reading.is_memory && !reading.is_recovery
        });
        let mut points: Vec<(f64, Vec<f64>)> = cpu
            .map(|reading| {
                let values = values(&reading.violation_rates, reading.intended_ms.p95);
                (reading.limits.cpus.as_f64(), values)
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let name = match replicas {
            Some(replicas) if replicas > 1 => format!("{name} ({replicas} replicas)"),
            _ => name.to_owned(),
        };
        Series { name, points, trials: mine().filter_map(mark).collect() }
    }
}

/// Returns a fresh trial or ramp as a mark of the chart.
fn mark(trial: &Trial) -> Option<(Verdict, f64, Vec<f64>)> {
    let is_start = matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp);
    let step = trial.steps.last().filter(|step| is_start && step.requests > 0)?;
    let cpus = trial.spec.point.limits.cpus.as_f64();
    Some((trial.verdict, cpus, values(&step.violation_rates, step.intended_ms.p95)))
}

/// Returns the time at the objective's percentile and the worst violation rate.
fn values(rates: &[ViolationRate], p95: f64) -> Vec<f64> {
    let ms = rates.iter().find_map(|rate| rate.quantile_ms).unwrap_or(p95);
    vec![ms, rates.iter().map(|rate| rate.share).fold(LEAST_RATE, f64::max)]
}
