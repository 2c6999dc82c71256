//! Delays and freezes of a null server.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    str::FromStr,
    time::{Duration, Instant},
};

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

/// Behaviour of a null server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behaviour {
    /// Delay of each request; none for an immediate answer.
    pub delay: Option<Delay>,
    /// Freezes of the whole server.
    pub freeze: Option<Freeze>,
}

/// Delay of a request before its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delay {
    /// Constant delay in seconds, such as `constant(0.005)`.
    Constant(Duration),
    /// Exponentially distributed delay with this rate per second, such as `expovariate(200)`.
    Exponential(Duration),
}

/// Periodic freeze such as `1s/10s`: at the end of every 10 s, nothing is read or written for 1 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// Length of the freeze.
    pub length: Duration,
    /// Period of the freezes.
    pub period: Duration,
}

impl Freeze {
    /// Returns the remaining time of the freeze, if the server is frozen.
    pub(super) fn left(&self, elapsed: Duration) -> Option<Duration> {
        let into =
            Duration::from_nanos((elapsed.as_nanos() % self.period.as_nanos().max(1)) as u64);
        (into >= self.period.saturating_sub(self.length)).then(|| self.period - into)
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?}: write constant(0.005) or expovariate(200)");
        let (name, rest) = text.trim().split_once('(').ok_or_else(wrong)?;
        let number: f64 =
            rest.strip_suffix(')').and_then(|n| n.trim().parse().ok()).ok_or_else(wrong)?;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
        match name {
            "constant" => Ok(Self::Constant(seconds(number)?)),
            "expovariate" => Ok(Self::Exponential(seconds(1.0 / number)?)),
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Freeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let times = text.split_once('/').map(|(length, period)| {
            loadtest::workload::parse_run_time(length)
                .and_then(|l| Ok((l, loadtest::workload::parse_run_time(period)?)))
        });
        match times {
            Some(Ok((length, period))) if length < period => Ok(Self { length, period }),
            _ => Err(format!("{text:?}: write 1s/10s for one second of every ten")),
        }
    }
}

/// Requests waiting for their delay to pass.
pub(super) struct Pending {
    delay: Option<Delay>,
    rng: Pcg64,
    /// Due time, connection, and arrival time of each request.
    heap: BinaryHeap<Reverse<(Instant, usize, Instant)>>,
}

impl Pending {
    pub(super) fn new(behaviour: &Behaviour) -> Self {
        Self { delay: behaviour.delay, rng: Pcg64::seed_from_u64(1), heap: BinaryHeap::new() }
    }

    pub(super) fn is_immediate(&self) -> bool {
        self.delay.is_none()
    }

    pub(super) fn push(&mut self, now: Instant, connection: usize) {
        let wait = match self.delay {
            None => Duration::ZERO,
            Some(Delay::Constant(wait)) => wait,
            Some(Delay::Exponential(mean)) => mean.mul_f64(Exp1.sample(&mut self.rng)),
        };
        self.heap.push(Reverse((now + wait, connection, now)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|next| next.0.0)
    }

    /// Returns a connection with an answer that is due, and the arrival time of its request.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(usize, Instant)> {
        self.heap.peek().filter(|next| next.0.0 <= now)?;
        self.heap.pop().map(|next| (next.0.1, next.0.2))
    }

    pub(super) fn forget(&mut self, connection: usize) {
        self.heap.retain(|pending| pending.0.1 != connection);
    }
}
