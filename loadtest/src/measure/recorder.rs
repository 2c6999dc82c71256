//! Recorder of one thread: no locks, and no allocation once a window has seen its first requests.

use std::{collections::BTreeSet, time::Duration};

use super::{AddressRequests, FailureKind, GeneratorSecond, SLICE, Slice, ThreadSecond, Window};
use crate::workload::{Address, StepTimes};

/// A finished request.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// Index of the scenario's task.
    pub task: u16,
    /// Index of the target; none if the request was never sent.
    pub target: Option<usize>,
    /// Slot returned by [`Recorder::begun`].
    pub slot: Slot,
    /// Intended time, from the start of the plan like all times here.
    pub due: Duration,
    /// Time of sending; for a failed connection, the time at which sending would have begun.
    pub sent: Duration,
    /// Time of the last byte, or of giving up.
    pub end: Duration,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Kind of failure, if the request failed.
    pub failure: Option<FailureKind>,
}

/// Place of a request: the step in which it was due, and whether that was inside the step's window
/// or during the ramp and warm-up before it. A request due after all steps belongs to none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    step: u32,
    is_measured: bool,
}

/// Sorts finished requests into the windows in which they were due.
#[derive(Debug)]
pub struct Recorder {
    times: Vec<StepTimes>,
    limits: Vec<Duration>,
    /// Windows by step and task.
    steps: Vec<Vec<Window>>,
    /// Requests begun and not yet ended, by step, including those due in the step's ramp: a request
    /// that they hold up may be due in the window. A window is complete once it is over and this
    /// count is 0.
    open: Vec<u64>,
    /// Requests outside every window and those of windows already taken out, by task.
    rest: Vec<Window>,
    second: ThreadSecond,
    /// Kinds of failure whose response text is already known.
    known_words: BTreeSet<FailureKind>,
    /// Step of the last request, nearly always also that of the next one.
    current: usize,
}

impl Recorder {
    /// Creates a recorder for these step times, a number of tasks, and the objective's latency
    /// limits (at most [`Window::MAX_LIMITS`]).
    pub fn new(times: Vec<StepTimes>, tasks: usize, limits: &[Duration]) -> Self {
        let tasks = tasks.max(1);
        Self {
            steps: times.iter().map(|t| vec![empty_window(t); tasks]).collect(),
            open: vec![0; times.len()],
            rest: vec![Window::default(); tasks],
            second: ThreadSecond::new(tasks),
            known_words: BTreeSet::new(),
            limits: limits.iter().copied().take(Window::MAX_LIMITS).collect(),
            current: 0,
            times,
        }
    }

    /// Replaces the step times by those of an amended plan. Steps that are over stay as they were;
    /// the current one may end earlier, and others follow it.
    pub fn amend(&mut self, times: Vec<StepTimes>) {
        let tasks = self.rest.len();
        for (index, times) in times.iter().enumerate().take(self.steps.len()) {
            let window = empty_window(times);
            if window.length.is_zero() {
                // It is not measured any more: its requests are of none of the windows.
                self.take_step(index);
                continue;
            }
            for mine in &mut self.steps[index] {
                mine.length = window.length;
                mine.slices.resize(window.slices.len(), Slice::default());
            }
        }
        let known = self.steps.len().min(times.len());
        self.steps.truncate(known);
        self.steps.extend(times[known..].iter().map(|t| vec![empty_window(t); tasks]));
        self.open.resize(times.len(), 0);
        self.times = times;
    }

    /// Extends the list of target addresses; `addresses` begins with those of the last call.
    pub fn reach(&mut self, addresses: impl Iterator<Item = Address>) {
        let known = self.second.addresses.len();
        self.second
            .addresses
            .extend(addresses.skip(known).map(|address| (address, AddressRequests::default())));
    }

    /// Records that a request due at `due` begins, or waits for the user's previous one to end.
    pub fn begun(&mut self, task: u16, due: Duration) -> Slot {
        let slot = self.slot_of(due);
        if let Some(open) = self.open.get_mut(slot.step as usize) {
            *open += 1;
        }
        self.window(slot, task).requests += 1;
        slot
    }

    /// Records that the generator began a request `lag` later than it could have.
    pub fn late(&mut self, task: u16, slot: Slot, lag: Duration) {
        self.second.lag.record(lag);
        self.window(slot, task).lag.record(lag);
    }

    /// Records the time taken to connect for a request.
    pub fn connected(&mut self, task: u16, slot: Slot, took: Duration) {
        self.window(slot, task).connect.record(took);
    }

    /// Counts an idle connection that the server had closed and that is opened again for a request.
    pub fn reopened(&mut self, task: u16, slot: Slot) {
        self.window(slot, task).reopened += 1;
    }

    /// Counts a request that is sent a second time.
    pub fn resent(&mut self, task: u16, slot: Slot) {
        self.window(slot, task).resent += 1;
    }

    /// Keeps the server's response text for the first failure of each kind.
    pub fn words(&mut self, kind: FailureKind, words: impl FnOnce() -> String) {
        if !self.known_words.contains(&kind) {
            self.known_words.insert(kind);
            self.second.words.insert(kind, words());
        }
    }

    /// Records the end of a request that was begun.
    pub fn finished(&mut self, request: &Finished) {
        let Finished { task, target, slot, due, sent, end, bytes, failure } = *request;
        let (service, intended) = (end.saturating_sub(sent), end.saturating_sub(due));
        // An instant failure must not make the service look fast; one after a wait counts as a
        // latency.
        let timed = failure.is_none_or(FailureKind::took_its_time);
        let over: [bool; Window::MAX_LIMITS] = std::array::from_fn(|i| {
            self.limits.get(i).is_some_and(|&limit| failure.is_some() || intended > limit)
        });
        self.second.finished(task, timed.then_some((service, intended)), bytes, failure, over);
        if let Some(target) = target {
            self.second.reached(target, timed.then_some(service), failure.is_some());
        }
        let window = self.window(slot, task);
        window.bytes += bytes;
        if timed {
            window.service.record(service);
            window.intended.record(intended);
        }
        if let Some(kind) = failure {
            window.failures.entry(kind).or_default().add(end, service);
        }
        let step = slot.step as usize;
        if let Some(open) = self.open.get_mut(step) {
            *open -= 1;
        }
        if slot.is_measured {
            // An amendment may have moved the window's beginning behind this request.
            let since = due.checked_sub(self.times[step].measured_from);
            let slice = since.map(|since| (since.as_nanos() / SLICE.as_nanos()) as usize);
            // Slices count all tasks together; the first task's window holds them.
            if let Some(slice) = slice
                && let Some(slice) =
                    self.steps[step].first_mut().and_then(|w| w.slices.get_mut(slice))
            {
                slice.requests += 1;
                slice.failures += u32::from(failure.is_some());
                slice.over.iter_mut().zip(over).for_each(|(count, over)| *count += u32::from(over));
            }
        }
    }

    /// Returns true if every request that was due in step `step` and was begun has ended.
    pub fn is_complete(&self, step: usize) -> bool {
        self.open[step] == 0
    }

    /// Takes out the windows of a step, one for each task. Its slices, which count all tasks, are
    /// in the first window.
    pub fn take_step(&mut self, step: usize) -> Vec<Window> {
        let windows = std::mem::take(&mut self.steps[step]);
        for (rest, window) in self.rest.iter_mut().zip(&windows) {
            rest.merge(window);
        }
        windows
    }

    /// Takes out the windows of all requests, one for each task: those of every step, and those due
    /// outside the steps' windows.
    pub fn take_total(&mut self) -> Vec<Window> {
        for step in 0..self.steps.len() {
            self.take_step(step);
        }
        std::mem::take(&mut self.rest)
    }

    /// Ends the current second and begins the next.
    pub fn take_second(
        &mut self,
        index: u64,
        users: u32,
        generator: GeneratorSecond,
    ) -> ThreadSecond {
        let next = self.second.emptied();
        let second = std::mem::replace(&mut self.second, next);
        let at = Duration::from_secs(index);
        for (times, windows) in self.times.iter().zip(&mut self.steps) {
            if let Some(window) = windows.first_mut()
                && at > times.measured_from
                && at <= times.end
            {
                window.users = users;
            }
        }
        ThreadSecond { index, users, generator, ..second }
    }

    fn window(&mut self, slot: Slot, task: u16) -> &mut Window {
        let windows = match slot {
            // Requests of a window that was already taken out count in `rest`, so that none is
            // lost.
            Slot { step, is_measured: true } if !self.steps[step as usize].is_empty() => {
                &mut self.steps[step as usize]
            }
            _ => &mut self.rest,
        };
        &mut windows[usize::from(task)]
    }

    fn slot_of(&mut self, due: Duration) -> Slot {
        if !self.times.get(self.current).is_some_and(|t| (t.start..t.end).contains(&due)) {
            self.current = self.times.partition_point(|t| t.end <= due);
        }
        let is_measured = self.times.get(self.current).is_some_and(|t| t.measured_from <= due);
        Slot { step: u32::try_from(self.current).unwrap_or(u32::MAX), is_measured }
    }
}

fn empty_window(times: &StepTimes) -> Window {
    let length = times.end - times.measured_from;
    let slices = length.as_nanos().div_ceil(SLICE.as_nanos()) as usize;
    Window { length, slices: vec![Slice::default(); slices], ..Window::default() }
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
        Recorder::new(vec![step(0), step(5000)], 2, &[100 * MS])
    }

    fn request(
        recorder: &mut Recorder,
        task: u16,
        due: Duration,
        took: Duration,
        failure: Option<FailureKind>,
    ) {
        let slot = recorder.begun(task, due);
        recorder.finished(&Finished {
            task,
            target: None,
            slot,
            due,
            sent: due,
            end: due + took,
            bytes: 10,
            failure,
        });
    }

    #[test]
    fn a_request_belongs_to_the_step_in_which_it_was_due() {
        let mut recorder = two_steps();
        request(&mut recorder, 0, 1500 * MS, MS, None); // while ramping
        request(&mut recorder, 0, 4999 * MS, 3000 * MS, None); // ends in the second step
        request(&mut recorder, 1, 7000 * MS, MS, None);
        let (first, second) = (recorder.take_step(0), recorder.take_step(1));
        assert_eq!((first[0].requests, second[0].requests, second[1].requests), (1, 0, 1));
        let total = recorder.take_total();
        assert_eq!((total[0].requests, total[1].requests), (2, 1));
        assert!(
            first[0].intended.quantile(1.0) >= 2990 * MS
                && second[1].intended.quantile(1.0) < 2 * MS
        );
        assert_eq!(first[0].slices[5].over[0], 1);
        assert_eq!(second[0].slices[0].requests, 1, "slices are of all tasks");
        assert_eq!(second[0].slices.iter().map(|s| s.over[0]).sum::<u32>(), 0);
    }

    #[test]
    fn a_step_is_complete_when_its_last_request_has_ended() {
        let mut recorder = two_steps();
        let due = 3000 * MS;
        let slot = recorder.begun(0, due);
        assert!(!recorder.is_complete(0) && recorder.is_complete(1));
        let failure = Some(FailureKind::ConnectRefused);
        recorder.finished(&Finished {
            task: 0,
            target: None,
            slot,
            due,
            sent: due,
            end: due,
            bytes: 0,
            failure,
        });
        assert!(recorder.is_complete(0));
        let window = recorder.take_step(0).remove(0);
        assert_eq!((window.failed(), window.service.count(), window.slices[2].over[0]), (1, 0, 1));
    }
}
