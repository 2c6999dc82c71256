//! The probe that a replica count needs, if any.

use super::{Count, Planned, planned};
use crate::trial::{Purpose, Rungs, Trial};

/// Distance of a seeded probe's first limits above the expected edge, as a logarithm.
const PROBE_ABOVE: f64 = 0.5;
/// Most probes of a replica count. Further ones start from the next whole processor, or from the
/// largest limits, if one did not reach the edge.
const MOST_PROBES: usize = 3;
/// Most probes with the same first limits and without a reading.
const MOST_ALIKE: usize = 2;
/// Factor on the CPU used with headroom, from which a further probe goes down.
const PROBE_ROOM: f64 = 1.25;

impl Count<'_> {
    /// Returns the next probe, if one is needed.
    pub(super) fn probe(&self) -> Option<Planned> {
        let probes = || self.all.iter().filter(|trial| trial.spec.purpose == Purpose::Probe);
        if !self.settings.can_probe || probes().count() >= MOST_PROBES {
            return None;
        }
        // The probe that began lowest counts: the others did not reach the edge.
        let read = probes().filter(|trial| !trial.readings.is_empty());
        let start = match read.min_by_key(|trial| trial.spec.point.limits.cpus) {
            Some(probe) => self.next_start(probe)?,
            None if self.is_seeded() => {
                self.settings.cpus.at_least((self.prior.mean + PROBE_ABOVE).exp()).min(self.top.cpu)
            }
            None => self.whole((self.prior.mean + 2.0 * self.prior.sd).exp()),
        };
        let spec = self.spec(Purpose::Probe, Rungs { cpu: start, memory: self.top.memory });
        let alike = || probes().filter(|probe| probe.spec == spec);
        let is_new = alike().count() < MOST_ALIKE && alike().all(|probe| probe.readings.is_empty());
        let reason = format!(
            "Lowers the limits of one running service under all {} users to see where the \
                objective breaks.",
            self.settings.max_users
        );
        is_new.then(|| planned(self.settings, spec, reason))
    }

    /// Returns the first rung of another probe if this one did not reach the edge. That is the top
    /// if the first limits broke, else the whole processor that the service needs, if it is lower.
    fn next_start(&self, probe: &Trial) -> Option<usize> {
        let cpus: Vec<_> = probe.readings.iter().filter(|reading| !reading.is_memory).collect();
        let first = cpus.first()?;
        let start = self.settings.rungs(probe.spec.point)?.cpu;
        if first.violation_ratio() > 1.0 {
            return (start < self.top.cpu).then_some(self.top.cpu);
        }
        let is_edge_passed = cpus.iter().any(|reading| reading.violation_ratio() > 1.0);
        let used = first.usage.cpus_used * 1000.0 / f64::from(self.replicas);
        let needed = self.whole(used * PROBE_ROOM);
        (!is_edge_passed && needed < start).then_some(needed)
    }

    /// Returns the highest rung within the whole processor that `millis` falls into, or else the
    /// lowest rung of at least `millis`.
    fn whole(&self, millis: f64) -> usize {
        let cpus = &self.settings.cpus;
        let within = cpus.at_most(((millis / 1000.0).ceil() * 1000.0) as u64);
        within
            .filter(|rung| cpus.rung(*rung) as f64 >= millis)
            .unwrap_or(cpus.at_least(millis))
            .min(self.top.cpu)
    }

    fn is_seeded(&self) -> bool {
        self.settings.replicas.iter().find(|replicas| self.settings.top(**replicas).is_some())
            != Some(&self.replicas)
    }
}
