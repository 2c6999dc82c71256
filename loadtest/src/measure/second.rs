//! A second as it went by: for live views, charts and early ends.

use std::{collections::BTreeMap, time::Duration};

use super::{AddressRequests, ByAddress, FailureKind, GeneratorSecond, Latencies, Window};
use crate::workload::Address;

/// What a server said, by the kind of failure; an empty text where it said nothing.
pub type Words = BTreeMap<FailureKind, String>;

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
    /// What the server said of the first failure of a kind, where it was this one.
    pub words: Words,
    /// Bytes of their answers.
    pub bytes: u64,
    /// The same of each task of the scenario, in its order; empty in seconds that were kept for
    /// their totals.
    pub tasks: Vec<TaskSecond>,
    /// The same of each address; empty in seconds that were kept for their totals.
    pub addresses: ByAddress,
    /// The generator's lateness.
    pub lag: Latencies,
    /// What the generator itself used.
    pub generator: GeneratorSecond,
}

/// A second of one task.
#[derive(Debug, Clone, Default)]
pub struct TaskSecond {
    /// Requests that ended in it.
    pub requests: u64,
    /// Of these, from sending to the last byte.
    pub service: Latencies,
    /// Of these, from when they were due to the last byte.
    pub intended: Latencies,
    /// Why they failed.
    pub kinds: BTreeMap<FailureKind, u64>,
    /// Bytes of their answers.
    pub bytes: u64,
}

/// One thread's share of a second. Totals of its tasks are for another thread to make: this one has
/// requests to begin.
#[derive(Debug, Clone, Default)]
pub struct ThreadSecond {
    /// As in [`Second`].
    pub index: u64,
    /// Of this thread.
    pub users: u32,
    /// Requests that failed or were over each limit.
    pub over: [u64; Window::MAX_LIMITS],
    /// Each task of the scenario, in its order.
    pub tasks: Vec<TaskSecond>,
    /// What the server said of failures that were this thread's first of their kind.
    pub words: Words,
    /// Each address, in the order of its targets.
    pub addresses: Vec<(Address, AddressRequests)>,
    /// This thread's lateness.
    pub lag: Latencies,
    /// What it used.
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

    /// What verdicts look at: a second of a long run without its largest parts.
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

    /// The second without its tasks: what long runs keep.
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
    /// For a scenario of so many tasks.
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

    /// Adds a request that has ended; `times`, service and intended, are none for a failure that
    /// did not take its time.
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

    /// One with nothing in it yet, and with room for what this one has.
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
