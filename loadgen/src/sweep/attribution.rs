//! Which resource was the limit of a trial that did not pass.

use serde::{Deserialize, Serialize};

use super::{Point, TrialUsage};

/// A resource that can bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The CPU quota: it ran out in many of its periods.
    Cpu,
    /// Memory: the kernel killed for it, or took the program's own pages for want of it.
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
const THROTTLED: f64 = 0.1;
/// Share of the memory limit from which anonymous memory leaves no room for the program's own pages.
const ANON: f64 = 0.85;

/// Page faults that read a file, a second and replica, from which the program's own pages do not fit: in a service that has
/// what it needs there are none once it is warm, and one that lacks a few pages makes hundreds.
const MAJOR_FAULTS_PER_SECOND: f64 = 20.0;

/// Share of the time in which some thread waited for memory from which that is what holds the service up.
const PRESSURE: f64 = 0.25;
/// Share of the processors that the limits allow from which they are used up: at nine tenths a request waits for nine times its
/// service time (M/M/1). Limits of as many processors as there are never throttle, and the kernel's own work for the network is
/// charged to nobody.
const USED_UP: f64 = 0.9;

/// Names the binding resource from what the kernel counted at this point.
pub fn attribute(usage: &TrialUsage, point: Point) -> Binding {
    let memory_limit_bytes = point.limits.memory_bytes as f64;
    let thrashing = usage.major_faults_per_second > MAJOR_FAULTS_PER_SECOND * f64::from(point.replicas)
        || usage.memory_pressure.is_some_and(|share| share > PRESSURE);
    if usage.oom_kills > 0 || usage.ended.iter().any(|e| e.contains("memory")) {
        Binding::Memory
    } else if !usage.ended.is_empty() || usage.restarts > 0 {
        Binding::Crash
    } else if thrashing || usage.anon_bytes as f64 > ANON * memory_limit_bytes {
        Binding::Memory
    } else if usage.throttled_share > THROTTLED || usage.cpus_used > USED_UP * point.total_cpus() {
        Binding::Cpu
    } else {
        Binding::Application
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_binds_is_told_from_what_the_kernel_counted() {
        let point = Point::new(2, 200, 32 << 20);
        let throttled = TrialUsage { throttled_share: 0.9, ..TrialUsage::default() };
        let binding = |usage| attribute(&usage, point);
        assert_eq!(binding(TrialUsage::default()), Binding::Application);
        assert_eq!(binding(throttled.clone()), Binding::Cpu);
        assert_eq!(binding(TrialUsage { cpus_used: 0.37, ..TrialUsage::default() }), Binding::Cpu);
        assert_eq!(binding(TrialUsage { memory_pressure: Some(0.6), ..throttled.clone() }), Binding::Memory);
        assert_eq!(binding(TrialUsage { oom_kills: 1, ..throttled.clone() }), Binding::Memory);
        assert_eq!(binding(TrialUsage { ended: vec!["a: exit 1".to_owned()], ..throttled.clone() }), Binding::Crash);
        assert_eq!(binding(TrialUsage { anon_bytes: 31 << 20, ..throttled.clone() }), Binding::Memory);
        // What reads its own pages again and again also runs out of its quota doing so.
        assert_eq!(binding(TrialUsage { major_faults_per_second: 900.0, ..throttled.clone() }), Binding::Memory);
        assert_eq!(binding(TrialUsage { major_faults_per_second: 3.0, ..throttled }), Binding::Cpu);
    }
}
