//! A window of time and the requests that were due in it.

use std::{collections::BTreeMap, time::Duration};

use super::{FailureKind, Failures, GeneratorLoad, Latencies, Second};

/// Length of the slices that verdicts are computed on. Requests of one 100 ms quota period share
/// its stall, so single requests are not independent samples; slices of several periods nearly are.
pub const SLICE: Duration = Duration::from_millis(500);

/// Request counts of a half-second slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slice {
    /// Requests due in the slice.
    pub requests: u32,
    /// Failed requests, among those due.
    pub failures: u32,
    /// Requests that failed or exceeded each latency limit, in the limits' order.
    pub over: [u32; Window::MAX_LIMITS],
}

/// Counts and latencies of the requests that were due in a window.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Length of the window.
    pub length: Duration,
    /// Users connected or connecting at the window's end.
    pub users: u32,
    /// Requests due in the window, including failed and dropped ones.
    pub requests: u64,
    /// Failures by kind.
    pub failures: BTreeMap<FailureKind, Failures>,
    /// Times from sending to the last byte, of answered requests and of timeouts.
    pub service: Latencies,
    /// Times from the intended start to the last byte, of the same requests.
    pub intended: Latencies,
    /// Generator lateness: from when a request could begin to when it was sent or began to connect.
    pub lag: Latencies,
    /// Times to connect, of connections made for these requests.
    pub connect: Latencies,
    /// Idle connections that the server had closed and that were opened again.
    pub reopened: u64,
    /// Requests sent a second time because a reused connection closed before the answer's first
    /// byte.
    pub resent: u64,
    /// Bytes of the answers.
    pub bytes: u64,
    /// Half-second slices, in order.
    pub slices: Vec<Slice>,
    /// Resources used by the generator; set only in windows of all tasks together.
    pub generator: GeneratorLoad,
}

impl Window {
    /// Largest number of latency limits in an objective.
    pub const MAX_LIMITS: usize = 4;

    /// Returns the number of failed requests.
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|f| f.count).sum()
    }

    /// Returns the requests per second that were answered with 2xx.
    pub fn requests_per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { (self.requests - self.failed()) as f64 / seconds } else { 0.0 }
    }

    /// Returns the window so far from its seconds. They sort requests by the time of their end, not
    /// by the time at which they were due.
    pub fn so_far<'a>(seconds: impl Iterator<Item = &'a Second> + Clone) -> Self {
        let mut window = Self {
            length: Duration::from_secs(seconds.clone().count() as u64),
            generator: GeneratorLoad::of(seconds.clone().map(|second| &second.generator)),
            ..Self::default()
        };
        for second in seconds {
            window.requests += second.requests;
            window.bytes += second.bytes;
            window.service.merge(&second.service);
            window.intended.merge(&second.intended);
            let at = Duration::from_secs(second.index);
            for (&kind, &count) in &second.kinds {
                window.failures.entry(kind).or_default().merge(&Failures {
                    count,
                    first: at,
                    last: at,
                    ..Failures::default()
                });
            }
            window.lag.merge(&second.lag);
            let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            window.slices.push(Slice {
                requests: count(second.requests),
                failures: count(second.failures),
                over: second.over.map(count),
            });
        }
        window
    }

    /// Adds another thread's share of the same window.
    pub fn merge(&mut self, other: &Self) {
        self.length = self.length.max(other.length);
        self.users += other.users;
        self.requests += other.requests;
        for (kind, failures) in &other.failures {
            self.failures.entry(*kind).or_default().merge(failures);
        }
        self.service.merge(&other.service);
        self.intended.merge(&other.intended);
        self.lag.merge(&other.lag);
        self.connect.merge(&other.connect);
        self.reopened += other.reopened;
        self.resent += other.resent;
        self.bytes += other.bytes;
        if self.slices.len() < other.slices.len() {
            self.slices.resize(other.slices.len(), Slice::default());
        }
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.requests += theirs.requests;
            mine.failures += theirs.failures;
            for (a, b) in mine.over.iter_mut().zip(theirs.over) {
                *a += b;
            }
        }
        self.generator.merge(&other.generator);
    }
}
