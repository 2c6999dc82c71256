//! What is gained and lost with more replicas, in plain words.

use std::collections::BTreeMap;

use crate::{
    sweep::{Answer, Binding, Load, Point, Settings, THROTTLED, Trial},
    verdict::Verdict,
};

/// Whether more replicas let limits shrink, what breaks then, and what a replica costs.
pub(super) fn replicas_shrink(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> String {
    let mut known = answer.per_replicas.iter().filter_map(|a| a.minimum().map(|m| m.point));
    let Some(one) = known.next() else { return "Without a minimum there is nothing to shrink.".to_owned() };
    let rest: Vec<_> = known.collect();
    let alone =
        rest.is_empty().then(|| "Only one replica count was answered, so there is nothing to compare.".to_owned());
    let compared = rest
        .iter()
        .map(|more| {
            let each = if more.limits.cpus < one.limits.cpus { "less" } else { "no less" };
            let each_memory = if more.limits.memory_bytes < one.limits.memory_bytes { "less" } else { "no less" };
            let total = settings.cost(*more) - settings.cost(one);
            let verdict = if total < -1e-9 { "so together they are cheaper" } else if total < 1e-9 { "so they cost the same together" } else { "so together they cost more" };
            format!(
                "With {} replicas each needs {each} CPU ({} for {}) and {each_memory} memory ({} for {} MiB); in total {:.2} CPU and {} MiB against {:.2} CPU and {} MiB, {verdict}.",
                more.replicas,
                more.limits.cpus,
                one.limits.cpus,
                more.limits.memory_bytes >> 20,
                one.limits.memory_bytes >> 20,
                more.total_cpus(),
                more.total_memory_bytes() >> 20,
                one.total_cpus(),
                one.total_memory_bytes() >> 20,
            )
        });
    alone
        .into_iter()
        .chain(compared)
        .chain(stalls(settings, one, &rest, trials))
        .chain(losses(trials))
        .chain(replica_cost(answer, trials))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What became of requests when one of several replicas was killed, of each count the last time: what a change of the machine had made
/// again is told as it is now.
fn losses(trials: &[Trial]) -> Vec<String> {
    let lost = trials.iter().filter(|t| t.spec.load == Load::Loss && t.verdict != Verdict::Invalid);
    let last: BTreeMap<u32, &Trial> = lost.map(|trial| (trial.spec.point.replicas, trial)).collect();
    last.into_values().filter_map(|trial| {
        let [before, .., after] = &trial.steps[..] else { return None };
        let replicas = trial.spec.point.replicas;
        let failures: u64 = trial.steps.iter().map(|s| s.failures).sum();
        let held = match after.verdict {
            Verdict::Pass => "the rest held the objective".to_owned(),
            Verdict::Undecided | Verdict::Invalid => "whether the rest held the objective is undecided".to_owned(),
            Verdict::Fail if !trial.usage.ended.is_empty() => {
                format!("the rest did not bear it ({})", trial.usage.ended.join("; "))
            }
            Verdict::Fail => "the rest did not hold the objective".to_owned(),
        };
        Some(format!(
            "When one of {replicas} replicas was killed under all users, {failures} of {} requests failed and {held} (p95 {:.0} ms, {:.0} ms before).",
            before.requests + after.requests,
            after.intended_ms.p95,
            before.intended_ms.p95
        ))
    })
    .collect()
}

/// At which count the stops of a small quota break the objective, though the work would fit: limits that are together no less than
/// what fewer replicas hold all users with do not hold them.
fn stalls(settings: &Settings, one: Point, more: &[Point], trials: &[Trial]) -> Option<String> {
    let tried = more.last()?.replicas;
    let is_broken = |t: &&Trial| {
        t.spec.point.replicas > one.replicas
            && t.spec.users == settings.max_users
            && matches!(t.spec.load, Load::Direct | Load::Ramp)
            && t.verdict == Verdict::Fail
            && t.binding_resource == Some(Binding::Cpu)
            && t.usage.throttled_share > THROTTLED
            && t.spec.point.total_cpus() + 1e-9 >= one.total_cpus()
            // Where no more than that was confirmed to hold, a failure was chance.
            && !more.iter().any(|held| *held == t.spec.point || held.is_within(t.spec.point))
    };
    let broken = trials.iter().filter(is_broken).min_by_key(|t| t.spec.point.replicas);
    Some(match broken {
        Some(trial) => format!(
            "With {} replicas the stops of their quotas break the objective: {} is {:.2} CPU in all, with which {} hold(s), and fails with \
             {:.0}% of periods throttled{}.",
            trial.spec.point.replicas,
            trial.spec.point,
            trial.spec.point.total_cpus(),
            one,
            trial.usage.throttled_share * 100.0,
            trial.steps.last().map_or_else(String::new, |step| format!(" (p95 {:.0} ms)", step.intended_ms.p95)),
        ),
        None => format!(
            "Up to {tried} replicas the stops of their quotas did not break the objective: no limits that were tried failed for CPU with as \
             much in all as {one} has.",
        ),
    })
}

/// What one more replica costs before it does anything, and each connection.
fn replica_cost(answer: &Answer<'_>, trials: &[Trial]) -> Option<String> {
    let minima: Vec<Point> = answer.per_replicas.iter().filter_map(|a| a.minimum()).map(|m| m.point).collect();
    let is_winner = |t: &&Trial| minima.contains(&t.spec.point) && t.spec.load == Load::Ramp && t.passed();
    let winners = || trials.iter().filter(is_winner);
    let idle = winners().map(|t| t.usage.idle_bytes).max().filter(|bytes| *bytes > 0)?;
    // By the one with the most connections each, which tells most.
    let fullest = winners().min_by_key(|t| t.spec.point.replicas)?;
    let per_connection = fullest.usage.idle_anon_bytes.filter(|bytes| *bytes > 0).map(|idle| {
        let connections = f64::from(fullest.spec.users) / f64::from(fullest.spec.point.replicas);
        fullest.usage.anon_bytes.saturating_sub(idle) as f64 / connections / 1024.0
    });
    let connections = per_connection.map_or_else(String::new, |kib| {
        format!("; under load each connection comes to {kib:.1} KiB more of the program's own memory")
    });
    Some(format!("A replica that does nothing holds {} MiB{connections}.", idle.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Mode, Purpose, StepResult, TrialUsage};

    /// A trial that was measured, as if it had been made elsewhere.
    fn trial(point: Point, load: Load, verdict: Verdict) -> Trial {
        let journal = include_str!("../../../benches/grid/trials.jsonl");
        let mut trial: Trial = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
        trial.spec.purpose = Purpose::Confirm;
        (trial.spec.point, trial.spec.load, trial.verdict) = (point, load, verdict);
        trial.binding_resource = (verdict == Verdict::Fail).then_some(Binding::Cpu);
        trial.usage.throttled_share = 0.9;
        trial
    }

    fn settings() -> Settings {
        Settings {
            mode: Mode::Minimal,
            max_users: 2000,
            step: 500,
            wait_time: "between(1, 2.5)".parse().unwrap(),
            replicas: vec![1, 2, 4],
            cpus: crate::sweep::cpu_ladder(None, 1000).unwrap(),
            memory: crate::sweep::memory_ladder(None, 1 << 34).unwrap(),
            host_cpus: 1000,
            host_memory_bytes: 1 << 34,
            cheapest: crate::sweep::Cheapest::Cost,
            cpu_price: 1.0,
            memory_price: 0.11,
            most_steal: 0.02,
            seed: 1,
        }
    }

    #[test]
    fn quota_stalls_are_told_by_a_trial_that_had_as_much_in_all() {
        let point = |replicas, millis| Point::new(replicas, millis, 64 << 20);
        let (one, more) = (point(1, 200), [point(2, 120), point(4, 100)]);
        let less = trial(point(4, 40), Load::Direct, Verdict::Fail);
        let said = |trials: &[Trial]| stalls(&settings(), one, &more, trials).unwrap();
        let none = said(std::slice::from_ref(&less));
        assert!(none.starts_with("Up to 4 replicas"), "0.16 CPU in all is simply less: {none}");
        let chance = trial(point(2, 120), Load::Direct, Verdict::Fail);
        let not_stopped = Trial { usage: TrialUsage::default(), ..trial(point(4, 50), Load::Direct, Verdict::Fail) };
        let none = said(&[less.clone(), chance, not_stopped]);
        assert!(none.starts_with("Up to 4 replicas"), "a confirmed point, and one without stops: {none}");
        let as_much = said(&[less, trial(point(4, 50), Load::Direct, Verdict::Fail)]);
        assert!(as_much.starts_with("With 4 replicas the stops of their quotas break"), "{as_much}");
        assert!(as_much.contains("4 x 0.05 CPU, 64 MiB is 0.20 CPU in all, with which 1 x 0.2 CPU"), "{as_much}");
        assert_eq!(stalls(&settings(), one, &[], &[]), None, "nothing to compare");
    }

    /// After a change of the machine what is lost with one of several replicas is asked again.
    #[test]
    fn a_killed_replica_is_told_of_once_for_each_count() {
        let lost = |replicas, failures, verdict| {
            let mut trial = trial(Point::new(replicas, 250, 48 << 20), Load::Loss, verdict);
            let step = trial.steps[0].clone();
            trial.steps = vec![step.clone(), StepResult { failures, ..step }];
            trial
        };
        let trials = [
            lost(2, 11, Verdict::Fail),
            lost(4, 12, Verdict::Fail),
            lost(4, 13, Verdict::Fail),
            lost(4, 14, Verdict::Invalid),
        ];
        let failures: Vec<String> = losses(&trials)
            .iter()
            .filter_map(|told| told.split(" users, ").nth(1)?.split(' ').next().map(str::to_owned))
            .collect();
        assert_eq!(failures, ["11", "13"]);
    }
}
