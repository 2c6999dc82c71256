//! Figures of a test since its start, or since the last reset.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use loadtest::measure::{ByAddress, Latencies, Measured, Second, TaskSecond, Words};
use serde::Serialize;

use super::{packed::Packed, replicas::Sample};

/// Seconds kept for charts and reports: an hour.
const HISTORY: usize = 3600;
/// Seconds over which Locust averages its current figures.
const CURRENT: usize = 10;
/// Percentiles of the charts.
const PERCENTILES: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

/// Figures of a test.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Requests in all, and of each task.
    pub(super) total: Measured,
    /// The last hour.
    seconds: VecDeque<Arc<Packed>>,
    /// Totals of the seconds before.
    pub(super) earlier: Second,
    /// Service times of the last seconds.
    recent: VecDeque<Latencies>,
    /// Points of the charts, one for each of `seconds`.
    pub(super) points: VecDeque<Point>,
    /// Number of the first point, counted from the start of the test.
    pub(super) first_point: u64,
    pub(super) addresses: ByAddress,
    pub(super) words: Words,
    /// Requests and failures of each task in the last seconds.
    current: VecDeque<Vec<(u64, u64)>>,
}

/// A second on the charts.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// Milliseconds since 1970.
    time: u64,
    users: u32,
    requests: u64,
    failures: u64,
    /// Percentiles of the times from sending to the last byte in milliseconds; none in a second
    /// without an answer.
    service: Option<[f64; 6]>,
    /// Percentiles of the times from when requests were due.
    intended: Option<[f64; 6]>,
    /// Generator lateness: its 99th percentile, in milliseconds.
    lag: f64,
    /// Share of a processor that the busiest load thread used.
    cpu: f64,
    run_delay: Option<f64>,
    steal: Option<f64>,
    /// Usage of each container that was found.
    replicas: Vec<Sample>,
}

impl Progress {
    /// Adds a second of the running test, which began at `began`, with the usage of its containers.
    pub(super) fn add(&mut self, second: &Second, began: SystemTime, replicas: Vec<Sample>) {
        self.total.add(second);
        for (kind, words) in &second.words {
            self.words.entry(*kind).or_insert_with(|| words.clone());
        }
        for (address, requests) in &second.addresses {
            self.addresses.entry(*address).or_default().merge(requests);
        }
        let counts = |task: &TaskSecond| (task.requests, task.kinds.values().sum());
        push(&mut self.current, second.tasks.iter().map(counts).collect(), CURRENT);
        let has_room = self.points.len() < HISTORY;
        push(&mut self.recent, second.service.clone(), CURRENT);
        if !has_room && let Some(first) = self.seconds.pop_front() {
            self.earlier.merge(&first.unpacked());
        }
        self.seconds.push_back(Arc::new(Packed::new(second)));
        push(&mut self.points, point(second, began, replicas), HISTORY);
        self.first_point += u64::from(!has_room);
    }

    /// Resets the figures; the test goes on.
    pub(super) fn reset(&mut self) {
        let first_point = self.first_point + self.points.len() as u64;
        *self = Self { first_point, ..Self::default() };
    }

    /// Returns the requests per second and the failures per second over the last ten seconds, of
    /// one task or of all.
    pub(super) fn current(&self, task: Option<usize>) -> (f64, f64) {
        let of = |second: &Vec<(u64, u64)>| match task {
            Some(task) => second.get(task).copied().unwrap_or_default(),
            None => second.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1)),
        };
        let sum = self.current.iter().map(of).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let seconds = self.current.len().max(1) as f64;
        (sum.0 as f64 / seconds, sum.1 as f64 / seconds)
    }

    /// Returns the service times of the last ten seconds.
    pub(super) fn current_service(&self) -> Latencies {
        let mut service = Latencies::default();
        self.recent.iter().for_each(|second| service.merge(second));
        service
    }

    /// Returns the seconds that are kept.
    pub(super) fn packed(&self) -> Vec<Arc<Packed>> {
        self.seconds.iter().cloned().collect()
    }

    /// Returns the seconds that are kept and ended in an interval.
    pub(super) fn between(&self, from: Duration, to: Duration) -> Vec<Second> {
        let is_in =
            |second: &&Arc<Packed>| (from + Duration::from_nanos(1)..=to).contains(&second.end());
        self.seconds.iter().filter(is_in).map(|second| second.unpacked()).collect()
    }
}

fn point(second: &Second, began: SystemTime, replicas: Vec<Sample>) -> Point {
    let time = began + Duration::from_secs(second.index);
    let percentiles = |latencies: &Latencies| {
        let ms = |q: f64| (latencies.quantile(q).as_secs_f64() * 1e6).round() / 1e3;
        (latencies.count() > 0).then(|| PERCENTILES.map(ms))
    };
    Point {
        time: time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        users: second.users,
        requests: second.requests,
        failures: second.failures,
        service: percentiles(&second.service),
        intended: percentiles(&second.intended),
        lag: second.lag.quantile(0.99).as_secs_f64() * 1e3,
        cpu: second.generator.cpu,
        run_delay: second.generator.run_delay,
        steal: second.generator.steal,
        replicas,
    }
}

fn push<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(value);
}

#[cfg(test)]
mod tests {
    use loadtest::measure::FailureKind;

    use super::*;

    fn second(index: u64, requests: u64) -> Second {
        let mut task = TaskSecond { requests, ..TaskSecond::default() };
        if requests > 0 {
            task.service.record_many(Duration::from_millis(20), requests);
            task.kinds.insert(FailureKind::Timeout, 1);
        }
        let service = task.service.clone();
        Second { index, requests, service, tasks: vec![task], ..Second::default() }
    }

    #[test]
    fn a_second_without_an_answer_is_a_gap() {
        let mut progress = Progress::default();
        progress.add(&second(1, 10), UNIX_EPOCH, Vec::new());
        progress.add(&second(2, 0), UNIX_EPOCH, Vec::new());
        let points: Vec<bool> = progress.points.iter().map(|p| p.service.is_some()).collect();
        assert_eq!(points, [true, false]);
        assert_eq!(progress.current(None), (5.0, 0.5));
        assert_eq!(progress.total.all.requests, 10);
        let failures = progress.total.tasks[0].failures[&FailureKind::Timeout];
        assert_eq!((failures.first.as_secs(), failures.last.as_secs()), (0, 1));
    }

    #[test]
    fn a_reset_keeps_the_numbers_of_points() {
        let mut progress = Progress::default();
        (1..=5).for_each(|index| progress.add(&second(index, 1), UNIX_EPOCH, Vec::new()));
        progress.reset();
        progress.add(&second(6, 1), UNIX_EPOCH, Vec::new());
        assert_eq!((progress.first_point, progress.points.len()), (5, 1));
        assert_eq!(progress.total.all.requests, 1);
    }

    #[test]
    fn a_long_test_keeps_its_last_hour() {
        let mut progress = Progress::default();
        (1..=HISTORY as u64 + 7)
            .for_each(|index| progress.add(&second(index, 1), UNIX_EPOCH, Vec::new()));
        assert_eq!((progress.points.len(), progress.first_point), (HISTORY, 7));
        assert_eq!(progress.total.all.requests, HISTORY as u64 + 7);
    }
}
