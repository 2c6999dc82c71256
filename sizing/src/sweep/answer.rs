//! Answers derived from the trials.

use super::{
    DemandPoint, capacity,
    count::Count,
    demand,
    finding::{Finding, Minimum, ReplicaAnswer},
    frontier, grid, is_valid,
};
use crate::trial::{Mode, Point, Purpose, Settings, Trial};

/// All answers so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// Answers for the replica counts that were begun, in their order.
    pub per_replicas: Vec<ReplicaAnswer>,
    /// The calibration with the highest request rate.
    pub capacity: Option<&'a Trial>,
    /// Least CPU by users, if it was measured.
    pub demand: Vec<DemandPoint>,
}

impl<'a> Answer<'a> {
    /// Returns the answers from these trials.
    pub(super) fn from_trials(settings: &Settings, trials: &'a [Trial], is_anew: bool) -> Self {
        let answers = match settings.mode {
            Mode::Minimal | Mode::Frontier | Mode::Demand => {
                let counts = Count::all(settings, trials);
                counts.iter().filter_map(|count| count.answer(is_anew)).collect()
            }
            Mode::Capacity => capacity::answers(settings, trials),
            Mode::Grid => grid::answers(settings, trials),
        };
        let mut per_replicas: Vec<ReplicaAnswer> = answers;
        // Impossible counts come after the answers of all others.
        let impossible =
            settings.replicas.iter().filter(|replicas| settings.top(**replicas).is_none());
        per_replicas
            .extend(impossible.map(|replicas| ReplicaAnswer::of(*replicas, Finding::NotTried)));
        let is_calibration = |trial: &&Trial| {
            trial.spec.purpose == Purpose::Calibrate && is_valid(trial) && !trial.steps.is_empty()
        };
        Self {
            per_replicas,
            capacity: trials
                .iter()
                .filter(is_calibration)
                .max_by(|a, b| most_per_second(a).total_cmp(&most_per_second(b))),
            demand: demand(settings, trials),
        }
    }

    /// Returns the cheapest minimum of all replica counts; among equals, the one with fewer
    /// replicas.
    pub fn cheapest(&self, settings: &Settings) -> Option<Minimum> {
        let cost = |m: &Minimum| settings.cost(m.point);
        self.per_replicas
            .iter()
            .filter_map(ReplicaAnswer::minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// Returns the point for the manifests: the cheapest minimum, with headroom if that is
    /// confirmed.
    pub fn recommended(&self, settings: &Settings) -> Option<Point> {
        let minimum = self.cheapest(settings)?;
        let answer =
            self.per_replicas.iter().find(|answer| answer.replicas == minimum.point.replicas)?;
        Some(answer.recommended.unwrap_or(minimum.point))
    }

    /// Returns the Pareto front: points that passed a ramp, failed none, and are not dominated by
    /// another.
    pub fn front(settings: &Settings, trials: &[Trial]) -> Vec<Point> {
        frontier::front(settings, trials)
    }

    /// Returns the cheapest fresh trial or ramp that passed with a 99th percentile under
    /// `limit_ms`. The trials were made for another objective, so there may be a cheaper point.
    pub fn cheapest_with_p99(
        settings: &Settings,
        trials: &'a [Trial],
        limit_ms: f64,
    ) -> Option<&'a Trial> {
        let is_one = |trial: &&Trial| {
            matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
                && trial.spec.users >= settings.max_users
                && trial.passed()
                && trial.steps.last().is_some_and(|step| step.intended_ms.p99 < limit_ms)
        };
        let cost = |trial: &Trial| settings.cost(trial.spec.point);
        trials.iter().filter(is_one).min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}

fn most_per_second(trial: &Trial) -> f64 {
    trial.steps.iter().map(|step| step.requests_per_second).fold(0.0, f64::max)
}
