//! `POST /predict`.

use std::{sync::Arc, time::Instant};

use axum::{
    BoxError,
    body::{Bytes, HttpBody},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{ApiError, Worker, body};
use crate::{
    metrics::Endpoint,
    predict::{decode, encode},
};

/// Answers one prediction request with the default model and counts the response.
pub(super) async fn predict<B>(worker: &Worker, parts: &Parts, body: B) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    match answer(worker, parts, body).await {
        Ok(json) => {
            let mut response = Response::new(json.into());
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            worker.server.metrics.answered(Endpoint::Predict.path(), error.status().as_u16());
            error.into_response()
        }
    }
}

async fn answer<B>(worker: &Worker, parts: &Parts, body: B) -> Result<Vec<u8>, ApiError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let body = body::read(&parts.headers, body, worker.server.max_body_bytes).await?;
    let served = Arc::clone(worker.server.repository.catalog().default_model()?);
    let begun = Instant::now();
    let batch = decode(&served.signature, &body).map_err(ApiError::Fault)?;
    let parse = begun.elapsed();
    let run = worker.run(&served, batch.inputs, batch.rows).await?;
    let writing = Instant::now();
    let json = encode(&served.signature, batch.rows, &run.outputs)?;
    worker.answered(Endpoint::Predict, &served, parse, &run, writing.elapsed());
    Ok(json)
}
