//! `POST /predict`.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::header,
    response::{IntoResponse, Response},
};

use super::{ApiError, Worker};
use crate::predict::{decode, encode};

pub(super) async fn predict(State(worker): State<Arc<Worker>>, body: Result<Bytes, BytesRejection>) -> Response {
    match answer(&worker, body) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            worker.metrics.answered("/predict", error.status().as_u16());
            error.into_response()
        }
    }
}

fn answer(worker: &Worker, body: Result<Bytes, BytesRejection>) -> Result<Vec<u8>, ApiError> {
    let body = body.map_err(|rejection| ApiError::Body(rejection.status(), rejection.body_text()))?;
    let started = Instant::now();
    let batch = decode(&worker.signature, &body).map_err(ApiError::Fault)?;
    let parsed = Instant::now();
    let values = {
        // A panic while it was held leaves no half-written state: the session is the runtime's own.
        let mut model = worker.model.lock().unwrap_or_else(PoisonError::into_inner);
        model.run(batch.inputs, batch.rows).map_err(|e| ApiError::Refused(e.to_string()))?
    };
    let inferred = Instant::now();
    let json = encode(&worker.signature, batch.rows, &values).map_err(|e| ApiError::Refused(e.to_string()))?;
    worker.metrics.predicted(parsed - started, inferred - parsed);
    Ok(json)
}
