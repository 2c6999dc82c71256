//! Demand chart: the least CPU by users.

use loadtest::verdict::Verdict;
use sizing::{sweep::Answer, trial::Settings};

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    number,
};

const HEIGHT: f64 = 520.0;

/// Draws the least CPU by users; `None` if it was not measured.
pub fn demand(settings: &Settings, answer: &Answer<'_>) -> Option<Chart> {
    let last = answer.demand.last()?;
    let most = answer.demand.iter().map(|point| point.cpus).fold(0.0, f64::max);
    let (left, right, top, bottom) = (LEFT, RIGHT, 90.0, 430.0);
    let x = Axis::linear(0.0, f64::from(last.users), left, right);
    let panel = Panel::wide(x, Axis::linear(0.0, most * 1.1, bottom, top), top, bottom);
    let replicas = settings.replicas.first().copied().unwrap_or(1);
    let title = format!("Least CPU by users, up to {} users", last.users);
    let subtitle = format!(
        "{replicas} replica(s), CPU each; objective {} in {:.0}% of starts; closed model, think \
            time {}",
        settings.objective,
        settings.confidence * 100.0,
        settings.wait_time
    );
    let mut frame = Frame::new(HEIGHT, &title, &subtitle);
    let xs: Vec<(f64, String)> =
        panel.x.ticks().into_iter().map(|users| (users, number(users))).collect();
    let ys: Vec<(f64, String)> =
        panel.y.ticks().into_iter().map(|cpus| (cpus, number(cpus))).collect();
    frame.panel(&panel, "CPU", &xs, &ys);
    frame.text((left + right) / 2.0, bottom + 34.0, "s", "middle", "users");
    let edges: Vec<(f64, f64)> =
        answer.demand.iter().map(|point| panel.at(f64::from(point.users), point.edge)).collect();
    frame.path("probe", &edges);
    edges.iter().for_each(|place| frame.dot("dot", *place, 3.0));
    let least: Vec<(f64, f64)> =
        answer.demand.iter().map(|point| panel.at(f64::from(point.users), point.cpus)).collect();
    frame.path("answer", &least);
    for (point, place) in answer.demand.iter().zip(&least) {
        let what = format!("{} users: {:.3} CPU", point.users, point.cpus);
        let verdict = if point.is_verified { Verdict::Pass } else { Verdict::Undecided };
        frame.trial(verdict, *place, &what);
    }
    let y = HEIGHT - 18.0;
    frame.trial(Verdict::Undecided, (left, y - 4.0), "least CPU");
    frame.text(left + 12.0, y, "s", "start", "least CPU");
    frame.trial(Verdict::Pass, (left + 120.0, y - 4.0), "verified");
    frame.text(left + 132.0, y, "s", "start", "verified by fresh trials");
    frame.dot("dot", (left + 320.0, y - 4.0), 3.0);
    frame.text(left + 330.0, y, "s", "start", "edge of the usual start");
    Some(frame.finish())
}
