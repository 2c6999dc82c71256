//! Charts of a run.

use loadtest::{measure::Second, slo::LatencyLimit};

use super::points::{Point, points};
use crate::output::{
    charts::{Line, Mark, Scale, Timeline, timeline},
    run::RunReport,
};

/// Percentiles of the response-time charts.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// Returns the figures of all charts.
pub(super) fn all(report: &RunReport) -> String {
    let points = points(&report.seconds);
    let over = Over { report, steps: marks(report), points: &points };
    let intended: &dyn Fn(&Second) -> &loadtest::measure::Latencies = &|second| &second.intended;
    let figures = [
        over.rates(),
        over.times("Response times from the due time (intended)", intended),
        over.times("Response times from sending (service)", &|second| &second.service),
        over.users(),
        over.lag(),
        over.generator(),
    ];
    figures.concat()
}

/// A run over its seconds.
struct Over<'a> {
    report: &'a RunReport,
    steps: Vec<Mark>,
    points: &'a [Point],
}

impl Over<'_> {
    fn rates(&self) -> String {
        let each = |of: fn(&Second) -> u64| -> Vec<Option<f64>> {
            self.points.iter().map(|point| point.each(|second| of(second) as f64)).collect()
        };
        let lines = vec![
            Line { name: "requests/s", values: each(|second| second.requests) },
            Line { name: "failures/s", values: each(|second| second.failures) },
        ];
        self.figure(
            "Requests and failures",
            "ended requests per second",
            lines,
            None,
            Scale::Linear,
        )
    }

    fn times(&self, title: &str, of: &dyn Fn(&Second) -> &loadtest::measure::Latencies) -> String {
        let line = |(name, q): (&'static str, f64)| Line {
            name,
            values: self.points.iter().map(|point| point.ms(of, q)).collect(),
        };
        let lines = PERCENTILES.map(line).into_iter().collect();
        let limit = self
            .limit()
            .map(|limit| (limit.limit.as_secs_f64() * 1e3, format!("objective: {limit}")));
        let unit = "ms, of each second's requests; a gap is a second without an answer";
        self.figure(title, unit, lines, limit, Scale::Log)
    }

    fn users(&self) -> String {
        let values =
            self.points.iter().map(|point| point.each(|second| f64::from(second.users))).collect();
        let lines = vec![Line { name: "users", values }];
        self.figure("Users", "users or connections at work", lines, None, Scale::Linear)
    }

    fn lag(&self) -> String {
        let values = self.points.iter().map(|point| point.ms(|second| &second.lag, 0.99)).collect();
        let lines = vec![Line { name: "lag p99", values }];
        let unit = "ms that 1% of requests began late through the generator's fault";
        self.figure("Generator lag", unit, lines, None, Scale::Log)
    }

    fn generator(&self) -> String {
        let of = |figure: fn(&Second) -> Option<f64>| -> Vec<Option<f64>> {
            let each = |point: &Point| {
                let share = figure(point.total.as_ref()?)?;
                Some((share * 100.0).min(100.0))
            };
            self.points.iter().map(each).collect()
        };
        let lines = vec![
            Line { name: "CPU of the busiest thread", values: of(|s| Some(s.generator.cpu)) },
            Line { name: "run-queue delay", values: of(|s| s.generator.run_delay) },
            Line { name: "steal", values: of(|s| s.generator.steal) },
        ];
        self.figure("Generator", "percent of each second", lines, None, Scale::Linear)
    }

    fn figure(
        &self,
        title: &str,
        unit: &str,
        lines: Vec<Line<'_>>,
        limit: Option<(f64, String)>,
        scale: Scale,
    ) -> String {
        let seconds: Vec<f64> = self.points.iter().map(|point| point.at).collect();
        let steps = &self.steps;
        let drawn = Timeline { title, unit, seconds: &seconds, lines, steps, limit, scale };
        timeline(&drawn).map_or_else(String::new, |chart| chart.figure())
    }

    /// Returns the tightest latency limit.
    fn limit(&self) -> Option<LatencyLimit> {
        let limits = self.report.objective.as_ref()?.latency.iter().copied();
        limits.min_by_key(|limit| limit.limit)
    }
}

/// Returns the steps that were reached.
fn marks(report: &RunReport) -> Vec<Mark> {
    let unit = if report.model() == "open" { "/s" } else { " users" };
    let reached = report.plan.times().into_iter().zip(&report.outcome.steps);
    let mark = |(index, (times, measured)): (
        usize,
        (loadtest::workload::StepTimes, &loadtest::measure::Measured),
    )| {
        let from = times.measured_from.as_secs_f64();
        Mark {
            start: times.start.as_secs_f64(),
            window: (from, from + measured.all.length.as_secs_f64()),
            label: format!("{}{unit}", report.plan.steps[index].target),
        }
    };
    reached.enumerate().map(mark).collect()
}
