//! Comparison of runs.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use loadtest::measure::Percentiles;
use serde::Deserialize;

use crate::output::{
    charts::{Part, Series, overlay},
    page::{self, Cell},
};

/// Fields of a result file of `loadgen run --json` that are compared.
#[derive(Debug, Deserialize)]
pub struct RunFile {
    traffic: String,
    objective: Option<String>,
    verdict: Option<String>,
    steps: Vec<Step>,
    validity: Validity,
}

#[derive(Debug, Deserialize)]
struct Step {
    target: f64,
    requests: u64,
    failures: u64,
    requests_per_second: f64,
    service_ms: Percentiles,
    intended_ms: Percentiles,
}

#[derive(Debug, Deserialize)]
struct Validity {
    generator_limited: bool,
}

const HEAD: [&str; 11] = [
    "target",
    "run",
    "req/s",
    "x",
    "p50 ms",
    "x",
    "p95 ms",
    "x",
    "p99 ms",
    "intended p99",
    "failed",
];

/// Returns a table for the terminal with a row for each step of each run; ratios are to the first
/// run's step with the same target.
pub(super) fn text(runs: &[(String, RunFile)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(HEAD);
    for row in rows(runs) {
        table.add_row(row);
    }
    let first = runs.first().map_or("", |(name, _)| name);
    format!("{table}\n{}\nx: times {first}; times are service times", notes(runs).join("\n"))
}

/// Returns a sentence on each run.
pub(super) fn notes(runs: &[(String, RunFile)]) -> Vec<String> {
    let note = |(name, run): &(String, RunFile)| {
        let limited =
            if run.validity.generator_limited { "; the generator was the limit" } else { "" };
        let judged = match (&run.objective, &run.verdict) {
            (Some(objective), Some(verdict)) => format!("; {objective}: {verdict}"),
            _ => String::new(),
        };
        format!("{name}: {}{judged}{limited}", run.traffic)
    };
    runs.iter().map(note).collect()
}

/// Returns the table of a page.
pub(super) fn table(runs: &[(String, RunFile)]) -> String {
    let cells = |row: [String; 11]| {
        let [target, name, figures @ ..] = row;
        let first = [Cell::Words(name), Cell::Figure(target)];
        first.into_iter().chain(figures.into_iter().map(Cell::Figure)).collect::<Vec<Cell>>()
    };
    let mut head = HEAD;
    head.swap(0, 1);
    let first = runs.first().map_or("", |(name, _)| name);
    let caption =
        format!("Steps with the same target; x is times {first}, times are service times");
    page::table(&caption, &head, &rows(runs).into_iter().map(cells).collect::<Vec<_>>())
}

/// Returns the percentiles of all runs by step, over each other.
pub(super) fn figure(runs: &[(String, RunFile)]) -> String {
    let series = |(name, run): &(String, RunFile)| {
        let point = |step: &Step| {
            let ms = step.intended_ms;
            (step.target, vec![ms.p50, ms.p95, ms.p99, step.requests_per_second])
        };
        let mut points: Vec<_> = run.steps.iter().map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { name: name.clone(), points, trials: Vec::new() }
    };
    let part = |name| Part { name, least: 0.001, is_share: false, limit: None };
    let parts = ["p50 ms", "p95 ms", "p99 ms", "answered requests per second"].map(part);
    let all: Vec<Series> = runs.iter().map(series).collect();
    let subtitle = "Response times from the due time, of each step";
    let across = "users, or requests per second of the open model";
    overlay("Percentiles by step", subtitle, across, &parts, &all)
        .map_or_else(String::new, |chart| chart.figure())
}

/// Returns the rows of the table.
fn rows(runs: &[(String, RunFile)]) -> Vec<[String; 11]> {
    // A target may occur several times, as in a spike: the n-th steps with the same target are
    // compared.
    let steps: Vec<Vec<(f64, usize, &Step)>> =
        runs.iter().map(|(_, run)| numbered(&run.steps)).collect();
    let mut targets: Vec<(f64, usize)> =
        steps.iter().flatten().map(|(target, turn, _)| (*target, *turn)).collect();
    targets.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.total_cmp(&b.0)));
    targets.dedup();
    let mut rows = Vec::new();
    for (target, turn) in targets {
        let of = |run: usize| {
            steps[run].iter().find(|step| (step.0, step.1) == (target, turn)).map(|step| step.2)
        };
        let base = of(0);
        let all = runs.iter().enumerate().filter_map(|(index, (name, _))| Some((name, of(index)?)));
        rows.extend(all.map(|(name, step)| row(target, name, step, base)));
    }
    rows
}

fn row(target: f64, name: &str, step: &Step, base: Option<&Step>) -> [String; 11] {
    let ratio = |value: f64, base: Option<f64>| match base {
        Some(base) if base > 0.0 => format!("{:.2}", value / base),
        _ => "-".to_owned(),
    };
    let share = step.failures as f64 / step.requests.max(1) as f64;
    [
        target.to_string(),
        name.to_owned(),
        format!("{:.1}", step.requests_per_second),
        ratio(step.requests_per_second, base.map(|b| b.requests_per_second)),
        format!("{:.2}", step.service_ms.p50),
        ratio(step.service_ms.p50, base.map(|b| b.service_ms.p50)),
        format!("{:.2}", step.service_ms.p95),
        ratio(step.service_ms.p95, base.map(|b| b.service_ms.p95)),
        format!("{:.2}", step.service_ms.p99),
        format!("{:.2}", step.intended_ms.p99),
        format!("{:.2}%", share * 100.0),
    ]
}

/// Returns steps with their targets, and the number of earlier steps with the same target.
fn numbered(steps: &[Step]) -> Vec<(f64, usize, &Step)> {
    let turn = |index: usize| {
        steps[..index].iter().filter(|step| step.target == steps[index].target).count()
    };
    steps.iter().enumerate().map(|(index, step)| (step.target, turn(index), step)).collect()
}
