//! What the trials say.

use serde::Serialize;

use super::{Load, Point, Settings, Trial, drift, frontier};
use crate::verdict::Verdict;

/// Evidence about the rung below the minimum, in one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Below {
    /// It was tried and failed.
    Fails,
    /// It was tried, and all the evidence was not enough to call it a pass or a fail.
    Undecided,
    /// There is none: the answer is "at or below".
    Lowest,
    /// Nothing smaller was confirmed, and this rung was not tried by itself.
    NotTried,
    /// Its trials were invalid, again and again.
    Unmeasurable,
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
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The smallest limits that hold the objective.
    Minimum(Minimum),
    /// Even the largest limits do not hold it; so many users are held.
    NotHeld {
        /// Users of the last step that passed before one that failed.
        held_users: u32,
        /// Whether no step failed: all users were too close to call.
        is_close: bool,
    },
    /// The largest limits hold so many users, and more were not confirmed; 0 if not even the first step.
    Capacity {
        /// The limits.
        point: Point,
        /// Confirmed by ramps.
        users: u32,
    },
    /// Every point was tried; this is the cheapest of which most trials pass.
    Grid {
        /// None if none passes.
        cheapest: Option<Point>,
    },
    /// So many replicas cannot have even the smallest limits on this host.
    NotTried,
    /// Trials were invalid, again and again.
    Unmeasurable,
}

impl Finding {
    /// The ramp under the largest limits, which did not pass.
    pub(super) fn not_held(ramp: &Trial) -> Self {
        Self::NotHeld { held_users: ramp.held_users(), is_close: ramp.verdict == Verdict::Undecided }
    }
}

impl ReplicaAnswer {
    /// The minimum, if one was found.
    pub fn minimum(&self) -> Option<Minimum> {
        match &self.finding {
            Finding::Minimum(minimum) => Some(minimum.clone()),
            _ => None,
        }
    }

    /// Users that were held, where the target was not.
    pub fn held_users(&self) -> Option<u32> {
        match self.finding {
            Finding::NotHeld { held_users, .. } | Finding::Capacity { users: held_users, .. } => Some(held_users),
            _ => None,
        }
    }
}

/// The smallest limits of each replica that hold the objective, confirmed by a ramp through all steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Minimum {
    /// Where.
    pub point: Point,
    /// With the next smaller CPU limit, and with the ones after it as long as each is too close to call.
    pub below_cpus: Vec<Below>,
    /// The same for memory.
    pub below_memory: Vec<Below>,
}

impl Minimum {
    /// Whether the rungs below it were looked at.
    pub fn is_refined(&self) -> bool {
        let not_tried = [Below::NotTried];
        self.below_cpus != not_tried || self.below_memory != not_tried
    }

    /// The last ramp that it passed: the machine may have changed after the first.
    pub fn confirmation<'t>(&self, trials: &'t [Trial]) -> Option<&'t Trial> {
        trials.iter().rev().find(|t| t.spec.point == self.point && t.spec.load == Load::Ramp && t.passed())
    }
}

/// All answers there are so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// In the order of the replica counts, as far as they are known.
    pub per_replicas: Vec<ReplicaAnswer>,
    /// Of the trials without think time, with all the CPU that the smallest replica count can have, the one that took most.
    pub capacity: Option<&'a Trial>,
}

impl<'a> Answer<'a> {
    /// What is known from these trials.
    pub fn from_trials(settings: &Settings, trials: &'a [Trial]) -> Self {
        Self {
            per_replicas: super::strategy::answers(settings, trials),
            capacity: trials
                .iter()
                .filter(|t| t.spec.load == Load::Saturate && t.verdict != Verdict::Invalid && !t.steps.is_empty())
                .max_by(|a, b| most_per_second(a).total_cmp(&most_per_second(b))),
        }
    }

    /// The cheapest point of which some trial passed with a 99th percentile under `limit_ms`, with that trial. The trials were made
    /// for another objective: there may be a cheaper one.
    pub fn cheapest_with_p99(settings: &Settings, trials: &'a [Trial], limit_ms: f64) -> Option<&'a Trial> {
        let is_under = |t: &&Trial| t.steps.last().is_some_and(|s| s.intended_ms.p99 < limit_ms);
        cheapest_of(settings, holding(settings, trials).filter(is_under))
    }

    /// The cheapest minimum by when the machine was seen to have changed, which took its trials away.
    pub fn before_the_change(settings: &Settings, trials: &'a [Trial]) -> Option<Minimum> {
        Self::from_trials(settings, drift::before(trials)).cheapest(settings)
    }

    /// The cheapest point of which some trial passed: what is known where nothing was confirmed.
    pub fn best_so_far(settings: &Settings, trials: &'a [Trial]) -> Option<&'a Trial> {
        cheapest_of(settings, holding(settings, trials))
    }

    /// The points that passed a ramp, failed none, and are not beaten in everything by another one.
    pub fn front(settings: &Settings, trials: &[Trial]) -> Vec<Point> {
        let mut points: Vec<Point> = holding(settings, trials).map(|t| t.spec.point).collect();
        points.retain(|point| {
            let is_ramp = |t: &&Trial| t.spec.point == *point && t.spec.load == Load::Ramp && is_full(settings, t);
            let ramps = trials.iter().filter(is_ramp);
            let (passed, all) = ramps.fold((0, 0), |(passed, all), t| (passed + usize::from(t.passed()), all + 1));
            passed * 2 > all
        });
        frontier::front(&points)
    }

    /// The cheapest minimum of all replica counts; of equals the one with fewer replicas.
    pub fn cheapest(&self, settings: &Settings) -> Option<Minimum> {
        let cost = |m: &Minimum| settings.cost(m.point);
        self.per_replicas
            .iter()
            .filter_map(ReplicaAnswer::minimum)
            // min_by keeps the first of equals, and the counts ascend.
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }
}

fn most_per_second(trial: &Trial) -> f64 {
    trial.steps.iter().map(|step| step.requests_per_second).fold(0.0, f64::max)
}

/// Trials in which all users were held, at points that failed no ramp and not most of their other trials.
fn holding<'a>(settings: &Settings, trials: &'a [Trial]) -> impl Iterator<Item = &'a Trial> {
    let taken = drift::affected(trials);
    let counts = move |(index, trial): &(usize, &Trial)| !taken.contains(index) && is_full(settings, trial);
    let full: Vec<&Trial> = trials.iter().enumerate().filter(counts).map(|(_, trial)| trial).collect();
    let is_refuted = {
        let full = full.clone();
        move |point: Point| {
            let at = |load| full.iter().filter(move |t| t.spec.point == point && t.spec.load == load);
            let passed = at(Load::Direct).filter(|t| t.passed()).count();
            at(Load::Ramp).any(|t| t.verdict == Verdict::Fail) || at(Load::Direct).count() > passed * 2
        }
    };
    full.into_iter().filter(move |t| t.passed() && !is_refuted(t.spec.point))
}

/// Whether a trial tells about all users.
fn is_full(settings: &Settings, trial: &Trial) -> bool {
    let is_held = matches!(trial.spec.load, Load::Direct | Load::Ramp);
    is_held && trial.spec.users >= settings.max_users && trial.verdict != Verdict::Invalid
}

fn cheapest_of<'a>(settings: &Settings, trials: impl Iterator<Item = &'a Trial>) -> Option<&'a Trial> {
    trials.min_by(|a, b| settings.cost(a.spec.point).total_cmp(&settings.cost(b.spec.point)))
}
