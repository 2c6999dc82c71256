//! Tables of a sweep's page.

use sizing::{
    sweep::{Finding, ReplicaAnswer},
    trial::{Purpose, StepResult, Trial},
};

use super::JudgedSweep;
use crate::output::{
    numbers::percent,
    page::{Cell, table},
    sweep::count_line,
};

const MIB: u32 = 20;

/// Returns the answer for each replica count.
pub(super) fn minima(sweep: &JudgedSweep) -> String {
    let settings = &sweep.basis.settings;
    let answer = sweep.answer();
    let mut head = vec![
        "replicas",
        "CPU each",
        "MiB each",
        "CPU",
        "MiB",
        "starts that hold",
        "p95 ms",
        "throttled",
    ];
    match sweep.basis.prices {
        Some(_) => head.extend(["cost a month", "a million requests"]),
        None => head.push("relative cost"),
    }
    let width = head.len();
    let row = |known: &ReplicaAnswer| {
        let Finding::Minimum(minimum) = &known.finding else {
            let mut row = vec![Cell::Words(known.replicas.to_string())];
            row.resize(width, Cell::Empty);
            return row;
        };
        let point = minimum.point;
        let ramp = minimum.confirmation(&sweep.trials);
        let last = ramp.and_then(|ramp| ramp.steps.last());
        let mut row = vec![
            Cell::Words(known.replicas.to_string()),
            Cell::Figure(point.limits.cpus.to_string()),
            Cell::Figure((point.limits.memory_bytes >> MIB).to_string()),
            Cell::number(point.total_cpus(), 2),
            Cell::Figure((point.total_memory_bytes() >> MIB).to_string()),
            Cell::Figure(percent(minimum.p_hold)),
            Cell::number(last.map(|step| step.intended_ms.p95), 1),
            Cell::share(ramp.map(|ramp| ramp.usage.throttled_share)),
        ];
        match (&sweep.basis.prices, last) {
            (Some(prices), Some(step)) => {
                let cost = prices.cost(point, step.requests_per_second);
                row.push(Cell::Figure(format!("{:.2} {}", cost.per_month, cost.currency)));
                let million = format!("{:.4} {}", cost.per_million_requests, cost.currency);
                row.push(Cell::Figure(million));
            }
            (Some(_), None) => row.extend([Cell::Empty, Cell::Empty]),
            (None, _) => row.push(Cell::number(settings.cost(point), 3)),
        }
        row
    };
    let rows: Vec<_> = answer.per_replicas.iter().map(row).collect();
    let open = answer.per_replicas.iter().filter(|known| known.minimum().is_none());
    let sentences: Vec<String> = open.map(|known| count_line(known, settings)).collect();
    table("Smallest limits by replica count", &head, &rows) + &crate::output::page::list(&sentences)
}

/// Returns the least CPU by users.
pub(super) fn demand(sweep: &JudgedSweep) -> String {
    let row = |point: &sizing::sweep::DemandPoint| {
        vec![
            Cell::count(u64::from(point.users)),
            Cell::number(point.cpus, 3),
            Cell::number(point.edge, 3),
            Cell::Words(if point.is_verified { "verified" } else { "" }.to_owned()),
        ]
    };
    let rows: Vec<_> = sweep.answer().demand.iter().map(row).collect();
    table("Least CPU by users", &["users", "least CPU", "edge of the usual start", ""], &rows)
}

/// Returns the steps of the ramp that confirmed the answer.
pub(super) fn ramp(sweep: &JudgedSweep) -> String {
    let minimum = sweep.answer().cheapest(&sweep.basis.settings);
    let Some(ramp) = minimum.and_then(|minimum| minimum.confirmation(&sweep.trials)) else {
        return String::new();
    };
    let head = [
        "users",
        "verdict",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "requests/s",
        "planned/s",
        "failed",
        "throttled",
        "CPU used",
        "lag p99 ms",
    ];
    let row = |step: &StepResult| {
        let ms = step.intended_ms;
        let mut row = vec![Cell::count(u64::from(step.users)), Cell::Verdict(step.verdict)];
        row.extend([ms.p50, ms.p95, ms.p99, ms.max].map(|ms| Cell::number(ms, 1)));
        row.extend([
            Cell::number(step.requests_per_second, 0),
            Cell::number(step.planned_per_second, 0),
            Cell::count(step.failures),
            Cell::share(step.throttled_share),
            Cell::number(step.cpus_used, 3),
            Cell::number(step.lag_p99_ms, 2),
        ]);
        row
    };
    let rows: Vec<_> = ramp.steps.iter().map(row).collect();
    table(&format!("Every step of the ramp of {}", ramp.spec.point), &head, &rows)
}

/// Returns all trials.
pub(super) fn trials(sweep: &JudgedSweep) -> String {
    let answer = sweep.answer();
    let head = [
        "trial",
        "kind",
        "limits",
        "users",
        "verdict",
        "bottleneck",
        "p95 ms",
        "requests/s",
        "throttled",
        "peak MiB",
        "starts that hold",
        "seconds",
    ];
    let row = |(index, trial): (usize, &Trial)| {
        let known =
            answer.per_replicas.iter().find(|known| known.replicas == trial.spec.point.replicas);
        let (ms, rate) = figures(trial);
        let bottleneck = trial.bottleneck.map_or_else(String::new, |limit| limit.to_string());
        let peak = (trial.usage.memory_peak_bytes >> MIB) as f64;
        vec![
            Cell::Words((index + 1).to_string()),
            Cell::Words(trial.spec.purpose.name().replace('_', " ")),
            Cell::Words(trial.spec.point.to_string()),
            Cell::count(u64::from(trial.spec.users)),
            Cell::Verdict(trial.verdict),
            Cell::Words(bottleneck),
            Cell::number(ms, 1),
            Cell::number(rate, 0),
            Cell::share(trial.usage.throttled_share),
            Cell::number(Some(peak).filter(|peak| *peak > 0.0), 0),
            Cell::Figure(p_hold(trial, known)),
            Cell::number(trial.wall_seconds, 0),
        ]
    };
    let rows: Vec<_> = sweep.trials.iter().enumerate().map(row).collect();
    table("All trials, in the order in which they were made", &head, &rows)
}

/// Returns p95 and the rate of a trial's last step, or of a probe's first reading.
fn figures(trial: &Trial) -> (Option<f64>, Option<f64>) {
    let step = trial.steps.last().filter(|step| step.requests > 0);
    let reading = trial.readings.first();
    let ms = step.map(|step| step.intended_ms).or(reading.map(|reading| reading.intended_ms));
    let rate = step.map(|step| step.requests_per_second);
    (ms.map(|ms| ms.p95), rate.or(reading.map(|reading| reading.requests_per_second)))
}

fn p_hold(trial: &Trial, known: Option<&ReplicaAnswer>) -> String {
    let is_start = matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp);
    let rung = known
        .filter(|_| is_start)
        .and_then(|known| known.rungs.iter().find(|r| r.cpus == trial.spec.point.limits.cpus));
    rung.map_or_else(|| "–".to_owned(), |rung| percent(rung.p_hold))
}
