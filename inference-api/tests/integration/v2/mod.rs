//! The Open Inference Protocol, byte by byte.

mod binary;
mod metadata;
mod refusals;
mod tensors;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn infer(server: &Server, model: &str, body: &Value) -> Answer {
    server.ask(&format!("/v2/models/{model}/infer"), body)
}

fn iris() -> Value {
    json!({
        "id": "a",
        "inputs": [{
            "name": "input",
            "datatype": "FP32",
            "shape": [2, 4],
            "data": [5.1, 3.5, 1.4, 0.2, 6.3, 3.3, 6.0, 2.5],
        }],
    })
}

/// Asserts a 400 whose message has all of these.
#[track_caller]
fn refuses(answer: &Answer, parts: &[&str]) {
    assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
    let said = answer.json()["error"].as_str().unwrap().to_owned();
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

/// JSON, then bytes, and the header with the length of the JSON.
fn with_bytes(server: &Server, path: &str, json: &Value, bytes: &[u8]) -> Answer {
    let json = json.to_string();
    let length = json.len().to_string();
    server.post_to(
        path,
        &[("inference-header-content-length", &length)],
        [json.as_bytes(), bytes].concat(),
    )
}

/// The JSON part of an answer and what is behind it.
fn parts(answer: &Answer) -> (Value, &[u8]) {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let length = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let (json, bytes) = answer.body.split_at(length);
    (serde_json::from_slice(json).unwrap(), bytes)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
