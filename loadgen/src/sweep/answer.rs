//! What the trials say.

use serde::Serialize;

use super::{Load, Point, Settings, Trial};

/// Evidence about the rung below the minimum, in one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Below {
    /// It was tried and failed.
    Fails,
    /// It was tried and the evidence was not enough to call it a pass or a fail.
    Undecided,
    /// There is none: the answer is "at or below".
    Lowest,
}

/// The answer for one replica count.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaAnswer {
    /// How many.
    pub replicas: u32,
    /// What was found.
    pub finding: Finding,
}

/// What can be found for a replica count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// The smallest limits that hold the objective.
    Minimum(Minimum),
    /// Even the largest limits do not hold it; so many users are held.
    NotHeld {
        /// Users of the last step before one that failed.
        held_users: u32,
    },
    /// So many replicas cannot have even the smallest limits on this host.
    NotTried,
    /// The generator was the limit, again and again.
    Unmeasurable,
}

impl ReplicaAnswer {
    /// The minimum, if one was found.
    pub fn minimum(&self) -> Option<Minimum> {
        match self.finding {
            Finding::Minimum(minimum) => Some(minimum),
            _ => None,
        }
    }

    /// Users that were held, where the target was not.
    pub fn held_users(&self) -> Option<u32> {
        match self.finding {
            Finding::NotHeld { held_users } => Some(held_users),
            _ => None,
        }
    }
}

/// The smallest limits of each replica that hold the objective, confirmed by a ramp through all steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Minimum {
    /// Where.
    pub point: Point,
    /// With the next smaller CPU limit.
    pub below_cpus: Below,
    /// With the next smaller memory limit.
    pub below_memory: Below,
}

/// All answers there are so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// In the order of the replica counts, as far as they are known.
    pub per_replicas: Vec<ReplicaAnswer>,
    /// The trial without think time under the largest limits of the smallest replica count.
    pub capacity: Option<&'a Trial>,
}

impl<'a> Answer<'a> {
    /// What is known from these trials.
    pub fn from_trials(settings: &Settings, trials: &'a [Trial]) -> Self {
        Self {
            per_replicas: super::strategy::answers(settings, trials),
            capacity: trials.iter().find(|t| t.spec.load == Load::Saturate && !t.steps.is_empty()),
        }
    }

    /// The cheapest minimum of all replica counts; of equals the one with fewer replicas.
    pub fn cheapest(&self, memory_price: f64) -> Option<Minimum> {
        let cost = |m: &Minimum| m.point.cost(memory_price);
        self.per_replicas
            .iter()
            .filter_map(ReplicaAnswer::minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}
