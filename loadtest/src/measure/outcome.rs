//! Result of a run: windows by step, by task and by address.

use super::{ByAddress, Window, Words};

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
    /// Adds a load thread's windows, one for each task.
    pub fn merge(&mut self, tasks: &[Window]) {
        self.tasks.resize_with(self.tasks.len().max(tasks.len()), Window::default);
        for (mine, theirs) in self.tasks.iter_mut().zip(tasks) {
            mine.merge(theirs);
            self.all.merge(theirs);
        }
    }
}
