//! Conversion of trials into observations of the model.

use loadtest::verdict::{Verdict, ViolationRate};

use crate::trial::{Purpose, Reading, StepResult, Trial};

/// Observed value of ln(latency / limit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// A value with its standard deviation.
    Value(f64, f64),
    /// At most this value: the objective was clearly met.
    AtMost(f64),
    /// At least this value: the objective was missed.
    AtLeast(f64),
}

/// A measurement under one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Logarithm of the CPU limit, or of whatever gives the service room.
    pub room: f64,
    /// Observed latency relative to its limit.
    pub seen: Seen,
}

/// Measurements of one start of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Measurements; several for a probe.
    pub observations: Vec<Observation>,
    /// Extra spread of this start's edge, because the machine was disturbed or limits changed in
    /// place.
    pub spread: f64,
}

/// Smallest ln(latency / limit) that locates the edge. Below it, services differ in their idle
/// latency.
const CLEAR: f64 = -0.8;
/// Largest ln(latency / limit) that locates the edge. Past the edge, latency grows without bound
/// and does not follow a power law.
const MISSED: f64 = 0.1;
/// Standard deviation of ln(latency / limit) between windows, beside the sampling error of the
/// requests.
const NOISE: f64 = 0.08;
/// Extra spread of a probe, which is not quite a fresh start: it is warm, and its limits changed
/// while it ran.
const PROBE_SPREAD: f64 = 0.04;
/// Factor from the stolen share of the machine to the spread of the edge. It is above 1 because the
/// share that hit the replicas is unknown.
const STEAL_SPREAD: f64 = 1.5;

impl Start {
    /// Returns the observations of CPU in a trial; `None` if it lacked memory or the generator was
    /// the limit. Steal in the trial widens the spread.
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

/// Returns true if a reading of a probe says something about CPU. A miss while memory was lowered,
/// or while an overload was worked off, may have another cause.
fn tells_of_cpu(reading: &Reading, probe: &Trial) -> bool {
    let is_confounded = reading.is_memory || reading.is_recovery;
    reading.users == probe.spec.users
        && reading.refused.is_none()
        && reading.requests > 0
        && !(is_confounded && reading.violation_ratio() > 1.0)
}

/// Returns the observation of a fresh trial or a ramp, from its last step.
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
        // The service broke down before all users were there, or at fewer users.
        (Verdict::Fail, None) => Some(Seen::AtLeast(0.0)),
        (Verdict::Fail, Some(Seen::AtMost(_) | Seen::Value(f64::NEG_INFINITY..0.0, _))) => {
            Some(Seen::AtLeast(0.0))
        }
        (_, told) => told,
    }
}

/// Returns the observation of a step of a ramp.
pub fn seen_in_step(step: &StepResult) -> Option<Seen> {
    if step.requests == 0 { None } else { seen(&step.violation_rates, step.requests, step.verdict) }
}

/// Returns the observation of a window, from the part of the objective that is nearest to its
/// limit.
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
        // Failures or a missed rate violate the objective whatever the latency.
        None if !fails && verdict != Verdict::Fail => Seen::AtMost(0.0),
        Some((z, _)) if z < 0.0 && !fails && verdict != Verdict::Fail && z < CLEAR => {
            Seen::AtMost(CLEAR)
        }
        Some((z, allowed)) if !fails && z <= MISSED && (z >= 0.0 || verdict != Verdict::Fail) => {
            // The precision of a percentile depends on the requests beyond it.
            let beyond = (requests as f64 * allowed).max(1.0);
            Seen::Value(z, f64::hypot(NOISE, 1.0 / beyond.sqrt()))
        }
        _ => Seen::AtLeast(0.0),
    })
}
