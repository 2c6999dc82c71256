//! MLflow's scoring protocol, as served by `mlflow models serve`.

mod columns;
mod frame;
mod inputs;

use std::{sync::Arc, time::Instant};

use axum::{
    BoxError, Json, Router,
    body::{Bytes, HttpBody},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{json, value::RawValue};

use super::{ApiError, SharedWorker, Worker, body, health, status};
use crate::{
    metrics::Endpoint,
    model::Signature,
    predict::{Batch, Fault, encode_columns, encode_records},
};

pub(super) const INVOCATIONS: &str = "/invocations";

/// Returns all routes of the protocol except `/health`; scoring bypasses the router.
pub(super) fn routes() -> Router<SharedWorker> {
    Router::new()
        .route("/ping", get(health::ready))
        .route("/version", get(async || env!("CARGO_PKG_VERSION")))
}

/// Form of the request, which determines the form of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Rows of a data frame; the response is a data frame too.
    Frame,
    /// Tensors.
    Tensors,
}

/// Scores with the default model and counts the response.
pub(super) async fn invocations<B>(worker: &Worker, parts: &Parts, body: B) -> Response
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
            let response = refusal(&error);
            worker
                .server
                .metrics
                .answered(Endpoint::Invocations.path(), response.status().as_u16());
            response
        }
    }
}

/// Returns the error in this protocol's format.
pub(super) fn refusal(error: &ApiError) -> Response {
    let (status, is_temporary) = (error.cause().protocol_status(), error.cause().is_temporary());
    let code = match status.is_client_error() {
        _ if is_temporary => "TEMPORARILY_UNAVAILABLE",
        true => "BAD_REQUEST",
        false => "INTERNAL_ERROR",
    };
    let mut response =
        (status, Json(json!({ "error_code": code, "message": error.message() }))).into_response();
    if is_temporary {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(status::RETRY_AFTER));
    }
    response
}

async fn answer<B>(worker: &Worker, parts: &Parts, body: B) -> Result<Vec<u8>, ApiError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let media = media_type(parts);
    let is_csv = match media.as_str() {
        "application/json" => false,
        "text/csv" => true,
        _ => return Err(ApiError::Media(media)),
    };
    let body = body::read(&parts.headers, body, worker.server.max_body_bytes).await?;
    let served = Arc::clone(worker.server.repository.catalog().default_model()?);
    let signature = &served.signature;
    let begun = Instant::now();
    let (batch, form) = match is_csv {
        true => (csv_body(signature, &body).map_err(ApiError::Fault)?, Form::Frame),
        false => json_body(signature, &body).map_err(ApiError::Fault)?,
    };
    let parse = begun.elapsed();
    let run = worker.run(&served, batch.inputs, batch.rows).await?;
    let writing = Instant::now();
    let json = match form {
        Form::Frame => encode_records(signature, batch.rows, &run.outputs),
        Form::Tensors => encode_columns(signature, &run.outputs),
    }?;
    worker.answered(Endpoint::Invocations, &served, parse, &run, writing.elapsed());
    Ok(json)
}

pub(super) fn csv_body(signature: &Signature, body: &[u8]) -> Result<Batch, Fault> {
    frame::csv(signature, body)
}

/// Returns the media type in lower case, without parameters.
fn media_type(parts: &Parts) -> String {
    let whole =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    whole.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

const WAYS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

pub(super) fn json_body(signature: &Signature, body: &[u8]) -> Result<(Batch, Form), Fault> {
    let fault = |expected: &str, got: String, malformed| Fault {
        field: "body".to_owned(),
        expected: expected.to_owned(),
        got,
        malformed,
    };
    // MLflow's own client is written in Python, so accept Python's numbers.
    let rewritten = crate::predict::without_python_numbers(body);
    let body = rewritten.as_deref().unwrap_or(body);
    let one_of =
        "an object with exactly one of dataframe_split, dataframe_records, instances and inputs";
    let fields: std::collections::BTreeMap<String, &RawValue> = serde_json::from_slice(body)
        .map_err(|e| fault(one_of, e.to_string(), e.is_syntax() || e.is_eof()))?;
    let mut given = fields.iter().filter(|(name, _)| WAYS.contains(&name.as_str()));
    let (Some((way, value)), None) = (given.next(), given.next()) else {
        let names: Vec<_> = fields.keys().map(|name| crate::predict::shorten(name)).collect();
        return Err(fault(one_of, format!("{names:?}"), false));
    };
    // Parameters are for generative models; an ONNX graph has none. They are ignored, as in MLflow.
    if let Some(other) = fields.keys().find(|name| *name != way && *name != "params") {
        return Err(fault(
            one_of,
            format!("the field {:?}", crate::predict::shorten(other)),
            false,
        ));
    }
    Ok(match way.as_str() {
        "dataframe_split" => (frame::split(signature, value)?, Form::Frame),
        "dataframe_records" => (frame::records(signature, value)?, Form::Frame),
        "instances" => (inputs::instances(signature, value)?, Form::Tensors),
        _ => (inputs::inputs(signature, value)?, Form::Tensors),
    })
}
