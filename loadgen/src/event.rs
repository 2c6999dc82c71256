//! The one stream of events that every view reads: terminal, page and files. None measures for
//! itself.

use crate::{
    measure::{Second, Window},
    sweep::{Estimate, Planned, ReplicaAnswer},
    trial::{Reading, Trial},
};

/// What happens in a run or a sweep, as it happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
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
        /// What became of them.
        window: Box<Window>,
    },
    /// A trial of a sweep begins.
    Next {
        /// The trial, why it is the next one, and how long the sweep still takes.
        planned: Planned,
        /// Its number, from 1.
        number: usize,
    },
    /// A running probe has read what happens under the limits that it set.
    Reading(Box<Reading>),
    /// What is known of the edge by now.
    Estimate(Estimate),
    /// A trial is over.
    TrialEnded {
        /// The trial.
        trial: Box<Trial>,
        /// What is known of its replica count with it.
        known: Option<Box<ReplicaAnswer>>,
    },
    /// A line for people.
    Log(String),
}
