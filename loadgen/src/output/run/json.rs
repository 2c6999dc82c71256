//! Result file of `loadgen run --json`, a stable interface.

use loadtest::{
    measure::{FailureKind, Percentiles, Window},
    verdict::{Judgement, Verdict},
};
use serde::Serialize;
use serde_json::json;

use super::RunReport;

/// Version of the format.
const SCHEMA_VERSION: u32 = 2;

#[derive(Serialize)]
struct Summary {
    /// Users, or arrivals per second.
    target: Option<f64>,
    users: u32,
    window_seconds: f64,
    requests: u64,
    failures: u64,
    requests_per_second: f64,
    planned_per_second: Option<f64>,
    /// Requests per second due in the step's window.
    due_per_second: Option<f64>,
    service_ms: Percentiles,
    intended_ms: Percentiles,
    connect_ms: Percentiles,
    lag_p99_ms: f64,
    reopened: u64,
    resent: u64,
    bytes: u64,
    generator: loadtest::measure::GeneratorLoad,
    failures_by_kind: Vec<Failure>,
    verdict: Option<Verdict>,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct Failure {
    kind: FailureKind,
    text: String,
    count: u64,
    /// Seconds from the start of the plan.
    first_seconds: f64,
    last_seconds: f64,
    mean_ms: f64,
    max_ms: f64,
    /// The server's response text for the first failure.
    words: Option<String>,
}

/// Returns the results as JSON.
pub(super) fn text(report: &RunReport) -> String {
    let judged =
        |index: usize| report.objective.as_ref().and_then(|_| report.judged.steps.get(index));
    let steps: Vec<Summary> = report
        .outcome
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let planned = report.plan.planned_per_second(index);
            let target = Some(report.plan.steps[index].target);
            Summary {
                target,
                due_per_second: report.due_per_second[index],
                ..summary(report, &step.all, planned, judged(index))
            }
        })
        .collect();
    let tasks: Vec<_> = report
        .scenario
        .tasks()
        .iter()
        .zip(&report.outcome.total.tasks)
        .map(|(task, window)| {
            json!({
                "method": task.method,
                "name": task.name,
                "total": summary(report, window, None, None),
            })
        })
        .collect();
    let addresses: Vec<_> = report
        .addresses()
        .map(|(host, addr, of)| {
            json!({
                "host": host,
                "address": addr.to_string(),
                "requests": of.requests,
                "failures": of.failures,
                "service_ms": of.service.percentiles(),
            })
        })
        .collect();
    let overall = &report.judged.overall;
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "hosts": report.hosts,
        "model": report.model(),
        "traffic": report.traffic(),
        "intended_from": report.due(),
        "seed": report.plan.seed,
        "summary": steps.last(),
        "total": summary(report, &report.outcome.total.all, None, None),
        "steps": steps,
        "tasks": tasks,
        "addresses": addresses,
        "validity": {
            "generator_limited": report.is_generator_limited(),
            "calibrated_per_second": report.calibrated,
            "stopped": report.outcome.stopped,
            "aborted": report.aborted.as_ref().map(|judgement| &judgement.reasons),
        },
        "objective": report.objective.as_ref().map(ToString::to_string),
        "verdict": report.objective.as_ref().map(|_| overall.verdict),
        "reasons": report.objective.as_ref().map(|_| &overall.reasons),
    });
    format!("{value:#}\n")
}

fn summary(
    report: &RunReport,
    window: &Window,
    planned_per_second: Option<f64>,
    judged: Option<&Judgement>,
) -> Summary {
    Summary {
        target: None,
        users: window.users,
        window_seconds: window.length.as_secs_f64(),
        requests: window.requests,
        failures: window.failed(),
        requests_per_second: window.requests_per_second(),
        planned_per_second,
        due_per_second: None,
        service_ms: window.service.percentiles(),
        intended_ms: window.intended.percentiles(),
        connect_ms: window.connect.percentiles(),
        lag_p99_ms: window.lag.quantile(0.99).as_secs_f64() * 1e3,
        reopened: window.reopened,
        resent: window.resent,
        bytes: window.bytes,
        generator: window.generator,
        failures_by_kind: window
            .failures
            .iter()
            .map(|(&kind, failures)| Failure {
                kind,
                text: report.failure(kind),
                count: failures.count,
                first_seconds: failures.first.as_secs_f64(),
                last_seconds: failures.last.as_secs_f64(),
                mean_ms: failures.mean().as_secs_f64() * 1e3,
                max_ms: failures.longest.as_secs_f64() * 1e3,
                words: report.words(kind).map(str::to_owned),
            })
            .collect(),
        verdict: judged.map(|judged| judged.verdict),
        reasons: judged.map(|judged| judged.reasons.clone()).unwrap_or_default(),
    }
}
