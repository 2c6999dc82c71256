//! A trial that was made.

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

/// A trial that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was tried.
    #[serde(flatten)]
    pub spec: TrialSpec,
    /// Steps that were reached, in order.
    pub steps: Vec<StepResult>,
    /// Readings of a probe, in order.
    #[serde(default)]
    pub readings: Vec<Reading>,
    /// What the replicas used.
    pub usage: TrialUsage,
    /// Verdict of the whole trial; of a probe, of its first limits.
    pub verdict: Verdict,
    /// Reasons why it is no pass.
    pub reasons: Vec<String>,
    /// What limited the service, where the trial did not pass.
    pub bottleneck: Option<Bottleneck>,
    /// Whether the files that the replicas run from were out of the page cache before the start.
    /// Never claimed without evidence.
    pub cold_start: bool,
    /// Reason why not, if not.
    pub warm_because: Option<String>,
    /// Reason why it was ended before its time, if it was.
    pub stopped_early: Option<String>,
    /// Seconds that it took, deploying included.
    pub wall_seconds: f64,
}

/// A step of a trial. Closed model; the window is the hold without its warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Users.
    pub users: u32,
    /// Length of the window.
    pub window_seconds: f64,
    /// Rate that so many users plan with their mean think time; none with zero think time.
    pub planned_per_second: Option<f64>,
    /// Requests that were answered with 2xx, a second.
    pub requests_per_second: f64,
    /// Requests that were due in the window.
    pub requests: u64,
    /// Requests of these that failed.
    pub failures: u64,
    /// Reasons why they failed.
    pub failed: BTreeMap<String, u64>,
    /// Connections that the server had closed while idle and that were opened again.
    pub reopened: u64,
    /// Times from sending to the last byte.
    pub service_ms: Percentiles,
    /// Times from when the request was due to the last byte.
    pub intended_ms: Percentiles,
    /// Violation rate of each part of the objective.
    pub violation_rates: Vec<ViolationRate>,
    /// The generator's own lateness, 99th percentile.
    pub lag_p99_ms: f64,
    /// Share of a second that the busiest load thread computed.
    pub generator_busy: f64,
    /// Share of the window that a load thread was ready to run and waited for a processor; none
    /// where the kernel does not tell.
    pub generator_run_delay: Option<f64>,
    /// Share of the generator's processor time in the window that the hypervisor gave to others;
    /// none as above.
    pub generator_steal: Option<f64>,
    /// Verdict of the step.
    pub verdict: Verdict,
    /// Reasons why it is no pass.
    pub reasons: Vec<String>,
    /// What limited the service, where the step failed.
    pub bottleneck: Option<Bottleneck>,
    /// Whole distributions of the times; left out of `sweep.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<Histograms>,
}

/// What a probe measured under limits that it set in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Limits of each replica.
    pub limits: Limits,
    /// Users.
    pub users: u32,
    /// Length of the window.
    pub window_seconds: f64,
    /// Rate that so many users plan.
    pub planned_per_second: Option<f64>,
    /// Requests that were answered with 2xx, a second.
    pub requests_per_second: f64,
    /// Requests that ended in the window.
    pub requests: u64,
    /// Requests of these that failed.
    pub failures: u64,
    /// Violation rate of each part of the objective.
    pub violation_rates: Vec<ViolationRate>,
    /// Times from sending to the last byte.
    pub service_ms: Percentiles,
    /// Times from when the request was due to the last byte.
    pub intended_ms: Percentiles,
    /// What the replicas used in the window.
    pub usage: TrialUsage,
    /// Verdict of the window by itself.
    pub verdict: Verdict,
    /// Whether these limits were returned to after lower ones, to see the service recover.
    pub is_recovery: bool,
    /// Whether memory was being probed: CPU stayed as it was.
    pub is_memory: bool,
    /// Reason why the limits could not be set, if they could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whole distributions of the times; left out of `sweep.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histograms: Option<Histograms>,
}

/// Whole distributions, in HdrHistogram's compressed V2 encoding and base64; values are
/// microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histograms {
    /// Times from sending to the last byte.
    pub service: String,
    /// Times from when the request was due to the last byte.
    pub intended: String,
}

impl Histograms {
    /// Encodes those of a window; `None` of one without requests.
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

/// What all replicas of a trial used together; counters over the last step's window, memory the
/// largest of any replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialUsage {
    /// CPU seconds of a request: D of the utilization law U = X D. Of a calibration, in its fastest
    /// second.
    pub cpu_seconds_per_request: Option<f64>,
    /// Processors in use, all replicas together.
    pub cpus_used: f64,
    /// Share of the quota's periods in which it ran out.
    pub throttled_share: f64,
    /// Memory charged to the largest replica before its users came: the cost of a replica that does
    /// nothing.
    pub idle_bytes: u64,
    /// Anonymous part of that.
    pub idle_anon_bytes: Option<u64>,
    /// The most memory charged to one replica; page cache included, so at most its limit.
    pub memory_peak_bytes: u64,
    /// Anonymous memory of the largest replica.
    pub anon_bytes: u64,
    /// Page cache of the replica that has most of it.
    pub file_bytes: u64,
    /// Pages of files that a replica had mapped and in memory, whoever they are charged to: the
    /// least that a replica on a fresh machine would be charged; of the replica that has most, none
    /// where its processes cannot be seen.
    pub mapped_file_bytes: Option<u64>,
    /// Socket buffers of the replica that has most of them; 0 where the kernel does not tell.
    pub sock_bytes: u64,
    /// Times that a limit made the kernel take memory back, of all replicas, a second.
    pub reclaims_per_second: f64,
    /// Share of the window in which some thread waited for a processor, of the replica that waited
    /// most; none where the kernel does not tell (cgroup v1).
    pub cpu_pressure: Option<f64>,
    /// The same for memory.
    pub memory_pressure: Option<f64>,
    /// Mean time that a request waited in the server, in milliseconds, while the load ran, by the
    /// server's own metrics; none where it has none that are known.
    pub server_queue_ms: Option<f64>,
    /// The same for its inference.
    pub server_inference_ms: Option<f64>,
    /// Share of the machine's processor time that a hypervisor gave to others while the load ran;
    /// none where the kernel does not tell.
    pub steal_share: Option<f64>,
    /// Times that the measurement window restarted because CPU steal exceeded `--max-steal`.
    pub steal_restarts: u32,
    /// Page faults that had to read a file, of all replicas: pages of the program that its limit
    /// did not let it keep.
    pub major_faults_per_second: f64,
    /// Growth of memory that went on at the end of the last hold; none where memory was steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_growth: Option<Growth>,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// Replicas that were started again.
    pub restarts: u64,
    /// Replicas that ended by themselves, and how.
    pub ended: Vec<String>,
    /// Replica that was killed on purpose, and how it ended.
    pub killed: Option<String>,
}

/// Violation ratio of a window that failed, whatever for.
const MISSED: f64 = 1.01;
/// Share of a limit that anonymous memory may take: starts differ by some percent.
const TIGHT: f64 = 0.9;

impl Trial {
    /// Returns whether it passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// Returns whether it lacked memory: the kernel killed for it, took pages that were wanted
    /// again, or no replica lived to be measured and CPU was not the reason. Such a trial is
    /// evidence about memory, and none about CPU. One that passed had enough.
    pub fn lacked_memory(&self) -> bool {
        !self.passed()
            && (self.bottleneck == Some(Bottleneck::Memory)
                || self.usage.oom_kills > 0
                || self.missed_pages()
                || self.never_ran() && self.bottleneck != Some(Bottleneck::Cpu))
    }

    /// Returns whether its memory limit is too small: it lacked memory, or its anonymous memory
    /// left so little of the limit that another start, which needs a little more, would.
    pub fn is_short_of_memory(&self) -> bool {
        self.lacked_memory()
            || self.usage.anon_bytes as f64 > TIGHT * self.spec.point.limits.memory_bytes as f64
    }

    /// Returns whether no replica lived to be measured.
    pub fn never_ran(&self) -> bool {
        self.usage.memory_peak_bytes == 0
    }

    /// Returns the users of the last step that passed before one that failed; all users only if the
    /// whole trial passed. A step that was too short to decide is no failure, and no proof.
    pub fn held_users(&self) -> u32 {
        let goes_on = |s: &&StepResult| matches!(s.verdict, Verdict::Pass | Verdict::Undecided);
        let is_held = |s: &&StepResult| {
            s.verdict == Verdict::Pass && (s.users < self.spec.users || self.passed())
        };
        self.steps.iter().take_while(goes_on).filter(is_held).last().map_or(0, |s| s.users)
    }

    /// Returns the trial without its whole distributions.
    #[must_use]
    pub fn without_histograms(&self) -> Self {
        let mut trial = self.clone();
        trial.steps.iter_mut().for_each(|step| step.histograms = None);
        trial.readings.iter_mut().for_each(|reading| reading.histograms = None);
        trial
    }

    /// Whether pages were wanted again that the kernel had taken for the limit's sake.
    fn missed_pages(&self) -> bool {
        misses_pages(&self.usage, self.spec.point)
    }
}

impl Reading {
    /// Returns the violation rate of the worst part of the objective as a multiple of what is
    /// allowed: above 1 where the window failed for any part of it, infinite without a request.
    pub fn violation_ratio(&self) -> f64 {
        if self.requests == 0 {
            return f64::INFINITY;
        }
        let least = if self.verdict == Verdict::Fail { MISSED } else { 0.0 };
        self.violation_rates.iter().map(|rate| rate.share / rate.allowed).fold(least, f64::max)
    }

    /// Returns whether memory was short under these limits.
    pub fn lacked_memory(&self, replicas: u32) -> bool {
        let point = super::Point { replicas, limits: self.limits };
        self.refused.is_some() || self.usage.oom_kills > 0 || misses_pages(&self.usage, point)
    }
}
