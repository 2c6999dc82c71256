//! Choice of the trial that is worth most per second.
//!
//! The worth of a fresh trial is the information that it is expected to give on which rung is the
//! answer. A fixed amount is added for the case that this rung is the answer, which needs the trial
//! anyway. So trials near the edge come first while little is known. Once the candidate has its
//! fresh trials, its ramp follows: a cheaper rung that is not likely enough to hold is no answer,
//! and looking further at it took longer than the ramp without better answers.

use super::model::Posterior;

/// Evidence that an answer needs beside its probability: fresh trials and ramps that passed.
pub(super) const FRESH: usize = 2;
pub(super) const RAMPS: usize = 1;
/// Worth of a trial that the answer needs, in nats.
const NEED: f64 = 0.3;
/// Smallest information that justifies a trial for its own sake, in nats.
const LEAST_INFORMATION: f64 = 0.03;

/// A limit, or a number of users, that may be the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rung {
    /// Room as in the model, such as the logarithm of the CPU limit; ascending.
    pub room: f64,
    /// Probability that a fresh start holds.
    pub p_hold: f64,
    /// True if the rung cannot be the answer: a trial failed without lacking memory, or the
    /// verdicts of its trials stay mixed.
    pub is_out: bool,
    /// Fresh trials that the rung still needs to be the answer.
    pub needs_fresh: usize,
    /// Ramps that the rung still needs to be the answer.
    pub needs_ramps: usize,
}

/// Choice of the next trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// No trial: this rung is the answer.
    Confirmed(usize),
    /// A fresh trial of this rung.
    Fresh(usize),
    /// A ramp of this rung.
    Ramp(usize),
    /// No rung is likely enough to hold, and no trial is expected to change that.
    NoneHolds,
}

impl Rung {
    /// Returns true if the rung may be the answer.
    pub fn is_candidate(&self, confidence: f64) -> bool {
        self.p_hold >= confidence && !self.is_out
    }

    /// Returns true if the rung has all the trials that an answer needs.
    pub fn is_complete(&self) -> bool {
        !self.is_out && self.needs_fresh == 0 && self.needs_ramps == 0
    }
}

/// Returns the cheapest rung that is likely enough to hold and has not failed.
pub(super) fn candidate(rungs: &[Rung], confidence: f64) -> Option<usize> {
    rungs.iter().position(|rung| rung.is_candidate(confidence))
}

/// Chooses the next trial; `seconds` returns the length of a fresh trial of a rung.
pub(super) fn choose(
    posterior: &Posterior,
    rungs: &[Rung],
    confidence: f64,
    seconds: impl Fn(usize) -> f64,
) -> Choice {
    if let Some(answer) =
        rungs.iter().position(|rung| rung.is_candidate(confidence) && rung.is_complete())
    {
        return Choice::Confirmed(answer);
    }
    let candidate = candidate(rungs, confidence);
    if let Some(ready) = candidate.filter(|&index| rungs[index].needs_fresh == 0) {
        return Choice::Ramp(ready);
    }
    let rooms: Vec<f64> = rungs.iter().map(|rung| rung.room).collect();
    let mut options = Vec::new();
    for (index, (rung, worth)) in rungs.iter().zip(posterior.worth(&rooms, confidence)).enumerate()
    {
        // Skip rungs that are ruled out, and rungs that cost more than the candidate.
        if rung.is_out || candidate.is_some_and(|candidate| index > candidate) {
            continue;
        }
        if candidate == Some(index) || worth.information >= LEAST_INFORMATION {
            let value = worth.information + NEED * worth.is_answer;
            options.push((value / seconds(index), Choice::Fresh(index)));
        }
    }
    let best = options.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(Choice::NoneHolds, |(_, choice)| choice)
}
