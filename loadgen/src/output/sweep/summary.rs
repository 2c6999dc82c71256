//! Summary of a sweep in sentences.

mod evidence;
mod lead;
mod replicas;

use sizing::{
    sweep::{Answer, Finding, Minimum, ReplicaAnswer, RungAnswer},
    trial::{Headroom, Mode, Point, Purpose, Settings, Trial},
};

pub use self::lead::lead;
use self::{
    evidence::{cold_start, machine, stricter},
    replicas::{capacity, instances, replicas_shrink},
};
use crate::output::numbers::{bytes, duration, percent, replicas};

/// Extent of the measurements behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The search is complete.
    Whole,
    /// The sweep ended early.
    Early,
    /// The trials were judged again with other options, and more would be needed.
    Again,
}

/// Summary of a sweep, with a sentence or two on each question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Smallest limits that hold the objective.
    pub minimum: String,
    /// Effect of more replicas on the limits.
    pub replicas_shrink: String,
    /// Highest request rate of the service.
    pub capacity: String,
    /// Comparison of one instance with several.
    pub instances: String,
    /// Remaining work of a sweep that ended early; empty for a complete one.
    pub remaining: String,
    /// Noise of the machine.
    pub machine: String,
    /// Validity of the memory limits for a cold start.
    pub cold_start: String,
    /// Evidence for a stricter objective.
    pub stricter: String,
}

impl Summary {
    /// Summarizes answers.
    pub fn new(settings: &Settings, answer: &Answer<'_>, trials: &[Trial], extent: Extent) -> Self {
        let is_whole = extent == Extent::Whole;
        Self {
            minimum: minimum(settings, answer, extent),
            replicas_shrink: replicas_shrink(settings, answer, trials),
            capacity: capacity(settings, answer),
            instances: instances(settings, answer, trials),
            remaining: if is_whole { String::new() } else { remaining(settings, answer) },
            machine: machine(trials),
            cold_start: cold_start(trials),
            stricter: stricter(settings, trials),
        }
    }
}

/// Returns the answer for one replica count as a line.
pub fn count_line(answer: &ReplicaAnswer, settings: &Settings) -> String {
    let count = replicas(answer.replicas);
    let users = settings.max_users;
    match &answer.finding {
        Finding::Minimum(minimum) => {
            format!("{}: {}", holds(minimum, settings), neighbours(answer, minimum))
        }
        Finding::Unconfirmed { minimum, .. } => format!(
            "{count}: {} CPU holds in {} of starts; not confirmed yet.",
            minimum.point.limits.cpus,
            percent(minimum.p_hold)
        ),
        Finding::Growing { minimum, growth } => format!(
            "{count}: no minimum. Memory still grows by {} a second at the end of a hold: {} MiB \
                last for {} more. {} CPU holds the objective until then.",
            bytes(growth.bytes_per_second),
            minimum.point.limits.memory_bytes >> 20,
            duration(growth.lasts_seconds),
            minimum.point.limits.cpus
        ),
        Finding::Unknown => format!("{count}: unknown."),
        Finding::NotHeld { held_users, is_undecided: true } => {
            format!(
                "{count}: whether the largest limits hold {users} users is undecided; {held_users} \
                    users are held."
            )
        }
        Finding::NotHeld { held_users, is_undecided: false } => {
            format!(
                "{count}: the largest limits do not hold {users} users; {held_users} users are \
                    held."
            )
        }
        Finding::Capacity { point, users: held, p_hold } if *held > 0 => {
            let more = if *held >= users { "; more were not tried" } else { "" };
            format!("{point} holds {held} users in {} of starts{more}.", percent(*p_hold))
        }
        Finding::Capacity { point, .. } => {
            format!("{point} does not hold {} users.", settings.step)
        }
        Finding::Grid { cheapest: Some(cheapest) } => {
            format!("{count}: the cheapest point that holds is {cheapest}.")
        }
        Finding::Grid { cheapest: None } => format!("{count}: no point holds {users} users."),
        Finding::NotTried => format!(
            "{count}: not tried; this machine cannot give each the smallest limits, {} CPU and {} \
                MiB.",
            settings.cpus.rung(0) as f64 / 1000.0,
            settings.memory.rung(0) >> 20
        ),
        Finding::Unmeasurable => format!(
            "{count}: unknown; every attempt at a required trial was invalid, limited by the load \
                generator or by CPU steal, not by the server. Use a quieter machine, or more \
                processors."
        ),
    }
}

fn holds(minimum: &Minimum, settings: &Settings) -> String {
    let Minimum { point, p_hold, .. } = minimum;
    let each = if point.replicas == 1 { "" } else { " each" };
    format!(
        "{point}{each} holds {} users in {} of starts ({} asked for)",
        settings.max_users,
        percent(*p_hold),
        percent(settings.confidence)
    )
}

/// Returns the rungs beside a minimum with their probabilities, and the evidence on less memory.
fn neighbours(answer: &ReplicaAnswer, minimum: &Minimum) -> String {
    let at =
        answer.rungs.iter().position(|rung| rung.cpus == minimum.point.limits.cpus).unwrap_or(0);
    let below = &answer.rungs[at.saturating_sub(2)..at];
    let above = answer.rungs.iter().skip(at + 1).take(2);
    // A smaller limit under which a start passed looks like a contradiction, so its counts are
    // shown.
    let passed = |rung: &RungAnswer| match (rung.passed, rung.passed + rung.failed) {
        (0, _) => String::new(),
        (passed, all) if rung.cpus < minimum.point.limits.cpus => {
            format!(" ({passed} of {all} starts passed)")
        }
        _ => String::new(),
    };
    let others = below
        .iter()
        .chain(above)
        .map(|rung| format!("{} CPU {}{}", rung.cpus, percent(rung.p_hold), passed(rung)));
    let cpus = others.collect::<Vec<String>>().join(", ");
    let lowest = if minimum.is_lowest_cpu { "no smaller CPU limit was tried" } else { "" };
    let memory = match (minimum.is_lowest_memory, minimum.less_memory_lacks) {
        (true, _) => "no smaller memory limit was tried",
        (false, true) => "the next smaller memory limit is too little",
        (false, false) => "less memory was not tried",
    };
    let parts = [lowest, &cpus, memory].into_iter().filter(|part| !part.is_empty());
    format!("{}.", parts.collect::<Vec<_>>().join("; "))
}

fn minimum(settings: &Settings, answer: &Answer<'_>, extent: Extent) -> String {
    if matches!(settings.mode, Mode::Capacity | Mode::Grid) {
        return answer
            .per_replicas
            .iter()
            .map(|known| count_line(known, settings))
            .collect::<Vec<_>>()
            .join(" ");
    }
    if settings.mode == Mode::Demand {
        return demand(answer);
    }
    let cheapest = answer.cheapest(settings);
    let its = cheapest.and_then(|minimum| {
        let known =
            answer.per_replicas.iter().find(|known| known.replicas == minimum.point.replicas)?;
        Some((minimum, known))
    });
    match its {
        Some((minimum, known)) => {
            let early = match extent {
                Extent::Early => "The sweep ended early; confirmed by then: ",
                Extent::Whole | Extent::Again => "",
            };
            let headroom = headroom(settings, known);
            format!(
                "{early}{}. Beside it: {}{headroom}",
                holds(&minimum, settings),
                neighbours(known, &minimum)
            )
        }
        None if extent != Extent::Whole => {
            let known: Vec<String> =
                answer.per_replicas.iter().map(|known| count_line(known, settings)).collect();
            match known.is_empty() {
                true => "The sweep ended before anything was measured.".to_owned(),
                false if extent == Extent::Again => {
                    format!("The trials confirm no limits. {}", known.join(" "))
                }
                false => {
                    format!("The sweep ended early, with nothing confirmed. {}", known.join(" "))
                }
            }
        }
        None => answer
            .per_replicas
            .iter()
            .map(|known| count_line(known, settings))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Returns the sentence on the manifests, if headroom is set.
fn headroom(settings: &Settings, known: &ReplicaAnswer) -> String {
    match (settings.headroom == Headroom::default(), known.recommended) {
        (true, _) => String::new(),
        (false, Some(point)) if is_cut(settings, known, point) => format!(
            " The manifests have {point}, the most that this machine and --cpus and --memory \
                allow: less headroom than was asked for."
        ),
        (false, Some(point)) => format!(" The manifests have {point}, with headroom."),
        (false, None) => {
            " The headroom was not confirmed: the manifests have the minimum.".to_owned()
        }
    }
}

/// Returns true if limits with headroom have less of it than requested.
fn is_cut(settings: &Settings, known: &ReplicaAnswer, point: Point) -> bool {
    let Some(minimum) = known.minimum() else { return false };
    let share = |of: fn(Point) -> f64| of(point) / of(minimum.point) - 1.0 + 1e-6;
    share(|point| point.limits.cpus.millis.into()) < settings.headroom.cpu
        || share(|point| point.limits.memory_bytes as f64) < settings.headroom.memory
}

fn demand(answer: &Answer<'_>) -> String {
    let (Some(first), Some(last)) = (answer.demand.first(), answer.demand.last()) else {
        return "The demand was not measured.".to_owned();
    };
    let middle = answer.demand[answer.demand.len() / 2];
    let verified = answer.demand.iter().filter(|point| point.is_verified).count();
    format!(
        "Least CPU: {:.2} for {} users, {:.2} for {}, {:.2} for {}; {verified} of these verified \
            by fresh trials.",
        first.cpus, first.users, middle.cpus, middle.users, last.cpus, last.users
    )
}

fn remaining(settings: &Settings, answer: &Answer<'_>) -> String {
    let begun: Vec<u32> = answer.per_replicas.iter().map(|known| known.replicas).collect();
    let missing = answer.per_replicas.iter().filter_map(|known| {
        let count = replicas(known.replicas);
        match &known.finding {
            Finding::Unconfirmed { fresh, ramps, .. } => {
                let trials =
                    |n: &usize, what: &str| format!("{n} {what}{}", if *n == 1 { "" } else { "s" });
                Some(format!(
                    "{count}: {} and {}",
                    trials(fresh, "fresh trial"),
                    trials(ramps, "ramp")
                ))
            }
            Finding::Unknown => Some(format!("{count}: everything after the first trials")),
            Finding::Minimum(_) => known.remaining.map(|purpose| match purpose {
                Purpose::ReplicaFailure => format!("{count}: the failure of one"),
                _ => format!("{count}: the trial with headroom"),
            }),
            _ => None,
        }
    });
    let untried = settings
        .replicas
        .iter()
        .filter(|count| !begun.contains(count))
        .map(|count| format!("{}: everything", replicas(*count)));
    let all: Vec<String> = missing.chain(untried).collect();
    if all.is_empty() { String::new() } else { format!("Remaining: {}.", all.join("; ")) }
}
