//! Figures over the seconds of a run, with marks of its steps and the objective.

use super::{
    axis::Axis,
    chart::Chart,
    frame::{Frame, LEFT, Panel, RIGHT},
    labelled, number,
};

const HEIGHT: f64 = 330.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 250.0;
/// Most rectangles that show their figures under the pointer.
const MOST_HINTS: usize = 400;

/// A chart over the seconds of a run.
pub struct Timeline<'a> {
    /// Title.
    pub title: &'a str,
    /// Quantity and unit of the vertical axis.
    pub unit: &'a str,
    /// End of the seconds that each value stands for, from the start of the load, ascending.
    pub seconds: &'a [f64],
    /// Lines, at most six.
    pub lines: Vec<Line<'a>>,
    /// Steps of the load.
    pub steps: &'a [Mark],
    /// The objective's limit and its label.
    pub limit: Option<(f64, String)>,
    /// Scale of the vertical axis.
    pub scale: Scale,
}

/// A line of a timeline.
pub struct Line<'a> {
    /// Name.
    pub name: &'a str,
    /// A value for each of the timeline's seconds; none is a gap.
    pub values: Vec<Option<f64>>,
}

/// A step of the load on a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Beginning of the step.
    pub start: f64,
    /// Measurement window.
    pub window: (f64, f64),
    /// Level of the load.
    pub label: String,
}

/// Scale of a vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From 0.
    Linear,
    /// Logarithmic, for times.
    Log,
}

/// Draws a timeline; `None` without any value.
pub fn timeline(timeline: &Timeline<'_>) -> Option<Chart> {
    let Timeline { title, unit, seconds, lines, steps, limit, scale } = timeline;
    let values = || lines.iter().flat_map(|line| line.values.iter().copied().flatten());
    values().next()?;
    let last = seconds.last().copied().unwrap_or(1.0);
    let least = limit.iter().map(|(value, _)| *value).chain(values().filter(|v| *v > 0.0));
    let most = limit.iter().map(|(value, _)| *value).chain(values()).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let y = match scale {
        Scale::Linear => Axis::linear(0.0, most * 1.08, BOTTOM, TOP),
        Scale::Log => Axis::log(least.fold(most, f64::min) * 0.8, most * 1.25, BOTTOM, TOP),
    };
    let panel = Panel::wide(Axis::linear(0.0, last.max(1.0), LEFT, RIGHT), y, TOP, BOTTOM);
    let mut frame = Frame::new(HEIGHT, title, unit);
    windows(&mut frame, &panel, steps);
    frame.panel(&panel, "", &labelled(&panel.x), &labelled(&panel.y));
    let middle = (LEFT + RIGHT) / 2.0;
    frame.text(middle, BOTTOM + 34.0, "s", "middle", "seconds from the start of the load");
    if let Some((value, label)) = limit {
        frame.objective(&panel, *value, label);
    }
    for (style, line) in lines.iter().enumerate() {
        let places = seconds.iter().zip(&line.values);
        let place = |(at, value): (&f64, &Option<f64>)| value.map(|value| panel.at(*at, value));
        frame.broken_path(style, &places.map(place).collect::<Vec<_>>());
    }
    hints(&mut frame, &panel, timeline);
    frame.names((LEFT, HEIGHT - 16.0), 0, lines.iter().map(|line| line.name));
    Some(frame.finish())
}

/// Draws the measurement windows of the steps, and the beginning of each step.
fn windows(frame: &mut Frame, panel: &Panel, steps: &[Mark]) {
    let mut labelled_to = f64::NEG_INFINITY;
    for step in steps {
        let [from, to] = [step.window.0, step.window.1].map(|at| panel.x.at(at));
        frame.rect("step", (from, TOP), (to, BOTTOM));
        let start = panel.x.at(step.start);
        frame.line("mark", (start, TOP), (start, BOTTOM));
        let width = 7.0 * step.label.chars().count() as f64;
        if from >= labelled_to {
            frame.text(from + 2.0, TOP - 6.0, "s", "start", &step.label);
            labelled_to = from + width;
        }
    }
}

fn hints(frame: &mut Frame, panel: &Panel, timeline: &Timeline<'_>) {
    let every = timeline.seconds.len().div_ceil(MOST_HINTS).max(1);
    let half = (RIGHT - LEFT) / timeline.seconds.len().max(1) as f64 / 2.0 * every as f64;
    for (index, at) in timeline.seconds.iter().enumerate().step_by(every) {
        let shown = |line: &Line<'_>| match line.values.get(index).copied().flatten() {
            Some(value) => format!("{} {}", line.name, number(value)),
            None => format!("{}: no answer", line.name),
        };
        let values: Vec<String> = timeline.lines.iter().map(shown).collect();
        let x = panel.x.at(*at);
        let from = ((x - half).max(LEFT), TOP);
        let text = format!("{} s: {}", number(*at), values.join(", "));
        frame.hint(from, ((x + half).min(RIGHT), BOTTOM), &text);
    }
}
