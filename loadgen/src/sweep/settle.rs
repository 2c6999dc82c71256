//! From what a search found to an answer: refined until the rungs below it fail, and confirmed on fresh replicas.

use super::{
    Below, Binding, Load, Minimum, Purpose, Trial,
    history::Confirmation,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Verdict;

/// Ramps on fresh replicas that a winner has to pass, without failing one.
pub(super) const CONFIRMATIONS: usize = 3;
/// Points that may be tried to be confirmed before the search gives up on finding one smaller than the largest.
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
    /// ramp gives way to the next rung of what bound it, or to a cheaper one that went through a ramp before.
    pub(super) fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let cost = |at: Rungs| self.settings.cost(self.point(replicas, at));
        let mut at = found;
        let mut held: Vec<Rungs> = Vec::new();
        let mut strides = Strides::default();
        let mut falls = Stride::default();
        for _ in 0..POINTS {
            // One ramp tells a point that does not hold from one whose rungs below are worth a look; the others are for the point
            // whose rungs below fail.
            let ramp = self.spec(Purpose::Confirm, replicas, at, Load::Ramp);
            let confirmation = match self.first_ramp(replicas, at)? {
                Confirmation::Held => {
                    held.push(at);
                    strides = Strides::default();
                    let mut further = falls;
                    let refined = self.refined(replicas, top, at, further.next())?;
                    if refined != at {
                        falls = if refined.cpu < at.cpu { further } else { falls };
                        at = refined;
                        continue;
                    }
                    self.history.confirmation(ramp, CONFIRMATIONS)?
                }
                failed => failed,
            };
            match confirmation {
                Confirmation::Held => return self.minimum(replicas, at).map(Some),
                failed => {
                    falls = Stride::default();
                    held.retain(|held| *held != at);
                    let raised = self.raised(replicas, top, at, failed, &mut strides);
                    let back = self.cheapest_of(replicas, &held);
                    at = match (raised, back) {
                        (Some(raised), Some(back)) if cost(raised) < cost(back) => self.slimmed(replicas, raised, at)?,
                        (_, Some(back)) => back,
                        (Some(raised), None) => self.slimmed(replicas, raised, at)?,
                        (None, None) => return Ok(None),
                    };
                }
            }
        }
        // There is no end to what is too close to call; what went through a ramp is worth two more.
        let Some(at) = self.cheapest_of(replicas, &held) else { return Ok(None) };
        let ramp = self.spec(Purpose::Confirm, replicas, at, Load::Ramp);
        match self.history.confirmation(ramp, CONFIRMATIONS)? {
            Confirmation::Held => self.minimum(replicas, at).map(Some),
            Confirmation::Failed(_) | Confirmation::Undecided(_) => Ok(None),
        }
    }

    /// What the first ramp says. None is made where trials that go straight to all users, and take a quarter of the time, did not pass
    /// twice.
    fn first_ramp(&self, replicas: u32, at: Rungs) -> Asked<Confirmation<'_>> {
        let spec = |load| self.spec(Purpose::Confirm, replicas, at, load);
        let has = |load| self.history.valid(spec(load)).next().is_some();
        if has(Load::Direct) && !has(Load::Ramp) && !self.history.valid(spec(Load::Direct)).any(Trial::passed) {
            return self.history.ask(spec(Load::Direct), 2).map(Confirmation::Failed);
        }
        self.history.confirmation(spec(Load::Ramp), 1)
    }

    fn cheapest_of(&self, replicas: u32, rungs: &[Rungs]) -> Option<Rungs> {
        let cost = |at: &Rungs| self.settings.cost(self.point(replicas, *at));
        rungs.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// A confirmed point, with what is known of the rungs below it.
    fn minimum(&self, replicas: u32, at: Rungs) -> Asked<Minimum> {
        let below_cpus = self.below(replicas, at.cpu.checked_sub(1).map(|cpu| Rungs { cpu, ..at }))?;
        let below_memory = self.below(replicas, at.memory.checked_sub(1).map(|memory| Rungs { memory, ..at }))?;
        Ok(Minimum { point: self.point(replicas, at), below_cpus, below_memory })
    }

    /// What is known of a rung below that does not hold.
    fn below(&self, replicas: u32, rungs: Option<Rungs>) -> Asked<Below> {
        let Some(rungs) = rungs else { return Ok(Below::Lowest) };
        match self.missed_ramps(self.point(replicas, rungs)).first().map(|ramp| ramp.verdict) {
            Some(Verdict::Fail) => return Ok(Below::Fails),
            Some(_) => return Ok(Below::Undecided),
            None => {}
        }
        Ok(match self.ask(Purpose::Confirm, replicas, rungs)?.verdict {
            Verdict::Fail => Below::Fails,
            _ => Below::Undecided,
        })
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
        let lacked_memory =
            trial.binding_resource == Some(Binding::Memory) || trial.may_lack_memory() && holds_with_more();
        if lacked_memory && at.memory < top.memory {
            Some(Rungs { memory: (at.memory + strides.memory.next()).min(top.memory), ..at })
        } else {
            (at.cpu < top.cpu).then(|| Rungs { cpu: (at.cpu + strides.cpu.next()).min(top.cpu), ..at })
        }
    }
}
