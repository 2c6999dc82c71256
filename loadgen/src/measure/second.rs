//! A second as it went by: for live views, charts and early ends.

use std::{collections::BTreeMap, time::Duration};

use super::{FailureKind, Latencies, Window};

/// The last full second, as seen when it ended.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Which, from the start of the plan.
    pub index: u64,
    /// Users started by now.
    pub users: u32,
    /// Requests that ended in it.
    pub requests: u64,
    /// Of these, the failed ones.
    pub failures: u64,
    /// Of these, the ones that failed or were over each limit.
    pub over: [u64; Window::MAX_LIMITS],
    /// Of these, from sending to the last byte.
    pub service: Latencies,
    /// Of these, from when they were due to the last byte.
    pub intended: Latencies,
    /// Why they failed.
    pub kinds: BTreeMap<FailureKind, u64>,
    /// Bytes of their answers.
    pub bytes: u64,
    /// The generator's lateness.
    pub lag: Latencies,
    /// CPU seconds used by this thread in it; after merging, by the busiest.
    pub cpu: f64,
    /// Seconds that this thread was ready to run and did not; after merging, of the worst.
    pub run_delay: f64,
}

impl Second {
    /// Adds another thread's share of the same second.
    pub fn merge(&mut self, other: &Self) {
        self.users += other.users;
        self.requests += other.requests;
        self.failures += other.failures;
        for (a, b) in self.over.iter_mut().zip(other.over) {
            *a += b;
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        self.bytes += other.bytes;
        self.service.merge(&other.service);
        self.intended.merge(&other.intended);
        self.lag.merge(&other.lag);
        self.cpu = self.cpu.max(other.cpu);
        self.run_delay = self.run_delay.max(other.run_delay);
    }

    /// Adds a request that has ended; `times`, service and intended, are none for a failure that did not take its time.
    pub(super) fn finished(
        &mut self,
        times: Option<(Duration, Duration)>,
        bytes: u64,
        failure: Option<FailureKind>,
        over: [bool; Window::MAX_LIMITS],
    ) {
        self.requests += 1;
        self.bytes += bytes;
        if let Some(kind) = failure {
            self.failures += 1;
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.over.iter_mut().zip(over).for_each(|(count, over)| *count += u64::from(over));
        if let Some((service, intended)) = times {
            self.service.record(service);
            self.intended.record(intended);
        }
    }
}
