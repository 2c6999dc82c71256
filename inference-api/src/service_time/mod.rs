//! A synthetic service time, for queueing experiments: every request takes as long as a
//! distribution says.
//!
//! With `sync` a request occupies one of c servers, with one first-come queue for all of them: with
//! exponential times that is an M/M/c. With `async` it occupies none: an M/M/∞. (Kleinrock,
//! Queueing Systems I, chapter 3.)
//!
//! Times are kept by absolute deadlines: a request's service begins when the one before it was due
//! to end and not when somebody noticed that it had ended, so that a late timer delays an answer
//! and never the queue behind it.

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

/// Whether a request occupies a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// It occupies one of the workers until it is done.
    Sync,
    /// It occupies nothing: all that have come are served at once.
    Async,
}

/// The synthetic service of a server; all of its threads share it.
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

/// When a request's service begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// When it came.
    pub came: Instant,
    /// When its service begins.
    pub begins: Instant,
    /// When its service ends.
    pub ends: Instant,
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// So many wait already.
    Full(usize),
    /// At this time it will have waited, or been served, for too long.
    TimesOut(Instant),
}

impl ServiceTime {
    /// A service with so many servers; `seed` makes its times repeatable.
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

    /// What is drawn from.
    pub fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// Takes a request in that came at `now`.
    ///
    /// # Errors
    /// When it is turned away.
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
