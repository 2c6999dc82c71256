//! Charts as SVG: without scripts, readable on dark and light backgrounds and without telling red
//! from green.

mod axis;
mod chart;
mod curve;
mod demand;
mod frame;
mod map;
mod objective;
mod overlay;
mod picture;
mod ramp;
mod replicas;
mod style;
#[cfg(test)]
mod tests;
mod timeline;

use loadtest::verdict::Verdict;
use sizing::{
    sweep::Answer,
    trial::{Settings, Trial},
};

pub use chart::Chart;
pub use curve::curve;
pub use demand::demand;
pub use map::map;
pub use overlay::{Part, Series, overlay};
pub use picture::png;
pub use ramp::ramp;
pub use replicas::replicas;
pub use style::{Theme, of_page as page_style};
pub use timeline::{Line, Mark, Scale, Timeline, timeline};

/// Returns all charts that a sweep has, with their names.
pub fn of_sweep(
    settings: &Settings,
    answer: &Answer<'_>,
    trials: &[Trial],
) -> Vec<(&'static str, Chart)> {
    let all = [
        ("curve", curve(settings, answer, trials)),
        ("map", map(settings, answer, trials)),
        ("replicas", replicas(answer)),
        ("ramp", ramp(settings, answer, trials)),
        ("demand", demand(settings, answer)),
    ];
    all.into_iter().filter_map(|(name, chart)| Some((name, chart?))).collect()
}

/// Returns the name of a verdict's shape.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Undecided => "undecided",
        Verdict::Invalid => "invalid",
    }
}

/// Formats a number without the noise of binary fractions.
fn number(value: f64) -> String {
    format!("{}", (value * 1e4).round() / 1e4)
}

/// Returns ticks with their labels.
fn labelled(axis: &axis::Axis) -> Vec<(f64, String)> {
    axis.ticks().into_iter().map(|value| (value, number(value))).collect()
}
