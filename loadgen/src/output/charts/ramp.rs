//! The ramp that confirmed the answer: latency and throttling by users.

use sizing::{
    sweep::Answer,
    trial::{Purpose, Settings, StepResult, Trial},
};

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    labelled,
    objective::{limit_ms, percentile, percentile_name},
};

const HEIGHT: f64 = 560.0;

/// Draws the ramp that confirmed the cheapest minimum, or else the last ramp; `None` without one.
pub fn ramp(settings: &Settings, answer: &Answer<'_>, trials: &[Trial]) -> Option<Chart> {
    let confirming = answer.cheapest(settings).and_then(|minimum| minimum.confirmation(trials));
    let is_ramp = |trial: &&Trial| trial.spec.purpose == Purpose::Ramp;
    let ramp = confirming.or_else(|| trials.iter().rev().find(is_ramp))?;
    let steps: Vec<&StepResult> = ramp.steps.iter().filter(|step| step.requests > 0).collect();
    let most_users = steps.last()?.users;
    let lines = lines(settings, &steps);
    let limit = limit_ms(settings);
    let all = || lines.iter().flat_map(|(_, ms)| ms.iter().copied()).filter(|ms| *ms > 0.0);
    let (low, high) = (all().fold(limit, f64::min), all().fold(limit, f64::max));
    let x = Axis::linear(0.0, f64::from(most_users), LEFT, RIGHT);
    let latency = Panel::wide(x, Axis::log(low * 0.8, high * 1.3, 320.0, 90.0), 90.0, 320.0);
    let busy = Panel::wide(x, Axis::linear(0.0, 1.0, 490.0, 370.0), 370.0, 490.0);

    let title = format!("Ramp of {}", ramp.spec.point);
    let subtitle = format!(
        "{}; closed model, think time {}; {}",
        settings.objective, settings.wait_time, ramp.verdict
    );
    let mut frame = Frame::new(HEIGHT, &title, &subtitle);
    let xs = labelled(&x);
    frame.panel(&latency, "response time from the due time, ms", &[], &labelled(&latency.y));
    let shares = [0.0, 0.5, 1.0].map(|share| (share, format!("{:.0}%", share * 100.0)));
    frame.panel(&busy, "shares", &xs, &shares);
    frame.text((LEFT + RIGHT) / 2.0, busy.bottom + 34.0, "s", "middle", "users");
    if !settings.objective.latency.is_empty() {
        frame.objective(&latency, limit, &format!("objective: {limit} ms"));
    }
    for (style, (_, ms)) in lines.iter().enumerate() {
        let places = steps.iter().zip(ms);
        let places =
            places.map(|(step, ms)| (*ms > 0.0).then(|| latency.at(step.users.into(), *ms)));
        frame.broken_path(style, &places.collect::<Vec<_>>());
    }
    usage(&mut frame, &busy, ramp, &steps);
    for step in &steps {
        let what = format!(
            "{} users: {} at p95 {:.1} ms, {:.0} requests/s",
            step.users, step.verdict, step.intended_ms.p95, step.requests_per_second
        );
        let ms = percentile(&step.violation_rates, &step.intended_ms);
        frame.trial(step.verdict, latency.at(step.users.into(), ms), &what);
    }
    let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    frame.names((LEFT, HEIGHT - 18.0), 0, names.into_iter());
    Some(frame.finish())
}

/// Returns the objective's percentile, the median and p99 of each step.
fn lines(settings: &Settings, steps: &[&StepResult]) -> Vec<(String, Vec<f64>)> {
    let named = percentile_name(settings);
    let of = |step: &&StepResult| percentile(&step.violation_rates, &step.intended_ms);
    let mut lines = vec![(named.clone(), steps.iter().map(of).collect())];
    let medians = steps.iter().map(|step| step.intended_ms.p50).collect();
    let tails = steps.iter().map(|step| step.intended_ms.p99).collect();
    let others = [("p50".to_owned(), medians), ("p99".to_owned(), tails)];
    lines.extend(others.into_iter().filter(|(name, _)| *name != named));
    lines
}

/// Draws throttling and the share of the CPU limit in use.
fn usage(frame: &mut Frame, panel: &Panel, ramp: &Trial, steps: &[&StepResult]) {
    let quota = ramp.spec.point.total_cpus();
    let place = |step: &StepResult, share: Option<f64>| {
        share.map(|share| panel.at(f64::from(step.users), share))
    };
    let throttled: Vec<_> = steps.iter().map(|step| place(step, step.throttled_share)).collect();
    let used: Vec<_> =
        steps.iter().map(|step| place(step, step.cpus_used.map(|used| used / quota))).collect();
    frame.broken_path(3, &throttled);
    frame.broken_path(4, &used);
    let names = ["periods throttled", "CPU limit in use"];
    frame.names((RIGHT - 340.0, panel.top - 8.0), 3, names.into_iter());
}
