//! From what a search found to an answer: refined until the rungs below it fail, and confirmed on fresh replicas.

use super::{
    Binding, Load, Minimum, Point, Purpose, Trial,
    history::Confirmation,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Verdict;

/// Ramps on fresh replicas that a winner has to pass, without failing one.
pub(super) const CONFIRMATIONS: usize = 3;
/// Points that may fail to be confirmed before the search gives up on finding one smaller than the largest.
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
    /// The confirmed point of which both rungs below do not hold, beginning with the one that was found. One that fails a
    /// ramp, or gets none since direct trials tell against it, gives way to the next rung of what bound it, or to a cheaper one that went
    /// through a ramp before.
    pub(super) fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let cost = |at: Rungs| self.settings.cost(self.point(replicas, at));
        let mut at = found;
        let mut held: Vec<Rungs> = Vec::new();
        let mut strides = Strides::default();
        let mut falls = Stride::default();
        let mut failures = 0;
        while failures < POINTS {
            let point = self.point(replicas, at);
            let confirmation = match self.told_against(replicas, at)? {
                Some(direct) => Confirmation::Failed(direct),
                None if !self.missed_ramps(point).is_empty() => self.ramps(point, CONFIRMATIONS)?,
                // What is below is looked at first: it has to be shown not to hold in any case, and a ramp, which takes as long as three
                // direct trials, is lost on a point that is not the last one.
                None => {
                    strides = Strides::default();
                    let mut further = falls;
                    let stride = further.next();
                    let refined = self.refined(replicas, top, at, stride)?;
                    if refined != at {
                        if self.has_passed_a_ramp(point) {
                            held.push(at);
                        }
                        falls = match at.cpu.saturating_sub(refined.cpu) {
                            0 => falls,
                            rungs if rungs == stride => further,
                            _ => Stride::default(),
                        };
                        at = refined;
                        continue;
                    }
                    self.confirmed(replicas, at)?
                }
            };
            match confirmation {
                Confirmation::Held => return self.minimum(replicas, at).map(Some),
                failed => {
                    failures += 1;
                    falls = Stride::default();
                    held.retain(|held| *held != at);
                    let raised = self.raised(replicas, top, at, failed, &mut strides);
                    let back = self.cheapest_of(replicas, &held);
                    at = match (raised, back) {
                        (raised, Some(back)) if raised.is_none_or(|raised| cost(raised) >= cost(back)) => back,
                        (Some(raised), _) => self.slimmed(replicas, raised, at)?,
                        (None, _) => return Ok(None),
                    };
                }
            }
        }
        // There is no end to what is too close to call; what went through a ramp is worth two more.
        while let Some(at) = self.cheapest_of(replicas, &held) {
            if self.ramps(self.point(replicas, at), CONFIRMATIONS)? == Confirmation::Held {
                return self.minimum(replicas, at).map(Some);
            }
            held.retain(|held| *held != at);
        }
        Ok(None)
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

    /// What the ramps say. The first one tells a point that does not hold from one whose rungs below are worth a closer look, and that look
    /// comes before the others, which take longest: it may show that one below holds.
    fn confirmed(&self, replicas: u32, at: Rungs) -> Asked<Confirmation<'_>> {
        match self.ramps(self.point(replicas, at), 1)? {
            Confirmation::Held => {
                self.minimum(replicas, at)?;
                self.ramps(self.point(replicas, at), CONFIRMATIONS)
            }
            failed => Ok(failed),
        }
    }

    fn has_passed_a_ramp(&self, point: Point) -> bool {
        self.history.valid(self.at(point, Load::Ramp)).any(Trial::passed)
    }

    fn cheapest_of(&self, replicas: u32, rungs: &[Rungs]) -> Option<Rungs> {
        let cost = |at: &Rungs| self.settings.cost(self.point(replicas, *at));
        rungs.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b)))
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
