//! OpenAPI document: every path, its parameters and all its statuses, for the served models.

use serde_json::{Map, Value, json};

use super::schemas;
use crate::{http::Server, model::Signature, repository::Catalog};

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const TEXT: &str = "text/plain";

/// One method of one path.
struct Operation {
    path: &'static str,
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    tag: &'static str,
    /// Request bodies by media type.
    body: Vec<(&'static str, Value)>,
    /// Bodies of a 200 response by media type; none for an empty body.
    ok: Vec<(&'static str, Value)>,
    /// Statuses besides 200.
    errors: Vec<u16>,
    /// Name of the schema of the error responses.
    error: &'static str,
}

/// Returns the document for the models served now.
pub(super) fn document(catalog: &Catalog, server: &Server) -> Value {
    let default = catalog.default_model().ok().map(|served| served.signature.as_ref());
    let queue_full = server.queue_full.as_u16();
    let mut paths = Map::new();
    for operation in operations(default, queue_full) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.describe(catalog, server.api_key.is_some());
    }
    let mut components = json!({ "schemas": schemas::all(default) });
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "inference-api",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "ONNX models over HTTP: rows of features, the Open Inference Protocol \
                (KServe V2) and MLflow's scoring protocol.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
    });
    if server.api_key.is_some() {
        components["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer" },
            "header": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
        });
        document["security"] = json!([{ "bearer": [] }, { "header": [] }]);
    }
    document["components"] = components;
    document
}

impl Operation {
    fn describe(&self, catalog: &Catalog, has_key: bool) -> Value {
        let content = |media: &[(&str, Value)]| {
            media
                .iter()
                .map(|(media, schema)| ((*media).to_owned(), json!({ "schema": schema })))
                .collect::<Map<_, _>>()
        };
        let mut ok = json!({ "description": "OK" });
        if !self.ok.is_empty() {
            ok["content"] = content(&self.ok).into();
        }
        let mut responses = json!({ "200": ok });
        for status in &self.errors {
            responses[status.to_string()] = failure(*status, self.error);
        }
        let is_open = crate::http::key::is_open(self.path);
        if has_key && !is_open {
            responses["401"] = failure(401, "Message");
        }
        let mut description = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "responses": responses,
        });
        let parameters = parameters(self.path, catalog);
        if !parameters.is_empty() {
            description["parameters"] = parameters.into();
        }
        if !self.body.is_empty() {
            let required = !self.path.starts_with("/v2/repository");
            description["requestBody"] =
                json!({ "required": required, "content": content(&self.body) });
        }
        if has_key && is_open {
            description["security"] = json!([]);
        }
        description
    }
}

fn failure(status: u16, schema: &str) -> Value {
    let reason = match status {
        400 => "The request is malformed, or nothing that the model takes",
        401 => "The key is missing or wrong",
        403 => "A page from elsewhere may not do this",
        404 => "There is no such model",
        408 => "The body did not come in time",
        413 => "The body is too large",
        415 => "The body's media type or coding is not known",
        422 => "A field is unknown, missing, or has a wrong value",
        429 | 503 => "Too many requests wait, or the server is not ready",
        507 => "There is not enough memory for what the model makes of the request",
        504 => "The request was not answered in time",
        _ => "The server failed",
    };
    let mut failure = json!({ "description": reason });
    // A 408 has no JSON: the request was not read far enough for a protocol-specific error.
    if status == 408 {
        return failure;
    }
    failure["content"] = json!({ JSON: { "schema": reference(schema) } });
    failure
}

fn parameters(path: &str, catalog: &Catalog) -> Vec<Value> {
    let parameter = |name: &str, mut values: Vec<String>| {
        values.sort();
        values.dedup();
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "schema": { "type": "string", "enum": values },
        })
    };
    let mut parameters = Vec::new();
    if path.contains("{model}") {
        parameters
            .push(parameter("model", catalog.all().map(|s| s.signature.name.clone()).collect()));
    }
    if path.contains("{version}") {
        parameters.push(parameter(
            "version",
            catalog.all().map(|s| s.signature.version.clone()).collect(),
        ));
    }
    parameters
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn operations(default: Option<&Signature>, queue_full: u16) -> Vec<Operation> {
    let get = |path, id, summary, tag, ok: Value, errors: &[u16]| Operation {
        path,
        method: "get",
        id,
        summary,
        tag,
        body: Vec::new(),
        ok: vec![(JSON, ok)],
        errors: errors.to_vec(),
        error: "Message",
    };
    let of_model = |path, id, summary, schema| {
        get(path, id, summary, "Open Inference Protocol", reference(schema), &[404])
    };
    let mut run = vec![400, 404, 408, 413, 415, 503, 504, 507];
    if !run.contains(&queue_full) {
        run.push(queue_full);
    }
    let infer = |path, id| Operation {
        path,
        method: "post",
        id,
        summary: "Run the model on tensors",
        tag: "Open Inference Protocol",
        body: vec![
            (JSON, reference("InferenceRequest")),
            (
                BYTES,
                schemas::bytes(
                    "The JSON, then the tensors' bytes; Inference-Header-Content-Length is the \
                        length of the JSON, or 0 where the bytes of a model's one input are all \
                        there is. BYTES are UTF-8 without NUL",
                ),
            ),
        ],
        ok: vec![
            (JSON, reference("InferenceAnswer")),
            (
                BYTES,
                schemas::bytes(
                    "The JSON, then the tensors' bytes; Inference-Header-Content-Length is the \
                        length of the JSON",
                ),
            ),
        ],
        errors: run.to_vec(),
        error: "Message",
    };
    let control = |path, id, summary, body, ok: Vec<(&'static str, Value)>| Operation {
        path,
        method: "post",
        id,
        summary,
        tag: "Model repository",
        body: vec![(JSON, reference(body))],
        ok,
        errors: vec![400, 403, 404, 413],
        error: "Message",
    };
    let predict = Operation {
        path: "/predict",
        method: "post",
        id: "predict",
        summary: "Run the first model on rows of features",
        tag: "Prediction",
        body: vec![(JSON, reference("PredictRequest"))],
        ok: vec![(JSON, reference("PredictAnswer"))],
        errors: [&run[..], &[422]].concat(),
        error: "Error",
    };
    let invocations = Operation {
        path: "/invocations",
        method: "post",
        id: "invocations",
        summary: "Score with the first model, as MLflow's servers do",
        tag: "MLflow",
        body: vec![(JSON, reference("Invocation")), ("text/csv", json!({ "type": "string" }))],
        ok: vec![(JSON, reference("Scores"))],
        errors: run.to_vec(),
        error: "ScoringError",
    };
    let text = |path, id, summary, tag, media| Operation {
        ok: vec![(media, json!({ "type": "string" }))],
        ..get(path, id, summary, tag, json!({}), &[])
    };
    let mut all = vec![
        invocations,
        get(
            "/ping",
            "ping",
            "Whether requests should be sent here",
            "MLflow",
            reference("Status"),
            &[503],
        ),
        text("/version", "version", "The server's version", "MLflow", TEXT),
        get(
            "/health",
            "health",
            "Whether requests should be sent here",
            "Server",
            reference("Status"),
            &[503],
        ),
        Operation {
            ok: [TEXT, "application/openmetrics-text", "application/vnd.google.protobuf"]
                .map(|media| (media, json!({ "type": "string" })))
                .to_vec(),
            ..text("/metrics", "metrics", "What was counted, for Prometheus", "Server", TEXT)
        },
        get(
            "/openapi.json",
            "openapi",
            "This document",
            "Server",
            json!({ "type": "object" }),
            &[],
        ),
        text("/docs", "docs", "This document, to try things out", "Server", "text/html"),
        get(
            "/v2",
            "serverMetadata",
            "The server",
            "Open Inference Protocol",
            reference("ServerMetadata"),
            &[],
        ),
        get(
            "/v2/health/live",
            "live",
            "Whether the server runs",
            "Open Inference Protocol",
            reference("Live"),
            &[],
        ),
        get(
            "/v2/health/ready",
            "ready",
            "Whether requests should be sent here",
            "Open Inference Protocol",
            reference("Ready"),
            &[503],
        ),
        get(
            "/v2/models/stats",
            "allStatistics",
            "What all models have done",
            "Open Inference Protocol",
            reference("Statistics"),
            &[],
        ),
        of_model("/v2/models/{model}", "modelMetadata", "A model's tensors", "ModelMetadata"),
        of_model(
            "/v2/models/{model}/versions/{version}",
            "versionMetadata",
            "A version's tensors",
            "ModelMetadata",
        ),
        of_model(
            "/v2/models/{model}/config",
            "modelConfig",
            "A model's configuration",
            "ModelConfig",
        ),
        of_model(
            "/v2/models/{model}/versions/{version}/config",
            "versionConfig",
            "A version's configuration",
            "ModelConfig",
        ),
        of_model(
            "/v2/models/{model}/stats",
            "modelStatistics",
            "What a model has done",
            "Statistics",
        ),
        of_model(
            "/v2/models/{model}/versions/{version}/stats",
            "versionStatistics",
            "What a version has done",
            "Statistics",
        ),
        get(
            "/v2/models/{model}/ready",
            "modelReady",
            "Whether a model is served",
            "Open Inference Protocol",
            reference("ModelReady"),
            &[404, 503],
        ),
        get(
            "/v2/models/{model}/versions/{version}/ready",
            "versionReady",
            "Whether a version is served",
            "Open Inference Protocol",
            reference("ModelReady"),
            &[404, 503],
        ),
        infer("/v2/models/{model}/infer", "infer"),
        infer("/v2/models/{model}/versions/{version}/infer", "inferVersion"),
        control(
            "/v2/repository/index",
            "index",
            "All models and versions",
            "IndexRequest",
            vec![(JSON, reference("Index"))],
        ),
        control(
            "/v2/repository/models/{model}/load",
            "load",
            "Load a model, or load it anew",
            "LoadRequest",
            Vec::new(),
        ),
        control(
            "/v2/repository/models/{model}/unload",
            "unload",
            "Unload a model",
            "LoadRequest",
            Vec::new(),
        ),
    ];
    if default.is_some() {
        all.insert(0, predict);
        all.push(Operation {
            error: "Error",
            ..get(
                "/model",
                "model",
                "What the first model takes, with an example",
                "Prediction",
                reference("Model"),
                &[404],
            )
        });
    }
    all
}
