//! The Open Inference Protocol, byte by byte.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::GzEncoder};
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

#[test]
fn the_server_and_its_models_describe_themselves() {
    let server = Server::of("iris");
    let about = server.get("/v2").ok();
    assert!(about["extensions"].as_array().unwrap().contains(&json!("statistics")));
    let model = server.get("/v2/models/iris").ok();
    assert_eq!(model["versions"], json!(["1"]));
    assert_eq!(model["inputs"], json!([{ "name": "input", "datatype": "FP32", "shape": [-1, 4] }]));
    assert_eq!(
        model["outputs"][1],
        json!({ "name": "probabilities", "datatype": "FP32", "shape": [-1, 3] })
    );
    assert_eq!(server.get("/v2/models/iris/versions/1").ok(), model);
    let config = server.get("/v2/models/iris/config").ok();
    assert!(config["max_batch_size"].as_u64().unwrap() > 0);
    // With a batch size, dimensions are those of a row.
    assert_eq!(
        config["input"],
        json!([{ "name": "input", "data_type": "TYPE_FP32", "dims": [4] }])
    );
    for path in [
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/iris/ready",
        "/v2/models/iris/versions/1/ready",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for path in [
        "/v2/models/none",
        "/v2/models/none/config",
        "/v2/models/iris/versions/2",
        "/v2/models/none/ready",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("unknown model"), "{path}");
    }
}

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
fn what_is_wrong_is_said() {
    let server = Server::of("iris");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = iris();
        change(&mut body);
        infer(&server, "iris", &body)
    };
    refuses(&with(&|b| b["inputs"][0]["name"] = "x".into()), &["unexpected inference input 'x'"]);
    refuses(&with(&|b| b["inputs"][0]["datatype"] = "INT64".into()), &["'INT64'", "'FP32'"]);
    refuses(&with(&|b| b["inputs"][0]["shape"] = json!([4, 2])), &["[-1, 4]", "[4, 2]"]);
    refuses(&with(&|b| b["inputs"][0]["shape"] = json!([1, 4])), &["4 elements", "8 came"]);
    refuses(&with(&|b| b["inputs"][0]["shape"] = json!([-1, 4])), &["unexpected shape"]);
    refuses(&with(&|b| b["inputs"][0]["shape"] = json!([i64::MAX, 4])), &["unexpected shape"]);
    refuses(&with(&|b| b["inputs"] = json!([])), &["expected input 'input'"]);
    refuses(&with(&|b| b["inputs"][0]["data"][1] = "x".into()), &["[1]", "finite number"]);
    refuses(
        &with(&|b| b["outputs"] = json!([{ "name": "y" }])),
        &["unexpected inference output 'y'"],
    );
    let twice = iris()["inputs"][0].clone();
    refuses(&with(&|b| b["inputs"].as_array_mut().unwrap().push(twice.clone())), &["twice"]);
    refuses(&server.post_to("/v2/models/iris/infer", &[], "{"), &["failed to parse"]);
    assert_eq!(infer(&server, "rose", &iris()).status, 404);
    assert_eq!(server.get("/v2/models/iris/infer").status, 405);
    let output = json!({ "name": "label" });
    refuses(&with(&|b| b["outputs"] = json!([output, output])), &["'label' is asked for twice"]);
    // One batch for all inputs, where rows of several requests are put together.
    let server = Server::with("multi", &["--max-batch-size", "8"]);
    let body = json!({ "inputs": [
        { "name": "window", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4] },
        { "name": "city", "datatype": "BYTES", "shape": [1, 1], "data": ["Oslo"] },
        { "name": "price", "datatype": "FP32", "shape": [1, 1], "data": [2.5] },
        { "name": "count", "datatype": "INT64", "shape": [1, 1], "data": [4] },
    ] });
    refuses(&infer(&server, "multi", &body), &["different batch sizes"]);
    // Nothing, and ten thousand million rows of it.
    let server = Server::of("open");
    let body = json!({
        "inputs": [{
            "name": "x",
            "datatype": "FP32",
            "shape": [10_000_000_000_u64, 0],
            "data": [],
        }],
    });
    refuses(&infer(&server, "open", &body), &["unexpected shape"]);
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

#[test]
fn statistics_count_what_was_done() {
    let server = Server::of("iris");
    for _ in 0..3 {
        infer(&server, "iris", &iris()).ok();
    }
    refuses(&server.post_to("/v2/models/iris/infer", &[], "{"), &[]);
    let stats = server.get("/v2/models/iris/stats").ok();
    let of = &stats["model_stats"][0];
    assert_eq!((&of["name"], &of["version"]), (&json!("iris"), &json!("1")));
    assert_eq!(of["inference_count"], 6);
    assert_eq!(of["execution_count"], 3);
    assert!(of["last_inference"].as_u64().unwrap() > 1_600_000_000_000);
    for stage in ["success", "queue", "compute_input", "compute_infer", "compute_output"] {
        assert_eq!(of["inference_stats"][stage]["count"], 3, "{stage}");
    }
    assert!(of["inference_stats"]["compute_infer"]["ns"].as_u64().unwrap() > 0);
    assert_eq!(of["batch_stats"][0]["batch_size"], 2);
    assert_eq!(server.get("/v2/models/stats").ok(), stats);
}

#[test]
fn what_is_not_there_is_said_in_the_protocols_words() {
    let server = Server::with("iris", &["--max-body-bytes", "1000"]);
    for (path, part) in [
        ("/v2/nothing", "no such path"),
        ("/v2/models/%ff", "no such path"),
        ("/v2/models/%ff/versions/1/stats", "no such path"),
        ("/v2/systemsharedmemory/status", "shared memory"),
        ("/v2/cudasharedmemory/status", "shared memory"),
        ("/v2/trace/setting", "trace"),
        ("/v2/models/iris/trace/setting", "trace"),
        ("/v2/logging", "logging"),
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (404, Some("application/json")),
            "{path}"
        );
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{path}");
    }
    let answer = server.post_to("/v2/models/%ff/infer", &[], "{}");
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].is_string());
    let answer = server.post_to("/v2/models/iris/generate", &[], "{}");
    assert!(answer.json()["error"].as_str().unwrap().contains("generate"));
    for (path, allowed) in [("/v2/models/iris/infer", "POST"), ("/v2/repository/index", "POST")] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains("GET"));
    }
    let answer = server.post_to("/v2/models/iris/config", &[], "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    let answer = server.post_to("/v2/repository/index", &[], "x".repeat(2000));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].is_string());
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

#[test]
fn elements_that_are_none_are_named() {
    let server = Server::of("iris");
    let mut body = iris();
    body["inputs"][0]["data"][1] = Value::Null;
    refuses(&infer(&server, "iris", &body), &["[1]", "a finite number", "null"]);
    let server = Server::of("multi");
    let city = |text: &str| {
        infer(
            &server,
            "multi",
            &json!({ "inputs": [
            { "name": "window", "datatype": "FP32", "shape": [1, 2], "data": [1, 2] },
            { "name": "city", "datatype": "BYTES", "shape": [1, 1], "data": [text] },
            { "name": "price", "datatype": "FP32", "shape": [1, 1], "data": [2.5] },
            { "name": "count", "datatype": "INT64", "shape": [1, 1], "data": [4] },
        ] }),
        )
    };
    assert_eq!(city("Oslo").status, 200);
    refuses(&city("Os\0lo"), &["without NUL"]);
    let path = "/v2/models/multi/infer";
    for bytes in [&b"\x02\0\0\0a\0"[..], b"\x02\0\0\0\xff\xfe"] {
        let request = json!({ "inputs": [
            {
                "name": "city",
                "datatype": "BYTES",
                "shape": [1, 1],
                "parameters": { "binary_data_size": bytes.len() },
            },
        ] });
        refuses(&with_bytes(&server, path, &request, bytes), &["'city'", "UTF-8 without NUL"]);
    }
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
