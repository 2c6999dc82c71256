//! Record of a completed trial.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use loadtest::{
    measure::{Latencies, Percentiles, Window},
    verdict::{Verdict, ViolationRate},
};
use orchestrator::Limits;
use serde::{Deserialize, Serialize};

use super::{Bottleneck, Growth, TrialSpec, bottleneck::misses_pages};

/// A completed trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Purpose, limits and users of the trial.
    #[serde(flatten)]
    pub spec: TrialSpec,
    /// Steps that were reached, in order.
    pub steps: Vec<StepResult>,
    /// Readings of a probe, in order.
    #[serde(default)]
    pub readings: Vec<Reading>,
    /// Usage of the replicas.
    pub usage: TrialUsage,
    /// Verdict of the whole trial; for a probe, of its first limits.
    pub verdict: Verdict,
    /// Reasons for the verdict.
    pub reasons: Vec<String>,
    /// Bottleneck of a trial that did not pass.
    pub bottleneck: Option<Bottleneck>,
    /// True if the files of the replicas were out of the page cache before the start. Never claimed
    /// without evidence.
    pub cold_start: bool,
    /// Reason why the start was not cold, if it was not.
    pub warm_because: Option<String>,
    /// Reason why the trial ended early, if it did.
    pub stopped_early: Option<String>,
    /// Length of the trial in seconds, including deployment.
    pub wall_seconds: f64,
}

/// A step of a trial in the closed model; its window is the hold without the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Users.
    pub users: u32,
    /// Length of the window.
    pub window_seconds: f64,
    /// Rate that the users plan with their mean think time; none with zero think time.
    pub planned_per_second: Option<f64>,
    /// Requests per second that were answered with 2xx.
    pub requests_per_second: f64,
    /// Requests that were due in the window.
    pub requests: u64,
    /// Requests that failed, among those due.
    pub failures: u64,
    /// Failures by reason.
    pub failed: BTreeMap<String, u64>,
    /// Idle connections that the server had closed and that were opened again.
    pub reopened: u64,
    /// Times from sending to the last byte.
    pub service_ms: Percentiles,
    /// Times from the intended start to the last byte.
    pub intended_ms: Percentiles,
    /// Violation rate of each part of the objective.
    pub violation_rates: Vec<ViolationRate>,
    /// Generator lateness, 99th percentile.
    pub lag_p99_ms: f64,
    /// Largest share of a second that the busiest load thread computed.
    pub generator_busy: f64,
    /// Run-queue delay: share of the window in which a load thread was ready to run and waited for
    /// a processor; none if the kernel does not report it.
    pub generator_run_delay: Option<f64>,
    /// CPU steal: share of the generator's processor time in the window that the hypervisor gave to
    /// others; none if the kernel does not report it.
    pub generator_steal: Option<f64>,
    /// Processors in use by all replicas together in the window; none if they were not read.
    #[serde(default)]
    pub cpus_used: Option<f64>,
    /// Throttling in the window: share of the quota's periods in which it ran out.
    #[serde(default)]
    pub throttled_share: Option<f64>,
    /// Verdict of the step.
    pub verdict: Verdict,
    /// Reasons for the verdict.
    pub reasons: Vec<String>,
    /// Bottleneck of a step that failed.
    pub bottleneck: Option<Bottleneck>,
    /// Complete distributions of the times; left out of `sweep.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<Histograms>,
}

/// A probe's measurement under limits set in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Limits of each replica.
    pub limits: Limits,
    /// Users.
    pub users: u32,
    /// Length of the window.
    pub window_seconds: f64,
    /// Rate that the users plan.
    pub planned_per_second: Option<f64>,
    /// Requests per second that were answered with 2xx.
    pub requests_per_second: f64,
    /// Requests that ended in the window.
    pub requests: u64,
    /// Requests that failed, among those that ended.
    pub failures: u64,
    /// Violation rate of each part of the objective.
    pub violation_rates: Vec<ViolationRate>,
    /// Times from sending to the last byte.
    pub service_ms: Percentiles,
    /// Times from the intended start to the last byte.
    pub intended_ms: Percentiles,
    /// Usage of the replicas in the window.
    pub usage: TrialUsage,
    /// Verdict of this window alone.
    pub verdict: Verdict,
    /// True if these limits were set after lower ones, to see the service recover.
    pub is_recovery: bool,
    /// True if memory was probed, with CPU unchanged.
    pub is_memory: bool,
    /// Reason why the limits could not be set, if they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Complete distributions of the times; left out of `sweep.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<Histograms>,
}

/// Complete distributions in HdrHistogram's compressed V2 encoding and base64; values are
/// microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histograms {
    /// Times from sending to the last byte.
    pub service: String,
    /// Times from the intended start to the last byte.
    pub intended: String,
}

impl Histograms {
    /// Encodes the distributions of a window; `None` for a window without requests.
    pub fn of(window: &Window) -> Option<Self> {
        let encoded = |latencies: &Latencies| {
            let mut bytes = Vec::new();
            V2DeflateSerializer::new().serialize(latencies.histogram(), &mut bytes).ok()?;
            Some(STANDARD.encode(bytes))
        };
        if window.intended.count() == 0 {
            return None;
        }
        Some(Self { service: encoded(&window.service)?, intended: encoded(&window.intended)? })
    }
}

/// Usage of all replicas of a trial: counters over the last step's window, memory of the largest
/// replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialUsage {
    /// CPU seconds per request: D of the utilization law U = X D. For a calibration, at the request
    /// rate of its fastest second.
    pub cpu_seconds_per_request: Option<f64>,
    /// Processors in use by all replicas together.
    pub cpus_used: f64,
    /// Throttling: share of the quota's periods in which it ran out.
    pub throttled_share: f64,
    /// Memory charged to the largest replica before its users came: the cost of an idle replica.
    pub idle_bytes: u64,
    /// Anonymous part of the idle memory.
    pub idle_anon_bytes: Option<u64>,
    /// Largest memory charged to one replica; it includes page cache, so it is at most the limit.
    pub memory_peak_bytes: u64,
    /// Anonymous memory of the largest replica.
    pub anon_bytes: u64,
    /// Page cache of the replica with the most of it.
    pub file_bytes: u64,
    /// Mapped and resident file pages of the replica with the most of them, whichever cgroup is
    /// charged for them: the least that a replica on a fresh machine would be charged. None if its
    /// processes cannot be seen.
    pub mapped_file_bytes: Option<u64>,
    /// Socket buffers of the replica with the most of them; 0 if the kernel does not report them.
    pub sock_bytes: u64,
    /// Reclaims per second that a limit forced, of all replicas.
    pub reclaims_per_second: f64,
    /// CPU pressure: share of the window in which some thread of the most delayed replica waited
    /// for a processor. None if the kernel does not report it (cgroup v1).
    pub cpu_pressure: Option<f64>,
    /// Memory pressure: the same share for waits for memory.
    pub memory_pressure: Option<f64>,
    /// Mean queueing time of a request under load in milliseconds, by the server's own metrics;
    /// none without known metrics.
    pub server_queue_ms: Option<f64>,
    /// Mean inference time of a request under load in milliseconds, by the server's own metrics.
    pub server_inference_ms: Option<f64>,
    /// CPU steal: share of the machine's processor time under load that a hypervisor gave to
    /// others; none if the kernel does not report it.
    pub steal_share: Option<f64>,
    /// Times that the measurement window restarted because CPU steal exceeded `--max-steal`.
    pub steal_restarts: u32,
    /// Major page faults per second of all replicas: pages of the program that the limit did not
    /// keep.
    pub major_faults_per_second: f64,
    /// Growth of memory at the end of the last hold; none if memory was steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_growth: Option<Growth>,
    /// Processes killed for lack of memory.
    pub oom_kills: u64,
    /// Replica restarts.
    pub restarts: u64,
    /// Replicas that ended by themselves, with the way they ended.
    pub ended: Vec<String>,
    /// Replica that was killed on purpose, with the way it ended.
    pub killed: Option<String>,
}

/// Smallest violation ratio of a window that failed, whatever the reason.
const MISSED: f64 = 1.01;
/// Largest share of a limit for anonymous memory: starts differ by some percent.
const TIGHT: f64 = 0.9;

impl Trial {
    /// Returns true if the trial passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// Returns true if the trial did not pass and lacked memory. The kernel killed processes for it
    /// or reclaimed pages that were needed again, or no replica lived to be measured and CPU was
    /// not the reason. Such a trial is evidence about memory, and none about CPU.
    pub fn lacked_memory(&self) -> bool {
        !self.passed()
            && (self.bottleneck == Some(Bottleneck::Memory)
                || self.usage.oom_kills > 0
                || self.missed_pages()
                || self.never_ran() && self.bottleneck != Some(Bottleneck::Cpu))
    }

    /// Returns true if the memory limit is too small: the trial lacked memory, or its anonymous
    /// memory nearly filled the limit, so that another start may lack it.
    pub fn is_short_of_memory(&self) -> bool {
        self.lacked_memory()
            || self.usage.anon_bytes as f64 > TIGHT * self.spec.point.limits.memory_bytes as f64
    }

    /// Returns true if no replica lived to be measured.
    pub fn never_ran(&self) -> bool {
        self.usage.memory_peak_bytes == 0
    }

    /// Returns the users of the last step that passed before one that failed; all users only if the
    /// whole trial passed. An undecided step is no failure, and no proof.
    pub fn held_users(&self) -> u32 {
        let goes_on = |s: &&StepResult| matches!(s.verdict, Verdict::Pass | Verdict::Undecided);
        let is_held = |s: &&StepResult| {
            s.verdict == Verdict::Pass && (s.users < self.spec.users || self.passed())
        };
        self.steps.iter().take_while(goes_on).filter(is_held).last().map_or(0, |s| s.users)
    }

    /// Returns the trial without its complete distributions.
    #[must_use]
    pub fn without_histograms(&self) -> Self {
        let mut trial = self.clone();
        trial.steps.iter_mut().for_each(|step| step.histograms = None);
        trial.readings.iter_mut().for_each(|reading| reading.histograms = None);
        trial
    }

    /// Returns true if pages that the limit had reclaimed were needed again.
    fn missed_pages(&self) -> bool {
        misses_pages(&self.usage, self.spec.point)
    }
}

impl Reading {
    /// Returns the violation rate of the worst part of the objective as a multiple of what is
    /// allowed: above 1 if the window failed, infinite without a request.
    pub fn violation_ratio(&self) -> f64 {
        if self.requests == 0 {
            return f64::INFINITY;
        }
        let least = if self.verdict == Verdict::Fail { MISSED } else { 0.0 };
        self.violation_rates.iter().map(|rate| rate.share / rate.allowed).fold(least, f64::max)
    }

    /// Returns true if memory was short under these limits.
    pub fn lacked_memory(&self, replicas: u32) -> bool {
        let point = super::Point { replicas, limits: self.limits };
        self.refused.is_some() || self.usage.oom_kills > 0 || misses_pages(&self.usage, point)
    }
}
