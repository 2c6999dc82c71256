//! `--mode capacity`: the largest number of users that the largest limits hold.
//!
//! The model and the choice of trials are the same as for limits, with the number of users in place
//! of CPU: fewer users mean more room.

use loadtest::verdict::Verdict;

use super::{
    Planned,
    choice::{Choice, FRESH, RAMPS, Rung, candidate, choose},
    finding::{Finding, ReplicaAnswer},
    is_measurable, is_valid,
    model::{Observation, Posterior, Prior, Seen, Start, seen_in_step},
    percent, planned,
};
use crate::trial::{Point, Purpose, Settings, Timing, Trial, TrialSpec};

/// Number of trials of a replica count after which its search ends.
const MOST_TRIALS: usize = 25;

/// Knowledge about one replica count.
struct Capacity<'a> {
    settings: &'a Settings,
    point: Point,
    all: Vec<&'a Trial>,
    /// User counts, descending, so that room ascends.
    users: Vec<u32>,
    posterior: Posterior,
    rungs: Vec<Rung>,
}

/// Returns the next trial.
pub(super) fn next(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    Capacity::all(settings, trials).find_map(|capacity| capacity.next())
}

/// Returns the answer for each replica count that was begun.
pub(super) fn answers(settings: &Settings, trials: &[Trial]) -> Vec<ReplicaAnswer> {
    Capacity::all(settings, trials)
        .filter(|capacity| !capacity.all.is_empty())
        .map(|c| c.answer())
        .collect()
}

impl<'a> Capacity<'a> {
    fn all(settings: &'a Settings, trials: &'a [Trial]) -> impl Iterator<Item = Self> {
        let of = move |replicas: &u32| {
            Some(Self::new(settings, trials, settings.point(*replicas, settings.top(*replicas)?)))
        };
        settings.replicas.iter().filter_map(of)
    }

    fn new(settings: &'a Settings, trials: &'a [Trial], point: Point) -> Self {
        let is_mine = |trial: &&Trial| {
            trial.spec.point == point
                && matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
        };
        let all: Vec<&Trial> = trials.iter().filter(is_mine).collect();
        let (max, step) = (settings.max_users, settings.step.clamp(1, settings.max_users));
        let users: Vec<u32> = (1..=max.div_ceil(step)).rev().map(|i| (i * step).min(max)).collect();
        let valid = || all.iter().copied().filter(|trial| is_valid(trial));
        let starts: Vec<Start> = valid().filter_map(|trial| start(trial, step)).collect();
        let prior = Prior { mean: -f64::from(max).ln(), sd: 1.0 };
        let posterior = Posterior::new(prior, &starts);
        let rungs = users
            .iter()
            .map(|&users| {
                let passed = |purpose| {
                    let is_one = |trial: &&Trial| {
                        trial.spec.purpose == purpose && trial.spec.users == users && trial.passed()
                    };
                    valid().filter(is_one).count()
                };
                let failed =
                    |trial: &Trial| trial.spec.users == users && trial.verdict == Verdict::Fail;
                let room = -f64::from(users).ln();
                Rung {
                    room,
                    p_hold: posterior.p_hold(room),
                    is_out: valid().any(failed),
                    needs_fresh: FRESH.saturating_sub(passed(Purpose::Fresh)),
                    needs_ramps: RAMPS.saturating_sub(passed(Purpose::Ramp)),
                }
            })
            .collect();
        Self { settings, point, all, users, posterior, rungs }
    }

    fn next(&self) -> Option<Planned> {
        self.next_unchecked()
            .filter(|planned| is_measurable(self.all.iter().copied(), planned.spec))
    }

    /// Returns the next trial, even if all attempts at it were invalid.
    fn next_unchecked(&self) -> Option<Planned> {
        let spec = |purpose, users| TrialSpec { purpose, point: self.point, users };
        if self.all.len() >= MOST_TRIALS {
            return None;
        }
        let first = spec(Purpose::Ramp, self.settings.max_users);
        let planned = if self.all.is_empty() || self.all.iter().all(|trial| !is_valid(trial)) {
            let reason = format!(
                "Adds {} users at a time to see how far {} gets.",
                self.settings.step, self.point
            );
            planned(self.settings, first, reason)
        } else {
            let seconds = |rung: usize| {
                Timing::new(self.settings.wait_time)
                    .length(self.settings, Purpose::Fresh, self.users[rung])
                    .as_secs_f64()
            };
            let (rung, purpose) =
                match choose(&self.posterior, &self.rungs, self.settings.confidence, seconds) {
                    Choice::Confirmed(_) | Choice::NoneHolds => return None,
                    Choice::Fresh(rung) => (rung, Purpose::Fresh),
                    Choice::Ramp(rung) => (rung, Purpose::Ramp),
                };
            let (users, p) = (self.users[rung], percent(self.rungs[rung].p_hold));
            let what = if purpose == Purpose::Ramp {
                "a ramp confirms it"
            } else {
                "a fresh trial decides"
            };
            planned(
                self.settings,
                spec(purpose, users),
                format!("{users} users are held in {p} of starts; {what}."),
            )
        };
        Some(planned)
    }

    fn answer(&self) -> ReplicaAnswer {
        let confidence = self.settings.confidence;
        let mut complete = (0..self.rungs.len()).filter(|rung| self.rungs[*rung].is_complete());
        let likely = complete.clone().find(|rung| self.rungs[*rung].is_candidate(confidence));
        let confirmed = likely.or(complete.next_back());
        let finding = match (confirmed, candidate(&self.rungs, confidence)) {
            (Some(rung), _) => Finding::Capacity {
                point: self.point,
                users: self.users[rung],
                p_hold: self.rungs[rung].p_hold,
            },
            (None, None)
                if self
                    .all
                    .iter()
                    .any(|trial| is_valid(trial) && trial.steps.len() < 2 && !trial.passed()) =>
            {
                Finding::Capacity { point: self.point, users: 0, p_hold: 0.0 }
            }
            (None, _)
                if self
                    .next_unchecked()
                    .is_some_and(|next| !is_measurable(self.all.iter().copied(), next.spec)) =>
            {
                Finding::Unmeasurable
            }
            (None, _) => Finding::Unknown,
        };
        ReplicaAnswer::of(self.point.replicas, finding)
    }
}

/// Returns the observations of a trial in terms of users: one for each step, and for a failed trial
/// one at the first step that did not pass, whatever the bottleneck.
fn start(trial: &Trial, step: u32) -> Option<Start> {
    let room = |users: u32| -f64::from(users).ln();
    let passed = trial.steps.iter().take_while(|step| step.verdict != Verdict::Fail);
    let of_step = |step: &crate::trial::StepResult| {
        Some(Observation { room: room(step.users), seen: seen_in_step(step)? })
    };
    let mut observations: Vec<Observation> = passed.clone().filter_map(of_step).collect();
    if trial.verdict == Verdict::Fail {
        let before = passed.last().map_or(0, |step| step.users);
        let failed =
            trial.steps.iter().find(|step| step.verdict == Verdict::Fail).map(|step| step.users);
        let users = failed.unwrap_or_else(|| (before + step).min(trial.spec.users));
        observations.push(Observation { room: room(users), seen: Seen::AtLeast(0.0) });
    }
    (!observations.is_empty()).then_some(Start { observations, spread: 0.0 })
}
