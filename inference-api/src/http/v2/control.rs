//! Model repository extension: the index, and loading and unloading at run time.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::error::V2Error;
use crate::{
    http::{SharedWorker, status::Cause},
    repository::{Indexed, RepositoryError},
};

#[derive(Deserialize, Default)]
struct IndexRequest {
    #[serde(default)]
    ready: bool,
}

#[derive(Serialize)]
struct IndexEntry {
    name: String,
    version: String,
    state: &'static str,
    reason: String,
}

#[derive(Deserialize, Default)]
struct LoadRequest {
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
}

/// Parameters of a load request that are accepted and ignored.
const HARMLESS: [&str; 1] = ["unload_dependents"];

pub(super) async fn index(
    State(worker): State<SharedWorker>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, V2Error> {
    let request: IndexRequest = parse(&body?)?;
    let server = Arc::clone(&worker.server);
    let index = blocking(move || server.repository.index()).await?;
    let entry = |indexed: Indexed| IndexEntry {
        name: indexed.name,
        version: indexed.version,
        state: if indexed.ready { "READY" } else { "UNAVAILABLE" },
        reason: indexed.reason,
    };
    let entries: Vec<_> =
        index.into_iter().filter(|i| i.ready || !request.ready).map(entry).collect();
    Ok(Json(entries).into_response())
}

pub(super) async fn load(
    State(worker): State<SharedWorker>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, V2Error> {
    check(&worker, &headers, &body?)?;
    let server = Arc::clone(&worker.server);
    let name = model.clone();
    match blocking(move || server.repository.load(&name)).await? {
        Ok(()) => {
            tracing::info!(model, "loaded");
            Ok(StatusCode::OK.into_response())
        }
        Err(error) => {
            match &error {
                RepositoryError::Refused(refusal) => {
                    tracing::error!(model, reason = refusal.reason, "{}", refusal.consequence());
                }
                other => tracing::error!(model, reason = %other, "REFUSED: it was not loaded"),
            }
            Err(V2Error::from(error).prefixed(&format!("failed to load '{model}': ")))
        }
    }
}

pub(super) async fn unload(
    State(worker): State<SharedWorker>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, V2Error> {
    check(&worker, &headers, &body?)?;
    let server = Arc::clone(&worker.server);
    let name = model.clone();
    if blocking(move || server.repository.unload(&name)).await? {
        tracing::info!(model, "unloaded");
    }
    // As in Triton, unloading an absent model succeeds.
    Ok(StatusCode::OK.into_response())
}

/// Returns an error unless explicit control is on and the request is supported and same-origin.
fn check(worker: &SharedWorker, headers: &HeaderMap, body: &[u8]) -> Result<(), V2Error> {
    // A browser sends such a cross-origin request without a preflight.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok())
        && origin.split_once("://").is_none_or(|(_, authority)| authority != host)
    {
        return Err(V2Error::new(
            Cause::Forbidden,
            format!("pages of {origin} may not load or unload models here"),
        ));
    }
    if !worker.server.explicit_control {
        return Err(V2Error::bad_request(
            "explicit model load / unload is not allowed: start the server with \
                --model-control-mode explicit",
        ));
    }
    let request: LoadRequest = parse(body)?;
    match request.parameters.keys().find(|key| !HARMLESS.contains(&key.as_str())) {
        Some(key) => Err(V2Error::bad_request(format!(
            "parameter '{key}' is not supported: models come from --model"
        ))),
        None => Ok(()),
    }
}

/// Parses a body as JSON; clients send an empty body as often as `{}`.
fn parse<T: for<'de> Deserialize<'de> + Default>(body: &[u8]) -> Result<T, V2Error> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|e| V2Error::bad_request(format!("failed to parse the request JSON buffer: {e}")))
}

/// Runs `work` off the worker, which answers thousands of requests while a model loads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, V2Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| V2Error::new(Cause::Internal, e.to_string()))
}
