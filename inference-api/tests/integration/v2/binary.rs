//! Tensors as bytes.

use serde_json::{Value, json};

use super::{floats, infer, parts, refuses, with_bytes};
use crate::support::Server;

#[test]
fn tensors_as_bytes() {
    let server = Server::of("iris");
    let input = json!({
        "name": "input",
        "datatype": "FP32",
        "shape": [1, 4],
        "parameters": { "binary_data_size": 16 },
    });
    let path = "/v2/models/iris/infer";
    let bytes = floats(&[5.1, 3.5, 1.4, 0.2]);
    let request = json!({ "inputs": [input], "parameters": { "binary_data_output": true } });
    let answer = with_bytes(&server, path, &request, &bytes);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let (json, bytes_back) = parts(&answer);
    assert_eq!(json["outputs"][0]["parameters"], json!({ "binary_data_size": 8 }));
    assert_eq!(json["outputs"][1]["parameters"], json!({ "binary_data_size": 12 }));
    assert_eq!(bytes_back.len(), 20);
    assert_eq!(bytes_back[..8], 0_i64.to_le_bytes());

    // One output as bytes and one not: what an output says stands over what the request says.
    let request = json!({ "inputs": [input], "outputs": [
        { "name": "probabilities", "parameters": { "binary_data": true } }, { "name": "label" },
    ] });
    let answer = with_bytes(&server, path, &request, &bytes);
    let (json, bytes_back) = parts(&answer);
    assert_eq!(bytes_back.len(), 12);
    assert_eq!(json["outputs"][0]["name"], "probabilities");
    assert_eq!(
        json["outputs"][1],
        json!({ "name": "label", "datatype": "INT64", "shape": [1], "data": [0] })
    );

    // Without bytes in the answer it is JSON, and no output has parameters: the C++ client refuses
    // those.
    let answer = with_bytes(&server, path, &json!({ "inputs": [input] }), &bytes);
    assert_eq!(answer.header("inference-header-content-length"), None);
    assert!(answer.ok()["outputs"][0].get("parameters").is_none());

    let short = json!({ "inputs": [input] });
    refuses(&with_bytes(&server, path, &short, &bytes[..15]), &["binary_data_size is 16", "15"]);
    refuses(
        &with_bytes(&server, path, &short, &[&bytes[..], &[0]].concat()),
        &["additional input data"],
    );
    let wrong = json!({
        "inputs": [{
            "name": "input",
            "datatype": "FP32",
            "shape": [1, 4],
            "parameters": { "binary_data_size": 15 },
        }],
    });
    refuses(&with_bytes(&server, path, &wrong, &bytes[..15]), &["15 bytes"]);
    let header = [("inference-header-content-length", "100000")];
    refuses(&server.post_to(path, &header, "{}"), &["100000"]);
}

#[test]
fn every_datatype_goes_in_and_comes_out() {
    for (model, datatype, data, doubled) in [
        ("int64", "INT64", json!([1, -2]), json!([2, -4])),
        ("uint8", "UINT8", json!([1, 255]), json!([1, 255])),
        ("double", "FP64", json!([0.1, 2.0]), json!([0.2, 4.0])),
        ("bool", "BOOL", json!([true, false]), json!([false, true])),
        ("float16", "FP16", json!([0.5, 2.0]), json!([1.0, 4.0])),
    ] {
        let server = Server::of(model);
        let body = json!({
            "inputs": [{ "name": "x", "datatype": datatype, "shape": [1, 2], "data": data }],
        });
        let answer = infer(&server, model, &body).ok();
        assert_eq!(
            answer["outputs"],
            json!([{ "name": "y", "datatype": datatype, "shape": [1, 2], "data": doubled }]),
            "{model}"
        );
    }
    let all = [
        ("INT8", vec![0xff, 1]),
        ("INT16", vec![1, 2, 3, 4]),
        ("INT32", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("UINT16", vec![1, 2, 3, 4]),
        ("UINT32", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("UINT64", vec![1; 16]),
        ("BF16", vec![0x80, 0x3f, 0, 0x40]),
        ("FP16", vec![0, 0x3c, 0, 0x40]),
        ("BYTES", b"\x02\0\0\0hi\0\0\0\0".to_vec()),
    ];
    let inputs: Vec<Value> = all
        .iter()
        .map(|(kind, bytes)| {
            let size = json!({ "binary_data_size": bytes.len() });
            json!({
                "name": format!("{}_in", kind.to_lowercase()),
                "datatype": kind,
                "shape": [2],
                "parameters": size,
            })
        })
        .collect();
    let bytes: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let request = json!({ "inputs": inputs, "parameters": { "binary_data_output": true } });
    let server = Server::of("identity");
    let answer = with_bytes(&server, "/v2/models/identity/infer", &request, &bytes);
    let (json, back) = parts(&answer);
    for (output, (kind, bytes)) in json["outputs"].as_array().unwrap().iter().zip(&all) {
        assert_eq!((&output["datatype"], &output["shape"]), (&json!(kind), &json!([2])));
        assert_eq!(output["parameters"]["binary_data_size"], bytes.len());
    }
    assert_eq!(back, bytes);
}

#[test]
fn a_body_may_be_the_bytes_of_the_one_tensor() {
    let raw = |server: &Server, model: &str, bytes: &[u8]| {
        server.post_to(
            &format!("/v2/models/{model}/infer"),
            &[("inference-header-content-length", "0")],
            bytes,
        )
    };
    let server = Server::of("iris");
    let answer = raw(&server, "iris", &floats(&[5.1, 3.5, 1.4, 0.2, 6.3, 3.3, 6.0, 2.5]));
    let (json, bytes) = parts(&answer);
    assert_eq!(
        (&json["outputs"][0]["name"], &json["outputs"][0]["shape"]),
        (&json!("label"), &json!([2]))
    );
    assert_eq!(bytes[..16], [0_i64.to_le_bytes(), 2_i64.to_le_bytes()].concat());
    refuses(&raw(&server, "iris", &floats(&[1.0, 2.0, 3.0])), &["3 elements of FP32", "[-1, 4]"]);
    refuses(&raw(&server, "iris", &[0; 15]), &["15 bytes"]);
    refuses(&raw(&server, "iris", b""), &["0 elements"]);
    refuses(&raw(&Server::of("multi"), "multi", &[0; 4]), &["has 4 inputs", "JSON"]);
    refuses(&raw(&Server::of("open"), "open", &[0; 4]), &["more than one dimension open"]);
    // All of the body is one string: this model takes an object as its text.
    let server = Server::of("dictionary");
    let (_, bytes) = {
        let answer = raw(&server, "dictionary", br#"{"wine": 3}"#);
        (answer.status, parts(&answer).1.to_vec())
    };
    assert_eq!(bytes, floats(&[0.0, 0.0, 3.0]));
    refuses(&raw(&server, "dictionary", b"\xff"), &["UTF-8 without NUL"]);
}
