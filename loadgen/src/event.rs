//! The one stream of events that every view reads: console, page and journal. None measures for itself.

use crate::{
    measure::{Second, Window},
    sweep::{Trial, TrialSpec},
};

/// What happens in a run or a sweep, as it happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A step's ramp began.
    StepStarted {
        /// Which step.
        index: usize,
        /// Users at the end of its ramp.
        users: u32,
    },
    /// A second went by.
    Second(Box<Second>),
    /// A step is over and all its requests have ended.
    StepEnded {
        /// Which step.
        index: usize,
        /// What became of them.
        window: Box<Window>,
    },
    /// A trial of a sweep began.
    TrialStarted {
        /// What is tried.
        spec: TrialSpec,
        /// How many trials there were before.
        number: usize,
        /// About how many seconds the sweep still takes, this trial included.
        seconds_left: u64,
    },
    /// A trial is over.
    TrialEnded(Box<Trial>),
    /// A line for people.
    Log(String),
}
