//! The bottleneck of a trial that did not pass.

use serde::{Deserialize, Serialize};

use super::{Point, TrialUsage};

/// A resource that can limit a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// The CPU quota: it ran out in many of its periods, or threads waited for a processor nearly
    /// all the time.
    Cpu,
    /// Memory: the kernel killed processes for lack of it, or reclaimed the program's own pages.
    Memory,
    /// A replica ended by itself.
    Crash,
    /// No limit: the application itself is the bottleneck.
    Application,
}

impl std::fmt::Display for Bottleneck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU quota",
            Self::Memory => "memory",
            Self::Crash => "a replica that ended by itself",
            Self::Application => "none: the application itself",
        })
    }
}

/// Share of throttled periods from which the CPU quota is the bottleneck.
pub const THROTTLED: f64 = 0.1;
/// Share of a limit from which it is used up: the kernel charges memory by a few hundred KiB at a
/// time.
pub(super) const FILLED: f64 = 0.97;
/// Share of the memory limit from which anonymous memory leaves no room for the program's own
/// pages.
const ANON: f64 = 0.85;

/// Major page faults per second and replica from which the program's own pages do not fit. A warm
/// service with enough memory has none; one that lacks a few pages has hundreds.
const MAJOR_FAULTS_PER_SECOND: f64 = 20.0;

/// Share of the time in which some thread waited for memory, from which memory is the bottleneck.
const PRESSURE: f64 = 0.25;
/// Reclaims per second and replica from which the limit makes the kernel reclaim memory all the
/// time.
const RECLAIMS_PER_SECOND: f64 = 1.0;
/// Factor on the evidence for memory if the kernel reclaims all the time and nothing else is the
/// bottleneck. An eighth of the requests then meet a thread that waits for memory; the usual limits
/// allow a twentieth to be late.
const RECLAIMING: f64 = 0.5;
/// Share of the allowed processors from which they are used up: at nine tenths a request waits for
/// nine times its service time (M/M/1). Limits of as many processors as the machine has never
/// throttle, and the kernel's own network work is charged to nobody.
const USED_UP: f64 = 0.9;
/// Share of the time in which some thread waited for a processor, from which the processors are
/// used up by anyone. With one processor, two or more requests are present for that share of the
/// time (M/M/1, the square of its utilization).
const WAITED: f64 = USED_UP * USED_UP;

/// Major page faults per second and replica from which pages are missing. A few in a window come
/// from code that runs for the first time.
const SOME_FAULTS_PER_SECOND: f64 = 5.0;

/// Returns true if the limit made the kernel reclaim memory, or is used up. Otherwise missing pages
/// and waits for memory have another cause: another program that reads files, or a machine that is
/// short of memory.
fn is_at_limit(usage: &TrialUsage, point: Point) -> bool {
    usage.reclaims_per_second > 0.0
        || usage.memory_peak_bytes as f64 > FILLED * point.limits.memory_bytes as f64
}

/// Returns true if pages that the kernel had reclaimed were needed again. Reclaiming alone is no
/// sign: requests that wait for the quota push out clean page cache that nobody needs.
pub(super) fn misses_pages(usage: &TrialUsage, point: Point) -> bool {
    is_at_limit(usage, point)
        && usage.major_faults_per_second > SOME_FAULTS_PER_SECOND * f64::from(point.replicas)
}

/// Returns the bottleneck according to the kernel's counters at this point.
pub fn bottleneck(usage: &TrialUsage, point: Point) -> Bottleneck {
    let memory_limit_bytes = point.limits.memory_bytes as f64;
    let replicas = f64::from(point.replicas);
    let is_at_limit = is_at_limit(usage, point);
    let is_thrashing = |part: f64| {
        is_at_limit
            && (usage.major_faults_per_second > part * MAJOR_FAULTS_PER_SECOND * replicas
                || usage.memory_pressure.is_some_and(|share| share > part * PRESSURE))
    };
    let is_reclaiming = usage.reclaims_per_second > RECLAIMS_PER_SECOND * replicas;
    let is_waiting = usage.cpu_pressure.is_some_and(|share| share > WAITED);
    if usage.oom_kills > 0 || usage.ended.iter().any(|e| e.contains("memory")) {
        Bottleneck::Memory
    } else if !usage.ended.is_empty() || usage.restarts > 0 {
        Bottleneck::Crash
    } else if is_thrashing(1.0) || usage.anon_bytes as f64 > ANON * memory_limit_bytes {
        Bottleneck::Memory
    } else if usage.throttled_share > THROTTLED
        || usage.cpus_used > USED_UP * point.total_cpus()
        || is_waiting
    {
        Bottleneck::Cpu
    } else if is_reclaiming && is_thrashing(RECLAIMING) {
        Bottleneck::Memory
    } else {
        Bottleneck::Application
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_binds_is_told_from_what_the_kernel_counted() {
        let point = Point::new(2, 200, 32 << 20);
        let throttled =
            TrialUsage { throttled_share: 0.9, reclaims_per_second: 0.5, ..TrialUsage::default() };
        let named = |usage| bottleneck(&usage, point);
        assert_eq!(named(TrialUsage::default()), Bottleneck::Application);
        assert_eq!(named(throttled.clone()), Bottleneck::Cpu);
        assert_eq!(named(TrialUsage { cpus_used: 0.37, ..TrialUsage::default() }), Bottleneck::Cpu);
        assert_eq!(
            named(TrialUsage { memory_pressure: Some(0.6), ..throttled.clone() }),
            Bottleneck::Memory
        );
        assert_eq!(named(TrialUsage { oom_kills: 1, ..throttled.clone() }), Bottleneck::Memory);
        assert_eq!(
            named(TrialUsage { ended: vec!["a: exit 1".to_owned()], ..throttled.clone() }),
            Bottleneck::Crash
        );
        assert_eq!(
            named(TrialUsage { anon_bytes: 31 << 20, ..throttled.clone() }),
            Bottleneck::Memory
        );
        // A service that reads its own pages again and again also runs out of its quota.
        assert_eq!(
            named(TrialUsage { major_faults_per_second: 900.0, ..throttled.clone() }),
            Bottleneck::Memory
        );
        assert_eq!(
            named(TrialUsage { major_faults_per_second: 3.0, ..throttled }),
            Bottleneck::Cpu
        );
    }

    #[test]
    fn threads_that_wait_for_a_processor_lack_it_without_a_quota_that_runs_out() {
        let waiting = |share| TrialUsage {
            cpu_pressure: Some(share),
            reclaims_per_second: 0.5,
            ..TrialUsage::default()
        };
        let point = Point::new(2, 1000, 64 << 20);
        assert_eq!(bottleneck(&waiting(0.85), point), Bottleneck::Cpu);
        assert_eq!(
            bottleneck(&waiting(0.75), point),
            Bottleneck::Application,
            "as where seven eighths are in use"
        );
        let starved = TrialUsage { memory_pressure: Some(0.3), ..waiting(0.9) };
        assert_eq!(
            bottleneck(&starved, point),
            Bottleneck::Memory,
            "what reads its pages again computes too"
        );
    }

    #[test]
    fn memory_that_is_taken_back_all_along_needs_less_evidence_where_nothing_else_binds() {
        let point = Point::new(2, 1000, 64 << 20);
        let slow = TrialUsage {
            memory_pressure: Some(0.15),
            major_faults_per_second: 15.0,
            ..TrialUsage::default()
        };
        let reclaiming = TrialUsage { reclaims_per_second: 50.0, ..slow.clone() };
        assert_eq!(bottleneck(&slow, point), Bottleneck::Application);
        assert_eq!(bottleneck(&reclaiming, point), Bottleneck::Memory);
        let throttled = TrialUsage { throttled_share: 0.9, ..reclaiming.clone() };
        assert_eq!(
            bottleneck(&throttled, point),
            Bottleneck::Cpu,
            "a thread that is stopped waits for memory longer, too"
        );
        let faults =
            TrialUsage { major_faults_per_second: 25.0, memory_pressure: None, ..reclaiming };
        assert_eq!(bottleneck(&faults, point), Bottleneck::Memory, "more than ten a replica");
        // Endless writes to a file cause endless reclaims that nobody misses.
        let logging = TrialUsage { reclaims_per_second: 500.0, ..TrialUsage::default() };
        assert_eq!(bottleneck(&logging, point), Bottleneck::Application);
    }

    #[test]
    fn what_other_programs_do_to_the_page_cache_is_no_want_of_memory() {
        let point = Point::new(1, 1000, 64 << 20);
        let others = TrialUsage {
            major_faults_per_second: 900.0,
            memory_pressure: Some(0.9),
            memory_peak_bytes: 39 << 20,
            ..TrialUsage::default()
        };
        assert_eq!(
            bottleneck(&others, point),
            Bottleneck::Application,
            "39 of 64 MiB, and nothing was taken back"
        );
        assert!(!misses_pages(&others, point));
        let full = TrialUsage { memory_peak_bytes: 64 << 20, ..others.clone() };
        assert_eq!(bottleneck(&full, point), Bottleneck::Memory);
        let reclaiming = TrialUsage { reclaims_per_second: 2.0, ..others };
        assert_eq!(bottleneck(&reclaiming, point), Bottleneck::Memory);
        assert!(misses_pages(&reclaiming, point));
    }
}
