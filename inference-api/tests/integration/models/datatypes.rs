//! Values of every type, and answers that are larger than memory.

use serde_json::{Value, json};

use super::{answers, refuses};
use crate::support::{Server, model};

#[test]
fn integers_are_exact_and_within_their_type() {
    let server = Server::of("int64");
    answers(
        &server,
        &json!({ "features": [9_007_199_254_740_993_i64, -3] }),
        &json!({ "y": [[18_014_398_509_481_986_i64, -6]] }),
    );
    answers(&server, &json!({ "features": [3.0, 1e3] }), &json!({ "y": [[6, 2000]] }));
    refuses(&server, &json!({ "features": [1.5, 2] }), "features[0]");
    refuses(&server, &json!({ "features": [u64::MAX, 2] }), "features[0]");
    let server = Server::of("uint8");
    answers(&server, &json!({ "features": [0, 255] }), &json!({ "y": [[0, 255]] }));
    let answer = refuses(&server, &json!({ "features": [0, 256] }), "features[1]");
    assert_eq!(answer.json()["error"]["expected"], "an integer from 0 to 255");
    assert_eq!(answer.json()["error"]["got"], "the number 256");
    refuses(&server, &json!({ "features": [-1, 0] }), "features[0]");
    refuses(&server, &json!({ "features": [true, 0] }), "features[0]");
}

#[test]
fn doubles_and_truth_values_are_themselves() {
    let server = Server::of("double");
    answers(&server, &json!({ "features": [0.1, 1e300] }), &json!({ "y": [[0.2, 2e300]] }));
    let server = Server::of("bool");
    answers(&server, &json!({ "features": [true, false] }), &json!({ "y": [[false, true]] }));
    refuses(&server, &json!({ "features": [1, 0] }), "features[0]");
}

#[test]
fn numbers_of_16_bits_are_numbers() {
    let server = Server::of("float16");
    answers(&server, &json!({ "features": [0.5, -2] }), &json!({ "y": [[1.0, -4.0]] }));
    refuses(&server, &json!({ "features": [70_000, 0] }), "features[0]");
}

#[test]
fn branches_are_taken() {
    let server = Server::of("control");
    answers(&server, &json!({ "features": [1, 2] }), &json!({ "y": [[2.0, 4.0]] }));
    answers(&server, &json!({ "features": [-1, -2] }), &json!({ "y": [[1.0, 2.0]] }));
}

#[test]
fn a_map_is_an_object_of_numbers() {
    let server = Server::of("dictionary");
    let row = |numbers: Value| json!({ "basket": numbers });
    answers(
        &server,
        &row(json!({ "bread": 1.5, "wine": 2 })),
        &json!({ "variable": [[0.0, 1.5, 2.0]] }),
    );
    answers(
        &server,
        &json!({ "features": [{ "rice": 1 }] }),
        &json!({ "variable": [[0.0, 0.0, 0.0]] }),
    );
    let two = json!({ "instances": [[{ "apple": 1 }], row(json!({ "bread": 2 }))] });
    answers(&server, &two, &json!({ "variable": [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]] }));
    refuses(&server, &row(json!({ "bread": "much" })), "basket.bread");
    refuses(&server, &row(json!([1])), "basket");
    answers(&server, &row(json!({})), &json!({ "variable": [[0.0, 0.0, 0.0]] }));
    let text = r#"{"inputs": [
        {"name": "basket", "shape": [1], "datatype": "BYTES", "data": ["{\"wine\": 3}"]}
    ]}"#;
    let answer = server.post_to("/v2/models/dictionary/infer", &[], text).ok();
    assert_eq!(answer["outputs"][0]["data"], json!([0.0, 0.0, 3.0]));
}

#[test]
fn answers_that_do_not_fit_into_memory_are_refused() {
    // As many zeros as the request says, in a process that may have 2 GB.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 2000000; exec \"$0\" \"$@\"", crate::support::BINARY]);
    command.args(crate::support::serve_args(&model("zeros")));
    let server = Server::run(command);
    let of = |count: u64, binary: bool| {
        server.ask(
            "/v2/models/zeros/infer",
            &json!({
                "inputs": [{ "name": "size", "datatype": "INT64", "shape": [1], "data": [count] }],
                "parameters": { "binary_data_output": binary },
            }),
        )
    };
    assert_eq!(of(3, false).ok()["outputs"][0]["data"], json!([0.0, 0.0, 0.0]));
    // More than there is; as much, and its copy not; both, and the answer not.
    for (count, binary) in [(1 << 40, false), (300 << 20, true), (100 << 20, false)] {
        let answer = of(count, binary);
        assert_eq!(answer.status, 507, "{count}");
        assert!(answer.json()["error"].as_str().unwrap().contains("not enough memory"), "{count}");
    }
    let tensors = server.ask("/invocations", &json!({ "inputs": { "size": [100 << 20] } }));
    assert_eq!((tensors.status, &tensors.json()["error_code"]), (507, &json!("INTERNAL_ERROR")));
    assert_eq!(of(3, false).status, 200);
}
