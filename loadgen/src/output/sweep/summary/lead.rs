//! The answer in a few sentences.

use sizing::{
    sweep::{Answer, Minimum, ReplicaAnswer},
    trial::{Settings, Trial},
};

use super::holds;
use crate::output::{numbers::percent, sweep::Prices};

/// Returns the answer in three sentences, with limits, confidence and cost; none without a
/// confirmed minimum.
pub fn lead(
    settings: &Settings,
    answer: &Answer<'_>,
    trials: &[Trial],
    prices: Option<&Prices>,
) -> Option<[String; 3]> {
    let minimum = answer.cheapest(settings)?;
    let known = answer.per_replicas.iter().find(|k| k.replicas == minimum.point.replicas)?;
    let first = format!("{}, with {}.", holds(&minimum, settings), settings.objective);
    let point = minimum.point;
    let rate = minimum
        .confirmation(trials)
        .and_then(|ramp| ramp.steps.last())
        .map(|step| step.requests_per_second);
    let total = format!(
        "All in all that is {:.2} CPU and {} MiB",
        point.total_cpus(),
        point.total_memory_bytes() >> 20
    );
    let cost = match prices.zip(rate) {
        Some((prices, rate)) => {
            let cost = prices.cost(point, rate);
            format!(
                "{total}: {:.2} {currency} a month, {:.4} {currency} for a million requests.",
                cost.per_month,
                cost.per_million_requests,
                currency = cost.currency
            )
        }
        None => format!("{total}{}.", others(answer, known)),
    };
    Some([first, cost, less(known, &minimum)])
}

/// Returns the number of other replica counts that have an answer, all of which cost no less.
fn others(answer: &Answer<'_>, cheapest: &ReplicaAnswer) -> String {
    let is_other =
        |known: &&ReplicaAnswer| known.replicas != cheapest.replicas && known.minimum().is_some();
    let others: Vec<String> = answer
        .per_replicas
        .iter()
        .filter(is_other)
        .map(|known| known.replicas.to_string())
        .collect();
    match others.is_empty() {
        true => String::new(),
        false => format!(", which costs no more than {} replicas", others.join(" or ")),
    }
}

/// Returns what is known of the next smaller limits.
fn less(known: &ReplicaAnswer, minimum: &Minimum) -> String {
    let at = known.rungs.iter().position(|rung| rung.cpus == minimum.point.limits.cpus);
    let below = at.and_then(|at| known.rungs.get(at.checked_sub(1)?));
    let cpu = match below {
        Some(rung) => {
            format!("With {} CPU only {} of starts hold", rung.cpus, percent(rung.p_hold))
        }
        None => "No smaller CPU limit was tried".to_owned(),
    };
    let memory = match (minimum.is_lowest_memory, minimum.less_memory_lacks) {
        (true, _) => "no smaller memory limit was tried",
        (false, true) => "the next smaller memory limit is too little",
        (false, false) => "less memory was not tried",
    };
    format!("{cpu}, and {memory}.")
}
