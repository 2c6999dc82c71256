//! The search for the cheapest limits that hold the objective.
//!
//! It is pure: from the trials so far, [`next`] returns the next trial or says that there is none,
//! and [`answer`] returns the result. It does not depend on Docker, clocks, files or the order of
//! the trials, so that a journal replays to the same point.
//!
//! Trials become measurements of the [`model`], which gives for every CPU limit the probability
//! that a fresh start holds. `choice` weighs the expected information of a trial, and the needs of
//! the answer, against its length in seconds.

mod answer;
mod capacity;
mod choice;
mod count;
mod demand;
mod finding;
mod frontier;
mod grid;
mod memory;
pub mod model;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use demand::{DemandPoint, demand};
pub use finding::{Estimate, Finding, Minimum, ReplicaAnswer, RungAnswer};

use crate::trial::{Mode, Point, Purpose, Settings, Timing, Trial, TrialSpec};
use count::Count;

/// Next action of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Run this trial.
    Try(Planned),
    /// The search is complete.
    Done,
}

/// A planned trial and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The trial.
    pub spec: TrialSpec,
    /// A sentence with figures.
    pub reason: String,
    /// Approximate seconds that the sweep still takes, including this trial.
    pub seconds_left: u64,
}

/// Invalid trials of one spec that are repeated; after one more it is given up.
const RETRIES: usize = 3;

/// Returns the next trial, given all trials so far.
pub fn next(settings: &Settings, trials: &[Trial]) -> Next {
    let planned = calibration(settings, trials).or_else(|| match settings.mode {
        Mode::Minimal | Mode::Frontier => minimal(settings, trials),
        Mode::Demand => demand::next(settings, trials),
        Mode::Capacity => capacity::next(settings, trials),
        Mode::Grid => grid::next(settings, trials),
    });
    planned.filter(|planned| is_measurable(trials, planned.spec)).map_or(Next::Done, Next::Try)
}

/// Returns the answer from all trials.
pub fn answer<'a>(settings: &Settings, trials: &'a [Trial]) -> Answer<'a> {
    Answer::from_trials(settings, trials, false)
}

/// Returns the answer from trials that are judged again with other settings. A rung that they
/// confirm has the confidence of these settings now; while they were made for them, it would stay
/// the answer that it once was.
pub fn answer_anew<'a>(settings: &Settings, trials: &'a [Trial]) -> Answer<'a> {
    Answer::from_trials(settings, trials, true)
}

/// Returns a preliminary estimate of the edge from all trials and the readings of a running probe.
pub fn estimate(
    settings: &Settings,
    trials: &[Trial],
    running: Option<&Trial>,
) -> Option<Estimate> {
    let all: Vec<Trial> = trials.iter().chain(running).cloned().collect();
    let replicas = all
        .iter()
        .rev()
        .find(|trial| trial.spec.purpose != Purpose::Calibrate)?
        .spec
        .point
        .replicas;
    Count::all(settings, &all).into_iter().find(|count| count.replicas == replicas)?.estimate()
}

/// Returns the calibration: a trial under the largest limits that measures the cost of a request
/// and the highest request rate.
fn calibration(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    let &replicas = settings.replicas.iter().find(|replicas| settings.top(**replicas).is_some())?;
    let top = settings.top(replicas)?;
    let spec = TrialSpec {
        purpose: Purpose::Calibrate,
        point: settings.point(replicas, top),
        users: settings.max_users,
    };
    let made = trials.iter().filter(|trial| trial.spec.purpose == Purpose::Calibrate).count();
    let is_made =
        trials.iter().any(|trial| trial.spec.purpose == Purpose::Calibrate && is_valid(trial));
    let reason = format!("Measures what a request costs and the most that {} takes.", spec.point);
    (!is_made && made <= RETRIES && settings.mode != Mode::Grid)
        .then(|| planned(settings, spec, reason))
}

fn minimal(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    let counts = Count::all(settings, trials);
    let expected: u64 = counts.iter().map(Count::seconds_left).sum();
    let with_time =
        |planned: Planned| Planned { seconds_left: expected.max(planned.seconds_left), ..planned };
    let next = counts.iter().find_map(|count| {
        count.next().filter(|planned| is_measurable(trials, planned.spec)).or_else(
            || match settings.mode {
                Mode::Frontier => {
                    frontier::next(count).filter(|planned| is_measurable(trials, planned.spec))
                }
                _ => None,
            },
        )
    });
    next.map(with_time)
}

fn planned(settings: &Settings, spec: TrialSpec, reason: String) -> Planned {
    let length = Timing::new(settings.wait_time).length(settings, spec.purpose, spec.users);
    Planned { spec, reason, seconds_left: length.as_secs() }
}

/// Returns true if the trial may still be tried: its invalid attempts do not exceed `RETRIES`.
fn is_measurable<'a>(trials: impl IntoIterator<Item = &'a Trial>, spec: TrialSpec) -> bool {
    trials.into_iter().filter(|trial| trial.spec == spec && !is_valid(trial)).count() <= RETRIES
}

fn is_start(trial: &Trial) -> bool {
    matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
}

fn is_valid(trial: &Trial) -> bool {
    trial.verdict != loadtest::verdict::Verdict::Invalid
}

/// Formats a CPU limit.
fn cpu(point: Point) -> String {
    format!("{} CPU", point.limits.cpus)
}

/// Formats a probability in percent, never rounded to certainty.
fn percent(p: f64) -> String {
    format!("{:.0}%", (p * 100.0).clamp(0.0, 99.0))
}
