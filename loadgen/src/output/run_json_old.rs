//! The file of `loadgen run --json`: a contract that others read.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::{
    Error,
    engine::Outcome,
    measure::{FailureKind, Percentiles, Window},
    slo::Objective,
    verdict::{Judgement, Verdict},
    workload::Plan,
};

/// Version of the format.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Summary {
    users: u32,
    window_seconds: f64,
    requests: u64,
    failures: u64,
    requests_per_second: f64,
    planned_per_second: Option<f64>,
    service_ms: Percentiles,
    intended_ms: Percentiles,
    lag_p99_ms: f64,
    connect_p99_ms: f64,
    reopened: u64,
    resent: u64,
    failures_by_kind: Vec<Failure>,
}

#[derive(Serialize)]
struct Failure {
    kind: FailureKind,
    text: String,
    count: u64,
}

/// Writes the results of a run to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    host: &str,
    plan: &Plan,
    outcome: &Outcome,
    objective: Option<&Objective>,
    judgement: &Judgement,
) -> Result<(), Error> {
    let steps: Vec<Summary> =
        plan.steps.iter().zip(&outcome.steps).map(|(step, window)| summary(plan, step.users, window)).collect();
    let generator = outcome.steps.last().map(|w| w.generator).unwrap_or_default();
    let text = serde_json::to_string_pretty(&json!({
        "schema_version": SCHEMA_VERSION,
        "host": host,
        "model": "closed",
        "wait_time": plan.wait_time.to_string(),
        "summary": steps.last(),
        "total": { "requests": outcome.total.requests, "failures": outcome.total.failed() },
        "steps": steps,
        "validity": {
            "generator_limited": judgement.verdict == Verdict::Invalid,
            "busiest_core": generator.busiest_core,
            "run_delay": generator.run_delay,
            "stopped": outcome.stopped,
        },
        "objective": objective.map(ToString::to_string),
        "verdict": objective.map(|_| judgement.verdict),
        "reasons": judgement.reasons,
    }));
    let write = |text: String| std::fs::write(path, text + "\n");
    text.map_err(std::io::Error::other).and_then(write).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn summary(plan: &Plan, users: u32, window: &Window) -> Summary {
    Summary {
        users,
        window_seconds: window.length.as_secs_f64(),
        requests: window.requests,
        failures: window.failed(),
        requests_per_second: window.requests_per_second(),
        planned_per_second: plan.wait_time.planned_per_second(users),
        service_ms: window.service.percentiles(),
        intended_ms: window.intended.percentiles(),
        lag_p99_ms: window.lag.quantile(0.99).as_secs_f64() * 1e3,
        connect_p99_ms: window.connect.quantile(0.99).as_secs_f64() * 1e3,
        reopened: window.reopened,
        resent: window.resent,
        failures_by_kind: window
            .failures
            .iter()
            .map(|(&kind, &count)| Failure { kind, text: kind.to_string(), count })
            .collect(),
    }
}
