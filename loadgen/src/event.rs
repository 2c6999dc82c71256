//! The single stream of events that all views read: terminal, page and files. No view measures
//! anything.

use std::sync::mpsc::Sender;

use load_engine::LoadEvent;
use sizing::{
    sweep::{Estimate, Planned, ReplicaAnswer},
    trial::{Reading, Trial},
};

/// An event of a run or a sweep.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Event of the load engine.
    Load(LoadEvent),
    /// A trial of a sweep begins.
    Next {
        /// The trial, its reason, and the remaining time of the sweep.
        planned: Planned,
        /// Number of the trial, from 1.
        number: usize,
    },
    /// Reading of a running probe.
    Reading(Box<Reading>),
    /// Preliminary estimate of the edge.
    Estimate(Estimate),
    /// A trial is over.
    TrialEnded {
        /// The trial.
        trial: Box<Trial>,
        /// Answer for its replica count so far.
        known: Option<Box<ReplicaAnswer>>,
    },
    /// A line of text for people.
    Log(String),
}

impl From<LoadEvent> for Event {
    fn from(event: LoadEvent) -> Self {
        Self::Load(event)
    }
}

/// Returns an observer of the load engine that sends its events to `views`. A closed view does not
/// end the run.
pub fn forward(views: &Sender<Event>) -> impl Fn(LoadEvent) {
    |event| drop(views.send(event.into()))
}
