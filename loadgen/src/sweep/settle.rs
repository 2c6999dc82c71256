//! From what a search found to an answer: refined until the rungs below it fail, and confirmed on fresh replicas.

use super::{
    Binding, Load, Minimum, Point, Purpose, Trial,
    history::Confirmation,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Verdict;

/// Ramps on fresh replicas that a winner has to pass, without failing one.
pub(super) const CONFIRMATIONS: usize = 3;
/// Points that may be told against before the search gives up on finding one smaller than the largest.
const POINTS: usize = 16;

/// How far up a resource is raised next, after trials in a row that failed.
#[derive(Debug, Default)]
struct Strides {
    cpu: Stride,
    memory: Stride,
}

/// One rung, twice; then each time twice as far, but for so many times.
#[derive(Debug, Clone, Copy, Default)]
struct Stride(u32);

impl Stride {
    const MOST: u32 = 6;

    fn next(&mut self) -> usize {
        let rungs = 1 << self.0.saturating_sub(1);
        self.0 = (self.0 + 1).min(Self::MOST);
        rungs
    }
}

impl Search<'_> {
    /// The confirmed point of which both rungs below do not hold, beginning with the one that was found.
    pub(super) fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let Some(raised) = self.not_told_against(replicas, top, found)? else { return Ok(None) };
        let at = self.lowered(replicas, top, raised)?;
        let point = self.point(replicas, at);
        // One ramp tells a point that does not hold from one whose rungs below are worth a closer look, and that look comes before the
        // other ramps, which take longest: it may show that one below holds.
        self.ramps(point, 1)?;
        self.minimum(replicas, at)?;
        match self.ramps(point, CONFIRMATIONS)? {
            Confirmation::Held => self.minimum(replicas, at).map(Some),
            Confirmation::Failed(_) | Confirmation::Undecided(_) => Ok(None),
        }
    }

    /// The point that was found, or the first one above it, by rungs of what bound those before, that missed no ramp and that no direct
    /// trials tell against.
    fn not_told_against(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Rungs>> {
        let mut at = found;
        let mut strides = Strides::default();
        for _ in 0..POINTS {
            let point = self.point(replicas, at);
            let failed = match self.told_against(replicas, at)? {
                Some(direct) => Confirmation::Failed(direct),
                None if self.missed_ramps(point).is_empty() => return Ok(Some(at)),
                None => self.ramps(point, CONFIRMATIONS)?,
            };
            let Some(raised) = self.raised(replicas, top, at, failed, &mut strides) else { return Ok(None) };
            at = self.slimmed(replicas, raised, at)?;
        }
        Ok(None)
    }

    /// The last of the points that are gone down to from this one. What is below is looked at before a ramp is made: it has to be shown
    /// not to hold in any case, and a ramp, which takes as long as three direct trials, is lost on a point that is not the last one. But
    /// where a ramp was missed, direct trials do not tell enough: there each point has to hold for one first.
    fn lowered(&self, replicas: u32, top: Rungs, from: Rungs) -> Asked<Rungs> {
        let points = self.history.points(replicas, self.settings.max_users);
        let needs_ramps = points.into_iter().any(|point| !self.missed_ramps(point).is_empty());
        let mut at = from;
        let mut falls = Stride::default();
        loop {
            if needs_ramps {
                self.ramps(self.point(replicas, at), 1)?;
            }
            let mut further = falls;
            let stride = further.next();
            let refined = self.refined(replicas, top, at, stride)?;
            if refined == at {
                return Ok(at);
            }
            falls = match at.cpu.saturating_sub(refined.cpu) {
                0 => falls,
                rungs if rungs == stride => further,
                _ => Stride::default(),
            };
            at = refined;
        }
    }

    /// What the ramps at a point say, if `wanted` of them have to pass. Where there is a rung to give way to, a first one that stays
    /// undecided is not made once more: it was held for as long as that was likely to decide it, which it is nine times of ten where the
    /// truth is far from the limit (`verdict::simulate`).
    pub(super) fn ramps(&self, point: Point, wanted: usize) -> Asked<Confirmation<'_>> {
        let spec = self.at(point, Load::Ramp);
        let is_top = self.top(point.replicas).is_some_and(|top| self.point(point.replicas, top) == point);
        let mut made = self.history.valid(spec);
        match (made.next(), made.next()) {
            (Some(only), None) if only.verdict == Verdict::Undecided && !is_top => Ok(Confirmation::Undecided(only)),
            _ => self.history.confirmation(spec, wanted),
        }
    }

    /// A rung with more of what bound the trial.
    fn raised(
        &self,
        replicas: u32,
        top: Rungs,
        at: Rungs,
        confirmation: Confirmation<'_>,
        strides: &mut Strides,
    ) -> Option<Rungs> {
        let (Confirmation::Failed(trial) | Confirmation::Undecided(trial)) = confirmation else { return None };
        // What is short of page cache reads it again, which takes CPU: where more memory held with no more CPU, memory was it.
        let holds_with_more = || {
            let mut more = (at.memory + 1..=top.memory).map(|memory| Rungs { memory, ..at });
            more.any(|more| self.ask(Purpose::Confirm, replicas, more).is_ok_and(Trial::passed))
        };
        // So may what always passes with more memory, and twice not with less: pages that a program reads, and does not map, are missed
        // untold.
        let always_passed_with_more =
            || self.missed_directs(replicas, Rungs { memory: at.memory + 1, ..at }).is_empty();
        let is_suspect = trial.may_lack_memory()
            || self.never_passed(replicas, at) && always_passed_with_more()
            || trial.passed() && self.is_near_for_memory(replicas, at);
        let lacked_memory = trial.binding_resource == Some(Binding::Memory) || is_suspect && holds_with_more();
        if lacked_memory && at.memory < top.memory {
            Some(Rungs { memory: (at.memory + strides.memory.next()).min(top.memory), ..at })
        } else {
            (at.cpu < top.cpu).then(|| Rungs { cpu: (at.cpu + strides.cpu.next()).min(top.cpu), ..at })
        }
    }
}
