//! Rows of the terminal's table, one per trial: at most 110 columns.

use sizing::{
    sweep::ReplicaAnswer,
    trial::{Bottleneck, Purpose, Trial},
};

use crate::output::numbers::{percent, thousands};

/// Header of the table.
pub const HEADER: &str = concat!(
    "  #  kind       limits                  verdict           p95      rate",
    "  throttled  p_hold  notes"
);

/// Returns a trial's row; `known` is the answer for its replica count so far.
pub fn row(number: usize, trial: &Trial, known: Option<&ReplicaAnswer>) -> String {
    let last = trial.steps.last();
    let reading = trial.readings.first();
    let ms =
        last.map(|step| step.intended_ms.p95).or(reading.map(|reading| reading.intended_ms.p95));
    let rate = last
        .map(|step| step.requests_per_second)
        .or(reading.map(|reading| reading.requests_per_second));
    let p95 = ms
        .filter(|_| rate.is_some_and(|rate| rate > 0.0))
        .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
    let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", thousands(rate)));
    let throttled = format!("{:.0}%", trial.usage.throttled_share * 100.0);
    let p_hold = known
        .filter(|_| matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp))
        .and_then(|known| known.rungs.iter().find(|rung| rung.cpus == trial.spec.point.limits.cpus))
        .map_or_else(|| "-".to_owned(), |rung| percent(rung.p_hold));
    let (kind, limits, verdict) =
        (kind(trial.spec.purpose), trial.spec.point.to_string(), verdict(trial));
    let row = format!(
        "{number:>3}  {kind:<9}  {limits:<22}  {verdict:<13}  {p95:>8}  {rate:>8}  \
            {throttled:>9}  {p_hold:>6}  {}",
        notes(trial)
    );
    row.trim_end().to_owned()
}

fn kind(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::ReplicaFailure => "failure",
        other => other.name(),
    }
}

fn verdict(trial: &Trial) -> String {
    let verdict = trial.verdict.to_string();
    let verdict = if trial.passed() { verdict } else { verdict.to_uppercase() };
    let bottleneck = trial.bottleneck.map(|bottleneck| match bottleneck {
        Bottleneck::Cpu => " cpu",
        Bottleneck::Memory => " memory",
        Bottleneck::Crash => " crash",
        Bottleneck::Application => " app",
    });
    verdict + bottleneck.unwrap_or_default()
}

fn notes(trial: &Trial) -> String {
    match trial.spec.purpose {
        Purpose::Probe => {
            let cpus = trial.readings.iter().filter(|reading| !reading.is_memory);
            let lowest = cpus.map(|reading| reading.limits.cpus).min();
            lowest.map_or_else(String::new, |lowest| {
                format!("{} rungs to {lowest}", trial.readings.len())
            })
        }
        Purpose::ReplicaFailure => {
            let failures: u64 = trial.steps.iter().map(|step| step.failures).sum();
            format!("{failures} failed")
        }
        _ if trial.usage.steal_restarts > 0 => {
            format!("{} steal restarts", trial.usage.steal_restarts)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use sizing::{
        simulator::{KINDS, World},
        trial::{Point, Settings, TrialSpec},
    };

    use super::*;

    #[test]
    fn rows_fit_a_terminal() {
        let settings = Settings::example();
        let mut world = World::new(KINDS[0].service, KINDS[0].machine, 1);
        for (purpose, millis) in
            [(Purpose::Probe, 1000), (Purpose::Fresh, 120), (Purpose::ReplicaFailure, 250)]
        {
            let point = Point::new(4, millis, 1 << 30);
            let trial = world.trial(&settings, TrialSpec { purpose, point, users: 10_000 });
            let row = row(100, &trial, None);
            assert!(row.chars().count() <= 110, "{} columns: {row}", row.chars().count());
        }
        assert!(HEADER.len() <= 110);
    }
}
