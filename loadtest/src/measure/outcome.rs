//! Result of a run: windows by step, by task and by address.

use super::{ByAddress, Window, Words};

/// Result of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// One for each step of the plan that began; a step that was stopped has a shorter window.
    pub steps: Vec<Measured>,
    /// All requests, those of the ramps included.
    pub total: Measured,
    /// All requests by the address that they went to.
    pub addresses: ByAddress,
    /// The server's own words for the first failure of each kind.
    pub words: Words,
    /// Stopped before the plan's end.
    pub stopped: bool,
}

/// Requests of a window, all together and by task.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// All tasks.
    pub all: Window,
    /// Each task of the scenario, in its order.
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
