//! Routes of one worker.

mod errors;
mod info;
mod predict;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    BoxError, Router,
    body::{Bytes, HttpBody},
    extract::State,
    http::{Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tower::ServiceExt;

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

/// The routes of one worker.
pub struct Routes {
    worker: Arc<Worker>,
    others: Router,
    max_body_bytes: usize,
}

impl Routes {
    /// The routes, for bodies of at most `max_body_bytes`.
    pub fn new(worker: Arc<Worker>, max_body_bytes: usize) -> Self {
        let others = Router::new()
            .route("/predict", any(errors::method_not_allowed))
            .route("/model", get(info::model))
            .route("/health", get(health))
            .route("/metrics", get(metrics))
            .fallback(errors::not_found)
            .method_not_allowed_fallback(errors::method_not_allowed)
            .with_state(Arc::clone(&worker));
        Self { worker, others, max_body_bytes }
    }

    /// Answers one request, and counts the answer.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        // Nearly every request is this one, and the router's boxes and extensions cost it 2.8 us of 19.5.
        if request.method() == Method::POST && request.uri().path() == "/predict" {
            return predict::predict(&self.worker, request.into_body(), self.max_body_bytes).await;
        }
        let path = ["/predict", "/model", "/health", "/metrics"].into_iter().find(|&p| p == request.uri().path());
        let response = match self.others.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // Any other path under one name: whoever scans for paths must not fill our memory with counters.
        self.worker.metrics.answered(path.unwrap_or("other"), response.status().as_u16());
        response
    }
}

async fn health(State(worker): State<Arc<Worker>>) -> Response {
    let (status, word) = if worker.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    (status, axum::Json(serde_json::json!({ "status": word }))).into_response()
}

async fn metrics(State(worker): State<Arc<Worker>>) -> Result<Response, ApiError> {
    let text = worker.metrics.render().map_err(|e| ApiError::Internal(e.to_string()))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
