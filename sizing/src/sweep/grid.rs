//! `--mode grid`: every point, with repeated trials near the edge. Slow; it gives the truth that
//! searches are compared with.

use super::{
    Planned,
    finding::{Finding, ReplicaAnswer},
    is_measurable, is_valid, planned,
};
use crate::trial::{Point, Purpose, Rungs, Settings, Trial, TrialSpec};

/// Trials of a point with a neighbour of the opposite verdict.
const REPEATS: usize = 3;

/// Returns the next trial.
pub(super) fn next(settings: &Settings, trials: &[Trial]) -> Option<Planned> {
    let wanted =
        settings.replicas.iter().filter_map(|replicas| Grid::new(settings, trials, *replicas));
    wanted.into_iter().find_map(|grid| grid.next())
}

/// Returns the finding of each replica count that was begun.
pub(super) fn answers(settings: &Settings, trials: &[Trial]) -> Vec<ReplicaAnswer> {
    let grids =
        settings.replicas.iter().filter_map(|replicas| Grid::new(settings, trials, *replicas));
    let begun =
        grids.filter(|grid| trials.iter().any(|trial| trial.spec.point.replicas == grid.replicas));
    begun.map(|grid| ReplicaAnswer::of(grid.replicas, grid.finding())).collect()
}

struct Grid<'a> {
    settings: &'a Settings,
    trials: &'a [Trial],
    replicas: u32,
    top: Rungs,
}

impl<'a> Grid<'a> {
    fn new(settings: &'a Settings, trials: &'a [Trial], replicas: u32) -> Option<Self> {
        Some(Self { settings, trials, replicas, top: settings.top(replicas)? })
    }

    fn next(&self) -> Option<Planned> {
        // The largest limits come first, to see whether a replica can answer at all.
        let first = std::iter::once(self.top).chain(self.all());
        let untried = first.clone().find(|at| self.missing(*at, 1));
        let near =
            || self.all().find(|at| self.is_near_the_edge(*at) && self.missing(*at, REPEATS));
        let (at, reason) = match untried {
            Some(at) => (at, "Every point is tried."),
            None => (near()?, "A neighbour came out otherwise; tried three times."),
        };
        Some(planned(self.settings, self.spec(at), reason.to_owned()))
    }

    fn finding(&self) -> Finding {
        if self.next().is_some() {
            return Finding::Unknown;
        }
        let holding = self
            .all()
            .filter(|at| self.passes(*at))
            .map(|at| self.settings.point(self.replicas, at));
        let cost = |point: &Point| self.settings.cost(*point);
        Finding::Grid { cheapest: holding.min_by(|a, b| cost(a).total_cmp(&cost(b))) }
    }

    fn all(&self) -> impl Iterator<Item = Rungs> + Clone {
        let top = self.top;
        (0..=top.cpu).flat_map(move |cpu| (0..=top.memory).map(move |memory| Rungs { cpu, memory }))
    }

    fn spec(&self, at: Rungs) -> TrialSpec {
        TrialSpec {
            purpose: Purpose::Fresh,
            point: self.settings.point(self.replicas, at),
            users: self.settings.max_users,
        }
    }

    fn valid(&self, at: Rungs) -> impl Iterator<Item = &Trial> {
        let spec = self.spec(at);
        self.trials.iter().filter(move |trial| trial.spec == spec && is_valid(trial))
    }

    /// Returns true if a point has fewer valid trials than wanted and can be measured.
    fn missing(&self, at: Rungs, wanted: usize) -> bool {
        self.valid(at).count() < wanted && is_measurable(self.trials, self.spec(at))
    }

    /// Returns true if most trials of a point passed; a point that cannot be measured counts as not
    /// passing.
    fn passes(&self, at: Rungs) -> bool {
        self.valid(at).filter(|trial| trial.passed()).count() * 2 > self.valid(at).count()
    }

    fn is_near_the_edge(&self, at: Rungs) -> bool {
        let near = [
            at.cpu.checked_sub(1).map(|cpu| Rungs { cpu, ..at }),
            at.memory.checked_sub(1).map(|memory| Rungs { memory, ..at }),
            (at.cpu < self.top.cpu).then_some(Rungs { cpu: at.cpu + 1, ..at }),
            (at.memory < self.top.memory).then_some(Rungs { memory: at.memory + 1, ..at }),
        ];
        near.into_iter().flatten().any(|other| self.passes(other) != self.passes(at))
    }
}
