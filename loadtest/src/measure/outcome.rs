//! Result of a run: windows by step, by task and by address.

use std::time::Duration;

use super::{ByAddress, Failures, Second, TaskSecond, Window, Words};

/// Result of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Windows of the plan's steps that began; a stopped step has a shorter window.
    pub steps: Vec<Measured>,
    /// All requests, including those of the ramps.
    pub total: Measured,
    /// All requests by target address.
    pub addresses: ByAddress,
    /// The server's response text for the first failure of each kind.
    pub words: Words,
    /// True if the run was stopped before the plan's end.
    pub stopped: bool,
}

/// Requests of a window, in total and by task.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Requests of all tasks.
    pub all: Window,
    /// Requests of each task, in the scenario's order.
    pub tasks: Vec<Window>,
}

impl Measured {
    /// Adds a second of a running test. Times of failures are known to the second only.
    pub fn add(&mut self, second: &Second) {
        self.tasks.resize_with(self.tasks.len().max(second.tasks.len()), Window::default);
        for (window, task) in self.tasks.iter_mut().zip(&second.tasks) {
            add_task(window, task, second.index);
        }
        for task in &second.tasks {
            add_task(&mut self.all, task, second.index);
        }
        for window in self.tasks.iter_mut().chain([&mut self.all]) {
            window.length += Duration::from_secs(1);
        }
        self.all.users = second.users;
        self.all.lag.merge(&second.lag);
    }

    /// Adds a load thread's windows, one for each task.
    pub fn merge(&mut self, tasks: &[Window]) {
        self.tasks.resize_with(self.tasks.len().max(tasks.len()), Window::default);
        for (mine, theirs) in self.tasks.iter_mut().zip(tasks) {
            mine.merge(theirs);
            self.all.merge(theirs);
        }
    }
}

fn add_task(window: &mut Window, task: &TaskSecond, index: u64) {
    window.requests += task.requests;
    window.bytes += task.bytes;
    window.service.merge(&task.service);
    window.intended.merge(&task.intended);
    // The second that ended at `index` began one earlier.
    let (first, last) = (Duration::from_secs(index.saturating_sub(1)), Duration::from_secs(index));
    for (&kind, &count) in &task.kinds {
        let failures = Failures { count, first, last, ..Failures::default() };
        window.failures.entry(kind).or_default().merge(&failures);
    }
}
