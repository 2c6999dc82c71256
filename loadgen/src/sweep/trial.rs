//! A trial: what is tried and why, and what came of it.

use std::collections::BTreeMap;

use orchestrator::{Cpus, Limits};
use serde::{Deserialize, Serialize};

use super::{Binding, attribution::misses_pages};
use crate::{
    measure::Percentiles,
    verdict::{Missed, Verdict},
};

/// Replicas and the limits of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// How many.
    pub replicas: u32,
    /// Of each.
    pub limits: Limits,
}

impl Point {
    /// From rungs of the ladders.
    pub fn new(replicas: u32, cpu_millis: u64, memory_bytes: u64) -> Self {
        let cpus = Cpus::from_millis(u32::try_from(cpu_millis).unwrap_or(u32::MAX));
        Self { replicas, limits: Limits { cpus, memory_bytes } }
    }

    /// Of all replicas together, in processors.
    pub fn total_cpus(&self) -> f64 {
        f64::from(self.replicas) * self.limits.cpus.as_f64()
    }

    /// Of all replicas together.
    pub fn total_memory_bytes(&self) -> u64 {
        u64::from(self.replicas) * self.limits.memory_bytes
    }

    /// Whether the other one has at least as much of everything, with as many replicas.
    pub fn is_within(&self, other: Self) -> bool {
        let (mine, theirs) = (self.limits, other.limits);
        self.replicas == other.replicas
            && mine.cpus <= theirs.cpus
            && mine.memory_bytes <= theirs.memory_bytes
            && *self != other
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Limits { cpus, memory_bytes } = self.limits;
        write!(f, "{} x {cpus} CPU, {} MiB", self.replicas, memory_bytes >> 20)
    }
}

/// Why a trial is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Under the largest limits: whether the target can be reached, and what a request costs.
    Calibrate,
    /// To find the smallest limits.
    Search,
    /// To prove an answer: the winner through every step, again and again; one rung below it; the largest limits, where
    /// they do not hold all users.
    Confirm,
    /// The most that all the CPU there is can take. It is made again from time to time, to see whether the machine has changed.
    Reference,
}

/// What users a trial has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// Straight to all users, then a hold.
    Direct,
    /// Through every step.
    Ramp,
    /// A few users without think time: as many requests as go.
    Saturate,
    /// Straight to all users, and one of the replicas is killed while they are held.
    Loss,
}

/// A trial to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrialSpec {
    /// Why.
    pub purpose: Purpose,
    /// Where.
    #[serde(flatten)]
    pub point: Point,
    /// With what.
    pub load: Load,
    /// Users of the last step; with [`Load::Saturate`], which has users of its own, those of the sweep.
    pub users: u32,
}

impl TrialSpec {
    /// Whether the other one is the same, whatever for.
    pub fn is_same(&self, other: &Self) -> bool {
        *self == Self { purpose: self.purpose, ..*other }
    }
}

/// A trial that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was tried.
    #[serde(flatten)]
    pub spec: TrialSpec,
    /// In order; those that were reached.
    pub steps: Vec<StepResult>,
    /// What the replicas used.
    pub usage: TrialUsage,
    /// Of the whole trial.
    pub verdict: Verdict,
    /// Why it is no pass.
    pub reasons: Vec<String>,
    /// What was the limit, where the trial did not pass.
    pub binding_resource: Option<Binding>,
    /// Whether the files that the replicas run from were out of the page cache before the start. Never claimed without
    /// evidence.
    pub cold: bool,
    /// Why not, if not.
    pub warm_because: Option<String>,
    /// Why it was ended before its time, if it was.
    pub stopped_early: Option<String>,
    /// How long it took, deploying included.
    pub wall_seconds: f64,
}

/// A step of a trial. Closed model; the window is the hold without its warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Users.
    pub users: u32,
    /// Length of the window.
    pub window_seconds: f64,
    /// What so many users plan with their mean think time; none with zero think time.
    pub planned_per_second: Option<f64>,
    /// Answered with 2xx.
    pub requests_per_second: f64,
    /// Requests due in the window.
    pub requests: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Why they failed.
    pub failed: BTreeMap<String, u64>,
    /// Connections that the server had closed while idle and that were opened again.
    pub reopened: u64,
    /// From sending to the last byte.
    pub service_ms: Percentiles,
    /// From when the request was due to the last byte.
    pub intended_ms: Percentiles,
    /// Of each part of the objective, the share of requests that missed it: what several trials are judged together by. None in a
    /// journal of before.
    #[serde(default)]
    pub missed: Vec<Missed>,
    /// The generator's own lateness, 99th percentile.
    pub lag_p99_ms: f64,
    /// Share of a second that the busiest load thread computed.
    pub generator_busy: f64,
    /// Share of the window that a load thread was ready to run and waited for a processor; none where the kernel does not
    /// tell, or in a journal of before.
    pub generator_run_delay: Option<f64>,
    /// Share of the generator's processor time in the window that the hypervisor gave to others; none as above.
    pub generator_steal: Option<f64>,
    /// Of the step.
    pub verdict: Verdict,
    /// Why it is no pass.
    pub reasons: Vec<String>,
    /// What was the limit, where the step failed.
    pub binding_resource: Option<Binding>,
}

/// What all replicas of a trial used together; counters over the last step's window, memory the largest of any replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialUsage {
    /// CPU seconds a request: D of the utilization law U = X D. Of a reference, which saturates the service: in its fastest second.
    pub cpu_seconds_per_request: Option<f64>,
    /// Processors in use, all replicas together.
    pub cpus_used: f64,
    /// Share of the quota's periods in which it ran out.
    pub throttled_share: f64,
    /// Memory charged to the largest replica before its users came: what a replica costs that does nothing.
    pub idle_bytes: u64,
    /// Of that, the program's own; none in a journal of before.
    pub idle_anon_bytes: Option<u64>,
    /// The most memory charged to one replica; page cache included, so at most its limit.
    pub memory_peak_bytes: u64,
    /// Anonymous memory of the largest replica.
    pub anon_bytes: u64,
    /// Page cache of the replica that has most of it.
    pub file_bytes: u64,
    /// Pages of files that a replica had mapped and in memory, whoever they are charged to: what a replica on a fresh machine would be
    /// charged at least; of the replica that has most, none where its processes cannot be seen.
    pub mapped_file_bytes: Option<u64>,
    /// Socket buffers of the replica that has most of them; 0 where the kernel does not tell.
    pub sock_bytes: u64,
    /// Times that a limit made the kernel take memory back, of all replicas, a second.
    pub reclaims_per_second: f64,
    /// Share of the window in which some thread waited for a processor, of the replica that waited most; none where the kernel
    /// does not tell (cgroup v1).
    pub cpu_pressure: Option<f64>,
    /// The same for memory.
    pub memory_pressure: Option<f64>,
    /// Mean time that a request waited in the server, in milliseconds, while the load ran, by the server's own metrics; none
    /// where it has none that are known.
    pub server_queue_ms: Option<f64>,
    /// The same for its inference.
    pub server_inference_ms: Option<f64>,
    /// Share of the machine's processor time that a hypervisor gave to others while the load ran; none where the kernel does
    /// not tell.
    pub steal_share: Option<f64>,
    /// Times that the last step's window was begun again, since the hypervisor had taken more by then than is allowed.
    #[serde(default)]
    pub thefts: u32,
    /// Page faults that had to read a file, of all replicas: pages of the program that its limit did not let it keep.
    pub major_faults_per_second: f64,
    /// Processes killed for memory.
    pub oom_kills: u64,
    /// Replicas that were started again.
    pub restarts: u64,
    /// Replicas that ended by themselves, and how.
    pub ended: Vec<String>,
    /// The replica that was killed on purpose ([`Load::Loss`]), and how it ended.
    #[serde(default)]
    pub killed: Option<String>,
}

/// Share of a limit from which it is reached: the kernel charges memory by a few hundred KiB at a time.
const FILLED: f64 = 0.97;

impl Trial {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }

    /// Whether memory was what it lacked: the kernel killed for it or took the program's own pages.
    pub fn was_short_of_memory(&self) -> bool {
        let ended_before = self.never_ran() && self.binding_resource != Some(Binding::Cpu);
        self.binding_resource == Some(Binding::Memory) || self.usage.oom_kills > 0 || ended_before
    }

    /// Whether it tells that memory is not what is short. At the edge of the quota a trial fails now and then with any memory, and one
    /// that never came near its memory limit says nothing about memory.
    pub fn had_memory(&self) -> bool {
        self.passed() || !(self.was_short_of_memory() || self.may_lack_memory())
    }

    /// Whether memory may have been short though something else bound: the kernel reads a program again and again that does not fit, which
    /// takes CPU, and kills nothing. Page cache that filled a limit and was not missed is no such sign: any file that is read fills it.
    pub fn may_lack_memory(&self) -> bool {
        self.never_ran() || self.missed_pages()
    }

    /// Whether a replica had all the memory of its limit, page cache included, and wanted pages again that the kernel had taken.
    pub fn missed_pages(&self) -> bool {
        let is_full = self.usage.memory_peak_bytes as f64 > FILLED * self.spec.point.limits.memory_bytes as f64;
        is_full && misses_pages(&self.usage, self.spec.point)
    }

    /// Whether no replica lived to be measured.
    pub fn never_ran(&self) -> bool {
        self.usage.memory_peak_bytes == 0
    }

    /// Users of the last step that passed before one that failed; of all users only if the whole trial passed. A step that was too
    /// short to decide is no failure, and no proof.
    pub fn held_users(&self) -> u32 {
        let goes_on = |s: &&StepResult| matches!(s.verdict, Verdict::Pass | Verdict::Undecided);
        let is_held = |s: &&StepResult| s.verdict == Verdict::Pass && (s.users < self.spec.users || self.passed());
        self.steps.iter().take_while(goes_on).filter(is_held).last().map_or(0, |s| s.users)
    }
}
