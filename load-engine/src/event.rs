//! Events of a running load test.

use loadtest::measure::{Second, Window};

/// An event of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LoadEvent {
    /// A step's ramp began.
    StepStarted {
        /// Index of the step.
        index: usize,
        /// Users at the end of the ramp.
        users: u32,
    },
    /// A second is over.
    Second(Box<Second>),
    /// A step is over and all its requests have ended.
    StepEnded {
        /// Index of the step.
        index: usize,
        /// Requests of the step.
        window: Box<Window>,
    },
}
