//! Comparison of runs, for instance synchronous and asynchronous, or one replica and three.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use loadtest::measure::Percentiles;
use serde::Deserialize;

/// Fields of a result file of `loadgen run --json` that are compared.
#[derive(Debug, Deserialize)]
pub struct RunFile {
    traffic: String,
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

/// Returns a table with a row for each step of each run; ratios are to the first run's step with
/// the same target.
pub fn compare(runs: &[(String, RunFile)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
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
    ]);
    // A target may occur several times, as in a spike: the n-th steps with the same target are
    // compared.
    let steps: Vec<Vec<(f64, usize, &Step)>> =
        runs.iter().map(|(_, run)| numbered(&run.steps)).collect();
    let mut targets: Vec<(f64, usize)> =
        steps.iter().flatten().map(|(target, turn, _)| (*target, *turn)).collect();
    targets.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.total_cmp(&b.0)));
    targets.dedup();
    for (target, turn) in targets {
        let of = |run: usize| {
            steps[run].iter().find(|step| (step.0, step.1) == (target, turn)).map(|step| step.2)
        };
        let base = of(0);
        for (index, (name, _)) in runs.iter().enumerate() {
            let Some(step) = of(index) else { continue };
            let ratio = |value: f64, base: Option<f64>| match base {
                Some(base) if base > 0.0 => format!("{:.2}", value / base),
                _ => "-".to_owned(),
            };
            let share = step.failures as f64 / step.requests.max(1) as f64;
            table.add_row([
                target.to_string(),
                name.clone(),
                format!("{:.1}", step.requests_per_second),
                ratio(step.requests_per_second, base.map(|b| b.requests_per_second)),
                format!("{:.2}", step.service_ms.p50),
                ratio(step.service_ms.p50, base.map(|b| b.service_ms.p50)),
                format!("{:.2}", step.service_ms.p95),
                ratio(step.service_ms.p95, base.map(|b| b.service_ms.p95)),
                format!("{:.2}", step.service_ms.p99),
                format!("{:.2}", step.intended_ms.p99),
                format!("{:.2}%", share * 100.0),
            ]);
        }
    }
    let notes = runs.iter().map(|(name, run)| {
        let limited =
            if run.validity.generator_limited { "; the generator was the limit" } else { "" };
        format!("{name}: {}{limited}", run.traffic)
    });
    let first = runs.first().map_or("", |(name, _)| name);
    format!(
        "{table}\n{}\nx: times {first}; times are service times",
        notes.collect::<Vec<_>>().join("\n")
    )
}

/// Returns steps with their targets, and the number of earlier steps with the same target.
fn numbered(steps: &[Step]) -> Vec<(f64, usize, &Step)> {
    let turn = |index: usize| {
        steps[..index].iter().filter(|step| step.target == steps[index].target).count()
    };
    steps.iter().enumerate().map(|(index, step)| (step.target, turn(index), step)).collect()
}
