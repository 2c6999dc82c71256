//! Specification of a trial.

use orchestrator::{Cpus, Limits};
use serde::{Deserialize, Serialize};

/// Replicas and the limits of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// Number of replicas.
    pub replicas: u32,
    /// Limits of each replica.
    pub limits: Limits,
}

impl Point {
    /// Creates a point from limits of the ladders.
    pub fn new(replicas: u32, cpu_millis: u64, memory_bytes: u64) -> Self {
        let cpus = Cpus::from_millis(u32::try_from(cpu_millis).unwrap_or(u32::MAX));
        Self { replicas, limits: Limits { cpus, memory_bytes } }
    }

    /// Returns the processors of all replicas together.
    pub fn total_cpus(&self) -> f64 {
        f64::from(self.replicas) * self.limits.cpus.as_f64()
    }

    /// Returns the memory of all replicas together, in bytes.
    pub fn total_memory_bytes(&self) -> u64 {
        u64::from(self.replicas) * self.limits.memory_bytes
    }

    /// Returns true if `other` has the same replicas, limits that are not smaller, and one that is
    /// larger.
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
        write!(f, "{} × {cpus} CPU, {} MiB", self.replicas, memory_bytes >> 20)
    }
}

/// Kind of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A few users without think time under the largest limits, to measure the cost of a request
    /// and the highest request rate.
    Calibrate,
    /// A running service that keeps its users while its limits are lowered in place.
    Probe,
    /// A cold start under fixed limits with all users.
    Fresh,
    /// A cold start under fixed limits with users added step by step.
    Ramp,
    /// A cold start with all users, in which one of the replicas is killed.
    ReplicaFailure,
}

impl Purpose {
    /// Returns the name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calibrate => "calibrate",
            Self::Probe => "probe",
            Self::Fresh => "fresh",
            Self::Ramp => "ramp",
            Self::ReplicaFailure => "replica_failure",
        }
    }

    /// Returns true if the trial ends as soon as its verdict is known.
    pub fn is_judged_early(self) -> bool {
        matches!(self, Self::Fresh | Self::Ramp)
    }
}

/// Specification of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrialSpec {
    /// Kind of the trial.
    pub purpose: Purpose,
    /// Replicas and limits; for a probe, its first limits.
    #[serde(flatten)]
    pub point: Point,
    /// Users of the last step; for a calibration, which has users of its own, those of the sweep.
    pub users: u32,
}
