//! A histogram with fixed Prometheus buckets, filled from HDR histograms each second.

use std::sync::{Arc, Mutex, PoisonError};

use loadtest::measure::Latencies;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Upper bounds of the buckets in seconds, 10 us to 50 s; fixed, so that runs can be added and
/// compared.
pub(super) const BOUNDS: [f64; 21] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0,
];

const US_PER_SECOND: f64 = 1e6;

/// Latencies since the start of the run; clones share the histogram.
#[derive(Debug, Clone, Default)]
pub(super) struct Distribution(Arc<Mutex<Counts>>);

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    sum_s: f64,
    count: u64,
    /// Counts by bucket: above the bound before, and not above this one.
    within: [u64; BOUNDS.len()],
}

impl Distribution {
    /// Adds latencies. Their three digits decide the bucket of a latency near a bound.
    pub(super) fn add(&self, latencies: &Latencies) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = latencies.histogram();
        for value in histogram.iter_recorded() {
            let count = value.count_at_value();
            let seconds =
                histogram.median_equivalent(value.value_iterated_to()) as f64 / US_PER_SECOND;
            counts.sum_s += seconds * count as f64;
            counts.count += count;
            let bucket = BOUNDS.partition_point(|&bound| bound < seconds);
            if let Some(within) = counts.within.get_mut(bucket) {
                *within += count;
            }
        }
    }
}

impl EncodeMetric for Distribution {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let Counts { sum_s, count, within } =
            *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let beyond = count - within.iter().sum::<u64>();
        let buckets: Vec<(f64, u64)> =
            BOUNDS.into_iter().zip(within).chain([(f64::INFINITY, beyond)]).collect();
        encoder.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Distribution {
    const TYPE: MetricType = MetricType::Histogram;
}
