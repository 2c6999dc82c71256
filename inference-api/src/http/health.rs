//! Health and metrics of the server.

use axum::{
    Json,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{ApiError, SharedWorker, status::Cause};
use crate::metrics::Exposition;

/// Returns true if the path is answered while models are loading.
pub(super) fn tells_of_loading(path: &str) -> bool {
    matches!(
        path,
        "/health" | "/ping" | "/metrics" | "/version" | "/v2/health/live" | "/v2/health/ready"
    )
}

pub(super) async fn ready(State(worker): State<SharedWorker>) -> Response {
    let phase = &worker.server.phase;
    let status = if phase.is_ready() { StatusCode::OK } else { Cause::Unavailable.status() };
    (status, Json(json!({ "status": phase.word() }))).into_response()
}

pub(super) async fn metrics(
    State(worker): State<SharedWorker>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let form = Exposition::choose(accepted);
    let metrics = worker.server.metrics.render(form).map_err(ApiError::Internal)?;
    Ok(([(header::CONTENT_TYPE, form.content_type())], metrics).into_response())
}

/// Counts responses by route pattern, and all requests without a route under one name.
/// Scans for paths must not fill the memory with counters.
pub(super) async fn count(
    State(worker): State<SharedWorker>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    worker.server.metrics.answered(path, response.status().as_u16());
    response
}
