//! Answers derived from the trials.

use loadtest::verdict::Verdict;
use orchestrator::Cpus;
use serde::Serialize;

use super::{DemandPoint, capacity, count::Count, demand, frontier, grid, is_valid};
use crate::trial::{Growth, Mode, Point, Purpose, Settings, Trial};

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

/// All answers so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// Answers for the replica counts that were begun, in their order.
    pub per_replicas: Vec<ReplicaAnswer>,
    /// The calibration with the highest request rate.
    pub capacity: Option<&'a Trial>,
    /// Least CPU by users, if it was measured.
    pub demand: Vec<DemandPoint>,
}

impl<'a> Answer<'a> {
    /// Returns the answers from these trials.
    pub(super) fn from_trials(settings: &Settings, trials: &'a [Trial]) -> Self {
        let answers = match settings.mode {
            Mode::Minimal | Mode::Frontier | Mode::Demand => {
                Count::all(settings, trials).iter().filter_map(Count::answer).collect()
            }
            Mode::Capacity => capacity::answers(settings, trials),
            Mode::Grid => grid::answers(settings, trials),
        };
        let mut per_replicas: Vec<ReplicaAnswer> = answers;
        // Impossible counts come after the answers of all others.
        let impossible =
            settings.replicas.iter().filter(|replicas| settings.top(**replicas).is_none());
        per_replicas
            .extend(impossible.map(|replicas| ReplicaAnswer::of(*replicas, Finding::NotTried)));
        let is_calibration = |trial: &&Trial| {
            trial.spec.purpose == Purpose::Calibrate && is_valid(trial) && !trial.steps.is_empty()
        };
        Self {
            per_replicas,
            capacity: trials
                .iter()
                .filter(is_calibration)
                .max_by(|a, b| most_per_second(a).total_cmp(&most_per_second(b))),
            demand: demand(settings, trials),
        }
    }

    /// Returns the cheapest minimum of all replica counts; among equals, the one with fewer
    /// replicas.
    pub fn cheapest(&self, settings: &Settings) -> Option<Minimum> {
        let cost = |m: &Minimum| settings.cost(m.point);
        self.per_replicas
            .iter()
            .filter_map(ReplicaAnswer::minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// Returns the point for the manifests: the cheapest minimum, with headroom if that is
    /// confirmed.
    pub fn recommended(&self, settings: &Settings) -> Option<Point> {
        let minimum = self.cheapest(settings)?;
        let answer =
            self.per_replicas.iter().find(|answer| answer.replicas == minimum.point.replicas)?;
        Some(answer.recommended.unwrap_or(minimum.point))
    }

    /// Returns the Pareto front: points that passed a ramp, failed none, and are not dominated by
    /// another.
    pub fn front(settings: &Settings, trials: &[Trial]) -> Vec<Point> {
        frontier::front(settings, trials)
    }

    /// Returns the cheapest fresh trial or ramp that passed with a 99th percentile under
    /// `limit_ms`. The trials were made for another objective, so there may be a cheaper point.
    pub fn cheapest_with_p99(
        settings: &Settings,
        trials: &'a [Trial],
        limit_ms: f64,
    ) -> Option<&'a Trial> {
        let is_one = |trial: &&Trial| {
            matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp)
                && trial.spec.users >= settings.max_users
                && trial.passed()
                && trial.steps.last().is_some_and(|step| step.intended_ms.p99 < limit_ms)
        };
        let cost = |trial: &Trial| settings.cost(trial.spec.point);
        trials.iter().filter(is_one).min_by(|a, b| cost(a).total_cmp(&cost(b)))
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

fn most_per_second(trial: &Trial) -> f64 {
    trial.steps.iter().map(|step| step.requests_per_second).fold(0.0, f64::max)
}
