//! Has the machine changed while the sweep ran? The same trial, made again and again, says so.
//!
//! What a request costs is taken from a reference's fastest second: guests of the hypervisor that share a core come and go within
//! seconds, and are not told as steal.
//!
//! A reference that differs from those before it is made once more at once: a server that is kept busy batches more or less from
//! one start to the next, and what a request costs follows. Only what both say is a change of the machine.

use std::ops::Range;

use super::{Load, Trial};
use crate::verdict::Verdict;

/// Change of the CPU seconds that a request costs from which trials before and after are not of the same machine.
const MOST: f64 = 0.1;

/// References with no other valid trial between them.
struct Look {
    /// Indices among the trials, the first and the last.
    made: (usize, usize),
    /// CPU seconds a request, of each.
    costs: Vec<f64>,
}

/// The trials between the first two looks that differ by more than a tenth: they have to be made again. Only the first two: on a
/// machine that changes without end nothing would ever be finished.
pub fn affected(trials: &[Trial]) -> Range<usize> {
    let looks = looks(trials);
    let drifted = looks.windows(2).find(|pair| pair[1].costs.len() > 1 && is_drift(change(&pair[0], &pair[1])));
    drifted.map_or(0..0, |pair| pair[0].made.1 + 1..pair[1].made.0)
}

/// The trials by when the machine was seen to have changed; none if it was not.
pub fn before(trials: &[Trial]) -> &[Trial] {
    trials.get(..affected(trials).end).unwrap_or_default()
}

/// Whether the last reference differs from those before it, and is the only one to say so.
pub fn is_unsure(trials: &[Trial]) -> bool {
    match looks(trials).as_slice() {
        [.., before, last] => last.costs.len() == 1 && is_drift(change(before, last)),
        _ => false,
    }
}

/// The largest change from one look to the next, as a share; none without two.
pub fn largest(trials: &[Trial]) -> Option<f64> {
    looks(trials).windows(2).map(|pair| change(&pair[0], &pair[1])).max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

/// By how much more a reference answered in its fastest second than on average, as a share; the most of all. Guests of the hypervisor
/// that share the processor's cores make it more.
pub fn unevenness(trials: &[Trial]) -> Option<f64> {
    let of = |trial: &Trial| {
        let cost = trial.usage.cpu_seconds_per_request.filter(|cost| *cost > 0.0)?;
        let mean = trial.steps.last().map(|step| step.requests_per_second).filter(|mean| *mean > 0.0)?;
        Some(trial.usage.cpus_used / cost / mean - 1.0)
    };
    trials.iter().filter(is_reference).filter_map(of).max_by(f64::total_cmp)
}

fn is_reference(trial: &&Trial) -> bool {
    trial.spec.load == Load::Saturate && trial.verdict != Verdict::Invalid
}

/// Those of a sweep that was resumed with other limits are of another point, and left out.
fn looks(trials: &[Trial]) -> Vec<Look> {
    let last = trials.iter().rev().find(is_reference).map(|trial| trial.spec.point);
    let mut looks: Vec<Look> = Vec::new();
    let mut is_new = true;
    for (index, trial) in trials.iter().enumerate() {
        let cost = trial.usage.cpu_seconds_per_request.filter(|cost| *cost > 0.0);
        match cost.filter(|_| is_reference(&trial) && Some(trial.spec.point) == last) {
            Some(cost) => match looks.last_mut().filter(|_| !is_new) {
                Some(look) => {
                    look.made.1 = index;
                    look.costs.push(cost);
                }
                None => {
                    looks.push(Look { made: (index, index), costs: vec![cost] });
                    is_new = false;
                }
            },
            None => is_new |= trial.verdict != Verdict::Invalid,
        }
    }
    looks
}

/// By how much the two nearest costs differ, as a share.
fn change(before: &Look, after: &Look) -> f64 {
    let pairs = before.costs.iter().flat_map(|before| after.costs.iter().map(move |after| after / before - 1.0));
    pairs.min_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0)
}

/// By the larger of the two, whichever came first.
fn is_drift(change: f64) -> bool {
    (1.0 + change).max(1.0 / (1.0 + change)) > 1.0 + MOST
}
