//! What trials that go straight to all users, and take a quarter of the time, say against a ramp.

use super::{
    Load, Purpose, Trial,
    below::{ENOUGH, all_together},
    history::measurable,
    strategy::{Asked, Rungs, Search},
};
use crate::verdict::Together;

/// Of the share of requests that may miss the objective, what direct trials miss from which three ramps are not likely to pass: where the
/// truth is half of what is allowed, each is proved passing seven times of ten (table of verdicts in `benches/README.md`).
const NEAR_LIMIT: f64 = 0.5;

impl Search<'_> {
    /// The trial that tells against a ramp at a point that had none. A point is asked twice where its own trials did not pass; and where
    /// there is a rung to give way to and those with as much CPU and no less memory leave it in doubt: no more passed than did not, or all
    /// are near the limit together. Then most of its own have to pass, and all together may not be near the limit.
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
        if !never_passed && !(has_next && (is_mixed || self.is_near_limit(replicas, at))) {
            return Ok(None);
        }
        let Some(most) = measurable(self.history.ask(spec(Load::Direct), 2))? else {
            return Ok(missed.last().copied());
        };
        let is_against = !most.passed() || (has_next && self.is_near_limit(replicas, at));
        Ok(is_against.then_some(most))
    }

    /// Trials that go straight to all users, with as much CPU as at a point and no less memory, that did not pass: what a point with more
    /// memory does not hold, that point is not likely to.
    pub(super) fn missed_directs(&self, replicas: u32, at: Rungs) -> Vec<&Trial> {
        self.directs(replicas, at).into_iter().filter(|direct| !direct.passed()).collect()
    }

    /// Whether direct trials with as much CPU as at a point and no less memory miss much of what is allowed together. Not if enough of them
    /// prove that it is less than allowed; nor if the largest limits miss nearly as much, for then no CPU would help.
    fn is_near_limit(&self, replicas: u32, at: Rungs) -> bool {
        let missed = |trials: Vec<&Trial>| all_together(self.settings.max_users, trials.into_iter());
        let share = |together: &Together| together.missed.share / together.missed.allowed;
        let is_proved = |together: &Together| together.trials >= ENOUGH && together.passes();
        let is_near = |together: Together| share(&together) > NEAR_LIMIT && !is_proved(&together);
        let would_help = |largest: Together| share(&largest) < NEAR_LIMIT / 2.0;
        missed(self.directs(replicas, at)).is_some_and(is_near)
            && missed(self.history.calibrations().collect()).is_none_or(would_help)
    }

    fn directs(&self, replicas: u32, at: Rungs) -> Vec<&Trial> {
        let with = |memory| self.at(self.point(replicas, Rungs { memory, ..at }), Load::Direct);
        (at.memory..=self.settings.memory.top()).flat_map(|memory| self.history.valid(with(memory))).collect()
    }
}
