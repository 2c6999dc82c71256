//! Has the machine changed while the sweep ran? The same trial, made again and again, says so.

use std::ops::Range;

use super::{Load, Trial};
use crate::verdict::Verdict;

/// Change of the CPU seconds that a request costs from which trials before and after are not of the same machine.
const MOST: f64 = 0.1;

/// CPU seconds a request in each reference, with its index among the trials. Those of a sweep that was resumed with other
/// limits are of another point, and left out.
pub fn references(trials: &[Trial]) -> Vec<(usize, f64)> {
    let is_saturated = |trial: &&Trial| trial.spec.load == Load::Saturate && trial.verdict != Verdict::Invalid;
    let last = trials.iter().rev().find(is_saturated).map(|trial| trial.spec.point);
    let cost = |(index, trial): (usize, &Trial)| {
        let is_reference = is_saturated(&trial) && Some(trial.spec.point) == last;
        let cost = trial.usage.cpu_seconds_per_request.filter(|cost| is_reference && *cost > 0.0)?;
        Some((index, cost))
    };
    trials.iter().enumerate().filter_map(cost).collect()
}

/// The trials between the first two references that differ by more than a tenth: they have to be made again. Only the
/// first two: on a machine that changes without end nothing would ever be finished.
pub fn affected(trials: &[Trial]) -> Range<usize> {
    let references = references(trials);
    let drifted = references.windows(2).find(|pair| is_drift(pair[0].1, pair[1].1));
    drifted.map_or(0..0, |pair| pair[0].0 + 1..pair[1].0)
}

/// The largest change between a reference and the next, as a share; none without two.
pub fn largest(trials: &[Trial]) -> Option<f64> {
    let references = references(trials);
    references.windows(2).map(|pair| pair[1].1 / pair[0].1 - 1.0).max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

fn is_drift(before: f64, after: f64) -> bool {
    before.max(after) / before.min(after) > 1.0 + MOST
}
