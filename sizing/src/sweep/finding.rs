//! Findings of the search for one replica count.

use loadtest::verdict::Verdict;
use orchestrator::Cpus;
use serde::Serialize;

use crate::trial::{Growth, Point, Purpose, Trial};

/// Answer for one replica count.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaAnswer {
    /// Number of replicas.
    pub replicas: u32,
    /// Finding of the search.
    pub finding: Finding,
    /// Minimum with headroom, if headroom is set and confirmed.
    pub recommended: Option<Point>,
    /// Purpose of the next trial for a confirmed minimum: replica failure or headroom; none if
    /// complete.
    pub remaining: Option<Purpose>,
    /// Estimate of the edge.
    pub estimate: Option<Estimate>,
    /// All CPU limits that the replicas can have, ascending.
    pub rungs: Vec<RungAnswer>,
}

/// Evidence about one CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RungAnswer {
    /// CPU limit of each replica.
    pub cpus: Cpus,
    /// Probability that a fresh start holds the objective.
    pub p_hold: f64,
    /// Fresh trials and ramps that passed.
    pub passed: usize,
    /// Fresh trials and ramps that did not pass and did not lack memory.
    pub failed: usize,
}

/// The edge of the usual start: the CPU limit with which it just holds the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Number of replicas.
    pub replicas: u32,
    /// Median of the posterior, in processors.
    pub cpus: f64,
    /// The 5% and 95% quantiles, in processors.
    pub interval: [f64; 2],
}

/// Finding for a replica count.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The smallest limits that hold the objective, with all the evidence that an answer needs.
    Minimum(Minimum),
    /// Limits with all the evidence that an answer needs, under which memory still grows at the end
    /// of a hold: no memory limit lasts.
    Growing {
        /// Limits.
        minimum: Minimum,
        /// Pace of the growth, and the time until the limit is full.
        growth: Growth,
    },
    /// The smallest limits that are likely enough to hold, with evidence missing: the sweep ended
    /// early.
    Unconfirmed {
        /// Limits.
        minimum: Minimum,
        /// Missing fresh trials.
        fresh: usize,
        /// Missing ramps.
        ramps: usize,
        /// True if some cold start had enough memory.
        is_memory_known: bool,
    },
    /// No limits are likely enough to hold yet: the sweep ended early.
    Unknown,
    /// Even the largest limits do not hold the objective.
    NotHeld {
        /// Users of the last step that passed before one that failed.
        held_users: u32,
        /// True if no step failed: the verdict with all users was undecided.
        is_undecided: bool,
    },
    /// The largest number of users that the largest limits hold.
    Capacity {
        /// Limits.
        point: Point,
        /// Users; 0 if not even the first step holds.
        users: u32,
        /// Probability that a fresh start holds these users.
        p_hold: f64,
    },
    /// All points were tried.
    Grid {
        /// The cheapest point of which most trials passed; none if none passed.
        cheapest: Option<Point>,
    },
    /// The host cannot give this many replicas even the smallest limits.
    NotTried,
    /// Every attempt at a required trial was invalid.
    Unmeasurable,
}

/// The smallest limits of each replica that hold the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Minimum {
    /// Replicas and limits.
    pub point: Point,
    /// Probability that a fresh start holds the objective.
    pub p_hold: f64,
    /// True if no smaller CPU limit was on the grid: the answer is at or below it.
    pub is_lowest_cpu: bool,
    /// True if no smaller memory limit was on the grid: the answer is at or below it.
    pub is_lowest_memory: bool,
    /// True if a cold start with one memory rung less lacked memory.
    pub less_memory_lacks: bool,
}

impl Finding {
    /// Returns the finding from a ramp under the largest limits that did not hold.
    pub(super) fn not_held(ramp: &Trial) -> Self {
        Self::NotHeld {
            held_users: ramp.held_users(),
            is_undecided: ramp.verdict == Verdict::Undecided || ramp.passed(),
        }
    }
}

impl ReplicaAnswer {
    /// Returns the minimum, if one was confirmed.
    pub fn minimum(&self) -> Option<Minimum> {
        match self.finding {
            Finding::Minimum(minimum) => Some(minimum),
            _ => None,
        }
    }

    /// Returns the users that hold, if the target does not.
    pub fn held_users(&self) -> Option<u32> {
        match self.finding {
            Finding::NotHeld { held_users, .. } | Finding::Capacity { users: held_users, .. } => {
                Some(held_users)
            }
            _ => None,
        }
    }

    /// Returns an answer that has only a finding.
    pub(super) fn of(replicas: u32, finding: Finding) -> Self {
        Self {
            replicas,
            finding,
            recommended: None,
            remaining: None,
            estimate: None,
            rungs: Vec::new(),
        }
    }
}

impl Minimum {
    /// Returns the ramp that confirms this minimum.
    pub fn confirmation<'t>(&self, trials: &'t [Trial]) -> Option<&'t Trial> {
        let is_ramp = |trial: &&Trial| {
            trial.spec.purpose == Purpose::Ramp && trial.passed() && {
                let (mine, its) = (self.point, trial.spec.point);
                its == mine || its.is_within(mine) && its.limits.cpus == mine.limits.cpus
            }
        };
        trials.iter().find(is_ramp)
    }
}
