//! Seconds of a run as points of a chart.

use loadtest::measure::Second;

/// Most points of a line; longer runs show several seconds in each.
const MOST: u64 = 1200;

/// One or more seconds of a run.
pub(super) struct Point {
    /// End of the last second, from the start of the load.
    pub at: f64,
    /// Number of seconds that were reported.
    pub seconds: u32,
    /// All of them together; none if no second was reported.
    pub total: Option<Second>,
}

/// Returns the points, without a hole in time.
pub(super) fn points(seconds: &[Second]) -> Vec<Point> {
    let last = seconds.last().map_or(0, |second| second.index);
    let every = last.div_ceil(MOST).max(1);
    let mut rest = seconds.iter().peekable();
    let mut points = Vec::new();
    for end in (1..=last.div_ceil(every)).map(|point| point * every) {
        let mut point = Point { at: end as f64, seconds: 0, total: None };
        while let Some(second) = rest.next_if(|second| second.index <= end) {
            point.seconds += 1;
            match &mut point.total {
                Some(total) => total.merge(second),
                None => point.total = Some(second.clone()),
            }
        }
        points.push(point);
    }
    points
}

impl Point {
    /// Returns a figure of the seconds, as a mean for each of them.
    pub(super) fn each(&self, of: impl Fn(&Second) -> f64) -> Option<f64> {
        Some(of(self.total.as_ref()?) / f64::from(self.seconds.max(1)))
    }

    /// Returns a response time in milliseconds; none if no request was answered.
    pub(super) fn ms(
        &self,
        of: impl Fn(&Second) -> &loadtest::measure::Latencies,
        q: f64,
    ) -> Option<f64> {
        let latencies = of(self.total.as_ref()?);
        (latencies.count() > 0).then(|| latencies.quantile(q).as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn second(index: u64, requests: u64) -> Second {
        let mut second = Second { index, requests, users: 10, ..Second::default() };
        second.service.record_many(Duration::from_millis(5), requests);
        second
    }

    #[test]
    fn seconds_without_an_answer_have_no_time_and_lost_ones_no_figure() {
        let points = points(&[second(1, 4), second(2, 0), second(4, 8)]);
        let ms: Vec<_> =
            points.iter().map(|point| point.ms(|s| &s.service, 0.5).is_some()).collect();
        assert_eq!(ms, [true, false, false, true]);
        let rates: Vec<_> = points.iter().map(|point| point.each(|s| s.requests as f64)).collect();
        assert_eq!(rates, [Some(4.0), Some(0.0), None, Some(8.0)]);
    }

    #[test]
    fn long_runs_have_few_points() {
        let seconds: Vec<Second> = (1..=7200).map(|index| second(index, 3)).collect();
        let points = points(&seconds);
        assert_eq!((points.len(), points[0].seconds, points[1199].at), (1200, 6, 7200.0));
        assert_eq!(points[7].each(|s| f64::from(s.users)), Some(10.0));
    }
}
