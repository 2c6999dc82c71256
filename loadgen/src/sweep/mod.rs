//! The search for the cheapest limits that hold the objective.
//!
//! Pure: given the trials so far, [`next`] says which trial to make next, or the answer. It knows nothing of Docker, clocks or
//! files, so a whole search runs in microseconds on a simulated service, and a journal of trials replays to the same point.
//!
//! How that is written: `strategy` reads as straight code that asks for the trials it needs. A trial that was not made yet
//! ends the asking, through `?`, with its description; the caller makes it and calls [`next`] again, which walks the same
//! path one trial further. There is no state to keep, and none to get wrong.

mod answer;
mod attribution;
mod bisect;
mod estimate;
mod history;
mod ladder;
#[cfg(test)]
mod simulate;
mod strategy;
mod trial;

pub use answer::{Answer, Below, Finding, Minimum, ReplicaAnswer};
pub use attribution::{Binding, attribute};
pub use estimate::seconds_left;
pub use ladder::{Ladder, LadderError, cpu_ladder, memory_ladder};
pub use strategy::next;
pub use trial::{Load, Point, Purpose, StepResult, Trial, TrialSpec, TrialUsage};

use crate::workload::WaitTime;

/// What is searched for, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Users to hold.
    pub max_users: u32,
    /// Users added at a time in a confirmation.
    pub step: u32,
    /// Of every user.
    pub wait_time: WaitTime,
    /// Replica counts to answer for, ascending and without repetition.
    pub replicas: Vec<u32>,
    /// Limits of one replica, in thousandths of a processor.
    pub cpus: Ladder,
    /// Limits of one replica, in bytes.
    pub memory: Ladder,
    /// What all replicas together may have, in thousandths of a processor.
    pub host_cpus: u64,
    /// What all replicas together may have.
    pub host_memory_bytes: u64,
    /// What a GiB of memory costs, with a processor as the unit.
    pub memory_price: f64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make this trial.
    Try(TrialSpec),
    /// There is nothing more to try.
    Done,
}
