//! A window of time and the requests that were due in it.

use std::{collections::BTreeMap, time::Duration};

use super::{FailureKind, Failures, GeneratorLoad, Latencies, Second};

/// Length of the slices that verdicts are computed on. Requests of one 100 ms quota period share
/// its stall, so single requests are no independent samples; slices of several periods nearly are.
pub const SLICE: Duration = Duration::from_millis(500);

/// Counts of a half-second slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slice {
    /// Requests due in it.
    pub requests: u32,
    /// Of these, the ones that failed.
    pub failures: u32,
    /// Of these, the ones that failed or took longer than each latency limit, in the limits' order.
    pub over: [u32; Window::MAX_LIMITS],
}

/// What became of the requests that were due in a window.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Its length.
    pub length: Duration,
    /// Users that were connected, or trying to be, at its end.
    pub users: u32,
    /// Requests that were due in it, whatever became of them.
    pub requests: u64,
    /// How many of them failed, by why.
    pub failures: BTreeMap<FailureKind, Failures>,
    /// From sending to the last byte, of requests that were answered, and of timeouts.
    pub service: Latencies,
    /// From when the request was due to the last byte, of the same requests.
    pub intended: Latencies,
    /// From when a request was due to when it was sent or its connection begun: the generator's own
    /// lateness.
    pub lag: Latencies,
    /// Time to connect, of connections made for these requests.
    pub connect: Latencies,
    /// Connections that the server had closed while idle and that were opened again.
    pub reopened: u64,
    /// Requests sent once more because a used connection was closed before the first byte of the
    /// answer.
    pub resent: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Half-second slices, in order.
    pub slices: Vec<Slice>,
    /// What the generator itself used; of all tasks together only.
    pub generator: GeneratorLoad,
}

impl Window {
    /// How many latency limits an objective may have.
    pub const MAX_LIMITS: usize = 4;

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|f| f.count).sum()
    }

    /// Requests that were answered with 2xx, a second.
    pub fn requests_per_second(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { (self.requests - self.failed()) as f64 / seconds } else { 0.0 }
    }

    /// What is known of a window while it is still open: seconds by when requests ended, not by
    /// when they were due.
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
