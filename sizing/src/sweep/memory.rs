//! Memory limits: a wall, not a slope, found by bisection.
//!
//! A start either has the memory that it needs or lacks it ([`Trial::is_short_of_memory`]). The
//! probe gives a hint; cold starts decide.

use crate::trial::{Purpose, Settings, Trial};

/// Memory rungs of a service under a CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Highest rung that lacked memory.
    pub lacks: Option<usize>,
    /// Lowest rung above it under which a cold start had enough.
    pub enough: Option<usize>,
    /// Lowest rung that the probe found to be enough.
    pub hint: Option<usize>,
    top: usize,
}

/// Smallest probability of holding at which a lack of memory counts for higher CPU limits too.
/// Below it, waiting requests take additional memory.
const CLEAR: f64 = 0.5;

impl Memory {
    /// Derives the memory rungs under a CPU rung from the trials of a replica count. `p_hold` has
    /// the probability of each CPU rung.
    pub fn new(
        settings: &Settings,
        trials: &[&Trial],
        cpu: usize,
        p_hold: &[f64],
        top: usize,
    ) -> Self {
        let mut memory = Self { lacks: None, enough: None, hint: hint(settings, trials), top };
        let starts = trials
            .iter()
            .filter(|trial| matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp));
        let placed: Vec<_> = starts
            .filter_map(|trial| settings.rungs(trial.spec.point).map(|rungs| (rungs, *trial)))
            .collect();
        let is_told = |at: usize| at >= cpu || p_hold.get(at).is_some_and(|p| *p >= CLEAR);
        let lacked = placed.iter().filter(|(rungs, trial)| {
            let is_last_resort = trial.passed() && rungs.memory == top;
            trial.is_short_of_memory() && !is_last_resort && is_told(rungs.cpu)
        });
        memory.lacks = lacked.map(|(rungs, _)| rungs.memory).max();
        // With less CPU more requests wait, so memory that is enough there is enough here.
        let had = placed.iter().filter(|(rungs, trial)| {
            // The top rung has to be enough if a trial under it passes.
            let is_enough = !trial.is_short_of_memory() || trial.passed() && rungs.memory == top;
            is_enough && !trial.never_ran() && rungs.cpu <= cpu
        });
        let above = |rung: &usize| memory.lacks.is_none_or(|lacks| *rung > lacks);
        memory.enough = had.map(|(rungs, _)| rungs.memory).filter(above).min();
        memory
    }

    /// Returns the rung to try next; `None` once the rung below the lowest sufficient one is known
    /// to lack memory, or there is none.
    pub fn next(&self) -> Option<usize> {
        let least = self.lacks.map_or(0, |lacks| lacks + 1);
        match self.enough {
            None if least > self.top => None,
            None => Some(self.untried(self.hint.unwrap_or(self.top))),
            Some(enough) if enough == least => None,
            // The probe found that one rung less is too little.
            Some(enough) if self.hint == Some(enough) => Some(enough - 1),
            Some(enough) => Some((least + enough) / 2),
        }
    }

    /// Returns the lowest rung that is likely to be enough, for a trial about CPU.
    pub fn likely(&self) -> usize {
        self.enough.unwrap_or_else(|| self.untried(self.hint.unwrap_or(self.top)))
    }

    /// Returns the first rung from `first` up that is not known to lack memory, with growing
    /// strides.
    fn untried(&self, first: usize) -> usize {
        let above =
            self.lacks.filter(|lacks| *lacks >= first).map(|lacks| lacks + 1 + (lacks - first));
        above.unwrap_or(first).min(self.top)
    }
}

/// Returns the lowest memory rung that a probe found to be enough, or else the one that fits the
/// program's anonymous memory and its mapped pages.
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
        let of =
            |trial: &&Trial| trial.usage.anon_bytes + trial.usage.mapped_file_bytes.unwrap_or(0);
        let needed = trials.iter().map(of).filter(|bytes| *bytes > 0).max();
        needed.map(|bytes| settings.memory.at_least(bytes as f64))
    })
}

#[cfg(test)]
mod tests {
    use loadtest::verdict::Verdict;

    use super::*;
    use crate::trial::{Point, TrialSpec, TrialUsage, without_load};

    /// Returns a fresh trial with `mib` MiB that had enough memory, or was killed for lack of it.
    fn start(cpu_millis: u64, mib: u64, is_enough: bool) -> Trial {
        let spec = TrialSpec {
            purpose: Purpose::Fresh,
            point: Point::new(1, cpu_millis, mib << 20),
            users: 10_000,
        };
        let usage = TrialUsage {
            oom_kills: u64::from(!is_enough),
            memory_peak_bytes: mib << 20,
            anon_bytes: 20 << 20,
            ..TrialUsage::default()
        };
        let verdict = if is_enough { Verdict::Pass } else { Verdict::Fail };
        Trial { verdict, bottleneck: None, ..without_load(spec, usage, String::new()) }
    }

    fn memory(trials: &[Trial], cpu_millis: f64) -> Memory {
        let settings = Settings::example();
        let cpu = settings.cpus.at_least(cpu_millis);
        let p_hold: Vec<f64> =
            (0..=settings.cpus.top()).map(|rung| if rung >= cpu { 0.97 } else { 0.1 }).collect();
        Memory::new(
            &settings,
            &trials.iter().collect::<Vec<_>>(),
            cpu,
            &p_hold,
            settings.memory.top(),
        )
    }

    /// Rungs are 32, 48, 64, … MiB.
    #[test]
    fn the_wall_is_found_by_bisection() {
        let enough = |mib| start(180, mib, true);
        let lacks = |mib| start(180, mib, false);
        assert_eq!(
            memory(&[enough(96)], 180.0).next(),
            Some(2),
            "half way between the lowest rung and 96 MiB"
        );
        assert_eq!(memory(&[enough(96), lacks(48)], 180.0).next(), Some(3));
        let known = memory(&[enough(64), lacks(48)], 180.0);
        assert_eq!((known.next(), known.enough, known.lacks), (None, Some(2), Some(1)));
        assert_eq!(memory(&[enough(32)], 180.0).next(), None, "there is no less");
    }

    #[test]
    fn what_lacks_memory_again_and_again_is_given_more_and_more() {
        let mut trials = vec![start(180, 32, false)];
        let mut tried = Vec::new();
        for _ in 0..4 {
            let next = memory(&trials, 180.0).next().unwrap();
            tried.push(next);
            trials.push(start(180, 32 + 16 * next as u64, false));
        }
        assert!(tried.windows(2).all(|pair| pair[1] > pair[0]) && tried[3] >= 7, "{tried:?}");
    }

    #[test]
    fn a_service_under_a_smaller_quota_tells_what_is_enough_and_not_what_is_too_little() {
        let known = memory(&[start(160, 64, true), start(160, 48, false)], 180.0);
        assert_eq!((known.enough, known.lacks), (Some(2), None));
    }

    #[test]
    fn a_start_that_nearly_filled_its_limit_is_short_of_memory() {
        let mut full = start(180, 48, true);
        full.usage.anon_bytes = 46 << 20;
        assert_eq!(memory(&[full], 180.0).lacks, Some(1));
    }
}
