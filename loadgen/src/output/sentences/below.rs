//! What is known of the rungs below a winner, in plain words.

use crate::{
    sweep::{Below, Binding, Minimum, Point, Settings, Trial, passed, together},
    verdict::{Missed, Together, Verdict},
};

/// Each rung that was looked at, less CPU first, and what its trials showed.
pub(super) fn below(minimum: &Minimum, settings: &Settings, trials: &[Trial]) -> String {
    if !minimum.is_refined() {
        return "These are the largest limits that were tried; nothing smaller was confirmed, which is not to say that nothing smaller \
                would do."
            .to_owned();
    }
    let one = |what: &str, rungs: usize, below: Below, point: Option<Point>| {
        let why = match (below, point) {
            (Below::Fails | Below::Undecided, Some(point)) => evidence(below, point, settings, trials),
            _ => String::new(),
        };
        let less = if rungs == 1 { format!("one rung less {what}") } else { format!("{rungs} rungs less {what}") };
        match below {
            Below::Fails => format!("{less} fails{why}"),
            Below::Undecided => format!("{less} is too close to call{why}"),
            Below::NotTried => format!("{less} was not tried"),
            Below::Unmeasurable => format!("{less} could not be measured"),
            Below::Lowest if rungs > 1 => format!("no {what} limit below that was tried"),
            Below::Lowest => format!("no smaller {what} limit was tried, so the answer is at or below it"),
        }
    };
    let all = |what: &str, below: &[Below], point: &dyn Fn(usize) -> Option<Point>| {
        let each = (1..).zip(below).map(|(rungs, below)| one(what, rungs, *below, point(rungs)));
        each.collect::<Vec<_>>().join(", ")
    };
    format!(
        "Tried: {}; {}.",
        all("CPU", &minimum.below_cpus, &|rungs| settings.rungs_below(minimum.point, rungs).0),
        all("memory", &minimum.below_memory, &|rungs| settings.rungs_below(minimum.point, rungs).1)
    )
}

/// In brackets: what a point that does not hold all users lacks, and what its trials say together.
fn evidence(below: Below, point: Point, settings: &Settings, trials: &[Trial]) -> String {
    let lacks = if below == Below::Fails { fails_for(point, settings, trials) } else { None };
    // Where one trial showed it to fail, what all say together may leave it open.
    let tells = |together: &Together| together.trials > 1 && together.fails() == (below == Below::Fails);
    let together = together(settings, trials, point).filter(tells).map(|together| {
        let Missed { over_ms, share, allowed, .. } = together.missed;
        let over = over_ms.map_or_else(String::new, |ms| format!(" or took over {ms} ms"));
        let [share, allowed, at_least, at_most] =
            [share, allowed, together.at_least, together.at_most].map(|share| share * 100.0);
        let trials = together.trials;
        format!(
            "in {trials} trials together {share:.2}% of requests failed{over}, {allowed:.2}% allowed: it is {at_least:.2}% to {at_most:.2}%"
        )
    });
    let came_out = match (below, passed(settings, trials, point)) {
        (Below::Undecided, (0, 1)) => Some("its one trial did not pass".to_owned()),
        (Below::Undecided, (_, 1)) => Some("its one trial passed".to_owned()),
        (Below::Undecided, (passed, tried)) if tried > 1 => Some(format!("{passed} of {tried} trials passed")),
        _ => None,
    };
    let parts: Vec<String> = lacks.into_iter().chain(came_out).chain(together).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

/// Why a point does not hold all users, by the last trial that failed there, or else by the last one that was left open.
fn fails_for(point: Point, settings: &Settings, trials: &[Trial]) -> Option<String> {
    let is_there = |t: &&Trial| t.spec.point == point && t.spec.users == settings.max_users;
    let last = |verdict| trials.iter().rev().filter(is_there).find(|t| t.verdict == verdict);
    let trial = last(Verdict::Fail).or_else(|| last(Verdict::Undecided))?;
    match trial.binding_resource? {
        Binding::Cpu if trial.never_ran() => Some("it was not ready in time".to_owned()),
        binding => Some(format!("limit: {binding}")),
    }
}
