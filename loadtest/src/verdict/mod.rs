//! Verdict on a window: pass, fail, undecided or invalid.
//!
//! "Observed p95 <= limit" misjudges a service near its limit about as often as not. The verdict is
//! on the share of requests over the limit, with a confidence bound: it passes when the upper bound
//! is within the allowed share, and fails when the lower bound exceeds it.
//!
//! The bound comes from half-second slices and not from single requests, since requests of one
//! quota period share its stall. For m slices with n_i requests, x_i of them over, the share is a
//! ratio estimate (Cochran, Sampling Techniques, 3rd ed., section 6.4):
//!
//! ```text
//! p        = Sum x_i / Sum n_i
//! variance = m / (m - 1) * Sum (x_i - p n_i)^2 / (Sum n_i)^2
//! ```
//!
//! The covariance of neighbouring slices is added, since a stall's backlog reaches into the next
//! one.
//!
//! With few stalls the share is not normal. It is then a count of k = p^2 / variance independent
//! events, whatever the number of requests that each of them spoils. The bounds are those of a
//! Poisson count (Garwood, 1936: quantiles of gamma distributions, here by Wilson and Hilferty's
//! approximation, 1931), which become the normal ones as k grows. If no slice has any request over,
//! the "rule of three" applies. [`simulate`] measures how often the verdict is wrong.

mod bounds;
mod curtail;
mod generator;
mod looks;
mod run;
pub mod simulate;
mod violation;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    measure::{FailureKind, Window},
    slo::Slo,
};

use bounds::Bounds;
pub use curtail::{LEAST_CHANCE, chance_to_decide};
use generator::MAX_LAG_SHARE;
pub use generator::{generator_limited, is_late};
pub use looks::{Look, Looks};
pub use run::{StepsJudgement, judge_steps, scope_of};
pub use violation::ViolationRate;

/// Verdict on a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The objective was met.
    Pass,
    /// The objective was missed.
    Fail,
    /// The requests are too few to decide so close to the objective.
    Undecided,
    /// The generator limited the window, so that it says nothing about the server.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undecided => "undecided",
            Self::Invalid => "invalid",
        })
    }
}

/// A verdict and its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// A clause for each part of the objective that was missed, was undecided or passed with less
    /// proof than the objective asks for, and for the cause of an invalid window.
    pub reasons: Vec<String>,
}

impl Judgement {
    /// Returns this judgement or, if it is undecided, the judgement of an earlier look.
    ///
    /// A look works on whole seconds, by the time at which requests ended; a window counts the
    /// requests that were due in it. Near a limit the two may differ. [`judge`]'s bounds allow for
    /// several looks.
    #[must_use]
    pub fn or_decided(self, decided: Option<&Self>) -> Self {
        match decided {
            Some(decided) if self.verdict == Verdict::Undecided => decided.clone(),
            _ => self,
        }
    }
}

/// Share of due requests that must be answered for a pass, whatever the objective says of the rest.
const COMPLETED: f64 = 0.95;

/// Expected requests from which an empty window counts as a failure.
const ENOUGH: f64 = 5.0;

/// Reason for a window in which users sent nothing.
const NOTHING_DUE: &str = "no request was due";

/// Explains a window in which nothing was due: users that wait for an answer send no next request.
/// `total` has the requests of the whole run.
#[must_use]
pub fn explained(judged: Judgement, total: &Window) -> Judgement {
    let why: Vec<String> = total
        .failures
        .iter()
        .map(|(kind, failures)| match (kind, failures.count) {
            (FailureKind::Timeout, 1) => "1 request timed out".to_owned(),
            (FailureKind::Timeout, count) => format!("{count} requests timed out"),
            (kind, 1) => format!("1 request failed: {kind}"),
            (kind, count) => format!("{count} requests failed: {kind}"),
        })
        .collect();
    let told = |reason: String| match reason.strip_suffix(NOTHING_DUE) {
        Some(before) if !why.is_empty() => {
            format!("{before}{}, and users sent nothing more", why.join("; "))
        }
        _ => reason,
    };
    Judgement { reasons: judged.reasons.into_iter().map(told).collect(), ..judged }
}

/// Scope of a window's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole measurement: everything must be proved.
    Whole,
    /// One of several steps. Its failures can fail it, but the proof that few requests fail is made
    /// over all steps together: to prove less than 0.1% takes 4,400 requests, more than a step of
    /// 500 users has.
    Step,
}

/// Judges a window in which `planned_per_second` requests were planned (`None`: as many as
/// possible).
///
/// If the generator was the limit, a window that meets the objective still passes: it is judged by
/// intended time and by the planned rate, so lateness can only make the service look worse. A
/// window that misses the objective is invalid, unless requests went unanswered in a way that
/// lateness cannot explain.
pub fn judge(
    window: &Window,
    objective: &Slo,
    planned_per_second: Option<f64>,
    scope: Scope,
) -> Judgement {
    let judged = judge_service(window, objective, planned_per_second, scope);
    let Some(reason) = generator_limited(window, objective, planned_per_second) else {
        return judged;
    };
    let is_at_rate = planned_per_second
        .is_none_or(|planned| window.requests_per_second() >= COMPLETED * planned);
    match (judged.verdict, failed_anyway(window)) {
        (Verdict::Pass, _) if is_at_rate => {
            Judgement { reasons: judged.reasons.into_iter().chain([reason]).collect(), ..judged }
        }
        (_, Some(failed)) => Judgement { verdict: Verdict::Fail, reasons: vec![failed, reason] },
        (_, None) => Judgement { verdict: Verdict::Invalid, reasons: vec![reason] },
    }
}

/// Judges a window as if the generator had been on time.
fn judge_service(
    window: &Window,
    objective: &Slo,
    planned_per_second: Option<f64>,
    scope: Scope,
) -> Judgement {
    let mut reasons = Vec::new();
    let mut open = Vec::new();
    let mut notes = Vec::new();
    let mut check = |bounds: Bounds, allowed: f64, what: &str, must_be_proved: bool| {
        let [share, upper, allowed_percent] =
            [bounds.share, bounds.upper, allowed].map(|v| v * 100.0);
        if bounds.lower > allowed {
            reasons.push(format!("{share:.2}% of requests {what}, {allowed_percent:.2}% allowed"));
        } else if bounds.upper > allowed && bounds.share == 0.0 && must_be_proved {
            // No service could prove it with so few requests. The note states what they do prove.
            notes.push(format!(
                "none of {} requests {what}: that proves less than {upper:.2}%, not less than \
                    {allowed_percent:.2}%",
                window.requests
            ));
        } else if bounds.upper > allowed && must_be_proved {
            open.push(format!(
                "{share:.2}% of {} requests {what}: it may be up to {upper:.2}%, \
                    {allowed_percent:.2}% allowed",
                window.requests
            ));
        }
    };
    for (i, limit) in objective.latency.iter().enumerate() {
        let bounds = Bounds::of(&window.slices, |s| s.over[i]);
        check(
            bounds,
            limit.allowed_over(),
            &format!("failed or took over {} ms", limit.limit.as_millis()),
            true,
        );
    }
    if let Some(allowed) = objective.failures {
        check(Bounds::of(&window.slices, |s| s.failures), allowed, "failed", scope == Scope::Whole);
    }
    if let (Some(share), Some(planned)) = (objective.rate, planned_per_second) {
        let achieved = window.requests_per_second();
        if achieved < share * planned {
            reasons.push(format!(
                "{achieved:.0} of {planned:.0} requests/s that were due, {:.0}% needed",
                share * 100.0
            ));
        }
    }
    if let Some((reason, is_sure)) = incomplete(window, FailureKind::is_unanswered) {
        if is_sure { reasons.push(reason) } else { open.push(reason) }
    }
    let expected = planned_per_second.map(|planned| planned * window.length.as_secs_f64());
    if window.requests == 0 && expected.is_none_or(|expected| expected >= ENOUGH) {
        reasons.push(NOTHING_DUE.to_owned());
    }
    let verdict = match (reasons.is_empty(), open.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Undecided,
        (true, true) => Verdict::Pass,
    };
    match verdict {
        Verdict::Undecided => reasons = open,
        Verdict::Pass => reasons = notes,
        Verdict::Fail | Verdict::Invalid => {}
    }
    Judgement { verdict, reasons }
}

/// Returns a reason if failures of the counted kinds left too few due requests answered, and
/// whether chance is ruled out as the cause.
fn incomplete(window: &Window, is_counted: fn(FailureKind) -> bool) -> Option<(String, bool)> {
    let counted = window.failures.iter().filter(|(kind, _)| is_counted(**kind));
    let requests = window.requests.max(1) as f64;
    let completed =
        1.0 - counted.map(|(_, failures)| failures.count).sum::<u64>() as f64 / requests;
    let error = (completed * (1.0 - completed) / requests).sqrt();
    let [percent, needed] = [completed, COMPLETED].map(|share| share * 100.0);
    let reason =
        format!("{percent:.1}% of the requests that were due were answered, {needed:.0}% needed");
    (completed < COMPLETED).then_some((reason, completed + bounds::Z * error < COMPLETED))
}

/// Returns a reason if the service failed however late the generator was: too few requests were
/// answered, by failures that the generator does not cause, and its lag is small beside the longest
/// wait. When thousands of users lose their replica at once, the generator is late because all of
/// them come back at once.
fn failed_anyway(window: &Window) -> Option<String> {
    let is_the_servers = |kind| {
        matches!(
            kind,
            FailureKind::Timeout | FailureKind::ConnectRefused | FailureKind::ConnectionClosed
        )
    };
    let longest = window.service.quantile(1.0).mul_f64(MAX_LAG_SHARE);
    let (failed, _) = incomplete(window, is_the_servers).filter(|(_, is_sure)| *is_sure)?;
    (window.lag.quantile(0.99) <= longest).then_some(failed)
}

#[cfg(test)]
mod tests {
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
        assert!(
            timeouts.reasons[1].starts_with("the generator was late"),
            "{:?}",
            timeouts.reasons
        );
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
            window.generator = GeneratorLoad {
                run_delay_share: run_delay,
                steal_share: steal,
                ..window.generator
            };
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
            (
                12,
                Some(0.06),
                Some(0.0),
                "waited for a processor for 6% of the time (run-queue delay)",
            ),
            (25, Some(0.06), None, "waited for a processor for 6% of the time (run-queue delay)"),
            (12, None, Some(0.2), "gave 20% of the generator's processor time to others (steal)"),
        ] {
            let judgement = judged(lag_ms, run_delay, steal);
            assert_eq!(judgement.verdict, Verdict::Invalid, "{cause}");
            assert!(judgement.reasons[0].contains(cause), "{:?}", judgement.reasons);
        }
        let unexplained = judged(25, Some(0.01), Some(0.01));
        assert_eq!(unexplained.verdict, Verdict::Invalid);
        assert!(
            unexplained.reasons[0].ends_with("after they were due"),
            "{:?}",
            unexplained.reasons
        );
    }

    proptest! {
        #[test]
        fn more_over_the_limit_never_turns_a_fail_into_a_pass(over in 0u32..2000, more in 1u32..500) {
            let rank = |v| match v { Verdict::Pass => 0, Verdict::Undecided => 1, _ => 2 };
            let less = judged(&[(2500, over); 20], 5000.0);
            let greater = judged(&[(2500, (over + more).min(2500)); 20], 5000.0);
            prop_assert!(rank(greater) >= rank(less));
        }
    }
}
