//! The machine that replicas run on: how fast it is, and what other guests take of it.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::normal;

/// How a machine behaves.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Processors that replicas may use.
    pub cores: f64,
    /// Spread of its speed from one trial to the next (standard deviation of the logarithm).
    pub between_trials: f64,
    /// Spread of its speed within a trial, with a memory of some seconds.
    pub within_trials: f64,
    /// How far its speed wanders over a sweep: standard deviation of each trial's step.
    pub wander: f64,
    /// Bursts of steal a minute.
    pub steal_bursts: f64,
}

/// Share of its deviation that a second keeps of the one before.
const MEMORY: f64 = 0.8;
/// Furthest that the speed wanders, as a logarithm.
const FURTHEST: f64 = 0.25;
/// Shortest and longest burst of steal, in seconds, and the shares of the processors that it takes.
const BURST_SECONDS: std::ops::Range<f64> = 1.0..8.0;
const BURST_SHARE: std::ops::Range<f64> = 0.03..0.3;

impl Machine {
    /// A machine of its own: one processor for the replicas, starts that differ a little.
    pub const CALM: Self = Self {
        cores: 1.0,
        between_trials: 0.02,
        within_trials: 0.02,
        wander: 0.0,
        steal_bursts: 0.0,
    };
}

/// The machine during a sweep.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    machine: Machine,
    wandered: f64,
    trial: f64,
    second: f64,
    burst: Option<(f64, f64)>,
}

impl Weather {
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine, wandered: 0.0, trial: 0.0, second: 0.0, burst: None }
    }

    /// Begins a trial.
    pub(super) fn begin_trial(&mut self, rng: &mut Pcg64) {
        let Machine { between_trials, wander, .. } = self.machine;
        self.wandered = (self.wandered + wander * normal(rng)).clamp(-FURTHEST, FURTHEST);
        self.trial = between_trials * normal(rng);
        self.second = 0.0;
    }

    /// Passes a second. Returns by how much more a request costs in it, and the share of the
    /// processors that is stolen.
    pub(super) fn second(&mut self, rng: &mut Pcg64) -> (f64, f64) {
        let Machine { within_trials, steal_bursts, .. } = self.machine;
        self.second =
            MEMORY * self.second + (1.0 - MEMORY * MEMORY).sqrt() * within_trials * normal(rng);
        self.burst = match self.burst {
            Some((left, share)) if left > 1.0 => Some((left - 1.0, share)),
            _ => rng
                .random_bool((steal_bursts / 60.0).min(1.0))
                .then(|| (rng.random_range(BURST_SECONDS), rng.random_range(BURST_SHARE))),
        };
        let slowness = (self.wandered + self.trial + self.second).exp();
        (slowness, self.burst.map_or(0.0, |(left, share)| share * left.min(1.0)))
    }

    pub(super) fn cores(&self) -> f64 {
        self.machine.cores
    }
}
