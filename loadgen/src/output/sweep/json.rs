//! `sweep.json`, schema 2.

use loadtest::verdict::Verdict;
use serde_json::{Value, json};
use sizing::{
    sweep::{Answer, Finding, Minimum, ReplicaAnswer},
    trial::Trial,
};

use super::{Extent, JudgedSweep};

/// Version of `sweep.json`.
const SCHEMA_VERSION: u32 = 2;

/// Confidence of the estimate's interval.
const INTERVAL: f64 = 0.9;

/// Origin of the figures in `sweep.json`.
pub(super) const PROVENANCE: [(&str, &str); 5] = [
    ("trials: limits, rates, times, memory, CPU", "measured"),
    ("p_hold, estimate: by the model, from all trials", "interpolated"),
    ("cheaper limits than the minimum: hold no more often than the next dearer ones", "assumed"),
    (
        "answers.capacity: users that the measured rate would serve, by X = N / (R + Z)",
        "interpolated",
    ),
    ("prices of processors and memory", "assumed"),
];

/// Returns the content of `sweep.json`.
pub(super) fn file(sweep: &JudgedSweep) -> Value {
    let (settings, trials, answer) = (&sweep.basis.settings, &sweep.trials, &sweep.answer());
    let minimal = answer.cheapest(settings);
    let about = minimal.map(|minimum| minimum.point.replicas);
    let of_minimal =
        answer.per_replicas.iter().find(|known| about.is_none_or(|about| known.replicas == about));
    let estimate = of_minimal.and_then(|known| known.estimate).map(|estimate| {
        json!({
            "replicas": estimate.replicas,
            "cpus": estimate.cpus,
            "interval": estimate.interval,
            "confidence": INTERVAL,
        })
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "ended_early": sweep.extent != Extent::Whole,
        "judged_again": sweep.changes,
        "provenance": PROVENANCE.map(|(what, how)| json!({ "figure": what, "is": how })),
        "minimal": minimal.map(|minimum| minimum_json(&minimum)),
        "estimate": estimate,
        "max_users": settings.max_users,
        "confidence": settings.confidence,
        "front": Answer::front(settings, trials),
        "per_replicas": answer
            .per_replicas
            .iter()
            .map(|known| count_json(known, sweep))
            .collect::<Vec<_>>(),
        "demand": answer.demand,
        "answers": sweep.summary(),
        "environment": sweep.basis.environment,
        "noise": noise(trials),
        "trials": trials
            .iter()
            .map(|trial| sweep.journal.record(&trial.without_histograms()))
            .collect::<Vec<_>>(),
    })
}

fn count_json(known: &ReplicaAnswer, sweep: &JudgedSweep) -> Value {
    let minimum = known.minimum();
    let point = match known.finding {
        Finding::Capacity { point, .. } => Some(point),
        Finding::Grid { cheapest } => cheapest,
        _ => minimum.map(|minimum| minimum.point),
    };
    let rate = minimum
        .and_then(|minimum| minimum.confirmation(&sweep.trials))
        .and_then(|ramp| ramp.steps.last())
        .map(|step| step.requests_per_second);
    let money = sweep
        .basis
        .prices
        .as_ref()
        .zip(minimum)
        .zip(rate)
        .map(|((prices, minimum), rate)| prices.cost(minimum.point, rate));
    json!({
        "replicas": known.replicas,
        "finding": finding_name(&known.finding),
        "minimal": minimum.map(|minimum| minimum_json(&minimum)),
        "recommended": known.recommended,
        "rungs": known.rungs,
        "estimate": known.estimate,
        "cost": minimum.map(|minimum| sweep.basis.settings.cost(minimum.point)),
        "price": money,
        "memory_growth": match known.finding {
            Finding::Growing { growth, .. } => Some(growth),
            _ => None,
        },
        "held_users": known.held_users(),
        "point": point,
    })
}

fn finding_name(finding: &Finding) -> &'static str {
    match finding {
        Finding::Minimum(_) => "minimum",
        Finding::Unconfirmed { .. } => "unconfirmed",
        Finding::Growing { .. } => "growing",
        Finding::Unknown => "unknown",
        Finding::NotHeld { is_undecided: false, .. } => "not_held",
        Finding::NotHeld { is_undecided: true, .. } => "undecided",
        Finding::Capacity { .. } => "capacity",
        Finding::Grid { .. } => "grid",
        Finding::NotTried => "not_tried",
        Finding::Unmeasurable => "unmeasurable",
    }
}

fn minimum_json(minimum: &Minimum) -> Value {
    let Minimum { point, p_hold, is_lowest_cpu, is_lowest_memory, less_memory_lacks } = minimum;
    json!({
        "cpus": point.limits.cpus,
        "memory_bytes": point.limits.memory_bytes,
        "replicas": point.replicas,
        "p_hold": p_hold,
        "total": { "cpus": point.total_cpus(), "memory_bytes": point.total_memory_bytes() },
        "is_lowest_cpu": is_lowest_cpu,
        "is_lowest_memory": is_lowest_memory,
        "less_memory_lacks": less_memory_lacks,
    })
}

/// Returns the noise of the machine: CPU steal by trial.
fn noise(trials: &[Trial]) -> Value {
    let mut stolen: Vec<f64> = trials.iter().filter_map(|t| t.usage.steal_share).collect();
    stolen.sort_by(f64::total_cmp);
    json!({
        "steal_share_median": stolen.get(stolen.len() / 2),
        "steal_share_most": stolen.last(),
        "invalid_trials": trials.iter().filter(|t| t.verdict == Verdict::Invalid).count(),
    })
}
