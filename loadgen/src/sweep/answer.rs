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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaAnswer {
    /// How many.
    pub replicas: u32,
    /// The smallest limits that hold the objective; none if the largest do not.
    pub minimum: Option<Minimum>,
    /// Users that were held under the largest limits, where the target was not reached.
    pub held_users: Option<u32>,
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
    /// The trial that measured the most requests a second that the largest limits can take.
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
            .filter_map(|a| a.minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}
