//! Synthetic service time, for queueing experiments: a distribution sets the time of every request.
//!
//! With `sync`, a request occupies one of c servers behind one first-come queue.
//! With exponential times and Poisson arrivals that is an M/M/c.
//! With `async`, it occupies none: an M/M/∞. (Kleinrock, Queueing Systems I, chapter 3.)
//!
//! Service times use absolute deadlines: a service begins when the previous one was due to end.
//! A late timer therefore delays a response but never the queue behind it.

mod alarm;
mod distribution;
mod station;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rand::SeedableRng;
use rand_pcg::Pcg32;

pub use alarm::Alarm;
pub use distribution::{Distribution, DistributionError};
use station::{Admission, Station};

/// Resource that a request occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// One of the workers, until the request is done.
    Sync,
    /// None: all requests are served at once.
    Async,
}

/// Synthetic service of a server, shared by all threads.
#[derive(Debug)]
pub struct ServiceTime {
    distribution: Distribution,
    timeout: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    station: Station,
    random: Pcg32,
}

/// Times of a request's service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Arrival of the request.
    pub came: Instant,
    /// Begin of its service.
    pub begins: Instant,
    /// End of its service.
    pub ends: Instant,
}

/// Reasons why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// Full queue, with the number of waiting requests.
    Full(usize),
    /// Timeout that expires at this time, before the service would end.
    TimesOut(Instant),
}

impl ServiceTime {
    /// Creates a service with `servers` servers; `seed` makes its times repeatable.
    pub fn new(
        distribution: Distribution,
        mode: Mode,
        servers: usize,
        seed: u64,
        max_queue_size: Option<usize>,
        timeout: Option<Duration>,
    ) -> Self {
        let servers = (mode == Mode::Sync).then_some(servers);
        let state = State {
            station: Station::new(servers, max_queue_size),
            random: Pcg32::seed_from_u64(seed),
        };
        Self { distribution, timeout, state: Mutex::new(state) }
    }

    /// Returns the distribution of the service times.
    pub fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// Admits a request that arrived at `now` and schedules its service.
    ///
    /// # Errors
    /// Returns an error if the queue is full or the request will time out.
    pub fn visit(&self, now: Instant) -> Result<Visit, Turned> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { station, random } = &mut *state;
        let service = self.distribution.draw(random);
        let patience = self.timeout.map(|limit| now + limit);
        match station.admit(now, service, patience) {
            Admission::Full(waiting) => Err(Turned::Full(waiting)),
            Admission::GivesUp(at) => Err(Turned::TimesOut(at)),
            Admission::Served { begins, ends } => Ok(Visit { came: now, begins, ends }),
        }
    }
}
