//! HTTP routes of one worker.

pub mod bodies;
mod body;
mod docs;
mod errors;
mod fallback;
mod health;
mod info;
mod key;
mod mlflow;
mod predict;
mod status;
mod v2;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    BoxError, Router,
    body::{Bytes, HttpBody},
    extract::DefaultBodyLimit,
    http::{Method, Request, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tower::ServiceExt;

pub use errors::ApiError;
pub use key::ApiKey;

use crate::{
    metrics::{Endpoint, Metrics},
    model::Tensor,
    repository::{Repository, Run, RunFailure, Served},
    service_time::{Alarm, ServiceTime, Turned},
};

/// State shared by all workers.
pub struct Server {
    /// Repository of the models.
    pub repository: Arc<Repository>,
    /// Metrics of the server.
    pub metrics: Metrics,
    /// Lifecycle phase.
    pub phase: Phase,
    /// Name of this replica.
    pub replica: String,
    /// Number of workers.
    pub workers: usize,
    /// Largest body, in bytes, before and after decompression.
    pub max_body_bytes: usize,
    /// Status of the response to a request that finds the queue full.
    pub queue_full: StatusCode,
    /// Key that clients must send.
    pub api_key: Option<ApiKey>,
    /// Synthetic service time of requests.
    pub service_time: Option<ServiceTime>,
    /// True if clients may load and unload models.
    pub explicit_control: bool,
}

/// State of one worker.
pub struct Worker {
    /// Index of the worker's session in every model.
    pub index: usize,
    /// State shared with the other workers.
    pub server: Arc<Server>,
    /// Timer that wakes the worker's requests.
    pub alarm: Alarm,
}

type SharedWorker = Arc<Worker>;

/// Routes of one worker.
pub struct Routes {
    worker: SharedWorker,
    others: Router,
}

/// Lifecycle phase of a server.
#[derive(Debug, Default)]
pub struct Phase(AtomicU8);

const LOADING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Phase {
    /// Marks all models as loaded.
    pub fn ready(&self) {
        self.0.store(READY, Ordering::Relaxed);
    }

    /// Marks the server as stopping.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    fn is_loading(&self) -> bool {
        self.0.load(Ordering::Relaxed) == LOADING
    }

    /// Returns true if requests should be sent to this server.
    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READY
    }

    fn word(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            LOADING => "loading",
            READY => "ok",
            _ => "draining",
        }
    }
}

impl Worker {
    /// Runs a model or returns the reason for not running it.
    async fn run(
        &self,
        served: &Arc<Served>,
        inputs: Vec<Tensor>,
        rows: usize,
    ) -> Result<Run, ApiError> {
        let Some(service_time) = &self.server.service_time else {
            return served
                .run(self.index, inputs, rows)
                .await
                .map_err(|failure| self.failure(served, failure));
        };
        let came = Instant::now();
        let visit = match service_time.visit(came) {
            Ok(visit) => visit,
            Err(Turned::Full(waiting)) => {
                return Err(self.failure(served, RunFailure::QueueFull(waiting)));
            }
            Err(Turned::TimesOut(at)) => {
                self.alarm.wait_until(at).await;
                return Err(self.failure(served, RunFailure::Timeout(at - came)));
            }
        };
        // The model runs while the request waits: its run time is part of the service time.
        let run = served
            .run(self.index, inputs, rows)
            .await
            .map_err(|failure| self.failure(served, failure))?;
        self.alarm.wait_until(visit.ends).await;
        let (queued, inference) = (visit.begins - came, visit.begins.elapsed());
        self.server.metrics.served(visit.ends - visit.begins, inference);
        Ok(Run { queued, inference, ..run })
    }

    /// Converts a failure and counts it, unless the model has counted its own refusal.
    fn failure(&self, served: &Served, failure: RunFailure) -> ApiError {
        match failure {
            RunFailure::Refused(error) => error.into(),
            RunFailure::QueueFull(waiting) => {
                served.turned_away(self.index, Duration::ZERO);
                ApiError::QueueFull(self.server.queue_full, waiting)
            }
            RunFailure::Timeout(limit) => {
                served.turned_away(self.index, limit);
                ApiError::Timeout(limit)
            }
        }
    }

    /// Counts a request that a model has answered.
    fn answered(&self, at: Endpoint, served: &Served, parse: Duration, run: &Run, write: Duration) {
        served.answered(self.index, parse, run, write);
        self.server.metrics.predicted(at, parse, run.queued, run.inference, write);
    }
}

/// Returns the error in the format of the request's protocol.
pub fn refusal(path: &str, error: ApiError) -> Response {
    if v2::is_ours(path) {
        return v2::refusal(error);
    }
    if path == mlflow::INVOCATIONS { mlflow::refusal(&error) } else { error.into_response() }
}

impl Routes {
    /// Creates the routes of a worker.
    pub fn new(worker: SharedWorker) -> Self {
        // Their POST bypasses the router.
        let bypassing = v2::infer_paths()
            .into_iter()
            .chain(["/predict", mlflow::INVOCATIONS].map(str::to_owned));
        let others = bypassing
            .fold(Router::new(), |router, path| {
                router.route(&path, any(fallback::method_not_allowed))
            })
            .route("/model", get(info::model))
            .route("/health", get(health::ready))
            .route("/metrics", get(health::metrics))
            .merge(docs::routes())
            .merge(v2::routes())
            .merge(mlflow::routes())
            .fallback(fallback::not_found)
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .layer(DefaultBodyLimit::max(worker.server.max_body_bytes))
            .layer(middleware::from_fn_with_state(Arc::clone(&worker), health::count))
            .with_state(Arc::clone(&worker));
        Self { worker, others }
    }

    /// Answers one request and counts the response.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Some(key) = &self.worker.server.api_key
            && let Some(refusal) = key.refusal(request.uri().path(), request.headers())
        {
            self.worker.server.metrics.answered("unauthorized", refusal.status().as_u16());
            return refusal;
        }
        if self.worker.server.phase.is_loading() && !health::tells_of_loading(request.uri().path())
        {
            let refusal = refusal(request.uri().path(), ApiError::Loading);
            self.worker.server.metrics.answered("loading", refusal.status().as_u16());
            return refusal;
        }
        // Nearly every request is one of these; the router would cost 2.8 of its 19.5 us.
        if request.method() == Method::POST {
            let path = request.uri().path();
            if path == "/predict" {
                let (parts, body) = request.into_parts();
                return predict::predict(&self.worker, &parts, body).await;
            }
            if path == mlflow::INVOCATIONS {
                let (parts, body) = request.into_parts();
                return mlflow::invocations(&self.worker, &parts, body).await;
            }
            if v2::infer_target(path).is_some() {
                let (parts, body) = request.into_parts();
                return v2::infer(&self.worker, &parts, body).await;
            }
        }
        if v2::is_unreadable(request.uri().path()) {
            let response = v2::no_path(request.uri().path());
            self.worker.server.metrics.answered("other", response.status().as_u16());
            return response;
        }
        match self.others.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
