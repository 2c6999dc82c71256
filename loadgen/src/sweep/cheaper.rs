//! What is cheaper than a point that held, and whether it holds as well.

use super::{
    Binding, Load, Point, Purpose, Trial, TrialSpec,
    bisect::{Probe, smallest},
    history::{Confirmation, measurable},
    settle::CONFIRMATIONS,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Verdict;

impl Search<'_> {
    /// The point, or a cheaper one that holds by trials that go straight to all users: with `stride` rungs less CPU if that does. Near
    /// the edge a rung fails by chance, so that the second one below is tried as well before what is below is left alone.
    pub(super) fn refined(&self, replicas: u32, top: Rungs, at: Rungs, stride: usize) -> Asked<Rungs> {
        for rungs in [stride, 1, 2] {
            let less = at.cpu.checked_sub(rungs).map(|cpu| Rungs { cpu, ..at });
            if let Some(lower) = less.and_then(|less| self.with_room(replicas, top, less, at))
                && self.holds(replicas, lower)?
            {
                return Ok(lower);
            }
        }
        let is_worth_a_ramp = |at| -> Asked<bool> {
            let is_refuted = self.never_passed(replicas, at) || !self.missed_ramps(self.point(replicas, at)).is_empty();
            Ok(!is_refuted && self.has_memory(replicas, at)? && self.told_against(replicas, at)?.is_none())
        };
        let least = least_memory(at, is_worth_a_ramp)?;
        match at.memory.checked_sub(2).map(|memory| Rungs { memory, ..at }) {
            Some(second) if least == at && is_worth_a_ramp(second)? => Ok(second),
            _ => Ok(least),
        }
    }

    /// A point that was raised in CPU from another one, with as little memory as is not short, as long as no ramp told otherwise. What was
    /// asked of memory before, a tight quota may have answered: requests that wait take some. The rung below is shown to fail in any case;
    /// asked before the ramp, it saves the ramp of a point that is not the last one.
    pub(super) fn slimmed(&self, replicas: u32, raised: Rungs, from: Rungs) -> Asked<Rungs> {
        let lacked = |memory| {
            let missed = self.missed_ramps(self.point(replicas, Rungs { memory, ..raised }));
            missed.iter().any(|ramp| ramp.binding_resource == Some(Binding::Memory))
        };
        match raised.cpu > from.cpu && !(0..raised.memory).any(lacked) {
            true => {
                least_memory(
                    raised,
                    |at| Ok(!self.lacks_memory(replicas, at, usize::MAX) && self.passes(replicas, at)?),
                )
            }
            false => Ok(raised),
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
            let is_short = |trial: &Trial| trial.was_short_of_memory() || trial.missed_pages();
            self.missed_ramps(*point).iter().any(|ramp| is_short(ramp))
                || direct.is_ok_and(|direct| !direct.passed() && is_short(direct))
        };
        let tried = self.history.points(replicas, self.settings.max_users);
        lacked(&at) || tried.iter().filter(|point| has_more(point) && lacked(point)).count() > 1
    }

    /// Whether a point holds, by trials that go straight to all users: by each of them, since one that comes out either way is not likely
    /// to hold for three ramps, and they take ten times as long; by two, where one with as much CPU and more memory did not pass. Nor
    /// may they tell against a ramp. One that holds where more of something failed is made again, and so is the one that failed.
    fn holds(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        let point = self.point(replicas, at);
        let always_passed = || self.history.valid(self.at(point, Load::Direct)).all(Trial::passed);
        if !self.missed_ramps(point).is_empty() || !self.passes(replicas, at)? || !always_passed() {
            return Ok(false);
        }
        let wanted = if self.missed_directs(replicas, at).is_empty() { 1 } else { 2 };
        if measurable(self.history.ask(self.at(point, Load::Direct), wanted))?.is_none() || !always_passed() {
            return Ok(false);
        }
        for point in self.history.contradictions(replicas, self.settings.max_users) {
            measurable(self.history.ask(self.at(point, Load::Direct), 2))?;
        }
        Ok(always_passed() && self.told_against(replicas, at)?.is_none())
    }

    fn passes(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        Ok(measurable(self.ask(Purpose::Confirm, replicas, at))?.is_some_and(Trial::passed))
    }

    /// Whether a point does not lack memory.
    fn has_memory(&self, replicas: u32, at: Rungs) -> Asked<bool> {
        if self.lacks_memory(replicas, at, usize::MAX) {
            return Ok(false);
        }
        Ok(measurable(self.ask(Purpose::Confirm, replicas, at))?.is_some_and(Trial::had_memory))
    }

    /// Whether two trials that go straight to all users were made, and none passed.
    pub(super) fn never_passed(&self, replicas: u32, at: Rungs) -> bool {
        let directs: Vec<&Trial> = self.history.valid(self.at(self.point(replicas, at), Load::Direct)).collect();
        directs.len() > 1 && !directs.iter().any(|direct| direct.passed())
    }

    /// The ramps that a point did not hold: those that failed, or those that were undecided where too many were.
    pub(super) fn missed_ramps(&self, at: Point) -> Vec<&Trial> {
        let ramp = self.at(at, Load::Ramp);
        let with = |verdict| self.history.valid(ramp).filter(move |ramp| ramp.verdict == verdict).collect();
        let is_undecided = |wanted| matches!(self.ramps(at, wanted), Ok(Confirmation::Undecided(_)));
        match with(Verdict::Fail) {
            failed if !Vec::is_empty(&failed) => failed,
            _ if is_undecided(1) || is_undecided(CONFIRMATIONS) => with(Verdict::Undecided),
            none => none,
        }
    }

    pub(super) fn at(&self, point: Point, load: Load) -> TrialSpec {
        TrialSpec { purpose: Purpose::Confirm, point, load, users: self.settings.max_users }
    }
}

/// With as little memory as is enough, by trials that go straight to all users.
fn least_memory(at: Rungs, is_enough: impl Fn(Rungs) -> Asked<bool>) -> Asked<Rungs> {
    let found = smallest(at.memory, Some(at.memory), at.memory.saturating_sub(1), |memory| {
        Ok(Some(Probe { passes: is_enough(Rungs { memory, ..at })?, likely: None }))
    })?;
    Ok(Rungs { memory: found.unwrap_or(at.memory), ..at })
}
