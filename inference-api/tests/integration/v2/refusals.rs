//! Requests that are refused, and what the answer says.

use serde_json::{Value, json};

use super::{infer, iris, refuses, with_bytes};
use crate::support::Server;

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
