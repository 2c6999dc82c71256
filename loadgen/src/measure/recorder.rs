//! One thread's recorder: no locks, no allocation once a window has seen its first requests.

use std::{collections::BTreeMap, time::Duration};

use super::{FailureKind, Latencies, SLICE, Slice, Window};
use crate::workload::StepTimes;

/// A request that came to its end.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// When it was due; from the start of the plan, like all times here.
    pub due: Duration,
    /// When it was sent, or would have been if the connection had been made.
    pub sent: Duration,
    /// When the last byte came, or it was given up.
    pub end: Duration,
    /// Bytes of the answer.
    pub bytes: u64,
    /// How it failed, if it did.
    pub failure: Option<FailureKind>,
}

/// The last full second, as seen when it ended.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Which, from the start of the plan.
    pub index: u64,
    /// Users started by now.
    pub users: u32,
    /// Requests that ended in it.
    pub requests: u64,
    /// Of these, the failed ones.
    pub failures: u64,
    /// Of these, the ones that failed or were over each limit.
    pub over: [u64; Window::MAX_LIMITS],
    /// Of these, from sending to the last byte.
    pub service: Latencies,
    /// Why they failed.
    pub kinds: BTreeMap<FailureKind, u64>,
    /// Bytes of their answers.
    pub bytes: u64,
    /// The generator's lateness.
    pub lag: Latencies,
    /// CPU seconds used by this thread in it; after merging, by the busiest.
    pub cpu: f64,
    /// Seconds that this thread was ready to run and did not; after merging, of the worst.
    pub run_delay: f64,
}

impl Second {
    /// Adds another thread's share of the same second.
    pub fn merge(&mut self, other: &Self) {
        self.users += other.users;
        self.requests += other.requests;
        self.failures += other.failures;
        for (a, b) in self.over.iter_mut().zip(other.over) {
            *a += b;
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        self.bytes += other.bytes;
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
        self.cpu = self.cpu.max(other.cpu);
        self.run_delay = self.run_delay.max(other.run_delay);
    }
}

/// Sorts finished requests into the windows in which they were due.
#[derive(Debug)]
pub struct Recorder {
    times: Vec<StepTimes>,
    limits: Vec<Duration>,
    steps: Vec<Window>,
    /// Requests begun and not ended, by step: a step's window is complete when it is over and this is 0.
    open: Vec<u64>,
    total: Window,
    second: Second,
}

impl Recorder {
    /// For steps at these times and an objective with these latency limits (at most [`Window::MAX_LIMITS`]).
    pub fn new(times: Vec<StepTimes>, limits: &[Duration]) -> Self {
        let window = |t: &StepTimes| {
            let length = t.end - t.measured_from;
            let slices = length.as_nanos().div_ceil(SLICE.as_nanos()) as usize;
            Window { length, slices: vec![Slice::default(); slices], ..Window::default() }
        };
        Self {
            steps: times.iter().map(window).collect(),
            open: vec![0; times.len()],
            total: Window::default(),
            second: Second::default(),
            limits: limits.iter().copied().take(Window::MAX_LIMITS).collect(),
            times,
        }
    }

    /// A request that was due at `due` is begun, `lag` too late.
    pub fn begun(&mut self, due: Duration, lag: Duration) {
        self.total.requests += 1;
        self.total.lag.record(lag);
        self.second.lag.record(lag);
        if let Some(step) = self.step_of(due) {
            self.open[step] += 1;
            self.steps[step].requests += 1;
            self.steps[step].lag.record(lag);
        }
    }

    /// A connection was made for a request that was due at `due`.
    pub fn connected(&mut self, due: Duration, took: Duration) {
        self.each_window(due, |w| w.connect.record(took));
    }

    /// An idle connection that the server had closed is opened again for a request that was due at `due`.
    pub fn reopened(&mut self, due: Duration) {
        self.each_window(due, |w| w.reopened += 1);
    }

    /// A request is sent once more.
    pub fn resent(&mut self, due: Duration) {
        self.each_window(due, |w| w.resent += 1);
    }

    /// A request that was begun has ended.
    pub fn finished(&mut self, request: &Finished) {
        let Finished { due, sent, end, bytes, failure } = *request;
        let (service, intended) = (end.saturating_sub(sent), end.saturating_sub(due));
        // A failure that comes at once must not make the service look fast; one that made the user wait counts as such.
        let timed = matches!(failure, None | Some(FailureKind::Timeout | FailureKind::Status(_)));
        let over: [bool; Window::MAX_LIMITS] =
            std::array::from_fn(|i| self.limits.get(i).is_some_and(|&limit| failure.is_some() || intended > limit));
        self.second.requests += 1;
        self.second.bytes += bytes;
        if let Some(kind) = failure {
            self.second.failures += 1;
            *self.second.kinds.entry(kind).or_default() += 1;
        }
        self.second.over.iter_mut().zip(over).for_each(|(count, over)| *count += u64::from(over));
        if timed {
            self.second.service.record(service);
        }
        self.each_window(due, |window| {
            window.bytes += bytes;
            if timed {
                window.service.record(service);
                window.intended.record(intended);
            }
            if let Some(kind) = failure {
                *window.failures.entry(kind).or_default() += 1;
            }
        });
        if let Some(step) = self.step_of(due) {
            self.open[step] -= 1;
            let slice = ((due - self.times[step].measured_from).as_nanos() / SLICE.as_nanos()) as usize;
            if let Some(slice) = self.steps[step].slices.get_mut(slice) {
                slice.requests += 1;
                slice.failures += u32::from(failure.is_some());
                slice.over.iter_mut().zip(over).for_each(|(count, over)| *count += u32::from(over));
            }
        }
    }

    /// Whether every request that was due in step `step` has ended.
    pub fn is_complete(&self, step: usize) -> bool {
        self.open[step] == 0
    }

    /// Takes the window of a step out.
    pub fn take_step(&mut self, step: usize) -> Window {
        std::mem::take(&mut self.steps[step])
    }

    /// Takes the window of all requests out.
    pub fn take_total(&mut self) -> Window {
        std::mem::take(&mut self.total)
    }

    /// Ends the second and begins the next.
    pub fn take_second(&mut self, index: u64, users: u32, cpu: f64, run_delay: f64) -> Second {
        let second = std::mem::take(&mut self.second);
        for (times, window) in self.times.iter().zip(&mut self.steps) {
            let at = Duration::from_secs(index);
            if at > times.measured_from && at <= times.end {
                window.users = users;
                window.generator.busiest_core = window.generator.busiest_core.max(cpu);
                window.generator.run_delay = window.generator.run_delay.max(run_delay);
            }
        }
        Second { index, users, cpu, run_delay, ..second }
    }

    fn each_window(&mut self, due: Duration, mut change: impl FnMut(&mut Window)) {
        change(&mut self.total);
        if let Some(step) = self.step_of(due) {
            change(&mut self.steps[step]);
        }
    }

    fn step_of(&self, due: Duration) -> Option<usize> {
        let next = self.times.partition_point(|t| t.measured_from <= due);
        let step = next.checked_sub(1)?;
        (due < self.times[step].end).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn two_steps() -> Recorder {
        let step = |start: u32| StepTimes {
            start: start * MS,
            ramped: (start + 1000) * MS,
            measured_from: (start + 2000) * MS,
            end: (start + 5000) * MS,
        };
        Recorder::new(vec![step(0), step(5000)], &[100 * MS])
    }

    fn request(recorder: &mut Recorder, due: Duration, took: Duration, failure: Option<FailureKind>) {
        recorder.begun(due, Duration::ZERO);
        recorder.finished(&Finished { due, sent: due, end: due + took, bytes: 10, failure });
    }

    #[test]
    fn a_request_belongs_to_the_step_in_which_it_was_due() {
        let mut recorder = two_steps();
        request(&mut recorder, 1500 * MS, MS, None); // while ramping
        request(&mut recorder, 4999 * MS, 3000 * MS, None); // ends in the second step
        request(&mut recorder, 7000 * MS, MS, None);
        let (first, second) = (recorder.take_step(0), recorder.take_step(1));
        assert_eq!((first.requests, second.requests, recorder.take_total().requests), (1, 1, 3));
        assert!(first.intended.quantile(1.0) >= 2990 * MS && second.intended.quantile(1.0) < 2 * MS);
        assert_eq!(first.slices[5].over[0], 1);
        assert_eq!(second.slices.iter().map(|s| s.over[0]).sum::<u32>(), 0);
    }

    #[test]
    fn a_step_is_complete_when_its_last_request_has_ended() {
        let mut recorder = two_steps();
        recorder.begun(3000 * MS, Duration::ZERO);
        assert!(!recorder.is_complete(0) && recorder.is_complete(1));
        let due = 3000 * MS;
        recorder.finished(&Finished { due, sent: due, end: due, bytes: 0, failure: Some(FailureKind::ConnectRefused) });
        assert!(recorder.is_complete(0));
        let window = recorder.take_step(0);
        assert_eq!((window.failed(), window.service.count(), window.slices[2].over[0]), (1, 0, 1));
    }
}
