//! Resources used by a load thread, to distinguish a limiting generator from a limiting server.

use std::time::Duration;

use loadtest::measure::GeneratorSecond;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Pins the calling thread to one processor.
pub fn pin_to(core: usize) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Reader of the calling thread's counters, with the previous reading.
#[derive(Debug, Default)]
pub struct ThreadUsage {
    cpu: Duration,
    run_delay: Option<Duration>,
    idle: Duration,
}

impl ThreadUsage {
    /// Excludes the time of a busy poll that found nothing.
    pub fn idle(&mut self, time: Duration) {
        self.idle += time;
    }

    /// Returns the thread's usage since the last call; machine-wide steal is not read here.
    pub fn take(&mut self) -> GeneratorSecond {
        let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(self.cpu, Duration::from);
        let run_delay = std::fs::read_to_string("/proc/thread-self/schedstat")
            .ok()
            .and_then(|text| run_delay(&text));
        let used = cpu.saturating_sub(self.cpu).saturating_sub(std::mem::take(&mut self.idle));
        let waited = run_delay.zip(self.run_delay).map(|(now, before)| now.saturating_sub(before));
        (self.cpu, self.run_delay) = (cpu, run_delay);
        GeneratorSecond {
            cpu: used.as_secs_f64(),
            run_delay: waited.map(|waited| waited.as_secs_f64()),
            steal: None,
        }
    }
}

/// Returns the second field of schedstat (Documentation/scheduler/sched-stats.rst): nanoseconds
/// spent waiting on a runqueue.
fn run_delay(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_field_is_the_time_on_a_run_queue() {
        assert_eq!(run_delay("7381004 1250000000 42\n"), Some(Duration::from_millis(1250)));
        for text in ["", "7381004\n", "7381004 x 42\n", "7381004 -1 42\n"] {
            assert_eq!(run_delay(text), None, "{text:?}");
        }
    }

    #[test]
    fn run_queue_delay_is_told_from_the_second_reading_on() {
        let mut usage = ThreadUsage::default();
        assert_eq!(usage.take().run_delay, None, "there is nothing to compare with");
        let has_schedstat = std::path::Path::new("/proc/thread-self/schedstat").exists();
        assert_eq!(usage.take().run_delay.is_some(), has_schedstat);
    }
}
