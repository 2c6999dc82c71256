//! Judging trials again for another objective, from what a journal keeps of their windows.
//!
//! A journal keeps histograms, counts and the violation rates of the limits that were counted in
//! half-second slices. For a counted limit the share and its standard error are those of the
//! slices, whatever share an objective allows. For any other limit the share comes from the
//! histogram, and [`Clustering`] supplies the standard error that slices would have had.

mod clustering;
mod window;

use loadtest::{
    measure::Latencies,
    slo::Slo,
    verdict::{Judgement, Scope, Verdict, ViolationRate, judge_by_rates, judge_steps_by_rates},
};

use self::{
    clustering::Clustering,
    window::{Kept, decoded},
};
use super::{
    Purpose, Reading, Settings, StepResult, Timing, Trial, bottleneck,
    steps::{at, charge_ends, without_steal},
    summary::probe_judgement,
};

/// Error for an objective that a journal cannot judge.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum AgainError {
    /// A window has no histogram.
    #[error(
        "trial {trial}: its window at {users} users has no histogram, so only the limits {counted} \
            can be judged"
    )]
    NoHistogram {
        /// Number of the trial, from 1.
        trial: usize,
        /// Users in the window.
        users: u32,
        /// Limits that were counted.
        counted: String,
    },
    /// A histogram cannot be read.
    #[error("trial {trial}: its histogram at {users} users cannot be read: {why}")]
    Unreadable {
        /// Number of the trial, from 1.
        trial: usize,
        /// Users in the window.
        users: u32,
        /// Error of the decoder.
        why: String,
    },
    /// A percentile allows less than one request in the longest window.
    #[error(
        "p{percentile} allows less than one slow request in the longest window, which has \
            {requests} requests: no trial can tell it from p100"
    )]
    TooFine {
        /// Percentile.
        percentile: f64,
        /// Requests of the longest window.
        requests: u64,
    },
}

/// Returns the trials as `settings.objective` judges them; they were measured for another one.
///
/// Calibrations stay as they are, since they have no objective. A trial that ended early for the
/// measured objective and meets the new one so far is undecided.
///
/// # Errors
/// Returns an error if the trials do not hold what the objective asks about.
pub fn judge_again(settings: &Settings, trials: &[Trial]) -> Result<Vec<Trial>, AgainError> {
    is_fine_enough(&settings.objective, trials)?;
    let clustering = Clustering::of(trials);
    let again = Again { settings, clustering: &clustering };
    trials.iter().enumerate().map(|(index, trial)| again.trial(index + 1, trial)).collect()
}

fn is_fine_enough(objective: &Slo, trials: &[Trial]) -> Result<(), AgainError> {
    let of_steps = trials.iter().flat_map(|trial| &trial.steps).map(|step| step.requests);
    let Some(requests) = of_steps.max().filter(|most| *most > 0) else { return Ok(()) };
    let too_fine =
        objective.latency.iter().find(|limit| requests as f64 * limit.allowed_over() < 1.0);
    too_fine.map_or(Ok(()), |limit| {
        let percentile = (limit.quantile * 1e8).round() / 1e6;
        Err(AgainError::TooFine { percentile, requests })
    })
}

struct Again<'a> {
    settings: &'a Settings,
    clustering: &'a Clustering,
}

impl Again<'_> {
    fn trial(&self, number: usize, trial: &Trial) -> Result<Trial, AgainError> {
        match trial.spec.purpose {
            Purpose::Calibrate => Ok(trial.clone()),
            Purpose::Probe => self.probe(number, trial),
            // A replica that did not start failed whatever the objective.
            _ if trial.steps.is_empty() => Ok(trial.clone()),
            _ => self.start(number, trial),
        }
    }

    fn probe(&self, number: usize, trial: &Trial) -> Result<Trial, AgainError> {
        let readings = trial.readings.iter().map(|reading| self.reading(number, reading));
        let readings = readings.collect::<Result<Vec<_>, _>>()?;
        let judged = probe_judgement(&readings);
        Ok(self.judged(Trial { readings, ..trial.clone() }, judged))
    }

    fn reading(&self, number: usize, reading: &Reading) -> Result<Reading, AgainError> {
        let kept = Kept::reading(reading);
        let intended = decoded(reading.histograms.as_ref(), number, &kept)?;
        let rates = self.rates(number, &kept, intended.as_ref())?;
        let window = kept.window(intended);
        let judged = judge_by_rates(
            &window,
            &rates,
            &self.settings.objective,
            reading.planned_per_second,
            Scope::Step,
        );
        let verdict = if reading.refused.is_some() { Verdict::Fail } else { judged.verdict };
        Ok(Reading { violation_rates: rates, verdict, ..reading.clone() })
    }

    fn start(&self, number: usize, trial: &Trial) -> Result<Trial, AgainError> {
        let spec = trial.spec;
        let plan =
            Timing::new(self.settings.wait_time).plan(self.settings, spec.purpose, spec.users);
        let mut windows = Vec::new();
        for step in trial.steps.iter().take(plan.steps.len()) {
            let kept = Kept::step(step);
            let intended = decoded(step.histograms.as_ref(), number, &kept)?;
            let rates = self.rates(number, &kept, intended.as_ref())?;
            windows.push((kept.window(intended), rates));
        }
        let due: Vec<Option<f64>> = trial.steps.iter().map(|s| s.planned_per_second).collect();
        let all = judge_steps_by_rates(&plan, &due, &windows, &self.settings.objective);
        let judged = trial.steps.iter().zip(all.steps).zip(windows);
        let mut steps: Vec<StepResult> = judged
            .map(|((step, judged), (_, rates))| StepResult {
                violation_rates: rates,
                verdict: judged.verdict,
                reasons: judged.reasons,
                ..step.clone()
            })
            .collect();
        // Without a request, a window that ended early says nothing.
        let is_empty = |step: &&mut StepResult| step.requests == 0 && step.verdict == Verdict::Pass;
        steps.iter_mut().filter(is_empty).for_each(|step| step.verdict = Verdict::Undecided);
        charge_ends(&mut steps, &trial.usage.ended);
        for step in &mut steps {
            let is_missed = step.verdict == Verdict::Fail;
            let known = step.bottleneck.unwrap_or_else(|| bottleneck(&trial.usage, spec.point));
            step.bottleneck = is_missed.then_some(known);
        }
        let judgement = overall(trial, &steps, plan.steps.len(), all.overall);
        Ok(self.judged(Trial { steps, ..trial.clone() }, judgement))
    }

    /// Returns the trial with a judgement, and with the bottleneck of a miss.
    fn judged(&self, trial: Trial, judgement: Judgement) -> Trial {
        let Judgement { verdict, reasons } =
            without_steal(judgement, &trial.usage, self.settings.max_steal);
        let is_attributed = matches!(verdict, Verdict::Fail | Verdict::Undecided)
            && trial.spec.purpose != Purpose::ReplicaFailure;
        let bottleneck = is_attributed.then(|| bottleneck(&trial.usage, trial.spec.point));
        Trial { verdict, reasons, bottleneck, ..trial }
    }

    /// Returns the violation rate of each part of the new objective in a window.
    fn rates(
        &self,
        number: usize,
        kept: &Kept<'_>,
        intended: Option<&Latencies>,
    ) -> Result<Vec<ViolationRate>, AgainError> {
        let objective = &self.settings.objective;
        let mut rates = Vec::new();
        for limit in &objective.latency {
            let limit_ms = limit.limit.as_secs_f64() * 1e3;
            let quantile = |of: &Latencies| {
                (of.count() > 0).then(|| of.quantile(limit.quantile).as_secs_f64() * 1e3)
            };
            let rate = match (kept.counted(limit_ms), intended) {
                (Some(counted), _) => {
                    let is_same = (counted.allowed - limit.allowed_over()).abs() < 1e-9;
                    let known = counted.quantile_ms.filter(|_| is_same);
                    ViolationRate { quantile_ms: known.or(intended.and_then(quantile)), ..counted }
                }
                (None, Some(intended)) => ViolationRate {
                    over_ms: Some(limit_ms),
                    quantile_ms: quantile(intended),
                    ..kept.share_over(limit.limit, intended, self.clustering)
                },
                // No request was answered or timed out.
                (None, None) if kept.requests == kept.failures => {
                    ViolationRate { over_ms: Some(limit_ms), ..kept.failure_rate(self.clustering) }
                }
                (None, None) => {
                    let (trial, users) = (number, kept.users);
                    return Err(AgainError::NoHistogram { trial, users, counted: kept.limits() });
                }
            };
            rates.push(ViolationRate { allowed: limit.allowed_over(), ..rate });
        }
        let failures = objective
            .failures
            .map(|allowed| ViolationRate { allowed, ..kept.failure_rate(self.clustering) });
        rates.extend(failures);
        Ok(rates)
    }
}

/// Returns the verdict of a fresh trial, a ramp or a replica failure from its steps.
fn overall(trial: &Trial, steps: &[StepResult], planned: usize, together: Judgement) -> Judgement {
    let first = |verdict| steps.iter().find(|step| step.verdict == verdict);
    if let Some(step) = first(Verdict::Invalid) {
        return Judgement { verdict: Verdict::Invalid, reasons: at(step) };
    }
    if let (Purpose::ReplicaFailure, Some(after)) = (trial.spec.purpose, steps.last()) {
        return Judgement { verdict: after.verdict, reasons: at(after) };
    }
    if let Some(step) = first(Verdict::Fail) {
        return Judgement { verdict: Verdict::Fail, reasons: at(step) };
    }
    match &trial.stopped_early {
        _ if steps.len() >= planned && steps.iter().all(|step| step.requests > 0) => together,
        // It ended for the measured objective: more users were not tried.
        Some(why) => {
            let users = steps.last().map_or(0, |step| step.users);
            let reason = format!("ended at {users} users for the measured objective: {why}");
            Judgement { verdict: Verdict::Undecided, reasons: vec![reason] }
        }
        None => Judgement { verdict: trial.verdict, reasons: trial.reasons.clone() },
    }
}

#[cfg(test)]
mod tests;
