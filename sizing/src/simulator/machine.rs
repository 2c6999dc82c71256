//! Machine that replicas run on: its speed, and the CPU steal of other guests.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::normal;

/// Behaviour of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Processors that replicas may use.
    pub cores: f64,
    /// Spread of the speed from one trial to the next (standard deviation of the logarithm).
    pub between_trials: f64,
    /// Spread of the speed within a trial, correlated over some seconds.
    pub within_trials: f64,
    /// Random walk of the speed over a sweep: standard deviation of each trial's step.
    pub wander: f64,
    /// Bursts of steal per minute.
    pub steal_bursts: f64,
}

/// Share of its deviation that a second keeps from the one before.
const MEMORY: f64 = 0.8;
/// Largest deviation of the random walk, as a logarithm.
const FURTHEST: f64 = 0.25;
/// Shortest and longest burst of steal, in seconds, and the range of the stolen shares.
const BURST_SECONDS: std::ops::Range<f64> = 1.0..8.0;
const BURST_SHARE: std::ops::Range<f64> = 0.03..0.3;

impl Machine {
    /// A dedicated machine: one processor for the replicas, and starts that differ a little.
    pub const CALM: Self = Self {
        cores: 1.0,
        between_trials: 0.02,
        within_trials: 0.02,
        wander: 0.0,
        steal_bursts: 0.0,
    };
}

/// State of the machine during a sweep.
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

    /// Advances by a second. Returns the factor on the cost of a request, and the stolen share of
    /// the processors.
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
