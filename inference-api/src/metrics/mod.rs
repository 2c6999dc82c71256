//! Metrics of the server, as shown by `GET /metrics`.

mod exposition;
mod models;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_protobuf, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, NativeHistogramConfig, exponential_buckets},
    },
    registry::Registry,
};

pub use exposition::Exposition;

use crate::{repository::Repository, serve::guardian};

/// Counters of one server, shared by its workers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    /// Counters of responses with status 200, looked up once because every request needs one.
    predicted: [Counter; 3],
    stages: [Histogram; 4],
    /// Synthetic service times: drawn, and (`served`) actual.
    drawn: Histogram,
    served: Histogram,
    /// Number of open connections.
    pub connections: Gauge,
}

/// Path that runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /predict`.
    Predict,
    /// Inference request of the Open Inference Protocol.
    Infer,
    /// Scoring request of MLflow.
    Invocations,
}

impl Endpoint {
    /// Returns the route pattern, as used in labels.
    pub fn path(self) -> &'static str {
        match self {
            Self::Predict => "/predict",
            Self::Infer => "/v2/models/{model}/infer",
            Self::Invocations => "/invocations",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    path: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    time: &'static str,
}

/// Creates a histogram with classic buckets from 1 us to about 1 s, and native ones.
fn buckets() -> Histogram {
    Histogram::new_classic_and_native(
        exponential_buckets(1e-6, 2.0, 21),
        NativeHistogramConfig::with_schema(3),
    )
}

impl Metrics {
    /// Creates zeroed metrics; model metrics come from the repository's own statistics.
    pub fn new(repository: Arc<Repository>) -> Self {
        let mut registry = Registry::with_prefix("inference");
        registry.register_collector(Box::new(models::Models(repository)));
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("requests", "Requests answered", requests.clone());
        let stages = Family::<StageLabels, Histogram>::new_with_constructor(buckets);
        registry.register("stage_seconds", "Time of a prediction's stages", stages.clone());
        let service = Family::<ServiceLabels, Histogram>::new_with_constructor(buckets);
        registry.register(
            "service_time_seconds",
            "Synthetic service times, drawn and as they came out",
            service.clone(),
        );
        let crashes: Counter = Counter::default();
        crashes.inc_by(guardian::crashes().unwrap_or(0));
        registry.register(
            "crashes",
            "Times that a signal ended the server and --respawn started it again",
            crashes,
        );
        let connections = Gauge::default();
        registry.register("connections", "Open connections", connections.clone());
        Self {
            predicted: [Endpoint::Predict, Endpoint::Infer, Endpoint::Invocations].map(|e| {
                requests
                    .get_or_create_owned(&RequestLabels { path: e.path().to_owned(), code: 200 })
            }),
            stages: ["parse", "queue", "inference", "write"]
                .map(|stage| stages.get_or_create_owned(&StageLabels { stage })),
            drawn: service.get_or_create_owned(&ServiceLabels { time: "drawn" }),
            served: service.get_or_create_owned(&ServiceLabels { time: "true" }),
            registry,
            requests,
            connections,
        }
    }

    /// Counts a request that a model has answered, and the durations of its stages.
    pub fn predicted(
        &self,
        at: Endpoint,
        parse: Duration,
        queue: Duration,
        inference: Duration,
        write: Duration,
    ) {
        self.predicted[at as usize].inc();
        for (stage, time) in self.stages.iter().zip([parse, queue, inference, write]) {
            stage.observe(time.as_secs_f64());
        }
    }

    /// Records a synthetic service time: the drawn one and the actual one.
    pub fn served(&self, drawn: Duration, served: Duration) {
        self.drawn.observe(drawn.as_secs_f64());
        self.served.observe(served.as_secs_f64());
    }

    /// Counts any other response.
    pub fn answered(&self, path: &str, code: u16) {
        self.requests.get_or_create(&RequestLabels { path: path.to_owned(), code }).inc();
    }

    /// Renders all metrics in this format.
    ///
    /// # Errors
    /// Returns an error if a metric cannot be encoded.
    pub fn render(&self, form: Exposition) -> Result<Vec<u8>, String> {
        if form == Exposition::Protobuf {
            return prometheus_protobuf::encode_to_vec(&self.registry).map_err(|e| e.to_string());
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry).map_err(|e| e.to_string())?;
        let out = if form == Exposition::Text { exposition::classic(&out) } else { out };
        Ok(out.into_bytes())
    }
}
