//! Resource usage of a replica, as counted by the kernel.

use serde::{Deserialize, Serialize};

/// Memory charged to a replica's cgroup, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUsage {
    /// Total memory charged now.
    pub current_bytes: u64,
    /// Peak of the charged memory since the start; the largest observed value without a counter.
    pub peak_bytes: u64,
    /// Anonymous memory: heap and stacks.
    pub anon_bytes: u64,
    /// Page cache, including mapped files, charged to the group that touched it first.
    pub file_bytes: u64,
    /// Resident file pages of the process that maps most, whichever group they are charged to.
    ///
    /// `RssFile` of proc_pid_status(5); `None` if its processes are not visible.
    pub mapped_file_bytes: Option<u64>,
    /// Socket buffers; 0 if the kernel does not report them.
    pub sock_bytes: u64,
    /// Number of times that the limit made the kernel reclaim memory, since the start.
    pub reclaims: u64,
    /// Page faults that read a file, since the start.
    ///
    /// A program whose own pages do not fit into its limit causes them endlessly.
    pub major_faults: u64,
}

/// Usage of one replica since its start. Counters only grow, so two readings can be subtracted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Name of the replica.
    pub replica: String,
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// Number of enforcement periods in which it wanted to run.
    pub periods: u64,
    /// Number of periods in which it reached its quota.
    pub throttled_periods: u64,
    /// Time for which the quota stopped its threads.
    pub throttled_seconds: f64,
    /// Time in which some of its threads waited for a processor, throttling included.
    ///
    /// Pressure stall information; `None` if the kernel does not report it (v1).
    pub cpu_pressure_seconds: Option<f64>,
    /// Time in which some of its threads waited for memory to be reclaimed or read again.
    pub memory_pressure_seconds: Option<f64>,
    /// Memory usage.
    pub memory: MemoryUsage,
    /// Number of its processes that the kernel killed for memory.
    pub oom_kills: u64,
    /// Number of restarts after it had ended.
    pub restarts: u64,
    /// True if it runs now.
    pub running: bool,
    /// Description of its end, if it has ended: `"exit 1"`, `"signal 9"`, `"out of memory"`.
    pub end: Option<String>,
}

impl Usage {
    /// Adds the usage of a former incarnation of the same replica, so that counters continue.
    pub(crate) fn after(self, before: &Self) -> Self {
        let sum =
            |now: Option<f64>, before: Option<f64>| now.map(|now| now + before.unwrap_or(0.0));
        Self {
            cpu_seconds: self.cpu_seconds + before.cpu_seconds,
            periods: self.periods + before.periods,
            throttled_periods: self.throttled_periods + before.throttled_periods,
            throttled_seconds: self.throttled_seconds + before.throttled_seconds,
            cpu_pressure_seconds: sum(self.cpu_pressure_seconds, before.cpu_pressure_seconds),
            memory_pressure_seconds: sum(
                self.memory_pressure_seconds,
                before.memory_pressure_seconds,
            ),
            memory: MemoryUsage {
                peak_bytes: self.memory.peak_bytes.max(before.memory.peak_bytes),
                reclaims: self.memory.reclaims + before.memory.reclaims,
                major_faults: self.memory.major_faults + before.memory.major_faults,
                ..self.memory
            },
            oom_kills: self.oom_kills + before.oom_kills,
            restarts: self.restarts + before.restarts,
            ..self
        }
    }
}
