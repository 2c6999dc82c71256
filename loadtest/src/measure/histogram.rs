//! Latencies in an HDR histogram: 1 us to 60 s at 3 significant digits, for any number of samples.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Recorded latencies; values over 60 s count as 60 s.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

const MAX_US: u64 = 60_000_000;

impl Default for Latencies {
    fn default() -> Self {
        // Grows with the recorded values: an idle window costs little, a full one about 139 KB.
        Self(Histogram::new(3).unwrap_or_else(|_| unreachable!("3 digits are within 0 to 5")))
    }
}

impl From<Histogram<u64>> for Latencies {
    /// Takes a histogram of microseconds.
    fn from(histogram: Histogram<u64>) -> Self {
        Self(histogram)
    }
}

impl Latencies {
    /// Returns the number of values over a limit. Values that the histogram does not tell from the
    /// limit, within a thousandth, count as over it.
    pub fn count_over(&self, limit: Duration) -> u64 {
        let us = u64::try_from(limit.as_micros()).unwrap_or(MAX_US);
        let over = self.0.iter_recorded().filter(|at| at.value_iterated_to() > us);
        over.map(|at| at.count_at_value()).sum()
    }

    /// Records one latency.
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(MAX_US).clamp(1, MAX_US);
        // The histogram grows as needed, so it accepts every value within the bounds.
        let _ = self.0.record(us);
    }

    /// Records the same latency `count` times.
    pub fn record_many(&mut self, latency: Duration, count: u64) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(MAX_US).clamp(1, MAX_US);
        let _ = self.0.record_n(us, count);
    }

    /// Returns an empty histogram that need not grow for the values seen here.
    pub fn emptied(&self) -> Self {
        if self.0.is_empty() {
            return Self::default();
        }
        let mut empty = Histogram::new_with_max(self.0.max().max(2), 3).unwrap_or_else(|_| {
            unreachable!("3 digits are within 0 to 5, and the highest value is at least 2")
        });
        empty.auto(true);
        Self(empty)
    }

    /// Returns the histogram, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// Adds all latencies of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    /// Returns the number of recorded latencies.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the latency that a share `q` (0 to 1) of the values does not exceed; zero if empty.
    pub fn quantile(&self, q: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(q))
    }

    /// Returns the reported percentiles, in milliseconds.
    pub fn percentiles(&self) -> Percentiles {
        let ms = |q: f64| self.0.value_at_quantile(q) as f64 / 1000.0;
        Percentiles {
            mean: self.0.mean() / 1000.0,
            p50: ms(0.5),
            p95: ms(0.95),
            p99: ms(0.99),
            p99_9: ms(0.999),
            p99_99: ms(0.9999),
            min: if self.0.is_empty() { 0.0 } else { self.0.min() as f64 / 1000.0 },
            max: self.0.max() as f64 / 1000.0,
        }
    }
}

/// Percentiles of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub min: f64,
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list(
            mut us in proptest::collection::vec(1u64..60_000_000, 1..200),
            q in 0.01f64..1.0,
        ) {
            let mut latencies = Latencies::default();
            for &v in &us {
                latencies.record(Duration::from_micros(v));
            }
            us.sort_unstable();
            let exact = us[((q * us.len() as f64).ceil() as usize).clamp(1, us.len()) - 1] as f64;
            let got = latencies.quantile(q).as_micros() as f64;
            prop_assert!((got - exact).abs() <= exact * 0.001 + 1.0, "{got} for {exact}");
        }

        #[test]
        fn merging_is_recording_both(
            a in proptest::collection::vec(1u64..60_000_000, 0..50),
            b in proptest::collection::vec(1u64..60_000_000, 0..50),
        ) {
            let fill = |values: &[u64]| {
                let mut l = Latencies::default();
                values.iter().for_each(|&v| l.record(Duration::from_micros(v)));
                l
            };
            let mut merged = fill(&a);
            merged.merge(&fill(&b));
            let both = fill(&[a, b].concat());
            prop_assert_eq!(merged.count(), both.count());
            prop_assert_eq!(merged.percentiles(), both.percentiles());
        }
    }
}
