//! What the trials say.

use loadtest::verdict::Verdict;
use orchestrator::Cpus;
use serde::Serialize;

use super::{DemandPoint, capacity, count::Count, demand, frontier, grid, is_valid};
use crate::trial::{Growth, Mode, Point, Purpose, Settings, Trial};

/// The answer for one replica count.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaAnswer {
    /// Number of replicas.
    pub replicas: u32,
    /// What was found.
    pub finding: Finding,
    /// The minimum with headroom, if that was asked for and confirmed.
    pub recommended: Option<Point>,
    /// What is still to be tried of a minimum that is confirmed: the failure of a replica, or its
    /// headroom.
    pub remaining: Option<Purpose>,
    /// Where the edge is.
    pub estimate: Option<Estimate>,
    /// Every CPU limit that the replicas can have, ascending.
    pub rungs: Vec<RungAnswer>,
}

/// What is known of a CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RungAnswer {
    /// The limit of each replica.
    pub cpus: Cpus,
    /// Probability that a fresh start holds the objective.
    pub p_hold: f64,
    /// Fresh trials and ramps that passed.
    pub passed: usize,
    /// Fresh trials and ramps that did not, and had memory.
    pub failed: usize,
}

/// The edge of the usual start: the CPU limit with which it just holds the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Replicas for which it is.
    pub replicas: u32,
    /// Median of its posterior, in processors.
    pub cpus: f64,
    /// The 5% and 95% quantiles.
    pub interval: [f64; 2],
}

/// What can be found for a replica count.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The smallest limits that hold the objective, with all the evidence that an answer needs.
    Minimum(Minimum),
    /// All that an answer needs was seen at these limits, but memory still grows at the end of a
    /// hold: no memory limit lasts.
    Growing {
        /// The limits.
        minimum: Minimum,
        /// How fast, and how long the limit lasts.
        growth: Growth,
    },
    /// The smallest limits that are likely enough to hold it, with evidence missing: the sweep
    /// ended early.
    Unconfirmed {
        /// The limits.
        minimum: Minimum,
        /// Fresh trials that are missing.
        fresh: usize,
        /// Ramps that are missing.
        ramps: usize,
        /// Whether its memory was tried at all.
        is_memory_known: bool,
    },
    /// No limits are likely enough to hold it yet: the sweep ended early.
    Unknown,
    /// Even the largest limits do not hold it.
    NotHeld {
        /// Users of the last step that passed before one that failed.
        held_users: u32,
        /// Whether no step failed: all users were undecided.
        is_undecided: bool,
    },
    /// The most users that the largest limits hold.
    Capacity {
        /// The limits.
        point: Point,
        /// Users; 0 if not even the first step.
        users: u32,
        /// Probability that a fresh start holds so many.
        p_hold: f64,
    },
    /// Every point was tried.
    Grid {
        /// The cheapest point of which most trials passed; none if none passed.
        cheapest: Option<Point>,
    },
    /// So many replicas cannot have even the smallest limits on this host.
    NotTried,
    /// A trial that the answer needs was invalid, again and again.
    Unmeasurable,
}

/// The smallest limits of each replica that hold the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Minimum {
    /// Replicas and limits.
    pub point: Point,
    /// Probability that a fresh start holds the objective.
    pub p_hold: f64,
    /// Whether no smaller CPU limit was to be tried: the answer is at or below it.
    pub is_lowest_cpu: bool,
    /// The same of memory.
    pub is_lowest_memory: bool,
    /// Whether a cold start with one memory rung less lacked memory.
    pub less_memory_lacks: bool,
}

impl Finding {
    /// The ramp under the largest limits, which did not pass.
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

    /// Returns the users that were held, where the target was not.
    pub fn held_users(&self) -> Option<u32> {
        match self.finding {
            Finding::NotHeld { held_users, .. } | Finding::Capacity { users: held_users, .. } => {
                Some(held_users)
            }
            _ => None,
        }
    }

    /// Returns an answer of a finding alone.
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

/// All answers there are so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// Answers of the replica counts that were begun, in their order.
    pub per_replicas: Vec<ReplicaAnswer>,
    /// The calibration that took most requests.
    pub capacity: Option<&'a Trial>,
    /// Least CPU by users, if that was measured.
    pub demand: Vec<DemandPoint>,
}

impl<'a> Answer<'a> {
    /// Returns what is known from these trials.
    pub(super) fn from_trials(settings: &Settings, trials: &'a [Trial]) -> Self {
        let answers = match settings.mode {
            Mode::Minimal | Mode::Frontier | Mode::Demand => {
                Count::all(settings, trials).iter().filter_map(Count::answer).collect()
            }
            Mode::Capacity => capacity::answers(settings, trials),
            Mode::Grid => grid::answers(settings, trials),
        };
        let mut per_replicas: Vec<ReplicaAnswer> = answers;
        // A count that cannot be had is told of once those before it are answered.
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

    /// Returns the cheapest minimum of all replica counts; of equals the one with fewer replicas.
    pub fn cheapest(&self, settings: &Settings) -> Option<Minimum> {
        let cost = |m: &Minimum| settings.cost(m.point);
        self.per_replicas
            .iter()
            .filter_map(ReplicaAnswer::minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    /// Returns the point that manifests are written for: the cheapest minimum, with headroom where
    /// that was confirmed.
    pub fn recommended(&self, settings: &Settings) -> Option<Point> {
        let minimum = self.cheapest(settings)?;
        let answer =
            self.per_replicas.iter().find(|answer| answer.replicas == minimum.point.replicas)?;
        Some(answer.recommended.unwrap_or(minimum.point))
    }

    /// Returns the points that passed a ramp, failed none, and are not beaten in everything by
    /// another one.
    pub fn front(settings: &Settings, trials: &[Trial]) -> Vec<Point> {
        frontier::front(settings, trials)
    }

    /// Returns the cheapest point of which some fresh trial or ramp passed with a 99th percentile
    /// under `limit_ms`, with that trial. The trials were made for another objective: there may be
    /// a cheaper one.
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
    /// Returns the ramp that it passed.
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
