//! A demand probe: at each step of users the quota is lowered until the objective breaks.

use std::time::Duration;

use orchestrator::Limits;

use super::{Phase, Probe, Probed, millis};
use crate::trial::TrialUsage;

/// First quota of a step of users as a multiple of the expected edge, and each next quota as a
/// multiple of the one before.
const DEMAND_FIRST: f64 = 1.4;
const DEMAND_NEXT: f64 = 0.82;
/// Expected edge of the first step, as a share of the CPU that it uses under the first limits.
const DEMAND_GUESS: f64 = 0.8;
impl Probe {
    /// Returns the next quota at this step of users. Past the edge it goes back up and stays until
    /// the next step.
    pub(super) fn demand_rung(&mut self, usage: &TrialUsage) -> Option<Limits> {
        let ratio = self.last_ratio();
        if self.phase == Phase::First {
            self.phase = Phase::Down;
            let used = usage.cpus_used * 1000.0 / f64::from(self.point.replicas);
            return Some(self.with_cpus(millis(used * DEMAND_GUESS * DEMAND_FIRST)));
        }
        if ratio > 1.0 {
            self.is_step_done = true;
            return Some(self.with_cpus(millis(self.quota() / DEMAND_NEXT / DEMAND_NEXT)));
        }
        Some(self.with_cpus(millis(self.quota() * DEMAND_NEXT)))
    }

    /// Begins the next step of users with a quota above its expected need.
    pub(super) fn next_step(&mut self, at: Duration, since: Duration) -> Option<Limits> {
        self.seconds.clear();
        let grown = f64::from(self.users[self.step + 1]) / f64::from(self.users[self.step].max(1));
        let edge = self.edge_millis().unwrap_or(self.quota() / DEMAND_FIRST);
        self.step += 1;
        self.is_step_done = false;
        self.set(self.with_cpus(millis(edge * grown * DEMAND_FIRST)), at);
        self.since = since;
        Some(self.limits)
    }

    /// Returns the geometric mean of the lowest quota that held at this step of users and the
    /// highest that did not.
    fn edge_millis(&self) -> Option<f64> {
        let users = self.users[self.step];
        let here = || self.readings.iter().filter(|probed| probed.users == users);
        let holds = |probed: &&Probed| self.ratio(probed) <= 1.0;
        let millis = |probed: &Probed| f64::from(probed.limits.cpus.millis);
        let held = here().filter(holds).map(millis).reduce(f64::min);
        let broke = here().filter(|probed| !holds(probed)).map(millis).reduce(f64::max);
        match (held, broke) {
            (Some(held), Some(broke)) => Some((held * broke).sqrt()),
            (held, broke) => {
                held.map(|held| held * DEMAND_NEXT).or(broke.map(|broke| broke / DEMAND_NEXT))
            }
        }
    }
}
