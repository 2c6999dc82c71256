//! Seconds with packed histograms: an hour of them takes megabytes instead of hundreds.

use std::time::Duration;

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};
use loadtest::measure::{Latencies, Second};

/// A second whose histograms are encoded (HdrHistogram V2), which leaves out empty buckets.
#[derive(Debug)]
pub(super) struct Packed {
    counts: Second,
    service: Vec<u8>,
    intended: Vec<u8>,
}

impl Packed {
    pub(super) fn new(second: &Second) -> Self {
        Self {
            counts: Second { lag: Latencies::default(), ..second.counts() },
            service: encoded(&second.service),
            intended: encoded(&second.intended),
        }
    }

    /// Returns the end of the second, from the start of the plan.
    pub(super) fn end(&self) -> Duration {
        Duration::from_secs(self.counts.index)
    }

    pub(super) fn unpacked(&self) -> Second {
        Second {
            service: decoded(&self.service),
            intended: decoded(&self.intended),
            ..self.counts.clone()
        }
    }
}

fn encoded(latencies: &Latencies) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory fails for histograms of other machines' sizes only.
    let _ = V2Serializer::new().serialize(latencies.histogram(), &mut bytes);
    bytes
}

fn decoded(mut bytes: &[u8]) -> Latencies {
    let histogram: Option<Histogram<u64>> = Deserializer::new().deserialize(&mut bytes).ok();
    histogram.map(Latencies::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_comes_back_as_it_was_and_is_small() {
        let mut second = Second { index: 7, requests: 6000, ..Second::default() };
        for request in 0..6000_u64 {
            second.service.record(Duration::from_micros(100 + request * 7));
            second.intended.record(Duration::from_micros(200 + request * 9));
        }
        let packed = Packed::new(&second);
        assert!(packed.service.len() < 10_000, "{}", packed.service.len());
        let back = packed.unpacked();
        assert_eq!((back.index, back.requests, packed.end().as_secs()), (7, 6000, 7));
        for q in [0.0, 0.5, 0.95, 0.999, 1.0] {
            assert_eq!(back.service.quantile(q), second.service.quantile(q));
            assert_eq!(back.intended.quantile(q), second.intended.quantile(q));
        }
    }
}
