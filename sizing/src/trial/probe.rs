//! A probe: limits lowered in one running service, rung by rung, until the objective breaks.
//!
//! It begins under its first limits and goes down the ladder of CPU limits to the first overloaded
//! rung. It returns to one that holds to see the service recover, and lowers memory there until it
//! is short. A demand probe does the first part at each step of users.

mod demand;
#[cfg(test)]
mod tests;

use std::time::Duration;

use loadtest::{
    measure::{Second, Window},
    verdict::ViolationRate,
    workload::StepTimes,
};
use orchestrator::Limits;

use super::{Mode, Point, Settings, Timing, TrialUsage, UsageLog, bottleneck::misses_pages};

/// Violation ratio from which a rung is overloaded: its violation rate as a multiple of what the
/// objective allows. The probe goes no lower, since a worse backlog takes long to work off.
const OVERLOADED: f64 = 2.0;
/// Violation ratio up to which a rung holds clearly, so that the probe may return to it.
const CLEAR: f64 = 0.5;
/// Futility stopping of a rung: its window ends after this many seconds in a row in which more than
/// this share of the requests violates the objective.
const FUTILE_SECONDS: usize = 2;
const FUTILE_SHARE: f64 = 0.5;
/// Smallest number of requests in such a second: with fewer, half may be two.
const FUTILE_REQUESTS: u64 = 20;
/// Smallest share of the planned rate that may be missing if the objective allows none.
const LEAST_SHARE: f64 = 0.01;
/// Longest time for the service to recover.
const RECOVERY: Duration = Duration::from_secs(15);
/// First rung below the first limits, as a multiple of the CPU used under them.
const FIRST_RUNG: f64 = 1.25;
/// Share of its limit below which the tightest percentile allows a step of two rungs.
const EASY: f64 = 0.2;
/// Most memory rungs tried above the program's own memory.
const MEMORY_RUNGS: usize = 3;
/// Smallest quota that the kernel enforces, in thousandths of a processor.
const LEAST_MILLIS: f64 = 10.0;

/// A window under limits that the probe set.
#[derive(Debug, Clone)]
pub(super) struct Probed {
    pub limits: Limits,
    pub users: u32,
    /// Beginning and end of the window, from the start of the load.
    pub from: Duration,
    pub to: Duration,
    pub window: Window,
    pub is_recovery: bool,
    pub is_memory: bool,
    pub refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    First,
    Down,
    Recovery,
    Memory,
    Over,
}

/// State of a probe, which decides the next limits.
#[derive(Debug)]
pub(super) struct Probe {
    settings: Settings,
    point: Point,
    times: Vec<StepTimes>,
    users: Vec<u32>,
    settle: Duration,
    length: Duration,
    phase: Phase,
    step: usize,
    limits: Limits,
    /// Time at which the limits were set.
    since: Duration,
    /// True if a demand probe has found this step's edge: nothing more is measured until the next
    /// step.
    is_step_done: bool,
    seconds: Vec<Second>,
    readings: Vec<Probed>,
}

impl Probe {
    pub(super) fn new(
        settings: &Settings,
        point: Point,
        times: Vec<StepTimes>,
        users: Vec<u32>,
    ) -> Self {
        let (settle, length) = Timing::new(settings.wait_time).probe_rung(settings.mode);
        let since = times
            .first()
            .map_or(Duration::ZERO, |first| first.measured_from)
            .saturating_sub(settle);
        Self {
            settings: settings.clone(),
            point,
            times,
            users,
            settle,
            length,
            phase: Phase::First,
            step: 0,
            limits: point.limits,
            since,
            is_step_done: false,
            seconds: Vec::new(),
            readings: Vec::new(),
        }
    }

    /// Returns the readings so far.
    pub(super) fn readings(&self) -> &[Probed] {
        &self.readings
    }

    /// Returns true if the probe is complete.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Takes the next second; `log` has the replicas' usage. Returns limits to set, if they change.
    pub(super) fn second(&mut self, second: &Second, log: &UsageLog) -> Option<Limits> {
        let at = Duration::from_secs(second.index);
        if self.settings.mode == Mode::Demand
            && let Some(next) = self.times.get(self.step + 1).filter(|next| at >= next.start)
        {
            let since = next.measured_from.saturating_sub(self.settle);
            return self.next_step(at, since);
        }
        if self.is_over() || self.is_step_done || at <= self.since + self.settle {
            return None;
        }
        if self.phase == Phase::Recovery
            && self.seconds.is_empty()
            && !self.has_recovered(second, at)
        {
            return None;
        }
        self.seconds.push(second.totals());
        let is_complete =
            Duration::from_secs(self.seconds.len() as u64) >= self.length || self.is_futile();
        if !is_complete {
            return None;
        }
        self.complete(at, log)
    }

    /// Ends the rung's window and the probe after a replica ended.
    pub(super) fn replica_ended(&mut self, at: Duration) {
        if !self.is_over() && self.phase != Phase::First {
            self.read(at, None);
        }
        self.phase = Phase::Over;
    }

    /// Ends the probe after limits could not be set; in the memory phase, also records them.
    pub(super) fn refused(&mut self, at: Duration, limits: Limits, why: String) {
        if self.phase == Phase::Memory {
            self.limits = limits;
            self.seconds.clear();
            self.read(at, Some(why));
        }
        self.phase = Phase::Over;
    }

    fn complete(&mut self, at: Duration, log: &UsageLog) -> Option<Limits> {
        let from = self.read(at, None);
        let usage = log.window(from, at, 0.0);
        let next = if self.settings.mode == Mode::Demand {
            self.demand_rung(&usage)
        } else {
            self.next_rung(&usage)
        };
        match next {
            Some(limits) => self.set(limits, at),
            None => None,
        }
    }

    /// Records a reading under the current limits; returns the beginning of its window.
    fn read(&mut self, at: Duration, refused: Option<String>) -> Duration {
        let window = Window::so_far(self.seconds.iter());
        let from = at.saturating_sub(window.length);
        self.readings.push(Probed {
            limits: self.limits,
            users: self.users.get(self.step).copied().unwrap_or(0),
            from,
            to: at,
            window,
            is_recovery: self.phase == Phase::Recovery,
            is_memory: self.phase == Phase::Memory,
            refused,
        });
        self.seconds.clear();
        from
    }

    fn set(&mut self, limits: Limits, at: Duration) -> Option<Limits> {
        self.since = at;
        let is_new = limits != self.limits;
        self.limits = limits;
        is_new.then_some(limits)
    }

    fn next_rung(&mut self, usage: &TrialUsage) -> Option<Limits> {
        let ratio = self.last_ratio();
        match self.phase {
            Phase::First if ratio >= 1.0 => self.end(),
            Phase::First => {
                self.phase = Phase::Down;
                let used = usage.cpus_used * 1000.0 / f64::from(self.point.replicas);
                let rung = self.settings.cpus.at_most((used * FIRST_RUNG) as u64).unwrap_or(0);
                self.down_to(rung.min(self.rung().saturating_sub(1)), usage)
            }
            Phase::Down if ratio > OVERLOADED => self.recover(usage),
            Phase::Down => {
                let stride = if self.is_easy() { 2 } else { 1 };
                match self.rung() {
                    0 => self.recover(usage),
                    rung => self.down_to(rung.saturating_sub(stride), usage),
                }
            }
            Phase::Recovery if ratio > CLEAR && self.has_room_above() => self.recover(usage),
            Phase::Recovery => self.first_memory(usage),
            Phase::Memory
                if ratio >= 1.0 || misses_pages(usage, self.here()) || usage.oom_kills > 0 =>
            {
                self.end()
            }
            Phase::Memory => self.less_memory(),
            Phase::Over => None,
        }
    }

    /// Returns true if a higher rung held clearly.
    fn has_room_above(&self) -> bool {
        self.readings
            .iter()
            .any(|probed| self.ratio(probed) <= CLEAR && probed.limits.cpus > self.limits.cpus)
    }

    fn end(&mut self) -> Option<Limits> {
        self.phase = Phase::Over;
        None
    }

    /// Goes down to a rung, unless a fresh start under it would see another number of whole
    /// processors and size its threads differently.
    fn down_to(&mut self, rung: usize, usage: &TrialUsage) -> Option<Limits> {
        let millis = self.settings.cpus.rung(rung);
        let whole = |millis: u64| millis.div_ceil(1000);
        if rung == self.rung() || whole(millis) != whole(self.point.limits.cpus.millis.into()) {
            return self.recover(usage);
        }
        Some(self.with_cpus(millis))
    }

    /// Returns to a rung that holds: first to the one above, if it was skipped, and then to the
    /// lowest that held clearly.
    fn recover(&mut self, usage: &TrialUsage) -> Option<Limits> {
        // A rung that held before the overload but not after it is not tried again.
        let broke = |limits: Limits| {
            self.readings.iter().any(|p| p.limits == limits && self.ratio(p) > CLEAR)
        };
        let holding =
            self.readings.iter().map(|probed| probed.limits).filter(|limits| !broke(*limits));
        let Some(lowest) = holding.min_by_key(|limits| limits.cpus) else { return self.end() };
        if lowest == self.limits {
            return self.first_memory(usage);
        }
        self.phase = Phase::Recovery;
        let above = self.with_cpus(self.settings.cpus.rung(self.rung() + 1));
        let is_new = !self.readings.iter().any(|probed| probed.limits == above);
        Some(if is_new && above.cpus < lowest.cpus { above } else { lowest })
    }

    fn first_memory(&mut self, usage: &TrialUsage) -> Option<Limits> {
        self.phase = Phase::Memory;
        let memory = &self.settings.memory;
        let charged = usage.anon_bytes + usage.file_bytes + usage.sock_bytes;
        let needed = usage.anon_bytes + usage.mapped_file_bytes.unwrap_or(0);
        let first =
            memory.at_least(charged as f64).min(memory.at_least(needed as f64) + MEMORY_RUNGS);
        let bytes = memory.rung(first).min(self.limits.memory_bytes);
        if bytes == self.limits.memory_bytes {
            return self.less_memory();
        }
        Some(Limits { memory_bytes: bytes, ..self.limits })
    }

    fn less_memory(&mut self) -> Option<Limits> {
        let memory = &self.settings.memory;
        match memory.at_most(self.limits.memory_bytes).and_then(|rung| rung.checked_sub(1)) {
            Some(rung) => Some(Limits { memory_bytes: memory.rung(rung), ..self.limits }),
            None => self.end(),
        }
    }

    fn quota(&self) -> f64 {
        f64::from(self.limits.cpus.millis)
    }

    fn with_cpus(&self, millis: u64) -> Limits {
        // Never more than the probe's first limit.
        let most = u64::from(self.point.limits.cpus.millis);
        Limits { cpus: Point::new(1, millis.min(most), 0).limits.cpus, ..self.limits }
    }

    fn here(&self) -> Point {
        Point { limits: self.limits, ..self.point }
    }

    fn rung(&self) -> usize {
        self.settings.cpus.at_most(self.limits.cpus.millis.into()).unwrap_or(0)
    }

    fn last_ratio(&self) -> f64 {
        self.readings.last().map_or(0.0, |probed| self.ratio(probed))
    }

    /// Returns the worst violation rate of a reading as a multiple of what is allowed; infinite
    /// without a request.
    fn ratio(&self, probed: &Probed) -> f64 {
        let (window, objective) = (&probed.window, &self.settings.objective);
        if window.requests == 0 {
            return f64::INFINITY;
        }
        let latency =
            ViolationRate::of(window, objective).into_iter().filter(|rate| rate.over_ms.is_some());
        let failed = window.failed() as f64 / window.requests as f64;
        let failures = objective
            .failures
            .map_or(0.0, |allowed| if failed > allowed { failed / allowed } else { 0.0 });
        let planned = self.settings.wait_time.planned_per_second(probed.users.into());
        let rate = objective.rate.zip(planned).map_or(0.0, |(share, planned)| {
            let missing = 1.0 - window.requests_per_second() / planned;
            if missing > 1.0 - share { missing / (1.0 - share).max(LEAST_SHARE) } else { 0.0 }
        });
        latency.map(|rate| rate.share / rate.allowed).fold(failures.max(rate), f64::max)
    }

    /// Returns true if the last window was far from the objective.
    fn is_easy(&self) -> bool {
        let objective = &self.settings.objective;
        let Some(last) = self.readings.last() else { return false };
        !objective.latency.is_empty()
            && objective.latency.iter().all(|limit| {
                last.window.intended.quantile(limit.quantile).as_secs_f64()
                    < EASY * limit.limit.as_secs_f64()
            })
    }

    fn is_futile(&self) -> bool {
        let bad = |second: &Second| {
            second.requests >= FUTILE_REQUESTS
                && violated(second) as f64 > FUTILE_SHARE * second.requests as f64
        };
        self.phase != Phase::First
            && self.seconds.len() >= FUTILE_SECONDS
            && self.seconds.iter().rev().take(FUTILE_SECONDS).all(bad)
    }

    /// Returns true if a second after the overload meets the objective again, or the time to
    /// recover is over.
    fn has_recovered(&self, second: &Second, at: Duration) -> bool {
        let allowed = self
            .settings
            .objective
            .latency
            .iter()
            .map(|limit| limit.allowed_over())
            .fold(0.05, f64::max);
        let is_well =
            second.requests > 0 && violated(second) as f64 <= allowed * second.requests as f64;
        is_well || at > self.since + self.settle + RECOVERY
    }
}

fn violated(second: &Second) -> u64 {
    second.over.iter().copied().max().unwrap_or(0).max(second.failures)
}

fn millis(cpus: f64) -> u64 {
    cpus.max(LEAST_MILLIS).round() as u64
}
