//! `GET /model`: inputs and outputs of the model, and an example request to start from.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ApiError, SharedWorker};
use crate::model::{Kind, Port, Signature};

#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    version: &'a str,
    features: Vec<FeatureInfo<'a>>,
    classes: &'a [String],
    inputs: Vec<PortInfo<'a>>,
    outputs: Vec<PortInfo<'a>>,
    /// Example body for `POST /predict`, or null.
    example: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct FeatureInfo<'a> {
    name: &'a str,
    datatype: String,
    nullable: bool,
}

#[derive(Serialize)]
struct PortInfo<'a> {
    name: &'a str,
    datatype: String,
    /// Dimensions; -1 for a variable one.
    shape: Vec<i64>,
}

pub(super) async fn model(State(worker): State<SharedWorker>) -> Result<Response, ApiError> {
    let catalog = worker.server.repository.catalog();
    Ok(Json(describe(&catalog.default_model()?.signature)).into_response())
}

fn describe(signature: &Signature) -> Info<'_> {
    Info {
        name: &signature.name,
        version: &signature.version,
        features: signature
            .features
            .iter()
            .map(|f| FeatureInfo {
                name: &f.name,
                datatype: datatype(&signature.inputs[f.input]),
                nullable: f.nullable,
            })
            .collect(),
        classes: signature.classifier.as_ref().map_or(&[], |c| &c.classes),
        inputs: signature.inputs.iter().map(port).collect(),
        outputs: signature.outputs.iter().map(port).collect(),
        example: signature.example.as_deref(),
    }
}

fn datatype(port: &Port) -> String {
    match port.kind {
        Kind::Tensor => port.element.to_string(),
        Kind::Map { .. } | Kind::Maps => "map".to_owned(),
        Kind::Sequence => format!("sequence of {}", port.element),
    }
}

fn port(port: &Port) -> PortInfo<'_> {
    PortInfo {
        name: &port.name,
        datatype: datatype(port),
        shape: port
            .dims
            .iter()
            .map(|d| d.and_then(|d| i64::try_from(d).ok()).unwrap_or(-1))
            .collect(),
    }
}
