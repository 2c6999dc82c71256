//! The curve behind an answer: CPU limit against latency, violation rate and `p_hold`.

use loadtest::verdict::{Verdict, ViolationRate};
use sizing::{
    sweep::{Answer, ReplicaAnswer},
    trial::{Purpose, Settings, Trial},
};

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    objective::{allowed, limit_ms, percentile, percentile_name},
};

const HEIGHT: f64 = 720.0;
/// Lowest violation rate on the chart; smaller rates are drawn at it.
const LEAST_RATE: f64 = 1e-5;

/// Highest CPU limit on the chart, as a multiple of the edge.
const SHOWN: f64 = 3.0;

/// A measurement on the chart.
struct Mark {
    cpus: f64,
    ms: f64,
    rate: f64,
    verdict: Verdict,
    what: String,
}

/// Draws the curve of the cheapest replica count, or else of the first measured one; `None` without
/// measurements.
pub fn curve(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> Option<Chart> {
    let cheapest = answer.cheapest(settings).map(|minimum| minimum.point.replicas);
    let known = answer
        .per_replicas
        .iter()
        .find(|known| cheapest.is_none_or(|cheapest| known.replicas == cheapest))?;
    let mine = || {
        trials.iter().filter(|trial| {
            trial.spec.point.replicas == known.replicas && trial.spec.users == settings.max_users
        })
    };
    // Points far above the edge carry no information.
    let lowest = mine().flat_map(|trial| {
        let readings = trial.readings.iter().map(|reading| reading.limits.cpus);
        readings.chain([trial.spec.point.limits.cpus]).map(orchestrator::Cpus::as_f64)
    });
    let lowest = lowest.fold(f64::MAX, f64::min);
    let most = known.estimate.map_or(f64::MAX, |estimate| estimate.cpus.max(lowest) * SHOWN);
    let is_near = |mark: &Mark| mark.cpus <= most;
    let starts: Vec<Mark> = mine().filter_map(start).filter(is_near).collect();
    let probed = mine().filter(|trial| trial.spec.purpose == Purpose::Probe);
    let probes: Vec<Vec<Mark>> =
        probed.map(|probe| readings(probe).into_iter().filter(is_near).collect()).collect();
    let all = || starts.iter().chain(probes.iter().flatten());
    let (low, high) = all()
        .fold((f64::MAX, 0.0_f64), |(low, high), mark| (low.min(mark.cpus), high.max(mark.cpus)));
    if high <= 0.0 {
        return None;
    }
    let x = Axis::log(low * 0.85, high * 1.15, LEFT, RIGHT);
    let slowest = all().map(|mark| mark.ms).fold(limit_ms(settings) * 3.0, f64::max);
    let fastest =
        all().map(|mark| mark.ms).filter(|ms| *ms > 0.0).fold(limit_ms(settings), f64::min);
    let panel = |y: Axis, top: f64, bottom: f64| Panel::wide(x, y, top, bottom);
    let latency = panel(Axis::log(fastest * 0.8, slowest * 1.2, 310.0, 90.0), 90.0, 310.0);
    let rates = panel(Axis::log(LEAST_RATE, 1.0, 530.0, 360.0), 360.0, 530.0);
    let holding = panel(Axis::linear(0.0, 1.0, 650.0, 580.0), 580.0, 650.0);

    let mut frame = Frame::new(HEIGHT, &title(settings, answer, known), &subtitle(settings, known));
    panels(&mut frame, settings, known, [&latency, &rates, &holding]);
    shade(&mut frame, known, [&latency, &rates, &holding]);
    let limit = limit_ms(settings);
    if !settings.objective.latency.is_empty() {
        frame.objective(&latency, limit, &format!("objective: {limit} ms"));
    }
    let allowed = allowed(settings);
    let label = format!("allowed: {:.4}%", allowed * 100.0).replace(".0000%", "%");
    frame.objective(&rates, allowed, &label);
    for probe in &probes {
        draw_probe(&mut frame, probe, &latency, |mark| mark.ms);
        draw_probe(&mut frame, probe, &rates, |mark| mark.rate);
    }
    for mark in &starts {
        frame.trial(mark.verdict, latency.at(mark.cpus, mark.ms), &mark.what);
        frame.trial(mark.verdict, rates.at(mark.cpus, mark.rate), &mark.what);
    }
    legend(&mut frame);
    Some(frame.finish())
}

fn title(settings: &Settings, answer: &Answer<'_>, known: &ReplicaAnswer) -> String {
    let users = settings.max_users;
    match answer.cheapest(settings).filter(|minimum| minimum.point.replicas == known.replicas) {
        Some(minimum) => format!("{} holds {users} users", minimum.point),
        None => format!("CPU limit of each of {} replica(s) under {users} users", known.replicas),
    }
}

fn subtitle(settings: &Settings, known: &ReplicaAnswer) -> String {
    let edge = known.estimate.map_or_else(String::new, |estimate| {
        let [low, high] = estimate.interval;
        format!("; edge of the usual start: {:.3} CPU ({low:.3} to {high:.3})", estimate.cpus)
    });
    format!("{}; closed, {}{edge}", settings.objective, settings.wait_time)
}

fn panels(
    frame: &mut Frame,
    settings: &Settings,
    known: &ReplicaAnswer,
    [latency, rates, holding]: [&Panel; 3],
) {
    let rungs: Vec<(f64, String)> = known
        .rungs
        .iter()
        .map(|rung| (rung.cpus.as_f64(), rung.cpus.to_string()))
        .filter(|(cpus, _)| latency.x.at(*cpus) > LEFT && latency.x.at(*cpus) < RIGHT)
        .collect();
    let ms = latency.y.ticks().into_iter().map(|ms| (ms, format!("{ms}"))).collect::<Vec<_>>();
    frame.panel(latency, &format!("{} from the due time, ms", percentile_name(settings)), &[], &ms);
    let shares = [1e-4, 1e-3, 1e-2, 1e-1, 1.0].map(|share| (share, format!("{}%", share * 100.0)));
    frame.panel(rates, "requests that violate the objective", &[], &shares);
    let halves = [0.0, 0.5, 1.0].map(|p| (p, format!("{:.0}%", p * 100.0)));
    frame.panel(holding, "fresh starts that hold (p_hold)", &rungs, &halves);
    frame.text(
        (LEFT + RIGHT) / 2.0,
        holding.bottom + 34.0,
        "s",
        "middle",
        "CPU limit of a replica",
    );
}

/// Shades `p_hold` of each rung, and the interval of the edge.
fn shade(frame: &mut Frame, known: &ReplicaAnswer, [latency, rates, holding]: [&Panel; 3]) {
    let places: Vec<f64> =
        known.rungs.iter().map(|rung| holding.x.at(rung.cpus.as_f64())).collect();
    for (index, rung) in known.rungs.iter().enumerate() {
        let x = places[index];
        let before = index.checked_sub(1).map_or(LEFT, |before| (places[before] + x) / 2.0);
        let after = places.get(index + 1).map_or(RIGHT, |after| (after + x) / 2.0);
        frame.rect(
            "band",
            (before + 1.0, holding.y.at(rung.p_hold)),
            (after - 1.0, holding.bottom),
        );
    }
    if let Some(estimate) = known.estimate {
        let [low, high] = estimate.interval.map(|cpus| latency.x.at(cpus));
        frame.rect("edge", (low, latency.top), (high, latency.bottom));
        frame.rect("edge", (low, rates.top), (high, rates.bottom));
    }
    if let Some(minimum) = known.minimum() {
        let x = latency.x.at(minimum.point.limits.cpus.as_f64());
        frame.line("answer", (x, latency.top), (x, holding.bottom));
    }
}

fn draw_probe(frame: &mut Frame, probe: &[Mark], panel: &Panel, value: impl Fn(&Mark) -> f64) {
    let places: Vec<(f64, f64)> =
        probe.iter().map(|mark| panel.at(mark.cpus, value(mark))).collect();
    frame.path("probe", &places);
    places.iter().for_each(|place| frame.dot("dot", *place, 3.0));
}

fn legend(frame: &mut Frame) {
    let y = HEIGHT - 18.0;
    frame.line("probe", (LEFT, y - 4.0), (LEFT + 26.0, y - 4.0));
    frame.dot("dot", (LEFT + 13.0, y - 4.0), 3.0);
    frame.text(LEFT + 32.0, y, "s", "start", "probe");
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Undecided];
    frame.verdicts(LEFT + 110.0, y, &verdicts);
    frame.line("answer", (LEFT + 450.0, y - 4.0), (LEFT + 476.0, y - 4.0));
    frame.text(LEFT + 482.0, y, "s", "start", "answer");
    frame.rect("edge", (LEFT + 560.0, y - 12.0), (LEFT + 586.0, y + 2.0));
    frame.text(LEFT + 592.0, y, "s", "start", "edge, 90% interval");
}

fn start(trial: &Trial) -> Option<Mark> {
    let step = trial.steps.last().filter(|step| step.requests > 0)?;
    let is_start = matches!(trial.spec.purpose, Purpose::Fresh | Purpose::Ramp);
    let ms = percentile(&step.violation_rates, &step.intended_ms);
    is_start.then(|| Mark {
        cpus: trial.spec.point.limits.cpus.as_f64(),
        ms,
        rate: worst(&step.violation_rates),
        verdict: trial.verdict,
        what: format!(
            "{} {}: {}, {ms:.0} ms",
            trial.spec.purpose.name(),
            trial.spec.point,
            trial.verdict
        ),
    })
}

fn readings(probe: &Trial) -> Vec<Mark> {
    let is_one = |reading: &&sizing::trial::Reading| {
        reading.users == probe.spec.users && !reading.is_memory && !reading.is_recovery
    };
    let cpus = probe.readings.iter().filter(is_one);
    let mark = |reading: &sizing::trial::Reading| Mark {
        cpus: reading.limits.cpus.as_f64(),
        ms: percentile(&reading.violation_rates, &reading.intended_ms),
        rate: worst(&reading.violation_rates),
        verdict: reading.verdict,
        what: String::new(),
    };
    cpus.map(mark).collect()
}

fn worst(rates: &[ViolationRate]) -> f64 {
    rates.iter().map(|rate| rate.share).fold(LEAST_RATE, f64::max)
}

#[cfg(test)]
mod tests {
    use sizing::{
        simulator::{KINDS, World},
        sweep::{Next, answer, next},
    };

    use super::*;

    #[test]
    fn a_sweep_has_a_curve_without_scripts() {
        let settings = Settings::example();
        let mut world = World::new(KINDS[0].service, KINDS[0].machine, 3);
        let mut trials = Vec::new();
        while let Next::Try(planned) = next(&settings, &trials) {
            trials.push(world.trial(&settings, planned.spec));
        }
        let svg = curve(&settings, &answer(&settings, &trials), &trials).unwrap().file();
        assert!(
            svg.starts_with("<svg")
                && svg.contains("holds 10000 users")
                && !svg.contains("<script")
        );
        assert!(svg.matches("class=\"pass\"").count() >= 6, "two for each trial that passed");
        assert_eq!(curve(&settings, &answer(&settings, &[]), &[]), None);
    }

    #[test]
    fn a_service_that_the_smallest_limit_holds_has_a_curve_too() {
        let settings = Settings::example();
        let mut world = World::new(KINDS[0].service.scaled(0.05), KINDS[0].machine, 3);
        let mut trials = Vec::new();
        while let Next::Try(planned) = next(&settings, &trials) {
            trials.push(world.trial(&settings, planned.spec));
        }
        let found = answer(&settings, &trials);
        assert!(found.cheapest(&settings).is_some_and(|minimum| minimum.is_lowest_cpu));
        assert!(curve(&settings, &found, &trials).is_some());
    }
}
