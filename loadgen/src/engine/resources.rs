//! What a load thread itself uses, so that a generator that was the limit is told apart from a server that was.

use std::time::Duration;

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

/// Readings of the calling thread, each since the one before.
#[derive(Debug, Default)]
pub struct ThreadUsage {
    cpu: Duration,
    run_delay: Duration,
    idle: Duration,
}

impl ThreadUsage {
    /// Time that was computed away only to look whether something had come.
    pub fn idle(&mut self, time: Duration) {
        self.idle += time;
    }

    /// CPU seconds used for work, and seconds spent ready to run but not running, since the last call.
    pub fn take(&mut self) -> (f64, f64) {
        let cpu = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(self.cpu, Duration::from);
        let run_delay = run_delay().unwrap_or(self.run_delay);
        let used = (cpu.saturating_sub(self.cpu), run_delay.saturating_sub(self.run_delay));
        (self.cpu, self.run_delay) = (cpu, run_delay);
        let work = used.0.saturating_sub(std::mem::take(&mut self.idle));
        (work.as_secs_f64(), used.1.as_secs_f64())
    }
}

/// The second field of schedstat (Documentation/scheduler/sched-stats.rst): nanoseconds spent waiting on a runqueue.
fn run_delay() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}
