//! `POST /predict`.

use std::{sync::PoisonError, time::Instant};

use axum::{
    BoxError,
    body::{Bytes, HttpBody},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{ApiError, Worker};
use crate::predict::{decode, encode};

/// Answers one prediction, and counts the answer.
pub(super) async fn predict<B>(worker: &Worker, body: B, max_body_bytes: usize) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let answer = match read(body, max_body_bytes).await {
        Ok(body) => answer(worker, &body),
        Err(error) => Err(error),
    };
    match answer {
        Ok(json) => {
            let mut response = Response::new(json.into());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            worker.metrics.answered("/predict", error.status().as_u16());
            error.into_response()
        }
    }
}

async fn read<B>(body: B, limit: usize) -> Result<Bytes, ApiError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(ApiError::TooLarge { limit, got: format!("{announced} bytes") });
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge { limit, got: "more".to_owned() }),
        Err(error) => Err(ApiError::Unreadable(error.to_string())),
    }
}

fn answer(worker: &Worker, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let started = Instant::now();
    let batch = decode(&worker.signature, body).map_err(ApiError::Fault)?;
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
