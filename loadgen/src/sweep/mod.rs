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
mod below;
mod bisect;
mod capacity;
mod cheaper;
mod doubt;
mod drift;
mod estimate;
mod frontier;
mod grid;
mod history;
mod ladder;
mod settle;
#[cfg(test)]
mod simulate;
mod strategy;
mod trial;

pub use answer::{Answer, Below, Finding, Minimum, ReplicaAnswer};
pub(crate) use attribution::THROTTLED;
pub use attribution::{Binding, attribute};
pub use below::{passed, ramps, together};
pub use drift::{largest as largest_drift, unevenness};
pub use estimate::seconds_left;
pub use ladder::{Ladder, LadderError, cpu_ladder, memory_ladder};
pub use strategy::next;
pub use trial::{Load, Point, Purpose, StepResult, Trial, TrialSpec, TrialUsage};

use crate::workload::WaitTime;

/// What a sweep is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The smallest limits that hold all users.
    #[default]
    Minimal,
    /// The most users that the largest limits hold.
    Capacity,
    /// The smallest limits, and what less memory costs in CPU.
    Frontier,
    /// Every point, and those near the edge three times.
    Grid,
}

/// What is to be the least, of several answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Cheapest {
    /// What processors and memory cost together, by their prices.
    #[default]
    Cost,
    /// Processors in all.
    Cpu,
    /// Memory in all.
    Memory,
    /// Replicas.
    Replicas,
}

/// What is searched for, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What for.
    pub mode: Mode,
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
    /// What of several answers is the cheapest.
    pub cheapest: Cheapest,
    /// What a processor costs.
    pub cpu_price: f64,
    /// What a GiB of memory costs, in the same unit.
    pub memory_price: f64,
    /// Share of the machine's processor time that a hypervisor may take before a trial is invalid.
    pub most_steal: f64,
    /// Of what users do in every trial: trials with the same load have the same think times.
    pub seed: u64,
}

impl Settings {
    /// The point with a CPU limit so many rungs smaller, where there is one, and the same for memory.
    pub fn rungs_below(&self, point: Point, rungs: usize) -> (Option<Point>, Option<Point>) {
        let (millis, bytes) = (u64::from(point.limits.cpus.millis), point.limits.memory_bytes);
        let below = |ladder: &Ladder, value: u64| Some(ladder.rung(ladder.at_most(value)?.checked_sub(rungs)?));
        let less_cpu = below(&self.cpus, millis).map(|millis| Point::new(point.replicas, millis, bytes));
        let less_memory = below(&self.memory, bytes).map(|bytes| Point::new(point.replicas, millis, bytes));
        (less_cpu, less_memory)
    }

    /// What all replicas of a point cost, in what is to be the least: for money, replicas x (CPU price x processors + memory
    /// price x GiB).
    pub fn cost(&self, point: Point) -> f64 {
        let gib = point.total_memory_bytes() as f64 / (1u64 << 30) as f64;
        match self.cheapest {
            Cheapest::Cost => self.cpu_price * point.total_cpus() + self.memory_price * gib,
            Cheapest::Cpu => point.total_cpus(),
            Cheapest::Memory => gib,
            Cheapest::Replicas => f64::from(point.replicas),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make this trial.
    Try(TrialSpec),
    /// There is nothing more to try.
    Done,
}
