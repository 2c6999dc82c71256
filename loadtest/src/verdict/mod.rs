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
pub use run::{StepsJudgement, judge_steps, judge_steps_by_rates, scope_of};
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
    let explain = |reason: String| match reason.strip_suffix(NOTHING_DUE) {
        Some(before) if !why.is_empty() => {
            format!("{before}{}, and users sent nothing more", why.join("; "))
        }
        _ => reason,
    };
    Judgement { reasons: judged.reasons.into_iter().map(explain).collect(), ..judged }
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
    let rates = ViolationRate::of(window, objective);
    judge_by_rates(window, &rates, objective, planned_per_second, scope)
}

/// Judges a window by given violation rates, as [`judge`] does by those of its slices. A journal
/// keeps the rates, and no slices. `rates` has the parts of `objective`, in the order of
/// [`ViolationRate::of`].
pub fn judge_by_rates(
    window: &Window,
    rates: &[ViolationRate],
    objective: &Slo,
    planned_per_second: Option<f64>,
    scope: Scope,
) -> Judgement {
    let judged = judge_service(window, rates, objective, planned_per_second, scope);
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
    rates: &[ViolationRate],
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
    for (limit, rate) in objective.latency.iter().zip(rates) {
        check(
            rate.bounds(),
            limit.allowed_over(),
            &format!("failed or took over {} ms", limit.limit.as_millis()),
            true,
        );
    }
    let failed = rates.get(objective.latency.len());
    if let (Some(allowed), Some(rate)) = (objective.failures, failed) {
        check(rate.bounds(), allowed, "failed", scope == Scope::Whole);
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
mod tests;
