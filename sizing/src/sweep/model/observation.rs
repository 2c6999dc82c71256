//! From trials to what the model learns from them.

use loadtest::verdict::{Verdict, ViolationRate};

use crate::trial::{Purpose, Reading, StepResult, Trial};

/// What was seen of ln(latency / limit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// This value, with this standard deviation.
    Value(f64, f64),
    /// At most this value: the objective was held clearly.
    AtMost(f64),
    /// At least this value: the objective was missed.
    AtLeast(f64),
}

/// A measurement under one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Logarithm of the CPU limit, or of whatever gives the service room.
    pub room: f64,
    /// Violations that were seen.
    pub seen: Seen,
}

/// The measurements of one start of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Measurements; of a probe, several.
    pub observations: Vec<Observation>,
    /// Spread of its edge beside that of any start: the machine was disturbed, or its limits were
    /// changed in place.
    pub spread: f64,
}

/// ln(latency / limit) from which on it says how far the edge is: below it services differ in how
/// fast they are when nothing holds them up.
const CLEAR: f64 = -0.8;
/// The same from which on it only says that the edge is above: past the edge latency grows without
/// bound, and not along a power law.
const MISSED: f64 = 0.1;
/// Standard deviation of ln(latency / limit) from one window to the next, beside that of so many
/// requests.
const NOISE: f64 = 0.08;
/// A probe is not quite a fresh start: it is warm, and its limits changed while it ran.
const PROBE_SPREAD: f64 = 0.04;
/// Steal of this share of the machine makes an edge uncertain by as much, and a little more: the
/// share that hit the replicas is unknown.
const STEAL_SPREAD: f64 = 1.5;

impl Start {
    /// Returns what a trial tells of CPU; `None` of one that says nothing of it: it lacked memory,
    /// or the generator was the limit. A miss under steal is told with a spread as wide as the
    /// steal makes it.
    pub fn of(trial: &Trial) -> Option<Self> {
        let room = |limits: orchestrator::Limits| f64::from(limits.cpus.millis).ln();
        let (observations, extra) = match trial.spec.purpose {
            Purpose::Calibrate | Purpose::ReplicaFailure => return None,
            Purpose::Probe => {
                let readings = trial.readings.iter().filter(|reading| tells_of_cpu(reading, trial));
                let of = |reading: &Reading| {
                    let seen = seen(&reading.violation_rates, reading.requests, reading.verdict)?;
                    Some(Observation { room: room(reading.limits), seen })
                };
                (readings.filter_map(of).collect(), PROBE_SPREAD)
            }
            Purpose::Fresh | Purpose::Ramp => {
                let limit = room(trial.spec.point.limits);
                (
                    of_fresh(trial)
                        .into_iter()
                        .map(|seen| Observation { room: limit, seen })
                        .collect::<Vec<_>>(),
                    0.0,
                )
            }
        };
        let of_readings = trial.readings.iter().filter_map(|reading| reading.usage.steal_share);
        let stolen = of_readings.fold(trial.usage.steal_share.unwrap_or(0.0), f64::max);
        let spread = f64::hypot(extra, STEAL_SPREAD * stolen);
        (!observations.is_empty()).then_some(Self { observations, spread })
    }
}

/// Whether a reading of a probe tells of CPU. One that missed while memory was lowered, or while an
/// overload was still worked off, may have missed for that.
fn tells_of_cpu(reading: &Reading, probe: &Trial) -> bool {
    let is_confounded = reading.is_memory || reading.is_recovery;
    reading.users == probe.spec.users
        && reading.refused.is_none()
        && reading.requests > 0
        && !(is_confounded && reading.violation_ratio() > 1.0)
}

/// What a fresh trial or a ramp tells, by its last step.
fn of_fresh(trial: &Trial) -> Option<Seen> {
    let is_unmeasured = trial.steps.iter().any(|step| step.verdict == Verdict::Invalid);
    if is_unmeasured
        || trial.lacked_memory()
        || trial.verdict == Verdict::Invalid && trial.steps.is_empty()
    {
        return None;
    }
    let last = trial.steps.last().filter(|step| step.users == trial.spec.users);
    let told = last.and_then(seen_in_step);
    match (trial.verdict, told) {
        // It broke down before its users were there, or at fewer.
        (Verdict::Fail, None) => Some(Seen::AtLeast(0.0)),
        (Verdict::Fail, Some(Seen::AtMost(_) | Seen::Value(f64::NEG_INFINITY..0.0, _))) => {
            Some(Seen::AtLeast(0.0))
        }
        (_, told) => told,
    }
}

/// Returns what a step of a ramp tells.
pub fn seen_in_step(step: &StepResult) -> Option<Seen> {
    if step.requests == 0 { None } else { seen(&step.violation_rates, step.requests, step.verdict) }
}

/// What a window tells, by the part of the objective that is nearest to its limit.
fn seen(rates: &[ViolationRate], requests: u64, verdict: Verdict) -> Option<Seen> {
    if verdict == Verdict::Invalid {
        return None;
    }
    let latency = rates
        .iter()
        .filter_map(|rate| Some(((rate.quantile_ms? / rate.over_ms?).ln(), rate.allowed)));
    let nearest = latency.max_by(|a, b| a.0.total_cmp(&b.0));
    let fails = rates.iter().any(|rate| rate.over_ms.is_none() && rate.share > rate.allowed);
    Some(match nearest {
        // Failures, or the rate, miss the objective whatever the latency.
        None if !fails && verdict != Verdict::Fail => Seen::AtMost(0.0),
        Some((z, _)) if z < 0.0 && !fails && verdict != Verdict::Fail && z < CLEAR => {
            Seen::AtMost(CLEAR)
        }
        Some((z, allowed)) if !fails && z <= MISSED && (z >= 0.0 || verdict != Verdict::Fail) => {
            // A percentile rests on the requests beyond it.
            let beyond = (requests as f64 * allowed).max(1.0);
            Seen::Value(z, f64::hypot(NOISE, 1.0 / beyond.sqrt()))
        }
        _ => Seen::AtLeast(0.0),
    })
}
