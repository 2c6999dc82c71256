//! Which resource was the limit of a trial that did not pass.

use serde::{Deserialize, Serialize};

use super::TrialUsage;

/// A resource that can bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The CPU quota: it ran out in many of its periods.
    Cpu,
    /// Memory: the kernel killed for it, or nothing was left of it.
    Memory,
    /// A replica ended by itself.
    Crash,
    /// No limit binds: the application itself.
    Application,
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU quota",
            Self::Memory => "memory",
            Self::Crash => "a replica that ended by itself",
            Self::Application => "none: the application itself",
        })
    }
}

/// Share of periods throttled from which the quota is what binds.
const THROTTLED: f64 = 0.25;
/// Share of the memory limit from which anonymous memory leaves no room for the program's own pages.
const ANON: f64 = 0.85;

/// Names the binding resource from what the kernel counted, with this memory limit.
pub fn attribute(usage: &TrialUsage, memory_limit_bytes: u64) -> Binding {
    if usage.oom_kills > 0 || usage.ended.iter().any(|e| e.contains("memory")) {
        Binding::Memory
    } else if !usage.ended.is_empty() || usage.restarts > 0 {
        Binding::Crash
    } else if usage.anon_bytes as f64 > ANON * memory_limit_bytes as f64 {
        Binding::Memory
    } else if usage.throttled_share > THROTTLED {
        Binding::Cpu
    } else {
        Binding::Application
    }
}
