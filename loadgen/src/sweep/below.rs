//! What is known of the rungs below a winner: shown to fail, or too close to call.

use super::{
    Below, Load, Minimum, Point, Purpose, Settings, Trial, TrialSpec,
    history::{History, measurable},
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::{Together, Verdict};

/// Direct trials at a rung that none of them decides by itself, those that were made before included.
const LOOKS: usize = 4;
/// From so many trials on, those that together miss no more than is allowed are not likely to be turned by another one.
pub(super) const ENOUGH: usize = 3;
/// Rungs below a winner that are looked at, as long as each is too close to call.
const DEEPEST: usize = 3;

/// What the valid trials at a point say together of all users; `None` if none got so far.
pub fn together(settings: &Settings, trials: &[Trial], point: Point) -> Option<Together> {
    of_all_users(&History::new(trials), settings.max_users, point)
}

/// How many of the valid trials at a point passed that went to all users, and how many there are.
pub fn passed(settings: &Settings, trials: &[Trial], point: Point) -> (usize, usize) {
    let history = History::new(trials);
    let verdicts: Vec<bool> = with_all_users(&history, settings.max_users, point).map(Trial::passed).collect();
    (verdicts.iter().filter(|passed| **passed).count(), verdicts.len())
}

/// How many of the valid ramps at a point passed, and how many stayed too close to call.
pub fn ramps(settings: &Settings, trials: &[Trial], point: Point) -> (usize, usize) {
    let history = History::new(trials);
    let spec = TrialSpec { purpose: Purpose::Confirm, point, load: Load::Ramp, users: settings.max_users };
    let with = |verdict| history.valid(spec).filter(|ramp| ramp.verdict == verdict).count();
    (with(Verdict::Pass), with(Verdict::Undecided))
}

impl Search<'_> {
    /// A confirmed point, with what is known of the rungs below it.
    pub(super) fn minimum(&self, replicas: u32, at: Rungs) -> Asked<Minimum> {
        let less_cpu = |rungs| at.cpu.checked_sub(rungs).map(|cpu| Rungs { cpu, ..at });
        let less_memory = |rungs| at.memory.checked_sub(rungs).map(|memory| Rungs { memory, ..at });
        let below_cpus = self.rungs_below(replicas, at, less_cpu)?;
        let below_memory = self.rungs_below(replicas, at, less_memory)?;
        Ok(Minimum { point: self.point(replicas, at), below_cpus, below_memory })
    }

    /// What is known of the rung below the winner, and of those after it until one is not too close to call.
    fn rungs_below(&self, replicas: u32, winner: Rungs, less: impl Fn(usize) -> Option<Rungs>) -> Asked<Vec<Below>> {
        let mut known = Vec::new();
        for rungs in (1..=DEEPEST).map(less) {
            let below = match rungs {
                None => Below::Lowest,
                Some(rungs) => match self.seen_below(replicas, winner, rungs)? {
                    Below::Undecided => self.seen_together(self.point(replicas, rungs))?,
                    known => known,
                },
            };
            known.push(below);
            if below != Below::Undecided {
                break;
            }
        }
        Ok(known)
    }

    /// What single trials say of a rung below the winner that does not hold: what missed a ramp with as much of everything, or more, did
    /// so for it.
    fn seen_below(&self, replicas: u32, winner: Rungs, rungs: Rungs) -> Asked<Below> {
        let [winner, point] = [winner, rungs].map(|rungs| self.point(replicas, rungs));
        let is_as_much = |less: Point, more: &Point| less == *more || less.is_within(*more);
        let tried = self.history.points(replicas, self.settings.max_users).into_iter();
        let told = tried.filter(|tried| is_as_much(point, tried) && !is_as_much(winner, tried));
        let missed: Vec<Verdict> = told.flat_map(|tried| self.missed_ramps(tried)).map(|ramp| ramp.verdict).collect();
        if missed.contains(&Verdict::Fail) {
            return Ok(Below::Fails);
        }
        match measurable(self.ask(Purpose::Confirm, replicas, rungs))?.map(|direct| direct.verdict) {
            None if missed.is_empty() => Ok(Below::Unmeasurable),
            Some(Verdict::Fail) => Ok(Below::Fails),
            _ => Ok(Below::Undecided),
        }
    }

    /// What all trials of a rung say together that none of them decides: more are made until they show it to fail, or as long as they may.
    /// They cannot show it to hold: some ramp did not, or they tell against one.
    fn seen_together(&self, point: Point) -> Asked<Below> {
        let direct = self.at(point, Load::Direct);
        for looks in 1..=LOOKS {
            if measurable(self.history.ask(direct, looks))?.is_none() {
                break;
            }
            if self.history.valid(direct).any(failed_outright) {
                return Ok(Below::Fails);
            }
            match of_all_users(&self.history, self.settings.max_users, point) {
                Some(together) if together.fails() => return Ok(Below::Fails),
                Some(Together { missed, trials, .. }) if trials < ENOUGH || missed.share > missed.allowed => {}
                Some(_) | None => break,
            }
        }
        Ok(Below::Undecided)
    }
}

/// Whether a replica ended in the trial, or did not get as far as to be measured: neither is a matter of chance.
fn failed_outright(trial: &Trial) -> bool {
    let was_measured = trial.steps.last().is_some_and(|step| step.requests > 0);
    trial.verdict == Verdict::Fail && (!was_measured || trial.usage.oom_kills > 0 || !trial.usage.ended.is_empty())
}

fn with_all_users<'a>(history: &History<'a>, users: u32, point: Point) -> impl Iterator<Item = &'a Trial> {
    let at = move |load| TrialSpec { purpose: Purpose::Confirm, point, load, users };
    [Load::Direct, Load::Ramp].into_iter().flat_map(move |load| history.valid(at(load)))
}

fn of_all_users(history: &History<'_>, users: u32, point: Point) -> Option<Together> {
    Together::most(all_together(users, with_all_users(history, users, point)))
}

/// What these trials say together of so many users, of each part of the objective; nothing if none got so far.
pub(super) fn all_together<'a>(users: u32, trials: impl Iterator<Item = &'a Trial>) -> Vec<Together> {
    let last = trials.filter_map(|trial| trial.steps.last().filter(|step| step.users == users && step.requests > 0));
    let windows: Vec<_> = last.map(|step| (step.requests, step.missed.as_slice())).collect();
    Together::of(&windows)
}
