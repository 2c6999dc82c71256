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
/// Points that may be tried to be confirmed before the search gives up on finding one smaller than the largest.
const POINTS: usize = 12;

impl Search<'_> {
    /// The confirmed point of which both rungs below do not hold, beginning with the one that was found. One that fails a
    /// ramp gives way to the next rung of what bound it.
    pub(super) fn settled(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Option<Minimum>> {
        let mut at = found;
        for _ in 0..POINTS {
            // One ramp tells a point that does not hold from one whose rungs below are worth a look; the others are for the point
            // whose rungs below fail.
            let ramp = self.spec(Purpose::Confirm, replicas, at, Load::Ramp);
            let confirmation = match self.history.confirmation(ramp, 1)? {
                Confirmation::Held => {
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
                failed => match raised(at, top, failed) {
                    Some(higher) => at = higher,
                    None => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// The point, or a cheaper one that holds as well, of which neither rung below holds.
    fn refined(&self, replicas: u32, top: Rungs, found: Rungs) -> Asked<Rungs> {
        let mut at = found;
        loop {
            let roomy = |cpu: usize| self.with_room(replicas, top, Rungs { cpu, ..at }, at);
            let cpu = smallest(at.cpu, Some(at.cpu), at.cpu.saturating_sub(1), |cpu| {
                let passes = roomy(cpu).map_or(Ok(false), |lower| self.holds(replicas, lower))?;
                Ok(Some(Probe { passes, likely: None }))
            })?;
            if let Some(lower) = cpu.filter(|cpu| *cpu < at.cpu).and_then(roomy) {
                at = lower;
                continue;
            }
            let memory = smallest(at.memory, Some(at.memory), at.memory.saturating_sub(1), |memory| {
                let passes = self.has_memory(replicas, Rungs { memory, ..at })?;
                Ok(Some(Probe { passes, likely: None }))
            })?;
            match memory.filter(|memory| *memory < at.memory) {
                Some(memory) => at.memory = memory,
                None => return Ok(at),
            }
        }
    }

    /// A point with less CPU than another one, and with as much more memory as ramps that lacked it ask for; `None` if that is no
    /// cheaper.
    fn with_room(&self, replicas: u32, top: Rungs, less: Rungs, other: Rungs) -> Option<Rungs> {
        let lacked = |memory: usize| {
            let mut ramps = self.failed_ramps(replicas, Rungs { memory, ..less });
            ramps.any(|ramp| ramp.binding_resource == Some(Binding::Memory))
        };
        let memory = (less.memory..=top.memory).find(|memory| !lacked(*memory))?;
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
        if direct.passed()
            && let Some((held, failed)) = self.history.contradiction(replicas, self.settings.max_users)
        {
            for point in [held, failed] {
                self.history.ask(TrialSpec { purpose: Purpose::Confirm, point, ..direct.spec }, 2)?;
            }
            return Ok(self.ask(Purpose::Confirm, replicas, at)?.passed());
        }
        Ok(direct.passed())
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

/// The next rung of what bound the trial.
fn raised(at: Rungs, top: Rungs, confirmation: Confirmation<'_>) -> Option<Rungs> {
    let (Confirmation::Failed(trial) | Confirmation::Undecided(trial)) = confirmation else { return None };
    if trial.binding_resource == Some(Binding::Memory) && at.memory < top.memory {
        Some(Rungs { memory: at.memory + 1, ..at })
    } else {
        (at.cpu < top.cpu).then(|| Rungs { cpu: at.cpu + 1, ..at })
    }
}
