//! Evidence behind an answer: noise, cold starts, a stricter objective.

use loadtest::verdict::Verdict;
use sizing::{
    sweep::Answer,
    trial::{Purpose, Settings, Trial},
};

/// Limit of a stricter objective's p99. A p95 limit of 100 ms can hide a stop of a whole quota
/// period (100 ms).
const STRICTER_P99_MS: f64 = 50.0;

pub(super) fn machine(trials: &[Trial]) -> String {
    let invalid = trials.iter().filter(|t| t.verdict == Verdict::Invalid).count();
    let steal = trials.iter().filter_map(|t| t.usage.steal_share).fold(0.0, f64::max);
    let invalid = match invalid {
        0 => "No trial was invalid".to_owned(),
        1 => "1 trial was invalid".to_owned(),
        n => format!("{n} trials were invalid"),
    };
    format!("{invalid}; the hypervisor took {:.1}% of the machine at most.", steal * 100.0)
}

pub(super) fn cold_start(trials: &[Trial]) -> String {
    let is_start = |t: &&Trial| {
        matches!(t.spec.purpose, Purpose::Fresh | Purpose::Ramp) && !t.steps.is_empty()
    };
    let judged = || trials.iter().filter(is_start);
    let warm = judged().filter(|t| !t.cold_start).count();
    match judged().find_map(|t| t.warm_because.as_ref()) {
        None if judged().count() == 0 => "No trial tells of cold starts.".to_owned(),
        None if judged().any(|t| t.spec.point.replicas > 1) => {
            // The kernel charges a page to the cgroup that touches it first.
            "Every fresh trial began cold. Replicas on one machine share the pages of their files; \
                one on a machine of its own needs as much memory for them as a single replica."
                .to_owned()
        }
        None => "Every fresh trial began cold.".to_owned(),
        Some(why) => format!(
            "{warm} of {} fresh trials did not begin cold ({why}): memory limits are not claimed \
                for a cold start.",
            judged().count()
        ),
    }
}

pub(super) fn stricter(settings: &Settings, trials: &[Trial]) -> String {
    match Answer::cheapest_with_p99(settings, trials, STRICTER_P99_MS) {
        None => format!("No trial shows limits with p99 < {STRICTER_P99_MS} ms."),
        Some(trial) => format!(
            "The cheapest trial with p99 < {STRICTER_P99_MS} ms was {} (p99 {:.1} ms); cheaper \
                ones were not looked for.",
            trial.spec.point,
            trial.steps.last().map_or(0.0, |s| s.intended_ms.p99)
        ),
    }
}
