//! Tensors as JSON, plain and compressed.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::GzEncoder};
use serde_json::{Value, json};

use super::{infer, iris};
use crate::support::Server;

#[test]
fn tensors_as_json() {
    let server = Server::of("iris");
    let answer = infer(&server, "iris", &iris()).ok();
    assert_eq!(
        (&answer["id"], &answer["model_name"], &answer["model_version"]),
        (&json!("a"), &json!("iris"), &json!("1"))
    );
    assert_eq!(
        answer["outputs"][0],
        json!({ "name": "label", "datatype": "INT64", "shape": [2], "data": [0, 2] })
    );
    assert_eq!(answer["outputs"][1]["shape"], json!([2, 3]));
    assert_eq!(answer["outputs"][1]["data"].as_array().unwrap().len(), 6);
    // Nested lists are taken as well, and a version may be named.
    let nested = json!({
        "inputs": [{
            "name": "input",
            "datatype": "FP32",
            "shape": [1, 4],
            "data": [[5.1, 3.5, 1.4, 0.2]],
        }],
        "outputs": [{ "name": "label" }],
    });
    let answer = server.ask("/v2/models/iris/versions/1/infer", &nested).ok();
    assert_eq!(
        answer["outputs"],
        json!([{ "name": "label", "datatype": "INT64", "shape": [1], "data": [0] }])
    );
    assert_eq!(answer.get("id"), None);
}

#[test]
fn several_inputs_and_a_scalar() {
    let server = Server::of("multi");
    let body = json!({ "inputs": [
        { "name": "window", "datatype": "FP32", "shape": [1, 2], "data": [1, 2] },
        { "name": "city", "datatype": "BYTES", "shape": [1, 1], "data": ["Oslo"] },
        { "name": "price", "datatype": "FP32", "shape": [1, 1], "data": [2.5] },
        { "name": "count", "datatype": "INT64", "shape": [1, 1], "data": [4] },
    ], "outputs": [{ "name": "where" }, { "name": "total" }] });
    let answer = infer(&server, "multi", &body).ok();
    assert_eq!(answer["outputs"][0]["data"], json!(["Oslo"]));
    assert_eq!(answer["outputs"][1]["data"], json!([10.0]));
    // What has no rows can only be sent as a tensor.
    let server = Server::of("scalar");
    let body = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [], "data": [3] }] });
    assert_eq!(infer(&server, "scalar", &body).ok()["outputs"][0]["data"], json!([6.0]));
    assert_eq!(server.post(r#"{"features": [3]}"#).status, 422);
}

#[test]
fn bodies_may_be_compressed() {
    let server = Server::of("iris");
    let path = "/v2/models/iris/infer";
    let rows = 200;
    let data: Vec<f32> = [5.1, 3.5, 1.4, 0.2].repeat(rows);
    let body = json!({
        "inputs": [{ "name": "input", "datatype": "FP32", "shape": [rows, 4], "data": data }],
    })
    .to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let answer = server.post_to(
        path,
        &[("content-encoding", "gzip"), ("accept-encoding", "deflate")],
        &gzip,
    );
    assert_eq!(answer.header("content-encoding"), Some("deflate"));
    let mut plain = Vec::new();
    ZlibDecoder::new(&answer.body[..]).read_to_end(&mut plain).unwrap();
    let json: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(json["outputs"][0]["shape"], json!([rows]));
    assert_eq!(server.post_to(path, &[("content-encoding", "br")], &gzip).status, 415);
    assert_eq!(server.post_to(path, &[("content-encoding", "gzip")], &body).status, 400);
    // What a body is when it is decompressed is held to the limit too.
    let server = Server::with("iris", &["--max-body-bytes", "4000"]);
    assert!(gzip.len() < 4000);
    assert_eq!(server.post_to(path, &[("content-encoding", "gzip")], &gzip).status, 413);
}

/// Clients in typed languages write every field that there is.
#[test]
fn a_field_that_is_null_is_one_that_is_not_there() {
    let server = Server::of("iris");
    let mut body = iris();
    body["id"] = Value::Null;
    body["parameters"] = Value::Null;
    body["outputs"] = Value::Null;
    body["inputs"][0]["parameters"] = Value::Null;
    assert_eq!(infer(&server, "iris", &body).status, 200);
    body["parameters"] = json!({ "binary_data_output": null });
    let name = infer(&server, "iris", &iris()).ok()["outputs"][0]["name"].clone();
    body["outputs"] = json!([{ "name": name, "parameters": null }]);
    assert_eq!(infer(&server, "iris", &body).status, 200);
}
