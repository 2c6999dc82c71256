//! Open Inference Protocol (KServe V2) with Triton's binary tensors, configuration, statistics and
//! repository extensions.

mod answer;
mod binary;
mod control;
mod datatype;
mod error;
mod metadata;
mod raw;
mod request;
mod statistics;
mod unsupported;

use std::{sync::Arc, time::Instant};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use percent_encoding::percent_decode_str;

pub(super) use self::unsupported::{is_ours, is_unreadable, no_method, no_path};
use self::{answer::HEADER_LENGTH, error::V2Error};
use super::{ApiError, SharedWorker, Worker, body};
use crate::{
    metrics::Endpoint,
    model::{Signature, Tensor},
};

/// Returns all routes of the protocol; inference bypasses the router.
pub(super) fn routes() -> Router<SharedWorker> {
    let mut router = Router::new()
        .route("/v2", get(metadata::server))
        .route("/v2/health/live", get(metadata::live))
        .route("/v2/health/ready", get(metadata::ready))
        .route("/v2/models/stats", get(statistics::all))
        .route("/v2/repository/index", post(control::index))
        .route("/v2/repository/models/{model}/load", post(control::load))
        .route("/v2/repository/models/{model}/unload", post(control::unload));
    for path in of_model("") {
        router = router.route(&path, get(metadata::model));
    }
    for path in of_model("/ready") {
        router = router.route(&path, get(metadata::model_ready));
    }
    for path in of_model("/config") {
        router = router.route(&path, get(metadata::config));
    }
    for path in of_model("/stats") {
        router = router.route(&path, get(statistics::one));
    }
    router
}

/// Returns the paths of a model and of one of its versions.
fn of_model(rest: &str) -> [String; 2] {
    [
        format!("/v2/models/{{model}}{rest}"),
        format!("/v2/models/{{model}}/versions/{{version}}{rest}"),
    ]
}

/// Returns the paths of inference, whose `POST` bypasses the router.
pub(super) fn infer_paths() -> [String; 2] {
    of_model("/infer")
}

/// Returns the model and version that a `POST` to this path runs; `None` for other paths.
pub(super) fn infer_target(path: &str) -> Option<(&str, Option<&str>)> {
    let middle = path.strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    let mut parts = middle.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(model), None, None, None) => Some((model, None)),
        (Some(model), Some("versions"), Some(version), None) => Some((model, Some(version))),
        _ => None,
    }
}

/// Returns the error in this protocol's format.
pub(super) fn refusal(error: ApiError) -> Response {
    V2Error::from(error).into_response()
}

/// Runs a model and counts the response.
pub(super) async fn infer<B>(worker: &Worker, parts: &Parts, body: B) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    match answer(worker, parts, body).await {
        Ok(response) => response,
        Err(error) => {
            worker.server.metrics.answered(Endpoint::Infer.path(), error.status().as_u16());
            error.into_response()
        }
    }
}

async fn answer<B>(worker: &Worker, parts: &Parts, body: B) -> Result<Response, V2Error>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let (model, version) = infer_target(parts.uri.path()).unwrap_or_default();
    let model = percent_decode_str(model).decode_utf8_lossy();
    let served = Arc::clone(worker.server.repository.catalog().find(&model, version)?);
    let header = header_length(&parts.headers)?;
    let body = body::read(&parts.headers, body, worker.server.max_body_bytes).await?;
    let begun = Instant::now();
    let mut inference = match header {
        Some(0) => raw::read(&served.signature, &body)?,
        _ => request::read(&served.signature, &body, header, served.batches())?,
    };
    drop(body);
    let parse = begun.elapsed();
    let inputs = std::mem::take(&mut inference.inputs);
    // A fixed batch size was checked against the shapes, so the model runs once.
    let given = inputs.first().and_then(|t| t.shape.first()).copied().unwrap_or(1);
    let rows = served.signature.fixed_batch.unwrap_or(given);
    let run = worker.run(&served, inputs, rows).await?;
    let writing = Instant::now();
    let mut encoded = answer::write(&served.signature, &inference, &run.outputs)?;
    let (bytes, coding) = body::code(&parts.headers, std::mem::take(&mut encoded.body));
    let mut response = encoded.into_response(Body::from(bytes));
    body::tell_coding(&mut response, coding);
    worker.answered(Endpoint::Infer, &served, parse, &run, writing.elapsed());
    Ok(response)
}

/// Reads only the inputs of a request.
pub(super) fn read_inputs(
    signature: &Signature,
    body: &[u8],
    header: Option<usize>,
) -> Result<Vec<Tensor>, V2Error> {
    request::read(signature, body, header, true).map(|inference| inference.inputs)
}

fn header_length(headers: &HeaderMap) -> Result<Option<usize>, V2Error> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| V2Error::bad_request(format!("{HEADER_LENGTH} is no length: {value:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_run_models_are_recognised() {
        assert_eq!(infer_target("/v2/models/iris/infer"), Some(("iris", None)));
        assert_eq!(infer_target("/v2/models/iris/versions/3/infer"), Some(("iris", Some("3"))));
        assert_eq!(infer_target("/v2/models/iris/config"), None);
        assert_eq!(infer_target("/v2/models/iris/versions/infer"), None);
        assert_eq!(infer_target("/v2/models/a/b/infer"), None);
    }
}
