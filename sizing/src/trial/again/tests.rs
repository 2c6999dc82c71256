use super::*;
use crate::{
    simulator::{KINDS, World},
    sweep::{Next, next},
    trial::{Point, TrialSpec},
};

fn settings(objective: &str) -> Settings {
    Settings { objective: objective.parse().unwrap(), ..Settings::example() }
}

fn sweep(kind: usize, seed: u64) -> (Settings, Vec<Trial>) {
    let settings = Settings::example();
    let mut world = World::new(KINDS[kind].service, KINDS[kind].machine, seed);
    let mut trials = Vec::new();
    while let Next::Try(planned) = next(&settings, &trials) {
        trials.push(world.trial(&settings, planned.spec));
    }
    (settings, trials)
}

fn verdicts(trials: &[Trial]) -> Vec<Verdict> {
    trials.iter().map(|trial| trial.verdict).collect()
}

#[test]
fn the_measured_objective_judges_as_it_did() {
    for (kind, name) in KINDS.iter().map(|kind| kind.name).enumerate() {
        let (settings, trials) = sweep(kind, 5);
        let again = judge_again(&settings, &trials).unwrap();
        for (before, after) in trials.iter().zip(&again) {
            // A trial that was decided at a look may be undecided over its whole window.
            let is_same = before.verdict == after.verdict || after.verdict == Verdict::Undecided;
            assert!(is_same, "{}: {:?} was {:?}", name, after.reasons, before.verdict);
        }
        let changed =
            verdicts(&trials).iter().zip(verdicts(&again)).filter(|(a, b)| **a != *b).count();
        assert!(changed <= 2, "{}: {changed} of {}", name, trials.len());
    }
}

/// Returns the verdict of a fresh trial that was measured for `p95<limit`, and the one that a trial
/// of the same start, measured for `p95<100ms`, has when it is judged again.
fn both(kind: usize, seed: u64, millis: u64, limit: &str) -> (Verdict, Verdict) {
    let [measured, wanted] = ["p95<100ms", limit].map(settings);
    let point = Point::new(1, millis, 1 << 30);
    let spec = TrialSpec { purpose: Purpose::Fresh, point, users: 10_000 };
    let world = || World::new(KINDS[kind].service, KINDS[kind].machine, seed);
    let trial = world().trial(&measured, spec);
    let again = judge_again(&wanted, &[trial]).unwrap();
    (world().trial(&wanted, spec).verdict, again[0].verdict)
}

#[test]
fn another_limit_is_judged_as_if_it_had_been_measured_or_left_open() {
    let (mut decided, mut wrong, mut all) = (0, 0, 0);
    for kind in [0, 1, 2, 5, 6] {
        for limit in ["p95<50ms", "p95<80ms", "p95<150ms", "p95<300ms"] {
            for (seed, millis) in [(1, 140), (2, 180), (3, 250), (4, 300), (5, 400), (6, 600)] {
                let (truth, again) = both(kind, seed, millis, limit);
                all += 1;
                decided += u32::from(matches!(again, Verdict::Pass | Verdict::Fail));
                let is_contrary = matches!(
                    (truth, again),
                    (Verdict::Pass, Verdict::Fail) | (Verdict::Fail, Verdict::Pass)
                );
                wrong += u32::from(is_contrary);
            }
        }
    }
    assert!(wrong == 0, "{wrong} of {all} verdicts are contrary");
    assert!(decided * 2 >= all, "{decided} of {all} are decided");
}

#[test]
fn another_percentile_of_a_counted_limit_keeps_the_slices_error() {
    let (_, trials) = sweep(0, 3);
    let again = judge_again(&settings("p90<100ms"), &trials).unwrap();
    let rates = |trials: &[Trial]| -> Vec<(f64, f64)> {
        let steps = trials.iter().flat_map(|trial| &trial.steps);
        steps
            .filter_map(|step| step.violation_rates.first())
            .map(|rate| (rate.share, rate.standard_error))
            .collect()
    };
    assert_eq!(rates(&again), rates(&trials));
    let ramp = again.iter().find(|trial| trial.spec.purpose == Purpose::Ramp).unwrap();
    let rate = ramp.steps.last().unwrap().violation_rates[0];
    assert!((rate.allowed - 0.1).abs() < 1e-9 && rate.quantile_ms.is_some());
}

#[test]
fn a_stricter_objective_is_missed_and_a_looser_one_is_not_proved_by_what_ended_early() {
    let (_, trials) = sweep(0, 3);
    let strict = judge_again(&settings("p99<1ms"), &trials).unwrap();
    let starts = |trials: &[Trial]| -> Vec<Trial> {
        let is_start = |t: &&Trial| matches!(t.spec.purpose, Purpose::Fresh | Purpose::Ramp);
        trials.iter().filter(is_start).cloned().collect()
    };
    assert!(starts(&strict).iter().all(|trial| !trial.passed()));
    let loose = judge_again(&settings("p50<10s"), &trials).unwrap();
    for (before, after) in starts(&trials).iter().zip(starts(&loose)) {
        assert!(!before.passed() || after.passed(), "{:?}", after.reasons);
    }
}

#[test]
fn what_the_journal_does_not_hold_is_refused() {
    let (_, trials) = sweep(0, 3);
    let bare: Vec<Trial> = trials.iter().map(Trial::without_histograms).collect();
    let error = judge_again(&settings("p95<80ms"), &bare).unwrap_err();
    assert!(matches!(error, AgainError::NoHistogram { .. }), "{error}");
    assert!(error.to_string().contains("only the limits 100 ms"), "{error}");
    assert!(judge_again(&settings("p90<100ms"), &bare).is_ok(), "its share was counted");
    let error = judge_again(&settings("p99.9999<100ms"), &trials).unwrap_err();
    assert!(error.to_string().starts_with("p99.9999 allows less than one"), "{error}");
}
