//! `--mode frontier`: the Pareto front of the limits.

use super::{Planned, count::Count, planned};
use crate::trial::{Point, Purpose, Rungs, Settings, Trial};

/// Memory rungs below the minimum that are traded for CPU.
const TRADES: usize = 3;

/// Returns the next trial with less memory and more CPU than the minimum of a replica count. It
/// tries less memory under the largest CPU limit first, then bisects down to the minimum's CPU
/// while the trials pass.
pub(super) fn next(count: &Count<'_>) -> Option<Planned> {
    let settings = count.settings;
    let minimum = settings.rungs(count.answer(false)?.minimum()?.point)?;
    for memory in (minimum.memory.saturating_sub(TRADES)..minimum.memory).rev() {
        let passes = |cpu: usize| {
            let spec = count.spec(Purpose::Fresh, Rungs { cpu, memory });
            let made: Vec<bool> = count
                .trials
                .iter()
                .filter(|trial| trial.spec == spec)
                .map(|trial| trial.passed())
                .collect();
            (!made.is_empty()).then(|| made.iter().all(|passed| *passed))
        };
        let fresh = |cpu: usize| {
            let spec = count.spec(Purpose::Fresh, Rungs { cpu, memory });
            planned(
                settings,
                spec,
                format!("Looks whether {} holds: less memory for more CPU.", spec.point),
            )
        };
        match passes(count.top.cpu) {
            None => return Some(fresh(count.top.cpu)),
            // If the largest CPU limit cannot make up for the memory, smaller ones cannot either.
            Some(false) => return None,
            Some(true) => {}
        }
        let (mut low, mut high) = (minimum.cpu, count.top.cpu);
        while high - low > 1 {
            let middle = (low + high) / 2;
            match passes(middle) {
                None => return Some(fresh(middle)),
                Some(true) => high = middle,
                Some(false) => low = middle,
            }
        }
        let ramp = count.spec(Purpose::Ramp, Rungs { cpu: high, memory });
        if !count.trials.iter().any(|trial| trial.spec == ramp) {
            let reason = format!("{} passed; a ramp confirms it.", ramp.point);
            return Some(planned(settings, ramp, reason));
        }
    }
    None
}

/// Returns the points that passed a ramp, failed none, and are not dominated. A point dominates
/// another with at most as much total CPU, total memory and replicas, and less of something.
pub(super) fn front(settings: &Settings, trials: &[Trial]) -> Vec<Point> {
    let is_ramp = |trial: &&Trial| {
        trial.spec.purpose == Purpose::Ramp
            && trial.spec.users == settings.max_users
            && super::is_valid(trial)
    };
    let ramps: Vec<&Trial> = trials.iter().filter(is_ramp).collect();
    let held = ramps.iter().map(|trial| trial.spec.point);
    let points: Vec<Point> = held
        .filter(|point| ramps.iter().filter(|t| t.spec.point == *point).all(|t| t.passed()))
        .collect();
    unbeaten(&points)
}

fn unbeaten(points: &[Point]) -> Vec<Point> {
    let figures = |p: &Point| {
        (
            u64::from(p.replicas) * u64::from(p.limits.cpus.millis),
            p.total_memory_bytes(),
            p.replicas,
        )
    };
    let beats = |a: &Point, b: &Point| {
        let (a, b) = (figures(a), figures(b));
        a != b && a.0 <= b.0 && a.1 <= b.1 && a.2 <= b.2
    };
    let mut front: Vec<Point> =
        points.iter().filter(|p| !points.iter().any(|other| beats(other, p))).copied().collect();
    front.sort_unstable_by_key(figures);
    front.dedup();
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beaten_in_everything_is_not_on_the_front() {
        let point = |replicas, millis, mib: u64| Point::new(replicas, millis, mib << 20);
        let points = [
            point(1, 200, 64),
            point(1, 300, 48),
            point(1, 300, 64),
            point(2, 100, 64),
            point(2, 90, 48),
            point(1, 200, 64),
        ];
        // Two replicas with 180 in total need less CPU, but more memory and more replicas.
        assert_eq!(unbeaten(&points), [point(2, 90, 48), point(1, 200, 64), point(1, 300, 48)]);
    }
}
