//! Curves of several runs or sweeps in one chart.

use loadtest::verdict::Verdict;

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    labelled,
};

const TOP: f64 = 92.0;
const PANEL: f64 = 200.0;
const GAP: f64 = 56.0;

/// Curve of one run or sweep.
pub struct Series {
    /// Name.
    pub name: String,
    /// Place on the horizontal axis, and a value for each panel; ascending.
    pub points: Vec<(f64, Vec<f64>)>,
    /// Trials, with the same values.
    pub trials: Vec<(Verdict, f64, Vec<f64>)>,
}

/// A panel of an overlay.
pub struct Part<'a> {
    /// Quantity and unit.
    pub name: &'a str,
    /// Smallest value that is shown; smaller ones are drawn at it.
    pub least: f64,
    /// True for shares, which are shown in percent.
    pub is_share: bool,
    /// A limit with its label.
    pub limit: Option<(f64, String)>,
}

/// Draws curves over each other, with a panel for each value; both axes are logarithmic. `None`
/// without a point.
pub fn overlay(
    title: &str,
    subtitle: &str,
    across: &str,
    parts: &[Part<'_>],
    all: &[Series],
) -> Option<Chart> {
    let xs = || {
        let of = |series: &Series| -> Vec<f64> {
            let trials = series.trials.iter().map(|(_, x, _)| *x);
            series.points.iter().map(|(x, _)| *x).chain(trials).collect()
        };
        all.iter().flat_map(of).filter(|x| *x > 0.0)
    };
    let (low, high) = (xs().reduce(f64::min)?, xs().reduce(f64::max)?);
    let x = Axis::log(low * 0.85, high * 1.15, LEFT, RIGHT);
    let height = TOP + parts.len() as f64 * (PANEL + GAP) + 34.0;
    let mut frame = Frame::new(height, title, subtitle);
    for (index, part) in parts.iter().enumerate() {
        let top = TOP + index as f64 * (PANEL + GAP);
        let panel = Panel::wide(x, y_axis(index, part, all, top), top, top + PANEL);
        let labels = if index + 1 == parts.len() { labelled(&x) } else { Vec::new() };
        let shares = [1e-4, 1e-3, 1e-2, 1e-1, 1.0];
        let ys = match part.is_share {
            true => shares.map(|share| (share, format!("{}%", share * 100.0))).to_vec(),
            false => labelled(&panel.y),
        };
        frame.panel(&panel, part.name, &labels, &ys);
        if let Some((value, label)) = &part.limit {
            frame.objective(&panel, *value, label);
        }
        for (style, series) in all.iter().enumerate() {
            draw(&mut frame, &panel, index, style % super::style::LINES, series);
        }
        if index + 1 == parts.len() {
            frame.text((LEFT + RIGHT) / 2.0, panel.bottom + 34.0, "s", "middle", across);
        }
    }
    frame.names((LEFT, height - 16.0), 0, all.iter().map(|series| series.name.as_str()));
    Some(frame.finish())
}

fn y_axis(index: usize, part: &Part<'_>, all: &[Series], top: f64) -> Axis {
    let of = |series: &Series| -> Vec<f64> {
        let trials = series.trials.iter().map(|(_, _, values)| values);
        let values = series.points.iter().map(|(_, values)| values).chain(trials);
        values.filter_map(|values| values.get(index).copied()).collect()
    };
    let limit = part.limit.iter().map(|(value, _)| *value);
    let values = || all.iter().flat_map(of).chain(limit.clone()).map(|value| value.max(part.least));
    let (low, high) = (values().reduce(f64::min), values().reduce(f64::max));
    let (low, high) = (low.unwrap_or(part.least), high.unwrap_or(1.0));
    Axis::log(low * 0.8, (high * 1.25).max(low), top + PANEL, top)
}

fn draw(frame: &mut Frame, panel: &Panel, index: usize, style: usize, series: &Series) {
    let place = |(x, values): &(f64, Vec<f64>)| values.get(index).map(|value| panel.at(*x, *value));
    let places: Vec<Option<(f64, f64)>> = series.points.iter().map(place).collect();
    frame.broken_path(style, &places);
    for (verdict, x, values) in &series.trials {
        if let Some(value) = values.get(index) {
            let what = format!("{}: {verdict}", series.name);
            frame.trial(*verdict, panel.at(*x, *value), &what);
        }
    }
}
