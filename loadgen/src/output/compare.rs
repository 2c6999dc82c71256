//! Runs beside each other: synchronous and asynchronous, one replica and three.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Deserialize;

use crate::measure::Percentiles;

/// What is compared of a file of `loadgen run --json`.
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

/// A table with a row for each step of each run; ratios are to the first run's step with the same target.
pub fn compare(runs: &[(String, RunFile)]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["target", "run", "req/s", "x", "p50 ms", "x", "p95 ms", "x", "p99 ms", "intended p99", "failed"]);
    let mut targets: Vec<f64> = runs.iter().flat_map(|(_, run)| run.steps.iter().map(|step| step.target)).collect();
    targets.sort_by(f64::total_cmp);
    targets.dedup();
    for target in targets {
        let of = |run: &'_ RunFile| run.steps.iter().position(|step| step.target == target);
        let base = runs.first().and_then(|(_, run)| of(run).map(|index| &run.steps[index]));
        for (name, run) in runs {
            let Some(step) = of(run).map(|index| &run.steps[index]) else { continue };
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
        let limited = if run.validity.generator_limited { "; the generator was the limit" } else { "" };
        format!("{name}: {}{limited}", run.traffic)
    });
    let first = runs.first().map_or("", |(name, _)| name);
    format!("{table}\n{}\nx: times {first}; times are service times", notes.collect::<Vec<_>>().join("\n"))
}
