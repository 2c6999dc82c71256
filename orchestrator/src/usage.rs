//! What a replica has used, as the kernel counts it.

use serde::{Deserialize, Serialize};

/// Memory charged to a replica's cgroup, split by what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUsage {
    /// Everything charged, now.
    pub current_bytes: u64,
    /// The most that was charged since the start; on a kernel without a peak counter, the most that
    /// was seen.
    pub peak_bytes: u64,
    /// Anonymous memory: heap and stacks.
    pub anon_bytes: u64,
    /// Page cache, mapped files included: charged to whoever touched it first.
    pub file_bytes: u64,
    /// Pages of files that the process which maps most has in memory, whoever they are charged to
    /// (`RssFile` of proc_pid_status(5)); none where its processes cannot be seen.
    pub mapped_file_bytes: Option<u64>,
    /// Socket buffers, where the kernel tells; 0 where it does not.
    pub sock_bytes: u64,
    /// Times that the limit made the kernel take memory back, since the start.
    pub reclaims: u64,
    /// Page faults that had to read a file, since the start. A program whose own pages do not fit
    /// into its limit makes them without end.
    pub major_faults: u64,
}

/// What one replica has used since it was started. All counters only grow, so that two readings can
/// be subtracted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The replica's name.
    pub replica: String,
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// Enforcement periods in which it wanted to run.
    pub periods: u64,
    /// Periods in which it ran into its quota.
    pub throttled_periods: u64,
    /// Time that its threads spent stopped by the quota.
    pub throttled_seconds: f64,
    /// Time in which some of its threads waited for a processor, its quota's stops included
    /// (pressure stall information); none where the kernel does not tell (v1).
    pub cpu_pressure_seconds: Option<f64>,
    /// The same for memory that had to be taken back or read again.
    pub memory_pressure_seconds: Option<f64>,
    /// Memory.
    pub memory: MemoryUsage,
    /// Processes of it that the kernel killed for memory.
    pub oom_kills: u64,
    /// Times it was started again after it had ended.
    pub restarts: u64,
    /// Whether it runs now.
    pub running: bool,
    /// How it ended, when it did: `"exit 1"`, `"signal 9"`, `"out of memory"`.
    pub end: Option<String>,
}

impl Usage {
    /// With what was used before, by a former life of the same replica: counters go on where they
    /// were.
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
