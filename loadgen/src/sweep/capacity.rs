//! `--mode capacity`: the most users that given limits hold.

use super::{
    Finding, Load, Purpose, TrialSpec,
    bisect::{Probe, smallest},
    history::{Confirmation, Missing},
    settle::CONFIRMATIONS,
    strategy::{Asked, Rungs, Search},
};

/// Trials that look for the edge.
const TRIALS: usize = 8;

impl Search<'_> {
    /// The most users that so many replicas with the largest limits hold.
    pub(super) fn capacity(&self, replicas: u32) -> Asked<Finding> {
        let Some(top) = self.top(replicas) else { return Ok(Finding::NotTried) };
        let users = self.most_users(replicas, top)?;
        Ok(Finding::Capacity { point: self.point(replicas, top), users })
    }

    /// One ramp tells about where the edge is; trials that go straight to their users find it; ramps confirm it.
    fn most_users(&self, replicas: u32, top: Rungs) -> Asked<u32> {
        let (max, step) = (self.settings.max_users, self.settings.step.clamp(1, self.settings.max_users));
        let users_of = |index: usize| u32::try_from(index + 1).unwrap_or(u32::MAX).saturating_mul(step).min(max);
        let last = max.div_ceil(step) as usize - 1;
        let of = |purpose, load, users| TrialSpec { users, ..self.spec(purpose, replicas, top, load) };
        let ramp = self.history.ask(of(Purpose::Calibrate, Load::Ramp, max), 1)?;
        let mut held = if ramp.passed() {
            Some(last)
        } else {
            let guess = (ramp.held_users() / step) as usize;
            // The smallest number of users that is not held.
            let edge = smallest(last, None, guess, |index| {
                let spec = of(Purpose::Search, Load::Direct, users_of(index));
                match self.history.ask(spec, 1) {
                    Err(Missing::Trial(_)) if self.history.tried_at(spec) >= TRIALS => Ok(None),
                    asked => asked.map(|trial| Some(Probe { passes: !trial.passed(), likely: None })),
                }
            })?;
            edge.unwrap_or(guess).checked_sub(1)
        };
        // Further and further down, so that there is an end.
        let mut stride = 1;
        while let Some(index) = held {
            let spec = of(Purpose::Confirm, Load::Ramp, users_of(index));
            match self.history.confirmation(spec, CONFIRMATIONS)? {
                Confirmation::Held => return Ok(users_of(index)),
                Confirmation::Failed(_) | Confirmation::Undecided(_) => held = index.checked_sub(stride),
            }
            stride *= 2;
        }
        Ok(0)
    }
}
