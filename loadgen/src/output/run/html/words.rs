//! The result of a run in sentences and key figures.

use loadtest::{measure::Window, slo::LatencyLimit, verdict::Verdict};

use crate::output::{numbers::thousands, run::RunReport};

/// Returns the verdict with its figures, in one or two sentences.
pub(super) fn sentences(report: &RunReport) -> String {
    let Some(last) = report.outcome.steps.last().map(|step| &step.all) else {
        return "No step was reached, so nothing was measured.".to_owned();
    };
    let overall = &report.judged.overall;
    let why = overall.reasons.join("; ");
    let judged = match (&report.objective, overall.verdict) {
        (None, Verdict::Invalid) => format!("The generator was the limit: {why}."),
        (None, _) => "No objective was set.".to_owned(),
        (Some(objective), Verdict::Pass) => format!("The service met {objective}."),
        (Some(objective), Verdict::Fail) => format!("The service missed {objective}: {why}."),
        (Some(objective), Verdict::Undecided) => {
            format!("The requests are too few to decide on {objective}: {why}.")
        }
        (Some(objective), Verdict::Invalid) => {
            format!("The run does not tell whether the service meets {objective}: {why}.")
        }
    };
    format!("{judged} {}", figures(report, last))
}

/// Returns a sentence with the figures of the last step.
fn figures(report: &RunReport, last: &Window) -> String {
    let (name, ms) = percentile(report, last);
    let load = match report.model() {
        "open" => format!("At {}/s", report.plan.steps[report.outcome.steps.len() - 1].target),
        _ => format!("With {} users", thousands(f64::from(last.users))),
    };
    format!(
        "{load} it answered {} requests/s with {name} = {ms:.1} ms from the due time, and {} of {} \
            failed.",
        thousands(last.requests_per_second()),
        thousands(last.failed() as f64),
        thousands(last.requests as f64)
    )
}

/// Returns the key figures of the last step.
pub(super) fn key_figures(report: &RunReport) -> Vec<(String, String, String)> {
    let Some(last) = report.outcome.steps.last().map(|step| &step.all) else { return Vec::new() };
    let index = report.outcome.steps.len() - 1;
    let due = report.due_per_second.get(index).copied().flatten();
    let due = due.map_or_else(String::new, |due| format!("{due:.1} due"));
    let (service, intended) = (last.service.percentiles(), last.intended.percentiles());
    let (name, ms) = percentile(report, last);
    let objective = limit(report).map_or_else(|| "no objective".to_owned(), |l| l.to_string());
    let failed = last.failed() as f64 / last.requests.max(1) as f64;
    let figures = vec![
        (name.as_str(), format!("{ms:.1} ms"), objective),
        ("p50", format!("{:.1} ms", intended.p50), format!("{:.1} ms service time", service.p50)),
        ("p99", format!("{:.1} ms", intended.p99), format!("{:.1} ms service time", service.p99)),
        ("Requests per second", format!("{:.1}", last.requests_per_second()), due),
        (
            "Failed",
            format!("{:.2}%", failed * 100.0),
            format!("{} of {}", last.failed(), thousands(last.requests as f64)),
        ),
        (
            "Users",
            thousands(f64::from(last.users)),
            format!("window of {:.0} s", last.length.as_secs_f64()),
        ),
    ];
    // The objective's percentile may be one of the others.
    let is_twice = |index: usize, shown: &str| index > 0 && shown == name;
    let figures = figures.into_iter().enumerate().filter(|(index, f)| !is_twice(*index, f.0));
    figures.map(|(_, (shown, figure, note))| (shown.to_owned(), figure, note)).collect()
}

/// Returns remarks that belong beside the verdict: an early end, a generator that was the limit.
pub(super) fn remarks(report: &RunReport) -> Vec<String> {
    let mut remarks = report.remarks();
    // The sentences have the verdict on the objective and the reason of an invalid run.
    if report.objective.is_some() {
        remarks.pop();
    }
    if report.outcome.stopped {
        remarks
            .push("The run was stopped before its end: these are the results so far.".to_owned());
    }
    remarks
}

fn limit(report: &RunReport) -> Option<LatencyLimit> {
    report.objective.as_ref()?.latency.first().copied()
}

/// Returns the objective's percentile with its value; p95 without one.
fn percentile(report: &RunReport, window: &Window) -> (String, f64) {
    let quantile = limit(report).map_or(0.95, |limit| limit.quantile);
    let name = format!("p{}", (quantile * 1e8).round() / 1e6);
    (name, window.intended.quantile(quantile).as_secs_f64() * 1e3)
}
