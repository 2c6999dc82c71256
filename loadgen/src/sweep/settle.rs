//! From what a search found to an answer: refined until the rungs below it fail, and confirmed on fresh replicas.

use super::{
    Below, Binding, Load, Minimum, Purpose, Trial, TrialSpec,
    bisect::{Probe, smallest},
    history::Confirmation,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Verdict;

/// Ramps on fresh replicas that a winner has to pass, without failing one.
pub(super) const CONFIRMATIONS: usize = 3;
/// Each rung further up after the second failed ramp in a row is twice as far, but for so many times.
const LARGEST_STRIDE: u32 = 6;
/// Points that may be tried to be confirmed before the search gives up on finding one smaller than the largest.
const POINTS: usize = 12;

impl Search<'_> {
    /// The confirmed point of which both rungs below do not hold, beginning with the one that was found. One that fails a
    /// ramp gives way to the next rung of what bound it, or to a cheaper one that went through a ramp before.
    pub(super) fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let cost = |at: Rungs| self.settings.cost(self.point(replicas, at));
        let mut at = found;
        let mut held: Vec<Rungs> = Vec::new();
        let mut raises = 0u32;
        for _ in 0..POINTS {
            // One ramp tells a point that does not hold from one whose rungs below are worth a look; the others are for the point
            // whose rungs below fail.
            let ramp = self.spec(Purpose::Confirm, replicas, at, Load::Ramp);
            let confirmation = match self.history.confirmation(ramp, 1)? {
                Confirmation::Held => {
                    held.push(at);
                    raises = 0;
                    let refined = self.refined(replicas, top, at)?;
                    if refined != at {
                        at = refined;
                        continue;
                    }
                    self.history.confirmation(ramp, CONFIRMATIONS)?
                }
                failed => failed,
            };
            match confirmation {
                Confirmation::Held => {
                    let below_cpus = self.below(replicas, at.cpu.checked_sub(1).map(|cpu| Rungs { cpu, ..at }))?;
                    let memory = at.memory.checked_sub(1).map(|memory| Rungs { memory, ..at });
                    let below_memory = self.below(replicas, memory)?;
                    return Ok(Some(Minimum { point: ramp.point, below_cpus, below_memory }));
                }
                failed => {
                    held.retain(|held| *held != at);
                    let raised = raised(at, top, failed, 1 << raises.saturating_sub(1));
                    raises = (raises + 1).min(LARGEST_STRIDE);
                    let back = held.iter().copied().min_by(|a, b| cost(*a).total_cmp(&cost(*b)));
                    at = match (raised, back) {
                        (Some(raised), Some(back)) if cost(raised) < cost(back) => raised,
                        (_, Some(back)) => back,
                        (Some(raised), None) => raised,
                        (None, None) => return Ok(None),
                    };
                }
            }
        }
        Ok(None)
    }

    /// The point, or a cheaper one that holds as well, of which neither of the rungs below holds.
    fn refined(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Rungs> {
        let mut at = found;
        loop {
            let roomy = |cpu: usize| self.with_room(replicas, top, Rungs { cpu, ..at }, at);
            let cpu = self.lower(at.cpu, |cpu| {
                let mut last = None;
                // What lacks memory is tried with more, as long as that is cheaper.
                while let Some(lower) = roomy(cpu).filter(|lower| last != Some(*lower)) {
                    if self.holds(replicas, lower)? {
                        return Ok(true);
                    }
                    last = Some(lower);
                }
                Ok(false)
            })?;
            if let Some(lower) = cpu.and_then(roomy) {
                at = lower;
                continue;
            }
            let memory = self.lower(at.memory, |memory| self.has_memory(replicas, Rungs { memory, ..at }))?;
            match memory {
                Some(memory) => at.memory = memory,
                None => return Ok(at),
            }
        }
    }

    /// The smallest rung below one that holds, if one does. Near the edge a rung fails by chance, so that the next one is tried as well
    /// before what is below is left alone.
    fn lower(&self, from: usize, mut holds: impl FnMut(usize) -> Asked<bool>) -> Asked<Option<usize>> {
        let found = smallest(from, Some(from), from.saturating_sub(1), |rung| {
            Ok(Some(Probe { passes: holds(rung)?, likely: None }))
        })?;
        if let Some(lower) = found.filter(|rung| *rung < from) {
            return Ok(Some(lower));
        }
        match from.checked_sub(2) {
            Some(second) if holds(second)? => Ok(Some(second)),
            _ => Ok(None),
        }
    }

    /// A point with less CPU than another one, and with as much more memory as trials that lacked it ask for; `None` if that is no
    /// cheaper. A replica with less CPU lets more requests wait, and those take memory: no less than with a rung of CPU between, and how much
    /// is not known, so that each time it is more by twice as many rungs.
    fn with_room(&self, replicas: u32, top: Rungs, less: Rungs, other: Rungs) -> Option<Rungs> {
        let lacked_at = |at: Rungs| {
            let mut ramps = self.failed_ramps(replicas, at);
            let direct = self.ask(Purpose::Confirm, replicas, at);
            ramps.any(|ramp| ramp.binding_resource == Some(Binding::Memory))
                || direct.is_ok_and(|direct| !direct.passed() && direct.was_short_of_memory())
        };
        let lacked = |memory: usize| (less.cpu..other.cpu).any(|cpu| lacked_at(Rungs { cpu, memory }));
        let tried = (0..usize::BITS - 1).map(|doubled| less.memory + (1 << doubled) - 1);
        let memory = tried.take_while(|memory| *memory <= top.memory).find(|memory| !lacked(*memory))?;
        let roomy = Rungs { memory, ..less };
        let cost = |at: Rungs| self.settings.cost(self.point(replicas, at));
        (memory == less.memory || cost(roomy) < cost(other)).then_some(roomy)
    }

    /// Whether a point holds, by trials that go straight to all users. One that holds where more did not is made again, and
    /// so is the other one.
    fn holds(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        if self.failed_a_ramp(replicas, at) {
            return Ok(false);
        }
        let direct = self.ask(Purpose::Confirm, replicas, at)?;
        if direct.passed() {
            for point in self.history.contradictions(replicas, self.settings.max_users) {
                self.history.ask(TrialSpec { purpose: Purpose::Confirm, point, ..direct.spec }, 2)?;
            }
        }
        Ok(self.ask(Purpose::Confirm, replicas, at)?.passed())
    }

    /// Whether a point does not lack memory. At the edge of the quota a trial fails now and then with any memory.
    fn has_memory(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        if self.failed_a_ramp(replicas, at) {
            return Ok(false);
        }
        let direct = self.ask(Purpose::Confirm, replicas, at)?;
        Ok(direct.passed() || !direct.was_short_of_memory())
    }

    fn failed_a_ramp(&self, replicas: u32, at: Rungs) -> bool {
        self.failed_ramps(replicas, at).next().is_some()
    }

    fn failed_ramps(&self, replicas: u32, at: Rungs) -> impl Iterator<Item = &Trial> {
        let ramp = self.spec(Purpose::Confirm, replicas, at, Load::Ramp);
        self.history.valid(ramp).filter(|ramp| ramp.verdict == Verdict::Fail)
    }

    /// What is known of a rung below that does not hold.
    fn below(&self, replicas: u32, rungs: Option<Rungs>) -> Asked<Below> {
        let Some(rungs) = rungs else { return Ok(Below::Lowest) };
        if self.failed_a_ramp(replicas, rungs) {
            return Ok(Below::Fails);
        }
        Ok(match self.ask(Purpose::Confirm, replicas, rungs)?.verdict {
            Verdict::Fail => Below::Fails,
            _ => Below::Undecided,
        })
    }
}

/// So many rungs more of what bound the trial.
fn raised(at: Rungs, top: Rungs, confirmation: Confirmation<'_>, rungs: usize) -> Option<Rungs> {
    let (Confirmation::Failed(trial) | Confirmation::Undecided(trial)) = confirmation else { return None };
    if trial.binding_resource == Some(Binding::Memory) && at.memory < top.memory {
        Some(Rungs { memory: (at.memory + rungs).min(top.memory), ..at })
    } else {
        (at.cpu < top.cpu).then(|| Rungs { cpu: (at.cpu + rungs).min(top.cpu), ..at })
    }
}
