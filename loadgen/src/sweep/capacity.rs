//! `--mode capacity`: the most users that the largest limits hold.
//!
//! The same model and the same choice as for limits, with the number of users in place of CPU: fewer users are more room.

use super::{
    Planned,
    answer::{Finding, ReplicaAnswer},
    choice::{Choice, FRESH, RAMPS, Rung, candidate, choose},
    is_measurable, is_valid,
    model::{Observation, Posterior, Prior, Start},
    percent, planned,
};
use crate::{
    trial::{Point, Purpose, Settings, Timing, Trial, TrialSpec},
    verdict::Verdict,
};

/// Trials of a replica count after which its search ends with what is known.
const MOST_TRIALS: usize = 25;

/// What is known of one replica count.
struct Capacity<'a> {
    settings: &'a Settings,
    point: Point,
    all: Vec<&'a Trial>,
    /// Users, descending, so that room ascends.
    users: Vec<u32>,
    posterior: Posterior,
    rungs: Vec<Rung>,
}

/// Returns the next trial.
pub(super) fn next(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    Capacity::all(settings, trials).find_map(|capacity| capacity.next())
}

/// Returns what is known of each replica count that was begun.
pub(super) fn answers(settings: &Settings, trials: &[Trial]) -> Vec<ReplicaAnswer> {
    Capacity::all(settings, trials).filter(|capacity| !capacity.all.is_empty()).map(|c| c.answer()).collect()
}

impl<'a> Capacity<'a> {
    fn all(settings: &'a Settings, trials: &'a [Trial]) -> impl Iterator<Item = Self> {
        let of = move |replicas: &u32| {
            Some(Self::new(settings, trials, settings.point(*replicas, settings.top(*replicas)?)))
        };
        settings.replicas.iter().filter_map(of)
    }

    fn new(settings: &'a Settings, trials: &'a [Trial], point: Point) -> Self {
        let is_mine =
            |trial: &&Trial| trial.spec.point == point && matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp);
        let all: Vec<&Trial> = trials.iter().filter(is_mine).collect();
        let (max, step) = (settings.max_users, settings.step.clamp(1, settings.max_users));
        let users: Vec<u32> = (1..=max.div_ceil(step)).rev().map(|i| (i * step).min(max)).collect();
        let valid = || all.iter().copied().filter(|trial| is_valid(trial));
        let starts: Vec<Start> = valid().filter_map(start).collect();
        let prior = Prior { mean: -f64::from(max).ln(), sd: 1.0 };
        let posterior = Posterior::new(prior, &starts);
        let rungs = users
            .iter()
            .map(|&users| {
                let passed = |purpose| {
                    let is_one =
                        |trial: &&Trial| trial.spec.purpose == purpose && trial.spec.users == users && trial.passed();
                    valid().filter(is_one).count()
                };
                let failed = |trial: &Trial| trial.spec.users == users && trial.verdict == Verdict::Fail;
                let room = -f64::from(users).ln();
                Rung {
                    room,
                    p_hold: posterior.p_hold(room),
                    has_failed: valid().any(failed),
                    needs_fresh: FRESH.saturating_sub(passed(Purpose::Fresh)),
                    needs_ramps: RAMPS.saturating_sub(passed(Purpose::Ramp)),
                }
            })
            .collect();
        Self { settings, point, all, users, posterior, rungs }
    }

    fn next(&self) -> Option<Planned> {
        let spec = |purpose, users| TrialSpec { purpose, point: self.point, users };
        if self.all.len() >= MOST_TRIALS {
            return None;
        }
        let first = spec(Purpose::Ramp, self.settings.max_users);
        let planned = if self.all.is_empty() || self.all.iter().all(|trial| !is_valid(trial)) {
            let reason = format!("Adds {} users at a time to see how far {} gets.", self.settings.step, self.point);
            planned(self.settings, first, reason)
        } else {
            let seconds = |rung: usize, purpose| {
                Timing::new(self.settings.wait_time).length(self.settings, purpose, self.users[rung]).as_secs_f64()
            };
            let (rung, purpose) = match choose(&self.posterior, &self.rungs, self.settings.confidence, seconds) {
                Choice::Confirmed(_) | Choice::NoneHolds => return None,
                Choice::Fresh(rung) => (rung, Purpose::Fresh),
                Choice::Ramp(rung) => (rung, Purpose::Ramp),
            };
            let (users, p) = (self.users[rung], percent(self.rungs[rung].p_hold));
            let what = if purpose == Purpose::Ramp { "a ramp confirms it" } else { "a fresh trial decides" };
            planned(self.settings, spec(purpose, users), format!("{users} users are held in {p} of starts; {what}."))
        };
        is_measurable(self.all.iter().copied(), planned.spec).then_some(planned)
    }

    fn answer(&self) -> ReplicaAnswer {
        let confidence = self.settings.confidence;
        let mut complete = (0..self.rungs.len()).filter(|rung| self.rungs[*rung].is_complete());
        let likely = complete.clone().find(|rung| self.rungs[*rung].is_candidate(confidence));
        let confirmed = likely.or(complete.next_back());
        let finding = match (confirmed, candidate(&self.rungs, confidence)) {
            (Some(rung), _) => {
                Finding::Capacity { point: self.point, users: self.users[rung], p_hold: self.rungs[rung].p_hold }
            }
            (None, None) if self.rungs.last().is_some_and(|rung| rung.has_failed) => {
                Finding::Capacity { point: self.point, users: 0, p_hold: 0.0 }
            }
            (None, _) => Finding::Unknown,
        };
        ReplicaAnswer::of(self.point.replicas, finding)
    }
}

/// What a trial tells of users: a ramp, of each of its steps.
fn start(trial: &Trial) -> Option<Start> {
    let fresh = Start::of(trial)?;
    let room = |users: u32| -f64::from(users).ln();
    let last = trial.steps.last().map_or(trial.spec.users, |step| step.users);
    let mut observations: Vec<Observation> =
        fresh.observations.iter().map(|observation| Observation { room: room(last), ..*observation }).collect();
    let earlier = trial.steps.iter().filter(|step| step.users < last);
    observations.extend(
        earlier
            .filter_map(|step| Some(Observation { room: room(step.users), seen: super::model::seen_in_step(step)? })),
    );
    Some(Start { observations, ..fresh })
}
