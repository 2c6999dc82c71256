//! Routes of one worker.

mod errors;
mod info;
mod predict;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

pub use errors::ApiError;

use crate::{
    metrics::Metrics,
    model::{Model, Signature},
};

/// What the handlers of one worker share.
pub struct Worker {
    /// Of the worker alone: the lock is never contended, it only satisfies axum, whose state must be `Sync`.
    pub model: Mutex<Model>,
    /// The model's.
    pub signature: Arc<Signature>,
    /// The server's.
    pub metrics: Arc<Metrics>,
    /// Set when the server drains.
    pub draining: Arc<AtomicBool>,
}

/// The routes, for bodies of at most `max_body_bytes`.
pub fn router(worker: Arc<Worker>, max_body_bytes: usize) -> Router {
    Router::new()
        .route("/predict", post(predict::predict))
        .route("/model", get(info::model))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(errors::not_found)
        .method_not_allowed_fallback(errors::method_not_allowed)
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .with_state(worker)
}

async fn health(State(worker): State<Arc<Worker>>) -> Response {
    let (status, word) = if worker.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    worker.metrics.answered("/health", status.as_u16());
    (status, axum::Json(serde_json::json!({ "status": word }))).into_response()
}

async fn metrics(State(worker): State<Arc<Worker>>) -> Result<Response, ApiError> {
    let text = worker.metrics.render().map_err(|e| ApiError::Internal(e.to_string()))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
