//! Events of a run, as it happens.

use loadtest::measure::{Second, Window};

/// An event of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LoadEvent {
    /// A step's ramp began.
    StepStarted {
        /// Index of the step.
        index: usize,
        /// Users at the end of its ramp.
        users: u32,
    },
    /// A second went by.
    Second(Box<Second>),
    /// A step is over and all its requests have ended.
    StepEnded {
        /// Index of the step.
        index: usize,
        /// Its requests.
        window: Box<Window>,
    },
}
