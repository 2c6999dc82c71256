//! One second of load: for live views, charts and early ends.

use std::{collections::BTreeMap, time::Duration};

use super::{AddressRequests, ByAddress, FailureKind, GeneratorSecond, Latencies, Window};
use crate::workload::Address;

/// Server response texts by kind of failure; empty where the server sent none.
pub type Words = BTreeMap<FailureKind, String>;

/// The last full second, as known when it ended.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Number of the second, from the start of the plan.
    pub index: u64,
    /// Users present in this second.
    pub users: u32,
    /// Requests that ended in this second.
    pub requests: u64,
    /// Failed requests, among those that ended.
    pub failures: u64,
    /// Requests that failed or exceeded each latency limit, among those that ended.
    pub over: [u64; Window::MAX_LIMITS],
    /// Service times, from sending to the last byte.
    pub service: Latencies,
    /// Times from the intended start to the last byte.
    pub intended: Latencies,
    /// Failures by kind.
    pub kinds: BTreeMap<FailureKind, u64>,
    /// Server response text for the first failure of a kind, if it happened in this second.
    pub words: Words,
    /// Bytes of the answers.
    pub bytes: u64,
    /// Figures of each task, in the scenario's order; empty in seconds reduced to totals.
    pub tasks: Vec<TaskSecond>,
    /// Figures of each address; empty in seconds reduced to totals.
    pub addresses: ByAddress,
    /// Generator lateness.
    pub lag: Latencies,
    /// Resources used by the generator.
    pub generator: GeneratorSecond,
}

/// One second of one task.
#[derive(Debug, Clone, Default)]
pub struct TaskSecond {
    /// Requests that ended in this second.
    pub requests: u64,
    /// Service times, from sending to the last byte.
    pub service: Latencies,
    /// Times from the intended start to the last byte.
    pub intended: Latencies,
    /// Failures by kind.
    pub kinds: BTreeMap<FailureKind, u64>,
    /// Bytes of the answers.
    pub bytes: u64,
}

/// One thread's share of a second. Another thread sums up the tasks, because this one has requests
/// to begin.
#[derive(Debug, Clone, Default)]
pub struct ThreadSecond {
    /// Number of the second, as in [`Second`].
    pub index: u64,
    /// Users of this thread.
    pub users: u32,
    /// Requests that failed or exceeded each latency limit.
    pub over: [u64; Window::MAX_LIMITS],
    /// Figures of each task, in the scenario's order.
    pub tasks: Vec<TaskSecond>,
    /// Server response texts for this thread's first failure of each kind.
    pub words: Words,
    /// Figures of each address, in the order of the targets.
    pub addresses: Vec<(Address, AddressRequests)>,
    /// Lateness of this thread.
    pub lag: Latencies,
    /// Resources used by this thread.
    pub generator: GeneratorSecond,
}

impl Second {
    /// Adds a thread's share of the same second.
    pub fn add(&mut self, share: &ThreadSecond) {
        self.users += share.users;
        add_each(&mut self.over, share.over);
        self.tasks.resize_with(self.tasks.len().max(share.tasks.len()), TaskSecond::default);
        for (mine, theirs) in self.tasks.iter_mut().zip(&share.tasks) {
            mine.merge(theirs);
            self.requests += theirs.requests;
            self.failures += theirs.kinds.values().sum::<u64>();
            add_kinds(&mut self.kinds, &theirs.kinds);
            self.bytes += theirs.bytes;
            self.service.merge(&theirs.service);
            self.intended.merge(&theirs.intended);
        }
        for (address, theirs) in &share.addresses {
            self.addresses.entry(*address).or_default().merge(theirs);
        }
        for (kind, words) in &share.words {
            self.words.entry(*kind).or_insert_with(|| words.clone());
        }
        self.lag.merge(&share.lag);
        self.generator.merge(&share.generator);
    }

    /// Adds the totals of a later second.
    pub fn merge(&mut self, other: &Self) {
        self.users += other.users;
        self.requests += other.requests;
        self.failures += other.failures;
        add_each(&mut self.over, other.over);
        add_kinds(&mut self.kinds, &other.kinds);
        self.bytes += other.bytes;
        self.service.merge(&other.service);
        self.intended.merge(&other.intended);
        self.lag.merge(&other.lag);
        self.generator.merge(&other.generator);
    }

    /// Returns the counts that verdicts need, without latencies, tasks, addresses and texts.
    pub fn counts(&self) -> Self {
        Self {
            service: Latencies::default(),
            intended: Latencies::default(),
            kinds: self.kinds.clone(),
            lag: self.lag.clone(),
            words: Words::new(),
            tasks: Vec::new(),
            addresses: ByAddress::new(),
            ..*self
        }
    }

    /// Returns the second without its addresses and texts.
    pub fn with_tasks(&self) -> Self {
        Self { tasks: self.tasks.clone(), ..self.totals() }
    }

    /// Returns the second without its tasks, addresses and texts, as long runs keep it.
    pub fn totals(&self) -> Self {
        Self { service: self.service.clone(), intended: self.intended.clone(), ..self.counts() }
    }
}

impl TaskSecond {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        add_kinds(&mut self.kinds, &other.kinds);
        self.bytes += other.bytes;
        self.service.merge(&other.service);
        self.intended.merge(&other.intended);
    }
}

impl ThreadSecond {
    /// Creates an empty second for a number of tasks.
    pub(super) fn new(tasks: usize) -> Self {
        Self { tasks: vec![TaskSecond::default(); tasks], ..Self::default() }
    }

    /// Adds a request that was sent to target `target`, if that address is known.
    pub(super) fn reached(&mut self, target: usize, service: Option<Duration>, has_failed: bool) {
        let Some((_, address)) = self.addresses.get_mut(target) else { return };
        address.requests += 1;
        address.failures += u64::from(has_failed);
        if let Some(service) = service {
            address.service.record(service);
        }
    }

    /// Adds a request that has ended. `times` holds the service and intended times; it is `None`
    /// for a failure that made no user wait.
    pub(super) fn finished(
        &mut self,
        task: u16,
        times: Option<(Duration, Duration)>,
        bytes: u64,
        failure: Option<FailureKind>,
        over: [bool; Window::MAX_LIMITS],
    ) {
        add_each(&mut self.over, over.map(u64::from));
        let task = &mut self.tasks[usize::from(task)];
        task.requests += 1;
        task.bytes += bytes;
        if let Some(kind) = failure {
            *task.kinds.entry(kind).or_default() += 1;
        }
        if let Some((service, intended)) = times {
            task.service.record(service);
            task.intended.record(intended);
        }
    }

    /// Returns an empty second whose histograms are sized for the values seen here.
    pub(super) fn emptied(&self) -> Self {
        let task = |task: &TaskSecond| TaskSecond {
            service: task.service.emptied(),
            intended: task.intended.emptied(),
            ..TaskSecond::default()
        };
        let address =
            |(address, requests): &(Address, AddressRequests)| (*address, requests.emptied());
        Self {
            tasks: self.tasks.iter().map(task).collect(),
            addresses: self.addresses.iter().map(address).collect(),
            lag: self.lag.emptied(),
            ..Self::default()
        }
    }
}

fn add_each<const N: usize>(to: &mut [u64; N], counts: [u64; N]) {
    to.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

fn add_kinds(to: &mut BTreeMap<FailureKind, u64>, kinds: &BTreeMap<FailureKind, u64>) {
    for (kind, count) in kinds {
        *to.entry(*kind).or_default() += count;
    }
}
