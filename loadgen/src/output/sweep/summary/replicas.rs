//! Answers about several replicas: whether they shrink, what they take, what a loss costs.

use loadtest::verdict::Verdict;
use sizing::{
    sweep::{Answer, ReplicaAnswer},
    trial::{Bottleneck, Point, Purpose, Settings, THROTTLED, Trial},
};

use crate::output::numbers::{replicas, thousands};

pub(super) fn replicas_shrink(
    settings: &Settings,
    answer: &Answer<'_>,
    trials: &[Trial],
) -> String {
    let mut known =
        answer.per_replicas.iter().filter_map(ReplicaAnswer::minimum).map(|minimum| minimum.point);
    let Some(one) = known.next() else {
        return "Unknown: no replica count has a confirmed minimum.".to_owned();
    };
    let rest: Vec<Point> = known.collect();
    if rest.is_empty() {
        return "Unknown: only one replica count has a confirmed minimum.".to_owned();
    }
    let each: Vec<String> = rest
        .iter()
        .map(|more| {
            let total = settings.cost(*more) - settings.cost(one);
            let verdict = if total < -1e-9 {
                "cheaper in all"
            } else if total < 1e-9 {
                "the same in all"
            } else {
                "dearer in all"
            };
            format!(
                "{} need {} CPU and {} MiB each, {:.2} CPU and {} MiB together: {verdict}",
                replicas(more.replicas),
                more.limits.cpus,
                more.limits.memory_bytes >> 20,
                more.total_cpus(),
                more.total_memory_bytes() >> 20
            )
        })
        .collect();
    let throttling =
        throttling(settings, one, trials).map_or_else(String::new, |broken| format!(" {broken}"));
    format!(
        "Against {:.2} CPU and {} MiB alone, {}.{throttling}",
        one.total_cpus(),
        one.total_memory_bytes() >> 20,
        each.join("; ")
    )
}

/// Returns the smallest count at which CPU throttling breaks the objective, although the work would
/// fit: its total CPU is no less than that with which fewer replicas hold.
fn throttling(settings: &Settings, one: Point, trials: &[Trial]) -> Option<String> {
    let is_broken = |trial: &&Trial| {
        trial.spec.point.replicas > one.replicas
            && trial.spec.users == settings.max_users
            && matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
            && trial.verdict == Verdict::Fail
            && trial.bottleneck == Some(Bottleneck::Cpu)
            && trial.usage.throttled_share > THROTTLED
            && trial.spec.point.total_cpus() + 1e-9 >= one.total_cpus()
    };
    let broken = trials.iter().filter(is_broken).min_by_key(|trial| trial.spec.point.replicas)?;
    Some(format!(
        "With {} replicas CPU throttling breaks the objective: {} is {:.2} CPU in all and fails \
            with {:.0}% of periods throttled.",
        broken.spec.point.replicas,
        broken.spec.point,
        broken.spec.point.total_cpus(),
        broken.usage.throttled_share * 100.0
    ))
}

pub(super) fn capacity(settings: &Settings, answer: &Answer<'_>) -> String {
    let Some((trial, step)) = answer.capacity.and_then(|trial| Some((trial, trial.steps.last()?)))
    else {
        return "The most that the service takes was not measured.".to_owned();
    };
    let answered = 1.0 - step.failures as f64 / step.requests.max(1) as f64;
    let rate = step.requests_per_second * answered;
    if rate <= 0.0 {
        let why: Vec<String> =
            step.failed.iter().map(|(kind, count)| format!("{count} times {kind}")).collect();
        let why =
            if why.is_empty() { "no request was answered".to_owned() } else { why.join(", ") };
        return format!("Not known: {} answered no request ({why}).", trial.spec.point);
    }
    let think = settings.wait_time.mean().as_secs_f64();
    let users = rate * (think + step.service_ms.mean / 1000.0);
    let limited = if step.generator_busy > 0.9 {
        " The generator was near its own limit, so it may be more."
    } else {
        ""
    };
    format!(
        "{} requests/s with {} ({} users without think time), as many as about {} users with a \
            mean think time of {think} s send (X = N / (R + Z)).{limited}",
        thousands(rate),
        trial.spec.point,
        step.users,
        thousands(users)
    )
}

pub(super) fn instances(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    let Some(cheapest) = answer.cheapest(settings) else {
        return "Unknown: no minimum was confirmed.".to_owned();
    };
    let count = cheapest.point.replicas;
    let answered = answer.per_replicas.iter().filter(|known| known.minimum().is_some()).count();
    let cost = match (answered, count) {
        (1, count) => format!("{} (no other count was answered)", replicas(count)),
        (_, 1) => "One instance is the cheapest".to_owned(),
        (_, count) => format!("{count} instances are the cheapest"),
    };
    let losses: Vec<String> = losses(trials);
    let loss = if losses.is_empty() { String::new() } else { format!("; {}", losses.join("; ")) };
    format!("{cost}{loss}.")
}

/// Returns the effect of a killed replica on requests, from the last trial of each replica count.
fn losses(trials: &[Trial]) -> Vec<String> {
    let lost = trials
        .iter()
        .filter(|t| t.spec.purpose == Purpose::ReplicaFailure && t.verdict != Verdict::Invalid);
    let last: std::collections::BTreeMap<u32, &Trial> =
        lost.map(|trial| (trial.spec.point.replicas, trial)).collect();
    let of = |trial: &Trial| {
        let [before, .., after] = &trial.steps[..] else { return None };
        let failures: u64 = trial.steps.iter().map(|s| s.failures).sum();
        let held = match after.verdict {
            Verdict::Pass => "the rest hold the objective",
            Verdict::Undecided | Verdict::Invalid => {
                "whether the rest hold the objective is undecided"
            }
            Verdict::Fail if !trial.usage.ended.is_empty() => "the rest end too",
            Verdict::Fail => "the rest do not hold the objective",
        };
        Some(format!(
            "when 1 of {} is killed, {} of {} requests fail and {held}",
            trial.spec.point.replicas,
            thousands(failures as f64),
            thousands((before.requests + after.requests) as f64)
        ))
    };
    last.into_values().filter_map(of).collect()
}
