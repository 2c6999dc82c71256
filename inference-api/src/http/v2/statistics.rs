//! Triton's statistics extension.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::error::V2Error;
use crate::{
    http::SharedWorker,
    repository::{Served, Tally, Unknown},
};

/// Model and, if the path has one, version.
#[derive(Deserialize)]
pub(super) struct Target {
    model: String,
    version: Option<String>,
}

#[derive(Serialize)]
struct All {
    model_stats: Vec<ModelStatistics>,
}

#[derive(Serialize)]
struct ModelStatistics {
    name: String,
    version: String,
    last_inference: u64,
    inference_count: u64,
    execution_count: u64,
    inference_stats: InferenceStatistics,
    batch_stats: Vec<BatchStatistics>,
}

#[derive(Serialize)]
struct InferenceStatistics {
    success: Count,
    fail: Count,
    queue: Count,
    compute_input: Count,
    compute_infer: Count,
    compute_output: Count,
    /// Always zero: the server has no cache.
    cache_hit: Count,
    cache_miss: Count,
}

#[derive(Serialize)]
struct BatchStatistics {
    batch_size: usize,
    compute_input: Count,
    compute_infer: Count,
    compute_output: Count,
}

#[derive(Serialize, Default)]
struct Count {
    count: u64,
    ns: u64,
}

impl From<Tally> for Count {
    fn from(tally: Tally) -> Self {
        Self { count: tally.count, ns: u64::try_from(tally.time.as_nanos()).unwrap_or(u64::MAX) }
    }
}

pub(super) async fn all(State(worker): State<SharedWorker>) -> Response {
    let catalog = worker.server.repository.catalog();
    Json(All { model_stats: catalog.all().map(|served| of(served)).collect() }).into_response()
}

pub(super) async fn one(
    State(worker): State<SharedWorker>,
    Path(target): Path<Target>,
) -> Result<Response, V2Error> {
    let catalog = worker.server.repository.catalog();
    let model_stats = match target.version {
        Some(version) => vec![of(catalog.find(&target.model, Some(&version))?)],
        None => {
            let entry =
                catalog.entry(&target.model).ok_or_else(|| Unknown::Model(target.model.clone()))?;
            entry.versions.iter().map(|served| of(served)).collect()
        }
    };
    Ok(Json(All { model_stats }).into_response())
}

fn of(served: &Served) -> ModelStatistics {
    let statistics = served.statistics();
    ModelStatistics {
        name: served.signature.name.clone(),
        version: served.signature.version.clone(),
        last_inference: statistics.last_inference_ms,
        inference_count: statistics.inferences,
        execution_count: statistics.executions,
        inference_stats: InferenceStatistics {
            success: statistics.success.into(),
            fail: statistics.fail.into(),
            queue: statistics.queue.into(),
            compute_input: statistics.compute_input.into(),
            compute_infer: statistics.compute_infer.into(),
            compute_output: statistics.compute_output.into(),
            cache_hit: Count::default(),
            cache_miss: Count::default(),
        },
        // Decoding and encoding are done per request, so they have no batch times.
        batch_stats: statistics
            .batches
            .into_iter()
            .map(|(batch_size, infer)| BatchStatistics {
                batch_size,
                compute_input: Count { count: infer.count, ns: 0 },
                compute_infer: infer.into(),
                compute_output: Count { count: infer.count, ns: 0 },
            })
            .collect(),
    }
}
