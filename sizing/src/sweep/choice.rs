//! Which trial is worth most per second.
//!
//! A trial is worth the information that it is expected to bring about which rung is the answer,
//! and a fixed amount more if that rung turns out to be the answer, which needs the trial anyway.
//! So trials near the edge come first while little is known, and the ramp comes once hardly
//! anything is expected to change the answer.

use super::model::Posterior;
use crate::trial::Purpose;

/// Evidence that an answer needs beside its probability.
pub(super) const FRESH: usize = 2;
pub(super) const RAMPS: usize = 1;
/// Worth of a trial that the answer needs, in nats.
const NEED: f64 = 0.3;
/// Information below which a trial is not made for its own sake, in nats.
const LEAST_INFORMATION: f64 = 0.03;

/// A limit, or a number of users, that may be the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rung {
    /// Room, as the model has it; ascending.
    pub room: f64,
    /// Probability that a fresh start holds.
    pub p_hold: f64,
    /// Whether it cannot be the answer any more: a trial failed that did not lack memory, or its
    /// trials come out either way.
    pub is_out: bool,
    /// Fresh trials that the rung still needs to be the answer.
    pub needs_fresh: usize,
    /// Ramps of the same.
    pub needs_ramps: usize,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing: this rung is the answer.
    Confirmed(usize),
    /// Make a fresh trial of this rung.
    Fresh(usize),
    /// Make a ramp of this rung.
    Ramp(usize),
    /// No rung is likely enough to hold, and no trial is expected to change that.
    NoneHolds,
}

impl Rung {
    /// Returns whether it may be the answer.
    pub fn is_candidate(&self, confidence: f64) -> bool {
        self.p_hold >= confidence && !self.is_out
    }

    /// Returns whether it has all the trials that an answer needs.
    pub fn is_complete(&self) -> bool {
        !self.is_out && self.needs_fresh == 0 && self.needs_ramps == 0
    }
}

/// Returns the cheapest rung that is likely enough to hold and has not failed.
pub(super) fn candidate(rungs: &[Rung], confidence: f64) -> Option<usize> {
    rungs.iter().position(|rung| rung.is_candidate(confidence))
}

/// Chooses; `seconds` says how long a trial of a rung takes.
pub(super) fn choose(
    posterior: &Posterior,
    rungs: &[Rung],
    confidence: f64,
    seconds: impl Fn(usize, Purpose) -> f64,
) -> Choice {
    if let Some(answer) =
        rungs.iter().position(|rung| rung.is_candidate(confidence) && rung.is_complete())
    {
        return Choice::Confirmed(answer);
    }
    let rooms: Vec<f64> = rungs.iter().map(|rung| rung.room).collect();
    let candidate = candidate(rungs, confidence);
    let mut options = Vec::new();
    for (index, (rung, worth)) in rungs.iter().zip(posterior.worth(&rooms, confidence)).enumerate()
    {
        // What is out cannot be the answer, and what is dearer than the candidate need not be.
        if rung.is_out || candidate.is_some_and(|candidate| index > candidate) {
            continue;
        }
        let value = worth.information + NEED * worth.is_answer;
        if candidate == Some(index) && rung.needs_fresh == 0 {
            options.push((value / seconds(index, Purpose::Ramp), Choice::Ramp(index)));
        } else if candidate == Some(index) || worth.information >= LEAST_INFORMATION {
            options.push((value / seconds(index, Purpose::Fresh), Choice::Fresh(index)));
        }
    }
    let best = options.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(Choice::NoneHolds, |(_, choice)| choice)
}
