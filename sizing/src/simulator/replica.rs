//! One replica: a queue under a quota.

use std::collections::VecDeque;

use orchestrator::{Limits, Usage};

use super::{PERIOD, Service, TICK};

/// Requests completed in a second.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) requests: f64,
    pub(super) failures: f64,
    pub(super) over: Vec<f64>,
    /// Requests by the ticks they took.
    pub(super) ticks: Vec<f64>,
}

/// Longest request time with a bucket of its own, in ticks; longer ones share it.
const LONGEST: usize = 750;

impl Done {
    pub(super) fn new(limits: usize) -> Self {
        Self {
            requests: 0.0,
            failures: 0.0,
            over: vec![0.0; limits],
            ticks: vec![0.0; LONGEST + 1],
        }
    }
}

/// Share of the program's pages without which it cannot run.
const LEAST_PAGES: f64 = 0.35;
/// Page faults that read a file, per second, if none of the wanted pages is in memory.
const FAULTS: f64 = 2000.0;
/// CPU seconds added to a request by missing pages: the fault itself, and the wait in the queue
/// that faults cause.
const FAULT_COST: f64 = 150e-6;
/// Page cache that the program's start leaves beside its own pages.
const STARTED_BYTES: f64 = 25.0 * (1 << 20) as f64;

#[derive(Debug, Clone)]
pub(super) struct Replica {
    service: Service,
    memory: f64,
    limits: Limits,
    /// Ticks since the start, and until the quota's next period.
    age: u32,
    phase: u32,
    /// CPU seconds left in this period's quota.
    left: f64,
    is_stopped: bool,
    was_stopped: bool,
    /// CPU seconds to work off before requests: new connections, resuming.
    debt: f64,
    /// Waiting requests, by the tick in which they came.
    waiting: VecDeque<(u32, f64)>,
    count: f64,
    end: Option<String>,
    usage: Usage,
}

impl Replica {
    pub(super) fn new(service: Service, memory: f64, limits: Limits, phase: u32) -> Self {
        let usage = Usage { running: true, ..Usage::default() };
        Self {
            service,
            memory,
            limits,
            age: 0,
            phase,
            left: 0.0,
            is_stopped: false,
            was_stopped: false,
            debt: 0.0,
            waiting: VecDeque::new(),
            count: 0.0,
            end: None,
            usage,
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.end.is_none()
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(super) fn kill(&mut self, how: &str) {
        self.end.get_or_insert_with(|| how.to_owned());
        self.usage.running = false;
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { end: self.end.clone(), ..self.usage.clone() }
    }

    /// Advances by a tick with `users` users, `new` of them new. Returns the CPU seconds used.
    #[expect(clippy::too_many_arguments, reason = "all that a tick depends on, and nothing else")]
    pub(super) fn tick(
        &mut self,
        users: f64,
        new: f64,
        think: f64,
        slowness: f64,
        core: f64,
        z: f64,
        limits: &[u32],
        done: &mut Done,
    ) -> f64 {
        if !self.runs() {
            return 0.0;
        }
        self.age += 1;
        self.begin_period();
        let tick = TICK.as_secs_f64();
        let mean = ((users - self.count).max(0.0) * tick / think).min(users);
        let arrived = (mean + mean.sqrt() * z).max(0.0);
        if arrived > 0.0 {
            self.waiting.push_back((self.age, arrived));
            self.count += arrived;
        }
        self.debt += new * self.service.connect * slowness;
        let fault_cost = self.hold_memory(users);
        if !self.runs() {
            done.failures += self.count;
            done.requests += self.count;
            return 0.0;
        }
        let allowed = if self.is_stopped { 0.0 } else { self.left.min(core).min(tick) };
        let used = self.serve(allowed, slowness, fault_cost, limits, done);
        self.left -= used;
        self.usage.cpu_seconds += used;
        if self.left <= 1e-9 && (self.count > 0.0 || self.debt > 0.0) && !self.is_stopped {
            self.is_stopped = true;
            self.usage.throttled_periods += 1;
        }
        if self.is_stopped {
            self.usage.throttled_seconds += tick;
        }
        used
    }

    fn begin_period(&mut self) {
        let ticks = PERIOD.div_duration_f64(TICK) as u32;
        if (self.age + self.phase).is_multiple_of(ticks) || self.age == 1 {
            self.left = self.limits.cpus.as_f64() * PERIOD.as_secs_f64();
            self.was_stopped = self.is_stopped;
            self.is_stopped = false;
            self.usage.periods += 1;
            if self.was_stopped {
                self.debt += self.service.resume;
            }
        }
    }

    /// Serves requests first come, first served, with `allowed` CPU seconds. Returns the CPU
    /// seconds used.
    fn serve(
        &mut self,
        allowed: f64,
        slowness: f64,
        fault_cost: f64,
        limits: &[u32],
        done: &mut Done,
    ) -> f64 {
        let mut budget = allowed;
        let paid = self.debt.min(budget);
        self.debt -= paid;
        budget -= paid;
        let Service { alone, busy, half, tail, warm_up, .. } = self.service;
        let age = f64::from(self.age) * TICK.as_secs_f64();
        let warm = 1.0 + (warm_up.0 - 1.0) * (-age / warm_up.1).exp();
        let mean_tail = 1.0 + tail.0 * (tail.1 - 1.0);
        while budget > 1e-12 {
            let Some((came, waiting)) = self.waiting.front_mut() else { break };
            let cost =
                (busy + (alone - busy) / (1.0 + self.count / half)) * warm * mean_tail * slowness
                    + fault_cost;
            let served = (budget / cost).min(*waiting);
            let waited = self.age - *came;
            done.requests += served;
            done.ticks[LONGEST.min(waited as usize)] += served;
            for (over, limit) in done.over.iter_mut().zip(limits) {
                if waited > *limit {
                    *over += served;
                }
            }
            budget -= served * cost;
            self.count = (self.count - served).max(0.0);
            *waiting -= served;
            if *waiting <= 1e-9 {
                self.count = (self.count - *waiting).max(0.0);
                self.waiting.pop_front();
            }
        }
        if self.waiting.is_empty() {
            self.count = 0.0;
        }
        allowed - budget
    }

    /// Updates memory. Returns the CPU seconds that page faults add to a request; kills the replica
    /// if its memory does not fit.
    fn hold_memory(&mut self, users: f64) -> f64 {
        let Service { idle_bytes, connection_bytes, waiting_bytes, program_bytes, .. } =
            self.service;
        let limit = self.limits.memory_bytes as f64;
        let anon =
            (idle_bytes + connection_bytes * users + waiting_bytes * self.count) * self.memory;
        let room = limit - anon;
        let memory = &mut self.usage.memory;
        let files = room.clamp(0.0, program_bytes + STARTED_BYTES);
        memory.anon_bytes = anon as u64;
        memory.file_bytes = files as u64;
        memory.current_bytes = (anon + files) as u64;
        memory.mapped_file_bytes = Some(files.min(program_bytes) as u64);
        memory.peak_bytes =
            memory.peak_bytes.max(memory.current_bytes.min(self.limits.memory_bytes));
        if room < program_bytes * LEAST_PAGES {
            self.usage.oom_kills += 1;
            memory.peak_bytes = self.limits.memory_bytes;
            self.kill("out of memory");
            return 0.0;
        }
        let missing = (1.0 - room / program_bytes).max(0.0);
        if missing > 0.0 {
            // Fractions of a fault are spread over 100 ticks.
            let faults = FAULTS * missing * TICK.as_secs_f64();
            memory.major_faults += faults.floor() as u64
                + u64::from(f64::from(self.age % 100) < faults.fract() * 100.0);
            memory.reclaims += u64::from(self.age.is_multiple_of(10));
        }
        missing * FAULT_COST
    }
}
