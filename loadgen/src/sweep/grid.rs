//! `--mode grid`: every point, and those near the edge again and again. Slow, and the truth that searches are judged by.

use super::{
    Finding, Load, Point, Purpose,
    history::Missing,
    strategy::{Asked, Rungs, Search},
};

/// Trials of a point that has a neighbour of the other kind.
const REPEATS: usize = 3;

impl Search<'_> {
    /// Every point that so many replicas can have.
    pub(super) fn grid(&self, replicas: u32) -> Asked<Finding> {
        let Some(top) = self.top(replicas) else { return Ok(Finding::NotTried) };
        Ok(Finding::Grid { cheapest: self.every_point(replicas, top)? })
    }

    /// The cheapest point of which most trials pass.
    fn every_point(&self, replicas: u32, top: Rungs) -> Asked<Option<Point>> {
        let memories = top.memory + 1;
        let all = (0..=top.cpu).flat_map(|cpu| (0..memories).map(move |memory| Rungs { cpu, memory }));
        // The largest limits first: whether a replica can answer at all is known then.
        self.tried(replicas, top, 1)?;
        let mut passes = Vec::new();
        for at in all.clone() {
            passes.push(self.tried(replicas, at, 1)?);
        }
        let of = |at: Rungs| passes.get(at.cpu * memories + at.memory).copied();
        for at in all.clone() {
            let near = [
                at.cpu.checked_sub(1).map(|cpu| Rungs { cpu, ..at }),
                at.memory.checked_sub(1).map(|memory| Rungs { memory, ..at }),
                (at.cpu < top.cpu).then_some(Rungs { cpu: at.cpu + 1, ..at }),
                (at.memory < top.memory).then_some(Rungs { memory: at.memory + 1, ..at }),
            ];
            if near.into_iter().flatten().any(|other| of(other) != of(at)) {
                self.tried(replicas, at, REPEATS)?;
            }
        }
        let mut cheapest: Option<Point> = None;
        for at in all {
            let point = self.point(replicas, at);
            if self.tried(replicas, at, 1)?
                && cheapest.is_none_or(|best| self.settings.cost(point) < self.settings.cost(best))
            {
                cheapest = Some(point);
            }
        }
        Ok(cheapest)
    }

    /// Whether most of at least `count` trials pass; a point that cannot be measured counts as one that does not.
    fn tried(&self, replicas: u32, at: Rungs, count: usize) -> Asked<bool> {
        match self.history.ask(self.spec(Purpose::Search, replicas, at, Load::Direct), count) {
            Err(Missing::Unmeasurable) => Ok(false),
            asked => asked.map(super::Trial::passed),
        }
    }
}
