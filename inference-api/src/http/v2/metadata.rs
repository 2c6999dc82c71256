//! Metadata of the server and its models.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{datatype, error::V2Error};
use crate::{
    http::{SharedWorker, status::Cause},
    model::{Kind, Port, Signature},
    repository::Unknown,
};

/// Model and, if the path has one, version.
#[derive(Deserialize)]
pub(super) struct Target {
    model: String,
    version: Option<String>,
}

#[derive(Serialize)]
struct ModelMetadata<'a> {
    name: &'a str,
    versions: Vec<&'a str>,
    platform: &'a str,
    inputs: Vec<TensorMetadata<'a>>,
    outputs: Vec<TensorMetadata<'a>>,
}

#[derive(Serialize)]
struct TensorMetadata<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: Vec<i64>,
}

/// Batch size announced to clients; larger batches are accepted too.
const MAX_BATCH_SIZE: usize = 64;
const PLATFORM: &str = "onnxruntime_onnx";

pub(super) async fn server() -> Response {
    Json(json!({
        "name": "inference-api",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": [
            "model_repository",
            "model_configuration",
            "binary_tensor_data",
            "statistics",
        ],
    }))
    .into_response()
}

pub(super) async fn live(State(worker): State<SharedWorker>) -> Response {
    Json(json!({ "live": true, "replica": worker.server.replica })).into_response()
}

pub(super) async fn ready(State(worker): State<SharedWorker>) -> Response {
    let ready = worker.server.phase.is_ready();
    let status = if ready { StatusCode::OK } else { Cause::Unavailable.status() };
    (status, Json(json!({ "ready": ready }))).into_response()
}

pub(super) async fn model_ready(
    State(worker): State<SharedWorker>,
    Path(target): Path<Target>,
) -> Response {
    let catalog = worker.server.repository.catalog();
    match catalog.find(&target.model, target.version.as_deref()) {
        Ok(served) if worker.server.phase.is_ready() => {
            Json(json!({ "name": served.signature.name, "ready": true })).into_response()
        }
        Ok(_) => V2Error::new(Cause::Unavailable, "the server drains").into_response(),
        Err(unknown) => V2Error::from(unknown).into_response(),
    }
}

pub(super) async fn model(
    State(worker): State<SharedWorker>,
    Path(target): Path<Target>,
) -> Result<Response, V2Error> {
    let catalog = worker.server.repository.catalog();
    let served = catalog.find(&target.model, target.version.as_deref())?;
    let entry = catalog.entry(&target.model).ok_or_else(|| Unknown::Model(target.model.clone()))?;
    let signature = &served.signature;
    let metadata = ModelMetadata {
        name: &signature.name,
        versions: entry.versions.iter().map(|s| s.signature.version.as_str()).collect(),
        platform: PLATFORM,
        inputs: signature.inputs.iter().map(tensor).collect(),
        outputs: tensors_out(signature).map(tensor).collect(),
    };
    Ok(Json(metadata).into_response())
}

pub(super) async fn config(
    State(worker): State<SharedWorker>,
    Path(target): Path<Target>,
) -> Result<Response, V2Error> {
    let catalog = worker.server.repository.catalog();
    let served = catalog.find(&target.model, target.version.as_deref())?;
    let signature = &served.signature;
    let max_batch_size = if has_batch(signature) {
        served.queueing.map(|q| q.max_batch_size).filter(|size| *size > 1).unwrap_or(MAX_BATCH_SIZE)
    } else {
        0
    };
    // With a batch size, the dimensions are those of one row.
    let port = |port: &Port| {
        let dims = dims(port);
        let dims = if max_batch_size > 0 { &dims[1..] } else { &dims[..] };
        json!({ "name": port.name, "data_type": datatype::config_name(port.element), "dims": dims })
    };
    Ok(Json(json!({
        "name": signature.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": max_batch_size,
        "input": signature.inputs.iter().map(port).collect::<Vec<_>>(),
        "output": tensors_out(signature).map(port).collect::<Vec<_>>(),
        "instance_group": [{ "kind": "KIND_CPU", "count": worker.server.workers }],
    }))
    .into_response())
}

/// Returns true if every input and output has a variable first dimension: the batch.
fn has_batch(signature: &Signature) -> bool {
    signature.inputs.iter().all(|port| port.dims.first() == Some(&None))
        && tensors_out(signature)
            .all(|port| port.kind == Kind::Maps || port.dims.first() == Some(&None))
}

/// Returns the outputs that the protocol can represent: a sequence is not a tensor.
fn tensors_out(signature: &Signature) -> impl Iterator<Item = &Port> {
    signature.outputs.iter().filter(|port| port.kind.is_tensor_like())
}

fn tensor(port: &Port) -> TensorMetadata<'_> {
    TensorMetadata { name: &port.name, datatype: datatype::name(port.element), shape: dims(port) }
}

/// Returns the dimensions; -1 for a variable one. A map counts as one row of numbers.
fn dims(port: &Port) -> Vec<i64> {
    if port.kind == Kind::Maps {
        return vec![-1, -1];
    }
    port.dims.iter().map(|d| d.and_then(|d| i64::try_from(d).ok()).unwrap_or(-1)).collect()
}
