//! How long a sweep still takes: a guess from what searches usually need, corrected by what was done.

use std::{collections::HashSet, time::Duration};

use super::{Load, Mode, Point, Settings, Trial, strategy::answers};

/// Direct trials that the first replica count usually needs, calibration and the rungs below included.
const DIRECT_FIRST: usize = 8;
/// Direct trials that a seeded count usually needs.
const DIRECT_SEEDED: usize = 6;
/// Ramps that every count needs.
const RAMPS: usize = 3;

/// Seconds until the sweep is over, if a trial of each kind takes as long as `length` says.
pub fn seconds_left(settings: &Settings, trials: &[Trial], length: impl Fn(Load) -> Duration) -> u64 {
    let answered = answers(settings, trials).len();
    let mut left = Duration::ZERO;
    for (i, &replicas) in settings.replicas.iter().enumerate().skip(answered) {
        let made =
            |load: Load| trials.iter().filter(|t| t.spec.point.replicas == replicas && t.spec.load == load).count();
        if settings.mode == Mode::Grid {
            // Those near the edge, which are made again, are not known before.
            let rungs = (0..=settings.cpus.top()).flat_map(|cpu| (0..=settings.memory.top()).map(move |m| (cpu, m)));
            let points = rungs.map(|(cpu, m)| Point::new(replicas, settings.cpus.rung(cpu), settings.memory.rung(m)));
            let tried: HashSet<Point> = trials.iter().map(|trial| trial.spec.point).collect();
            let untried = points.filter(|point| !tried.contains(point)).count().max(1);
            left += length(Load::Direct) * u32::try_from(untried).unwrap_or(u32::MAX);
            continue;
        }
        let expected = if i == 0 { DIRECT_FIRST } else { DIRECT_SEEDED };
        let direct = expected.saturating_sub(made(Load::Direct)).max(1);
        left += length(Load::Direct) * u32::try_from(direct).unwrap_or(1);
        left += length(Load::Ramp) * u32::try_from(RAMPS.saturating_sub(made(Load::Ramp)).max(1)).unwrap_or(1);
        left += length(Load::Saturate);
    }
    left.as_secs()
}
