//! What the replicas used, from readings taken while a trial ran.

use std::time::Duration;

use orchestrator::Usage;

use crate::sweep::TrialUsage;

/// Readings of all replicas, in time from the start of the load.
#[derive(Debug, Default)]
pub struct Readings(Vec<(Duration, Vec<Usage>)>);

impl Readings {
    /// Adds a reading.
    pub fn add(&mut self, at: Duration, usage: Vec<Usage>) {
        self.0.push((at, usage));
    }

    /// Sums up. Counters are taken over the readings within `from..to`, or over all where that has not two; memory and
    /// endings over all. `requests_per_second` were answered meanwhile.
    pub fn summary(&self, from: Duration, to: Duration, requests_per_second: f64) -> TrialUsage {
        let within: Vec<_> = self.0.iter().filter(|(at, _)| *at >= from && *at <= to).collect();
        let span = match (within.first(), within.last()) {
            (Some(first), Some(last)) if last.0 > first.0 => Some((*first, *last)),
            _ => self.0.first().zip(self.0.last()).filter(|(a, b)| b.0 > a.0),
        };
        let mut usage = TrialUsage::default();
        if let Some((first, last)) = span {
            let seconds = (last.0 - first.0).as_secs_f64();
            let sum = |usages: &[Usage], f: fn(&Usage) -> f64| usages.iter().map(f).sum::<f64>();
            let delta = |f: fn(&Usage) -> f64| (sum(&last.1, f) - sum(&first.1, f)).max(0.0);
            usage.cpus_used = delta(|u| u.cpu_seconds) / seconds;
            usage.major_faults_per_second = delta(|u| u.memory.major_faults as f64) / seconds;
            let periods = delta(|u| u.periods as f64);
            if periods > 0.0 {
                usage.throttled_share = delta(|u| u.throttled_periods as f64) / periods;
            }
            if requests_per_second > 0.0 {
                usage.cpu_seconds_per_request = Some(usage.cpus_used / requests_per_second);
            }
        }
        let all = || self.0.iter().flat_map(|(_, usages)| usages);
        usage.memory_peak_bytes = all().map(|u| u.memory.peak_bytes).max().unwrap_or(0);
        usage.anon_bytes = all().map(|u| u.memory.anon_bytes).max().unwrap_or(0);
        usage.file_bytes = all().map(|u| u.memory.file_bytes).max().unwrap_or(0);
        if let Some((_, last)) = self.0.last() {
            usage.oom_kills = last.iter().map(|u| u.oom_kills).sum();
            usage.restarts = last.iter().map(|u| u.restarts).sum();
            let end = |u: &Usage| u.end.clone().unwrap_or_else(|| "ended".to_owned());
            usage.ended = last.iter().filter(|u| !u.running).map(|u| format!("{}: {}", u.replica, end(u))).collect();
        }
        usage
    }

    /// Whether some replica has ended.
    pub fn some_ended(&self) -> bool {
        self.0.last().is_some_and(|(_, usages)| usages.iter().any(|u| !u.running))
    }
}

#[cfg(test)]
mod tests {
    use orchestrator::MemoryUsage;

    use super::*;

    #[test]
    fn counters_are_taken_over_the_window() {
        let mut readings = Readings::default();
        for second in 0..=10 {
            // One CPU while ramping, a tenth of it in the hold.
            let cpu_seconds = if second <= 5 { f64::from(second) } else { 5.0 + 0.1 * f64::from(second - 5) };
            let periods = u64::from(second as u32) * 10;
            let memory = MemoryUsage { major_faults: u64::from(second as u32) * 3, ..MemoryUsage::default() };
            let throttled_periods = periods / 2;
            let usage = Usage { cpu_seconds, periods, throttled_periods, memory, running: true, ..Usage::default() };
            readings.add(Duration::from_secs(second as u64), vec![usage.clone(), usage]);
        }
        let usage = readings.summary(Duration::from_secs(5), Duration::from_secs(10), 100.0);
        assert!((usage.cpus_used - 0.2).abs() < 1e-9);
        assert!((usage.cpu_seconds_per_request.unwrap() - 0.002).abs() < 1e-9);
        assert!((usage.throttled_share - 0.5).abs() < 1e-9);
        assert!((usage.major_faults_per_second - 6.0).abs() < 1e-9);
        assert!(usage.ended.is_empty() && !readings.some_ended());
    }
}
