//! The search for the cheapest limits that hold the objective.
//!
//! Pure: from the trials so far, [`next`] names the next trial or says that there is none, and
//! [`answer`] says what is known. It knows nothing of Docker, clocks or files, and nothing of the
//! order in which trials were made, so that a journal replays to the same point.
//!
//! Trials become measurements of the [`model`], which tells for every CPU limit the probability
//! that a fresh start holds. `choice` weighs what a trial is expected to teach, and what the answer
//! still needs, against the seconds that it takes.

mod answer;
mod capacity;
mod choice;
mod count;
mod demand;
mod frontier;
mod grid;
mod memory;
pub mod model;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Estimate, Finding, Minimum, ReplicaAnswer, RungAnswer};
pub use demand::{DemandPoint, demand};

use crate::trial::{Mode, Point, Purpose, Settings, Timing, Trial, TrialSpec};
use count::Count;

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make this trial.
    Try(Planned),
    /// There is nothing more to try.
    Done,
}

/// A trial to make, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The trial.
    pub spec: TrialSpec,
    /// A sentence with figures.
    pub reason: String,
    /// About how many seconds the sweep still takes, this trial included.
    pub seconds_left: u64,
}

/// Invalid trials of one kind after which it cannot be measured here.
const RETRIES: usize = 3;

/// Returns the next trial to make, given all that were made.
pub fn next(settings: &Settings, trials: &[Trial]) -> Next {
    let planned = calibration(settings, trials).or_else(|| match settings.mode {
        Mode::Minimal | Mode::Frontier => minimal(settings, trials),
        Mode::Demand => demand::next(settings, trials),
        Mode::Capacity => capacity::next(settings, trials),
        Mode::Grid => grid::next(settings, trials),
    });
    planned.filter(|planned| is_measurable(trials, planned.spec)).map_or(Next::Done, Next::Try)
}

/// Returns what the trials say.
pub fn answer<'a>(settings: &Settings, trials: &'a [Trial]) -> Answer<'a> {
    Answer::from_trials(settings, trials)
}

/// Returns what is known of the edge by all trials and by those readings of a probe that is still
/// running, as an estimate for people.
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

/// The trial under the largest limits that tells what a request costs and what the service takes at
/// most.
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

/// Whether a trial was not invalid again and again.
fn is_measurable<'a>(trials: impl IntoIterator<Item = &'a Trial>, spec: TrialSpec) -> bool {
    trials.into_iter().filter(|trial| trial.spec == spec && !is_valid(trial)).count() <= RETRIES
}

fn is_valid(trial: &Trial) -> bool {
    trial.verdict != loadtest::verdict::Verdict::Invalid
}

/// A limit of CPU, in words.
fn cpu(point: Point) -> String {
    format!("{} CPU", point.limits.cpus)
}

/// A probability in percent; never rounded to certainty.
fn percent(p: f64) -> String {
    format!("{:.0}%", (p * 100.0).clamp(0.0, 99.0))
}
