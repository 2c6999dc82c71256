//! What trials that go straight to all users, and take a quarter of the time, say against a ramp.

use super::{
    Load, Purpose, Trial,
    below::{ENOUGH, all_together},
    history::measurable,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Together;

/// Of the share of requests that may miss a part of the objective, what direct trials miss from which three ramps are not likely to pass:
/// where the truth is half of what is allowed, each is proved passing seven times of ten (table of verdicts in `benches/README.md`).
const NEAR_LIMIT: f64 = 0.5;
/// What trials with more of something miss, in terms of what those with less do, for it to be worth having.
const FAR_LESS: f64 = 0.5;

impl Search<'_> {
    /// The trial that tells against a ramp at a point that had none. A point is asked twice where its own trials did not pass; and where
    /// there is a rung to give way to and those with as much CPU and no less memory leave it in doubt: no more passed than did not, or all
    /// are near the limit together. Then most of its own have to pass, and if all are near the limit, its own prove that it is kept.
    pub(super) fn told_against(&self, replicas: u32, at: Rungs) -> Asked<Option<&Trial>> {
        let spec = |load| self.spec(Purpose::Confirm, replicas, at, load);
        if self.history.valid(spec(Load::Ramp)).next().is_some() {
            return Ok(None);
        }
        let own: Vec<&Trial> = self.history.valid(spec(Load::Direct)).collect();
        let never_passed = !own.is_empty() && !own.iter().any(|direct| direct.passed());
        let has_next = self.top(replicas).is_some_and(|top| at.cpu < top.cpu);
        let missed = self.missed_directs(replicas, at);
        let is_mixed = !missed.is_empty() && missed.len() * 2 >= self.directs(replicas, at).len();
        let is_near = has_next && self.is_near_limit(replicas, at);
        let is_in_doubt = never_passed || is_near || (has_next && is_mixed);
        if !is_in_doubt {
            return Ok(None);
        }
        // As many as can prove it, as long as none leaves it open.
        let wanted =
            if is_near && own.iter().all(|direct| direct.passed()) { own.len().clamp(1, ENOUGH - 1) + 1 } else { 2 };
        let Some(most) = measurable(self.history.ask(spec(Load::Direct), wanted))? else {
            return Ok(missed.last().or(own.last()).copied());
        };
        Ok((!most.passed() || is_near).then_some(most))
    }

    /// Trials that go straight to all users, with as much CPU as at a point and no less memory, that did not pass: what a point with more
    /// memory does not hold, that point is not likely to.
    pub(super) fn missed_directs(&self, replicas: u32, at: Rungs) -> Vec<&Trial> {
        self.directs(replicas, at).into_iter().filter(|direct| !direct.passed()).collect()
    }

    /// Whether a point is near the limit by its own trials, and those with as much CPU and more memory miss far less.
    pub(super) fn is_near_for_memory(&self, replicas: u32, at: Rungs) -> bool {
        let own = self.together(self.history.valid(self.at(self.point(replicas, at), Load::Direct)));
        let more = self.together(self.directs(replicas, Rungs { memory: at.memory + 1, ..at }).into_iter());
        own.iter().zip(&more).any(|(own, more)| is_near(own) && is_far_less(more, own))
    }

    /// Whether direct trials with as much CPU as at a point and no less memory miss much of what some part of the objective allows, where
    /// some with more CPU miss far less of it: else it would be no use to give way. Not if enough of the point's own prove that all is kept.
    fn is_near_limit(&self, replicas: u32, at: Rungs) -> bool {
        let point = self.point(replicas, at);
        let own = self.together(self.history.valid(self.at(point, Load::Direct)));
        let is_proved = !own.is_empty() && own.iter().all(|part| part.trials >= ENOUGH && part.passes());
        let all = self.together(self.directs(replicas, at).into_iter());
        let tried = self.history.points(replicas, self.settings.max_users).into_iter();
        let with_more = tried.filter(|tried| tried.limits.cpus > point.limits.cpus);
        let more: Vec<Vec<Together>> =
            with_more.map(|point| self.together(self.history.valid(self.at(point, Load::Direct)))).collect();
        let would_help = |part, all| more.iter().filter_map(|more| more.get(part)).any(|more| is_far_less(more, all));
        !is_proved && all.iter().enumerate().any(|(part, all)| is_near(all) && would_help(part, all))
    }

    fn directs(&self, replicas: u32, at: Rungs) -> Vec<&Trial> {
        let with = |memory| self.at(self.point(replicas, Rungs { memory, ..at }), Load::Direct);
        (at.memory..=self.settings.memory.top()).flat_map(|memory| self.history.valid(with(memory))).collect()
    }

    /// What trials say together of each part of the objective.
    fn together<'t>(&self, trials: impl Iterator<Item = &'t Trial>) -> Vec<Together> {
        all_together(self.settings.max_users, trials)
    }
}

fn is_near(part: &Together) -> bool {
    part.missed.share > part.missed.allowed * NEAR_LIMIT
}

fn is_far_less(one: &Together, other: &Together) -> bool {
    one.missed.share < other.missed.share * FAR_LESS
}
