//! JSON schemas of the OpenAPI document; those of `/predict` are built from its model.

use serde_json::{Map, Value, json};

use crate::model::{Element, Feature, Layout, Signature};

/// Returns the schema of a binary body.
pub(super) fn bytes(description: &str) -> Value {
    json!({ "type": "string", "format": "binary", "description": description })
}

/// Returns all schemas by name.
pub(super) fn all(default: Option<&Signature>) -> Value {
    let mut schemas = fixed();
    if let Some(signature) = default {
        schemas["PredictRequest"] = predict_request(signature);
        schemas["PredictAnswer"] = predict_answer(signature);
        schemas["Invocation"] = invocation(signature);
    }
    schemas
}

fn predict_request(signature: &Signature) -> Value {
    let row = row(signature);
    let instances = json!({
        "type": "array",
        "minItems": signature.fixed_batch.unwrap_or(1),
        "items": { "anyOf": [row, named(signature)] },
    });
    let mut forms = vec![object(&[("instances", instances)])];
    if signature.fixed_batch.is_none_or(|batch| batch == 1) {
        forms.push(object(&[("features", row)]));
        forms.push(named(signature));
    }
    let example = signature
        .example
        .as_ref()
        .and_then(|example| serde_json::from_str::<Value>(example.get()).ok());
    json!({ "anyOf": forms, "examples": example.into_iter().collect::<Vec<_>>() })
}

fn invocation(signature: &Signature) -> Value {
    let rows = json!({
        "type": "array",
        "minItems": signature.fixed_batch.unwrap_or(1),
        "items": row(signature),
    });
    let records = json!({
        "type": "array",
        "minItems": signature.fixed_batch.unwrap_or(1),
        "items": named(signature),
    });
    let names: Vec<_> = signature.features.iter().map(|f| &f.name).collect();
    let mut split = object(&[("columns", json!({ "const": names })), ("data", rows.clone())]);
    split["properties"]["index"] = json!({ "type": "array" });
    let tensors = json!({ "type": "object", "description": "A tensor for each input, or a list for \
        each feature" });
    let forms = [
        ("dataframe_split", split),
        ("dataframe_records", records),
        ("instances", rows.clone()),
        ("inputs", json!({ "anyOf": [rows, tensors] })),
    ];
    let forms = forms.map(|(name, schema)| {
        let mut form = object(&[(name, schema)]);
        form["properties"]["params"] = json!({ "type": "object" });
        form
    });
    json!({ "anyOf": forms })
}

/// Returns the schema of a row without names.
fn row(signature: &Signature) -> Value {
    let values: Vec<Value> = signature.features.iter().map(|f| value(signature, f)).collect();
    match (signature.layout, values.into_iter().next()) {
        (Layout::Tensor, Some(tensor)) => tensor,
        _ => {
            let values: Vec<Value> =
                signature.features.iter().map(|f| value(signature, f)).collect();
            json!({
                "type": "array",
                "minItems": values.len(),
                "maxItems": values.len(),
                "prefixItems": values,
            })
        }
    }
}

/// Returns the schema of a row with names.
fn named(signature: &Signature) -> Value {
    let properties: Map<_, _> =
        signature.features.iter().map(|f| (f.name.clone(), value(signature, f))).collect();
    let required: Vec<_> =
        signature.features.iter().filter(|f| !f.nullable).map(|f| f.name.as_str()).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "minProperties": 1,
        "additionalProperties": false,
    })
}

fn value(signature: &Signature, feature: &Feature) -> Value {
    let element = signature.inputs[feature.input].element;
    if signature.is_scalar(feature) {
        return scalar(element, feature.nullable);
    }
    signature.row_dims(feature.input).iter().rev().fold(scalar(element, false), |inner, dim| {
        match dim {
            Some(size) => {
                json!({ "type": "array", "items": inner, "minItems": size, "maxItems": size })
            }
            None => json!({ "type": "array", "items": inner }),
        }
    })
}

fn scalar(element: Element, nullable: bool) -> Value {
    let integer =
        |low: Value, high: Value| json!({ "type": "integer", "minimum": low, "maximum": high });
    let float = |most: f64| {
        let kind = if nullable { json!(["number", "null"]) } else { json!("number") };
        json!({ "type": kind, "minimum": -most, "maximum": most })
    };
    match element {
        Element::Float16 => float(half::f16::MAX.to_f64()),
        Element::Bfloat16 => float(half::bf16::MAX.to_f64()),
        Element::Float32 => float(f64::from(f32::MAX)),
        Element::Float64 => float(f64::MAX),
        Element::Bool => json!({ "type": "boolean" }),
        Element::Text => json!({ "type": "string" }),
        Element::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
        Element::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
        Element::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
        Element::Int64 => integer(i64::MIN.into(), i64::MAX.into()),
        Element::Uint8 => integer(0.into(), u8::MAX.into()),
        Element::Uint16 => integer(0.into(), u16::MAX.into()),
        Element::Uint32 => integer(0.into(), u32::MAX.into()),
        Element::Uint64 => integer(0.into(), u64::MAX.into()),
    }
}

fn predict_answer(signature: &Signature) -> Value {
    let text = json!({ "type": "string" });
    let what = match &signature.classifier {
        Some(classifier) => {
            let label = json!({ "type": ["string", "integer"] });
            let values = if classifier.has_scores { "scores" } else { "probabilities" };
            let probabilities =
                json!({ "type": "object", "additionalProperties": { "type": ["number", "null"] } });
            let prediction = object(&[("label", label), (values, probabilities)]);
            ("predictions", json!({ "type": "array", "items": prediction }))
        }
        None => ("outputs", json!({ "type": "object" })),
    };
    object(&[what, ("model", text.clone()), ("version", text)])
}

/// Returns the schema of an object with exactly these fields.
fn object(fields: &[(&str, Value)]) -> Value {
    let properties: Map<_, _> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Returns the schemas that do not depend on a model.
fn fixed() -> Value {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let truth = || json!({ "type": "boolean" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let shape = || json!({ "type": "array", "items": { "type": "integer", "minimum": -1 } });
    let tally = || object(&[("count", count()), ("ns", count())]);
    let tensor = || list(object(&[("name", text()), ("datatype", text()), ("shape", shape())]));
    let config = || list(object(&[("name", text()), ("data_type", text()), ("dims", shape())]));
    let port = || list(object(&[("name", text()), ("datatype", text()), ("shape", shape())]));
    let stages = [
        "success",
        "fail",
        "queue",
        "compute_input",
        "compute_infer",
        "compute_output",
        "cache_hit",
        "cache_miss",
    ];
    let stages: Vec<_> = stages.into_iter().map(|stage| (stage, tally())).collect();
    let batches = object(&[
        ("batch_size", count()),
        ("compute_input", tally()),
        ("compute_infer", tally()),
        ("compute_output", tally()),
    ]);
    let statistics = object(&[
        ("name", text()),
        ("version", text()),
        ("last_inference", count()),
        ("inference_count", count()),
        ("execution_count", count()),
        ("inference_stats", object(&stages)),
        ("batch_stats", list(batches)),
    ]);
    json!({
        "Error": object(&[("error", json!({
            "type": "object",
            "properties": { "field": text(), "expected": text(), "got": text(), "message": text() },
            "required": ["message"],
            "additionalProperties": false,
        }))]),
        "Message": object(&[("error", text())]),
        "ScoringError": object(&[("error_code", text()), ("message", text())]),
        "Status": object(&[("status", text())]),
        "Live": object(&[("live", truth()), ("replica", text())]),
        "Ready": object(&[("ready", truth())]),
        "ModelReady": object(&[("name", text()), ("ready", truth())]),
        "ServerMetadata": object(&[
            ("name", text()),
            ("version", text()),
            ("extensions", list(text())),
        ]),
        "ModelMetadata": object(&[
            ("name", text()),
            ("versions", list(text())),
            ("platform", text()),
            ("inputs", tensor()),
            ("outputs", tensor()),
        ]),
        "ModelConfig": object(&[
            ("name", text()),
            ("platform", text()),
            ("backend", text()),
            ("max_batch_size", count()),
            ("input", config()),
            ("output", config()),
            ("instance_group", list(object(&[("kind", text()), ("count", count())]))),
        ]),
        "Statistics": object(&[("model_stats", list(statistics))]),
        "Index": list(object(&[
            ("name", text()),
            ("version", text()),
            ("state", json!({ "enum": ["READY", "UNAVAILABLE"] })),
            ("reason", text()),
        ])),
        "IndexRequest": { "type": "object", "properties": { "ready": truth() } },
        "LoadRequest": {
            "type": "object",
            "properties": {
                "parameters": {
                    "type": "object",
                    "properties": { "unload_dependents": truth() },
                    "additionalProperties": false,
                },
            },
        },
        "Model": object(&[
            ("name", text()),
            ("version", text()),
            (
                "features",
                list(object(&[("name", text()), ("datatype", text()), ("nullable", truth())])),
            ),
            ("classes", list(text())),
            ("inputs", port()),
            ("outputs", port()),
            ("example", json!({ "type": "object" })),
        ]),
        "InferenceRequest": {
            "type": "object",
            "properties": {
                "id": text(),
                "parameters": { "type": "object", "properties": { "binary_data_output": truth() } },
                "inputs": list(json!({
                    "type": "object",
                    "properties": {
                        "name": text(),
                        "datatype": datatype(),
                        "shape": list(count()),
                        "data": { "type": "array" },
                        "parameters": {
                            "type": "object",
                            "properties": { "binary_data_size": count() },
                        },
                    },
                    "required": ["name", "datatype", "shape"],
                })),
                "outputs": list(json!({
                    "type": "object",
                    "properties": {
                        "name": text(),
                        "parameters": {
                            "type": "object",
                            "properties": { "binary_data": truth() },
                        },
                    },
                    "required": ["name"],
                })),
            },
            "required": ["inputs"],
        },
        "InferenceAnswer": {
            "type": "object",
            "properties": {
                "id": text(),
                "model_name": text(),
                "model_version": text(),
                "outputs": list(json!({
                    "type": "object",
                    "properties": {
                        "name": text(),
                        "datatype": datatype(),
                        "shape": list(count()),
                        "data": { "type": "array" },
                        "parameters": object(&[("binary_data_size", count())]),
                    },
                    "required": ["name", "datatype", "shape"],
                    "additionalProperties": false,
                })),
            },
            "required": ["model_name", "model_version", "outputs"],
            "additionalProperties": false,
        },
        "Invocation": { "type": "object" },
        "Scores": object(&[("predictions", json!({ "type": ["array", "object"] }))]),
    })
}

fn datatype() -> Value {
    json!({
        "enum": [
            "BOOL",
            "UINT8",
            "UINT16",
            "UINT32",
            "UINT64",
            "INT8",
            "INT16",
            "INT32",
            "INT64",
            "FP16",
            "BF16",
            "FP32",
            "FP64",
            "BYTES",
        ],
    })
}
