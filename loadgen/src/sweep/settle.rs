//! From what a search found to an answer: refined until the rungs below it fail, and confirmed on fresh replicas.

use super::{
    Below, Binding, Load, Minimum, Point, Purpose, Trial, TrialSpec,
    bisect::{Probe, smallest},
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
            let confirmation = match self.history.confirmation(ramp, 1)? {
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
                        (Some(raised), Some(back)) if cost(raised) < cost(back) => raised,
                        (_, Some(back)) => back,
                        (Some(raised), None) => raised,
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

    /// The point, or a cheaper one that holds by trials that go straight to all users: with `stride` rungs less CPU if that does. Near
    /// the edge a rung fails by chance, so that the second one below is tried as well before what is below is left alone.
    fn refined(&self, replicas: u32, top: Rungs, at: Rungs, stride: usize) -> Asked<Rungs> {
        for rungs in [stride, 1, 2] {
            let less = at.cpu.checked_sub(rungs).map(|cpu| Rungs { cpu, ..at });
            if let Some(lower) = less.and_then(|less| self.with_room(replicas, top, less, at))
                && self.holds(replicas, lower)?
            {
                return Ok(lower);
            }
        }
        let has_memory = |memory| self.has_memory(replicas, Rungs { memory, ..at });
        let found = smallest(at.memory, Some(at.memory), at.memory.saturating_sub(1), |rung| {
            Ok(Some(Probe { passes: has_memory(rung)?, likely: None }))
        })?;
        if let Some(memory) = found.filter(|rung| *rung < at.memory) {
            return Ok(Rungs { memory, ..at });
        }
        match at.memory.checked_sub(2) {
            Some(memory) if has_memory(memory)? => Ok(Rungs { memory, ..at }),
            _ => Ok(at),
        }
    }

    /// A point with less CPU than another one, and with as much more memory as trials that lacked it ask for; `None` if that is no
    /// cheaper, or no use. A replica with less CPU lets more requests wait, and those take memory: how much is not known, so that each
    /// time it is more by twice as many rungs.
    fn with_room(&self, replicas: u32, top: Rungs, less: Rungs, other: Rungs) -> Option<Rungs> {
        let cost = |memory: usize| self.settings.cost(self.point(replicas, Rungs { memory, ..less }));
        let other_cost = self.settings.cost(self.point(replicas, other));
        let most = (less.memory + 1..=top.memory).take_while(|memory| cost(*memory) < other_cost).last();
        let most = most.unwrap_or(less.memory);
        let doubled = (0..usize::BITS - 1).map(|doubled| less.memory + (1 << doubled) - 1);
        let tried = doubled.take_while(|memory| *memory < most).chain([most]);
        let lacks = |at: &Rungs| self.lacks_memory(replicas, *at, other.cpu);
        let roomy = tried.map(|memory| Rungs { memory, ..less }).find(|at| !lacks(at))?;
        (!self.is_no_use(replicas, less, roomy, other)).then_some(roomy)
    }

    /// Whether trials with as much CPU say that memory is no help: a ramp that was missed for something else, two that were missed, or two
    /// rungs down any trial that failed.
    fn is_no_use(&self, replicas: u32, less: Rungs, roomy: Rungs, other: Rungs) -> bool {
        let (from, roomy) = (self.point(replicas, less), self.point(replicas, roomy));
        let is_as_much =
            |point: &Point| point.limits.cpus == from.limits.cpus && (from == *point || from.is_within(*point));
        let tried = || self.history.points(replicas, self.settings.max_users).into_iter().filter(is_as_much);
        let missed: Vec<&Trial> = tried().flat_map(|point| self.missed_ramps(point)).collect();
        let failed = |point: Point| {
            point != roomy && self.history.ask(self.at(point, Load::Direct), 1).is_ok_and(|direct| !direct.passed())
        };
        missed.len() > 1
            || missed.iter().any(|ramp| ramp.binding_resource != Some(Binding::Memory))
            || (other.cpu > less.cpu + 1 && tried().any(failed))
    }

    /// Whether a point lacks memory: by its own trials, or since two with no less of anything do, one of which may err. Only those
    /// with less CPU than `cpus` count.
    fn lacks_memory(&self, replicas: u32, at: Rungs, cpus: usize) -> bool {
        let at = self.point(replicas, at);
        let rung = |point: &Point| self.settings.cpus.at_least(f64::from(point.limits.cpus.millis));
        let has_more = |point: &Point| at.is_within(*point) && rung(point) < cpus;
        let lacked = |point: &Point| {
            let direct = self.history.ask(self.at(*point, Load::Direct), 1);
            self.missed_ramps(*point).iter().any(|ramp| ramp.binding_resource == Some(Binding::Memory))
                || direct.is_ok_and(|direct| !direct.passed() && direct.was_short_of_memory())
        };
        let tried = self.history.points(replicas, self.settings.max_users);
        lacked(&at) || tried.iter().filter(|point| has_more(point) && lacked(point)).count() > 1
    }

    /// Whether a point holds, by trials that go straight to all users. One that holds where more did not is made again, and
    /// so is the other one.
    fn holds(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        if !self.missed_ramps(self.point(replicas, at)).is_empty() {
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

    /// Whether a point does not lack memory.
    fn has_memory(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        let is_missed = !self.missed_ramps(self.point(replicas, at)).is_empty();
        if is_missed || self.lacks_memory(replicas, at, usize::MAX) {
            return Ok(false);
        }
        Ok(self.ask(Purpose::Confirm, replicas, at)?.had_memory())
    }

    /// The ramps that a point did not hold: those that failed, or those that were undecided where too many were.
    fn missed_ramps(&self, at: Point) -> Vec<&Trial> {
        let ramp = self.at(at, Load::Ramp);
        let with = |verdict| self.history.valid(ramp).filter(move |ramp| ramp.verdict == verdict).collect();
        let is_undecided = |wanted| matches!(self.history.confirmation(ramp, wanted), Ok(Confirmation::Undecided(_)));
        match with(Verdict::Fail) {
            failed if !Vec::is_empty(&failed) => failed,
            _ if is_undecided(1) || is_undecided(CONFIRMATIONS) => with(Verdict::Undecided),
            none => none,
        }
    }

    fn at(&self, point: Point, load: Load) -> TrialSpec {
        TrialSpec { purpose: Purpose::Confirm, point, load, users: self.settings.max_users }
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
            let more = (at.memory + 1..=top.memory).map(|memory| Rungs { memory, ..at });
            more.into_iter().any(|more| self.ask(Purpose::Confirm, replicas, more).is_ok_and(Trial::passed))
        };
        let is_suspect = trial.filled_memory() || trial.never_ran();
        let lacked_memory = trial.binding_resource == Some(Binding::Memory) || is_suspect && holds_with_more();
        if lacked_memory && at.memory < top.memory {
            Some(Rungs { memory: (at.memory + strides.memory.next()).min(top.memory), ..at })
        } else {
            (at.cpu < top.cpu).then(|| Rungs { cpu: (at.cpu + strides.cpu.next()).min(top.cpu), ..at })
        }
    }
}
