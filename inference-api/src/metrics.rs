//! What `GET /metrics` shows, in the Prometheus text format.

use std::{fmt::Write, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Counters of one server; workers share them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    /// Predictions answered with 200: looked up once, since it is on the path of every request.
    predicted: Counter,
    parse: Histogram,
    inference: Histogram,
    /// Open connections.
    pub connections: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    path: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("inference");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("requests", "Requests answered", requests.clone());
        let stages = Family::<StageLabels, Histogram>::new_with_constructor(|| {
            // 1 us to about 1 s.
            Histogram::new(exponential_buckets(1e-6, 2.0, 21))
        });
        registry.register("stage_seconds", "Time of a prediction's stages", stages.clone());
        let connections = Gauge::default();
        registry.register("connections", "Open connections", connections.clone());
        Self {
            predicted: requests.get_or_create_owned(&RequestLabels { path: "/predict", code: 200 }),
            parse: stages.get_or_create_owned(&StageLabels { stage: "parse" }),
            inference: stages.get_or_create_owned(&StageLabels { stage: "inference" }),
            registry,
            requests,
            connections,
        }
    }
}

impl Metrics {
    /// Counts a prediction that was answered with 200.
    pub fn predicted(&self, parse: Duration, inference: Duration) {
        self.predicted.inc();
        self.parse.observe(parse.as_secs_f64());
        self.inference.observe(inference.as_secs_f64());
    }

    /// Counts any other answer.
    pub fn answered(&self, path: &'static str, code: u16) {
        self.requests.get_or_create(&RequestLabels { path, code }).inc();
    }

    /// The exposition text.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        out.write_str("")?;
        Ok(out)
    }
}
