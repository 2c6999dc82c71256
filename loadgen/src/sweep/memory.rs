//! Memory: a wall, not a slope, found by bisection.
//!
//! A start either has the memory that it needs or lacks it ([`Trial::is_short_of_memory`]). The probe gives a hint; cold starts decide.

use crate::trial::{Purpose, Settings, Trial};

/// Memory rungs of a service under a CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// The highest rung that lacked memory.
    pub lacks: Option<usize>,
    /// The lowest rung above it under which a cold start had enough.
    pub enough: Option<usize>,
    /// The lowest rung that the probe found to be enough.
    pub hint: Option<usize>,
    top: usize,
}

/// Probability of holding from which a CPU limit tells whether memory is short: below it, waiting requests take more.
const CLEAR: f64 = 0.5;

impl Memory {
    /// Sorts out what the trials of a replica count say of memory under a CPU rung. `p_hold` is that of each CPU rung.
    pub fn new(settings: &Settings, trials: &[&Trial], cpu: usize, p_hold: &[f64], top: usize) -> Self {
        let mut memory = Self { lacks: None, enough: None, hint: hint(settings, trials), top };
        let starts = trials.iter().filter(|trial| matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp));
        let placed: Vec<_> =
            starts.filter_map(|trial| settings.rungs(trial.spec.point).map(|rungs| (rungs, *trial))).collect();
        let is_told = |at: usize| at >= cpu || p_hold.get(at).is_some_and(|p| *p >= CLEAR);
        let lacked = placed.iter().filter(|(rungs, trial)| trial.is_short_of_memory() && is_told(rungs.cpu));
        memory.lacks = lacked.map(|(rungs, _)| rungs.memory).max();
        // A service that waits more needs no less memory.
        let had = placed.iter().filter(|(rungs, trial)| !trial.is_short_of_memory() && rungs.cpu <= cpu);
        let above = |rung: &usize| memory.lacks.is_none_or(|lacks| *rung > lacks);
        memory.enough = had.map(|(rungs, _)| rungs.memory).filter(above).min();
        memory
    }

    /// Returns the rung to try next; `None` once the rung below the lowest that is enough is known to lack memory, or there is none.
    pub fn next(&self) -> Option<usize> {
        let least = self.lacks.map_or(0, |lacks| lacks + 1);
        match self.enough {
            None => Some(self.untried(self.hint.unwrap_or(self.top))),
            Some(enough) if enough == least => None,
            // The probe found less to be too little.
            Some(enough) if self.hint == Some(enough) => Some(enough - 1),
            Some(enough) => Some((least + enough) / 2),
        }
    }

    /// Returns the lowest rung that is likely to be enough, for a trial that is about CPU.
    pub fn likely(&self) -> usize {
        self.enough.unwrap_or_else(|| self.untried(self.hint.unwrap_or(self.top)))
    }

    /// A rung from this one up that is not known to lack memory: further and further up.
    fn untried(&self, first: usize) -> usize {
        let above = self.lacks.filter(|lacks| *lacks >= first).map(|lacks| lacks + 1 + (lacks - first));
        above.unwrap_or(first).min(self.top)
    }
}

/// The lowest memory rung that a probe found to be enough, or else the one that a replica under the largest limits filled.
fn hint(settings: &Settings, trials: &[&Trial]) -> Option<usize> {
    let of_probe = |trial: &&&Trial| trial.spec.purpose == Purpose::Probe;
    let readings = trials.iter().filter(of_probe).flat_map(|trial| {
        let replicas = trial.spec.point.replicas;
        trial.readings.iter().map(move |reading| (reading, replicas))
    });
    let held = readings.filter(|(reading, replicas)| {
        reading.is_memory && !reading.lacked_memory(*replicas) && reading.violation_ratio() <= 1.0
    });
    let bytes = held.map(|(reading, _)| reading.limits.memory_bytes).min();
    let probed = bytes.and_then(|bytes| settings.memory.at_most(bytes));
    probed.or_else(|| {
        let peaks = trials.iter().map(|trial| trial.usage.memory_peak_bytes).filter(|peak| *peak > 0);
        peaks.max().map(|peak| settings.memory.at_least(peak as f64))
    })
}
