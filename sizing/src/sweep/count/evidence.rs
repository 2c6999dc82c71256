//! Evidence of one replica count: passes and failures by rung, and what is missing.

use loadtest::verdict::Verdict;

use super::Count;
use crate::{
    sweep::{
        choice::{FRESH, RAMPS, Rung},
        finding::{Finding, Minimum},
        is_measurable, is_start,
    },
    trial::{Growth, Point, Purpose, Rungs, Trial},
};

/// Fresh trials and ramps of a rung after which it is not tried again, because its verdicts are
/// mixed.
const MOST_TRIALS: usize = 12;

impl<'a> Count<'a> {
    pub(super) fn rungs(&self) -> Vec<Rung> {
        let of = |(index, &p_hold): (usize, &f64)| {
            let memory = self.memory(index);
            let passed = |purpose| match memory.enough {
                Some(enough) => self.passed(purpose, index, enough),
                None => 0,
            };
            let unsettled = usize::from(memory.next().is_some());
            let needs_fresh = FRESH.saturating_sub(passed(Purpose::Fresh)).max(unsettled);
            let needs_ramps = RAMPS.saturating_sub(passed(Purpose::Ramp));
            let is_open = needs_fresh > 0 || needs_ramps > 0;
            Rung {
                room: (self.settings.cpus.rung(index) as f64).ln(),
                p_hold,
                is_out: self.has_failed(index) || is_open && self.is_spent(index),
                needs_fresh,
                needs_ramps,
            }
        };
        self.p_hold.iter().enumerate().map(of).collect()
    }

    /// Returns the number of valid trials that passed under a CPU rung with at most this memory.
    pub(super) fn passed(&self, purpose: Purpose, cpu: usize, memory: usize) -> usize {
        let is_one = |trial: &&&Trial| {
            trial.spec.purpose == purpose
                && trial.passed()
                && self
                    .settings
                    .rungs(trial.spec.point)
                    .is_some_and(|at| at.cpu == cpu && at.memory <= memory)
        };
        self.trials.iter().filter(is_one).count()
    }

    /// Returns true if a trial under a CPU rung failed for another reason than memory.
    pub(super) fn has_failed(&self, cpu: usize) -> bool {
        let is_at_top = |trial: &Trial| {
            self.settings
                .rungs(trial.spec.point)
                .is_some_and(|rungs| rungs.memory >= self.top.memory)
        };
        // At the largest memory limit, a lack of memory counts as a failure too.
        self.at(cpu).any(|trial| {
            trial.verdict == Verdict::Fail && (!trial.lacked_memory() || is_at_top(trial))
        })
    }

    /// Returns true if a CPU rung had so many trials that one more is unlikely to change its
    /// verdict.
    pub(super) fn is_spent(&self, cpu: usize) -> bool {
        self.at(cpu).count() >= MOST_TRIALS
    }

    /// Returns the number of fresh trials and ramps under a CPU rung that passed, and the number
    /// that did not pass without lacking memory.
    pub(super) fn came_out(&self, cpu: usize) -> (usize, usize) {
        let passed = self.at(cpu).filter(|trial| trial.passed()).count();
        (passed, self.at(cpu).filter(|trial| !trial.passed() && !trial.lacked_memory()).count())
    }

    pub(super) fn at(&self, cpu: usize) -> impl Iterator<Item = &&'a Trial> {
        let is_there = move |trial: &&&Trial| {
            is_start(trial)
                && self.settings.rungs(trial.spec.point).is_some_and(|rungs| rungs.cpu == cpu)
        };
        self.trials.iter().filter(is_there)
    }

    /// Returns the finding at a rung with complete evidence.
    pub(super) fn confirmed(&self, cpu: usize) -> Finding {
        let minimum = self.minimum(cpu);
        let bytes = |point: Point| point.limits.memory_bytes;
        let starts = self
            .at(cpu)
            .filter(|trial| trial.passed() && bytes(trial.spec.point) <= bytes(minimum.point));
        let grown: Vec<Option<Growth>> = starts.map(|trial| trial.usage.memory_growth).collect();
        let mut known: Vec<Growth> = grown.iter().flatten().copied().collect();
        known.sort_by(|a, b| a.lasts_seconds.total_cmp(&b.lasts_seconds));
        match known.get(known.len() / 2) {
            // Growth in a minority of the starts may be chance.
            Some(&growth) if known.len() * 2 > grown.len() => Finding::Growing { minimum, growth },
            _ => Finding::Minimum(minimum),
        }
    }

    pub(super) fn minimum(&self, cpu: usize) -> Minimum {
        let memory = self.memory(cpu);
        let enough = memory.enough.unwrap_or(self.top.memory);
        Minimum {
            point: self.settings.point(self.replicas, Rungs { cpu, memory: enough }),
            p_hold: self.p_hold[cpu],
            is_lowest_cpu: cpu == 0,
            is_lowest_memory: enough == 0,
            less_memory_lacks: enough > 0 && memory.lacks == Some(enough - 1),
        }
    }

    pub(super) fn unconfirmed(&self, candidate: Option<usize>, rungs: &[Rung]) -> Finding {
        if self.next().is_some_and(|planned| !is_measurable(self.all.iter().copied(), planned.spec))
        {
            return Finding::Unmeasurable;
        }
        let Some(cpu) = candidate else { return Finding::Unknown };
        let rung = rungs[cpu];
        Finding::Unconfirmed {
            minimum: self.minimum(cpu),
            fresh: rung.needs_fresh,
            ramps: rung.needs_ramps,
            is_memory_known: self.memory(cpu).enough.is_some(),
        }
    }
}
