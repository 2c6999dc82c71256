//! The one stream of events that every view reads: terminal, page and files. None measures for
//! itself.

use std::sync::mpsc::Sender;

use load_engine::LoadEvent;
use sizing::{
    sweep::{Estimate, Planned, ReplicaAnswer},
    trial::{Reading, Trial},
};

/// What happens in a run or a sweep, as it happens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The load engine's.
    Load(LoadEvent),
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

impl From<LoadEvent> for Event {
    fn from(event: LoadEvent) -> Self {
        Self::Load(event)
    }
}

/// Returns an observer of the load engine that sends its events to `views`. A view that has gone
/// away does not end the run.
pub fn forward(views: &Sender<Event>) -> impl Fn(LoadEvent) {
    |event| drop(views.send(event.into()))
}
