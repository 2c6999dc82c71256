//! `--mode demand`: the least CPU for each step of users, measured in one service.
//!
//! The probe lowers the quota at each step of users until the objective breaks. Each step has a
//! posterior of its own, with a prior from the step before it. Fresh trials verify the curve at the
//! top and in the middle, and correct it where they disagree.

use serde::Serialize;

use super::{
    Planned, is_measurable, is_valid,
    model::{Posterior, Prior, Start},
    percent, planned,
};
use crate::trial::{Mode, Point, Purpose, Rungs, Settings, Trial, TrialSpec};

/// CPU demand at a step of users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DemandPoint {
    /// Users.
    pub users: u32,
    /// Least CPU limit of each replica that holds the users with the sweep's confidence, in
    /// processors.
    pub cpus: f64,
    /// Edge of the usual start, in processors.
    pub edge: f64,
    /// True if fresh trials with these users and this CPU, rounded up to a rung, passed and none
    /// failed.
    pub is_verified: bool,
}

/// Standard deviation of the deviation from proportional growth, from one step to the next.
const STEP_SD: f64 = 0.3;
/// Standard deviation of the first step's prior, which rests on the probe's lowest limits.
const FIRST_SD: f64 = 1.0;
/// Most fresh trials at one number of users; after that the curve stands as it is.
const MOST_TRIALS: usize = 4;

/// Returns the curve; empty before the probe was made.
pub fn demand(settings: &Settings, trials: &[Trial]) -> Vec<DemandPoint> {
    let Some(probe) = probe(settings, trials) else { return Vec::new() };
    let mut users: Vec<u32> = probe.readings.iter().map(|reading| reading.users).collect();
    users.dedup();
    let mut before: Option<(u32, f64)> = None;
    let mut least: f64 = 0.0;
    let mut curve = Vec::new();
    for users in users {
        let posterior = posterior(trials, probe, users, before);
        let edge = posterior.quantile(0.5);
        before = Some((users, edge));
        // More users never need less CPU.
        least = least.max(with_confidence(&posterior, settings.confidence));
        let point = verified_point(settings, probe.spec.point.replicas, least);
        let came_out = |wanted: bool| {
            fresh(trials, users)
                .filter(|trial| trial.spec.point == point && trial.passed() == wanted)
                .count()
        };
        let is_verified = came_out(true) > 0 && came_out(false) == 0;
        curve.push(DemandPoint {
            users,
            cpus: least / 1000.0,
            edge: edge.exp() / 1000.0,
            is_verified,
        });
    }
    curve
}

/// Returns the next trial of a demand sweep.
pub(super) fn next(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    let replicas = *settings.replicas.first()?;
    let top = settings.top(replicas)?;
    let users = settings.max_users;
    if probe(settings, trials).is_none() {
        let made = trials.iter().filter(|trial| trial.spec.purpose == Purpose::Probe).count();
        let spec =
            TrialSpec { purpose: Purpose::Probe, point: settings.point(replicas, top), users };
        let reason = format!(
            "Lowers the CPU limit of one running service at each step of {} users up to {users}.",
            settings.step
        );
        return (settings.can_probe && made <= super::RETRIES)
            .then(|| planned(settings, spec, reason));
    }
    let curve = demand(settings, trials);
    let (top, middle) = (curve.last()?, curve.get(curve.len() / 2)?);
    let is_open =
        |point: &&DemandPoint| !point.is_verified && tried(trials, point.users) < MOST_TRIALS;
    let mut open = [top, middle].into_iter().filter(is_open).map(|at| {
        let point = verified_point(settings, replicas, at.cpus * 1000.0);
        let spec = TrialSpec { purpose: Purpose::Fresh, point, users: at.users };
        let reason = format!(
            "The probe says that {} users need {:.2} CPU for {} of starts; a fresh trial with {} \
                CPU verifies it.",
            at.users,
            at.cpus,
            percent(settings.confidence),
            point.limits.cpus
        );
        planned(settings, spec, reason)
    });
    open.find(|planned| is_measurable(trials, planned.spec))
}

fn probe<'a>(settings: &Settings, trials: &'a [Trial]) -> Option<&'a Trial> {
    // A probe that was cut short has no complete curve.
    let is_whole =
        |trial: &Trial| trial.readings.last().is_some_and(|last| last.users == settings.max_users);
    let is_one = |trial: &&Trial| {
        trial.spec.purpose == Purpose::Probe
            && is_valid(trial)
            && trial.spec.users == settings.max_users
            && is_whole(trial)
    };
    trials.iter().filter(|_| settings.mode == Mode::Demand).find(is_one)
}

fn fresh(trials: &[Trial], users: u32) -> impl Iterator<Item = &Trial> {
    let is_one = move |trial: &&Trial| {
        trial.spec.purpose == Purpose::Fresh && trial.spec.users == users && is_valid(trial)
    };
    trials.iter().filter(is_one)
}

fn tried(trials: &[Trial], users: u32) -> usize {
    fresh(trials, users).count()
}

/// Returns the posterior of the edge at a step of users.
fn posterior(trials: &[Trial], probe: &Trial, users: u32, before: Option<(u32, f64)>) -> Posterior {
    let readings: Vec<_> =
        probe.readings.iter().filter(|reading| reading.users == users).cloned().collect();
    let prior = match before {
        Some((fewer, edge)) => {
            Prior { mean: edge + (f64::from(users) / f64::from(fewer)).ln(), sd: STEP_SD }
        }
        None => {
            let lowest =
                readings.iter().map(|reading| reading.limits.cpus.millis).min().unwrap_or(100);
            Prior { mean: f64::from(lowest).ln(), sd: FIRST_SD }
        }
    };
    let spec = TrialSpec { users, ..probe.spec };
    let of_probe = Trial { spec, readings, ..probe.clone() };
    let starts = std::iter::once(&of_probe)
        .chain(fresh(trials, users))
        .filter_map(Start::of)
        .collect::<Vec<_>>();
    Posterior::new(prior, &starts)
}

/// Returns the least limit, in thousandths of a processor, that holds in this share of starts.
fn with_confidence(posterior: &Posterior, confidence: f64) -> f64 {
    let (mut low, mut high) = (posterior.quantile(0.01) - 1.0, posterior.quantile(0.99) + 2.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if posterior.p_hold(middle) < confidence { low = middle } else { high = middle }
    }
    high.exp()
}

/// Returns the point with this CPU limit, rounded up to a rung, and the largest memory limit: a
/// demand sweep does not size memory.
fn verified_point(settings: &Settings, replicas: u32, millis: f64) -> Point {
    let top = settings
        .top(replicas)
        .unwrap_or(Rungs { cpu: settings.cpus.top(), memory: settings.memory.top() });
    let cpu = settings.cpus.at_least(millis).min(top.cpu);
    settings.point(replicas, Rungs { cpu, memory: top.memory })
}
