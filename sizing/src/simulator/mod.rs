//! A simulated service with physics, on which sweeps are tested.
//!
//! Closed users with think time send to replicas under CPU quotas. A replica runs until the quota
//! of its period (100 ms) is used up and stands still until the next one. A request costs less when
//! it waits behind others. Starts differ, the machine changes its speed between and within trials,
//! other guests steal processor time in bursts, and waiting requests take memory.
//!
//! Requests are a fluid in steps of 4 ms, so that a sweep takes milliseconds. No formula of the
//! search's model appears here: a power law that judged a power law would prove nothing.

mod kinds;
mod machine;
mod play;
mod replica;
mod service;

pub use kinds::{KINDS, Kind};
pub use machine::Machine;
pub use service::{Running, Service};

use std::time::Duration;

/// Length of a step of the fluid.
const TICK: Duration = Duration::from_millis(4);
/// Period of a CPU quota.
const PERIOD: Duration = Duration::from_millis(100);

/// Returns a nearly standard normal variate: the scaled sum of four uniform ones.
fn normal(rng: &mut impl rand::Rng) -> f64 {
    let bits = rng.next_u64();
    let part = |shift: u32| f64::from(((bits >> shift) & 0xffff) as u16) / 65_536.0;
    (part(0) + part(16) + part(32) + part(48) - 2.0) * 3.0_f64.sqrt()
}

use machine::Weather;
use orchestrator::Limits;
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// A service and its machine during a sweep.
#[derive(Debug, Clone)]
pub struct World {
    service: Service,
    weather: Weather,
    rng: Pcg64,
}

impl World {
    /// Creates a service on a machine; the seed determines all random draws.
    pub fn new(service: Service, machine: Machine, seed: u64) -> Self {
        Self { service, weather: Weather::new(machine), rng: Pcg64::seed_from_u64(seed) }
    }

    /// Starts replicas; `limits_ms` are the objective's latency limits in milliseconds.
    pub fn start(&mut self, replicas: u32, limits: Limits, limits_ms: &[u64]) -> Running {
        Running::start(self.service, &mut self.weather, replicas, limits, limits_ms, &mut self.rng)
    }
}
