//! Tests of `verdict`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::measure::{Failures, GeneratorLoad, Slice};

fn window(slices: &[(u32, u32)]) -> Window {
    let requests = slices.iter().map(|s| u64::from(s.0)).sum();
    let slices: Vec<Slice> = slices
        .iter()
        .map(|&(requests, over)| Slice { requests, failures: 0, over: [over, 0, 0, 0] })
        .collect();
    Window { length: Duration::from_secs(10), requests, slices, ..Window::default() }
}

fn judged(slices: &[(u32, u32)], planned: f64) -> Verdict {
    judge(
        &window(slices),
        &"p95<100ms,failures<0.1%,rate>=95%".parse().unwrap(),
        Some(planned),
        Scope::Whole,
    )
    .verdict
}

#[test]
fn most_requests_that_are_not_answered_fail_a_window_though_the_generator_is_a_little_late() {
    let objective = "p95<100ms,failures<0.1%".parse().unwrap();
    let judged = |kind, failed: u64, late_ms| {
        let mut window = window(&[(500, 0); 20]);
        let failures = Failures { count: failed, ..Failures::default() };
        window.failures.insert(kind, failures);
        window.service.record(Duration::from_secs(5));
        (0..100).for_each(|_| window.lag.record(Duration::from_millis(late_ms)));
        judge(&window, &objective, Some(1000.0), Scope::Whole)
    };
    let timeouts = judged(FailureKind::Timeout, 5000, 28);
    assert_eq!(timeouts.verdict, Verdict::Fail);
    assert!(timeouts.reasons[0].starts_with("50.0% of the requests"), "{:?}", timeouts.reasons);
    assert!(timeouts.reasons[1].starts_with("the generator was late"), "{:?}", timeouts.reasons);
    for (kind, failed, late_ms, why) in [
        (FailureKind::Timeout, 5000, 1100, "a fifth of the timeout"),
        (FailureKind::Timeout, 520, 28, "4.8% to 5.6% may be chance"),
        (FailureKind::ConnectFailed, 5000, 28, "the generator may have had no port left"),
        (FailureKind::Dropped, 5000, 28, "it was never sent"),
    ] {
        assert_eq!(judged(kind, failed, late_ms).verdict, Verdict::Invalid, "{why}");
    }
}

#[test]
fn users_that_wait_for_an_answer_are_why_nothing_was_due() {
    let empty = Window { length: Duration::from_secs(10), ..Window::default() };
    let judged = || judge(&empty, &"p95<100ms".parse().unwrap(), Some(100.0), Scope::Whole);
    assert_eq!(judged().reasons.last().unwrap(), NOTHING_DUE);
    let mut total = Window::default();
    total.failures.insert(FailureKind::Timeout, Failures { count: 2, ..Failures::default() });
    let told = explained(judged(), &total).reasons;
    assert_eq!(told.last().unwrap(), "2 requests timed out, and users sent nothing more");
    assert_eq!(explained(judged(), &empty), judged());
}

#[test]
fn clear_cases() {
    assert_eq!(judged(&[(2500, 0); 20], 5000.0), Verdict::Pass);
    assert_eq!(judged(&[(2500, 20); 20], 5000.0), Verdict::Pass);
    assert_eq!(judged(&[(2500, 300); 20], 5000.0), Verdict::Fail);
    assert_eq!(judged(&[(2500, 0); 20], 6000.0), Verdict::Fail, "the rate is missed");
    assert_eq!(judged(&[], 100.0), Verdict::Fail, "nothing was measured");
}

#[test]
fn stalls_that_many_requests_share_leave_it_open() {
    // 4% are over in all, but all of them in two slices of twenty: the next ten seconds may
    // well have three such slices.
    let mut slices = [(2500, 0); 20];
    slices[3].1 = 1000;
    slices[11].1 = 1000;
    assert_eq!(judged(&slices, 5000.0), Verdict::Undecided);
}

#[test]
fn few_requests_do_not_prove_that_few_fail_and_it_is_said() {
    let few = window(&[(50, 0); 20]);
    let objective = "p95<100ms,failures<0.1%".parse().unwrap();
    let whole = judge(&few, &objective, Some(100.0), Scope::Whole);
    assert_eq!(whole.verdict, Verdict::Pass);
    assert!(
        whole.reasons[0].contains("none of 1000 requests failed: that proves less than 0.44%"),
        "{:?}",
        whole.reasons
    );
    let step = judge(&few, &objective, Some(100.0), Scope::Step);
    assert_eq!((step.verdict, step.reasons.len()), (Verdict::Pass, 0));
}

#[test]
fn what_is_not_answered_is_never_a_pass() {
    let objective = "p50<100ms".parse().unwrap();
    for (kind, count, verdict) in [
        (FailureKind::Timeout, 3000, Verdict::Fail),
        (FailureKind::Timeout, 2000, Verdict::Pass),
        (FailureKind::Dropped, 3000, Verdict::Fail),
        (FailureKind::Status(503), 3000, Verdict::Pass),
    ] {
        let mut window = window(&[(2500, 150); 20]);
        window.failures.insert(kind, Failures { count, ..Failures::default() });
        assert_eq!(
            judge(&window, &objective, Some(5000.0), Scope::Whole).verdict,
            verdict,
            "{count} {kind}"
        );
    }
}

#[test]
fn a_late_generator_makes_a_miss_invalid_and_leaves_a_pass() {
    let objective = "p95<100ms".parse().unwrap();
    let mut fast = window(&[(2500, 20); 20]);
    (0..100).for_each(|_| fast.lag.record(Duration::from_millis(50)));
    let judged = judge(&fast, &objective, Some(5000.0), Scope::Step);
    assert_eq!(judged.verdict, Verdict::Pass, "lateness only makes the service look worse");
    assert!(judged.reasons[0].contains("generator was late"), "{:?}", judged.reasons);
    let too_few = judge(&fast, &objective, Some(6000.0), Scope::Step);
    assert_eq!(
        too_few.verdict,
        Verdict::Invalid,
        "at less than the planned rate it proves nothing"
    );
    let mut late = window(&[(2500, 2500); 20]);
    (0..100).for_each(|_| late.lag.record(Duration::from_millis(50)));
    assert_eq!(judge(&late, &objective, Some(5000.0), Scope::Step).verdict, Verdict::Invalid);
    assert_eq!(
        judge(&late, &objective, None, Scope::Step).verdict,
        Verdict::Fail,
        "without a rate the limit is what was asked"
    );
}

#[test]
fn a_generator_that_waits_for_its_processor_makes_a_window_invalid_if_it_is_late_too() {
    let objective = "p95<100ms".parse().unwrap();
    let judged = |lag_ms: u64, run_delay: Option<f64>, steal: Option<f64>| {
        let mut window = window(&[(2500, 200); 20]);
        (0..100).for_each(|_| window.lag.record(Duration::from_millis(lag_ms)));
        window.generator =
            GeneratorLoad { run_delay_share: run_delay, steal_share: steal, ..window.generator };
        judge(&window, &objective, Some(5000.0), Scope::Step)
    };
    assert_eq!(
        judged(1, Some(0.3), Some(0.3)).verdict,
        Verdict::Fail,
        "waits that make nothing late are harmless"
    );
    assert_eq!(judged(12, Some(0.04), Some(0.04)).verdict, Verdict::Fail);
    assert_eq!(judged(12, None, None).verdict, Verdict::Fail);
    for (lag_ms, run_delay, steal, cause) in [
        (12, Some(0.06), Some(0.0), "waited for a processor for 6% of the time (run-queue delay)"),
        (25, Some(0.06), None, "waited for a processor for 6% of the time (run-queue delay)"),
        (12, None, Some(0.2), "gave 20% of the generator's processor time to others (steal)"),
    ] {
        let judgement = judged(lag_ms, run_delay, steal);
        assert_eq!(judgement.verdict, Verdict::Invalid, "{cause}");
        assert!(judgement.reasons[0].contains(cause), "{:?}", judgement.reasons);
    }
    let unexplained = judged(25, Some(0.01), Some(0.01));
    assert_eq!(unexplained.verdict, Verdict::Invalid);
    assert!(unexplained.reasons[0].ends_with("after they were due"), "{:?}", unexplained.reasons);
}

proptest! {
    #[test]
    fn more_over_the_limit_never_turns_a_fail_into_a_pass(
        over in 0u32..2000,
        more in 1u32..500,
    ) {
        let rank = |v| match v {
            Verdict::Pass => 0,
            Verdict::Undecided => 1,
            _ => 2,
        };
        let less = judged(&[(2500, over); 20], 5000.0);
        let greater = judged(&[(2500, (over + more).min(2500)); 20], 5000.0);
        prop_assert!(rank(greater) >= rank(less));
    }
}
