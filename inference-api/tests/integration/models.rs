//! Models of every kind: what they take, what they answer, and that `/model` tells how to ask.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Answer, Server, model};

const SERVABLE: [&str; 21] = [
    "orchard",
    "dictionary",
    "iris",
    "penguins",
    "digits",
    "regressor",
    "fixed_batch",
    "tensor",
    "open",
    "rank1",
    "int64",
    "uint8",
    "double",
    "bool",
    "multi",
    "zipmap_string",
    "zipmap_int",
    "float16",
    "identity",
    "control",
    "external",
];

#[track_caller]
fn answers(server: &Server, body: &Value, outputs: &Value) {
    assert_eq!(server.post(&body.to_string()).ok()["outputs"], *outputs, "{body}");
}

/// Asserts a 422 for `field`.
#[track_caller]
fn refuses(server: &Server, body: &Value, field: &str) -> Answer {
    let answer = server.post(&body.to_string());
    assert_eq!(
        (answer.status, &answer.json()["error"]["field"]),
        (422, &json!(field)),
        "{body}: {:?}",
        answer.json()
    );
    answer
}

#[test]
fn the_example_of_every_model_is_accepted_by_it() {
    for name in SERVABLE {
        let server = Server::of(name);
        let mut client = server.client();
        let told = client.get("/model");
        assert!(!told.body.contains(&b'\n'), "{name}: the example is not compact");
        let told = told.ok();
        assert_eq!(told["name"], name);
        let answer = client.post(&told["example"].to_string()).ok();
        assert!(
            answer["predictions"].is_array() || answer["outputs"].is_object(),
            "{name}: {answer}"
        );
    }
}

#[test]
fn the_model_path_describes_a_model_with_a_sidecar() {
    let told = Server::of("penguins").get("/model").ok();
    assert_eq!(
        told["features"][0],
        json!({ "name": "island", "datatype": "string", "nullable": false })
    );
    assert_eq!(
        told["features"][1],
        json!({ "name": "bill_length_mm", "datatype": "float32", "nullable": true })
    );
    assert_eq!(told["classes"], json!(["Adelie", "Chinstrap", "Gentoo"]));
    assert_eq!(told["inputs"][0]["shape"][0], -1);
}

#[test]
fn without_a_sidecar_a_classifier_has_numbered_classes() {
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("alone.onnx");
    fs::copy(model("iris"), &alone).unwrap();
    let server = Server::at(&alone, &[]);
    let answer = server.post(r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#).ok();
    assert_eq!(answer["model"], "alone");
    assert_eq!(answer["predictions"][0]["label"], 0);
    assert!(answer["predictions"][0]["probabilities"]["0"].as_f64().unwrap() > 0.9, "{answer}");
}

#[test]
fn a_regressor_answers_with_its_outputs() {
    let server = Server::of("regressor");
    answers(&server, &json!({ "features": [1, 2.5, -1] }), &json!({ "y": [[2.5]] }));
    answers(
        &server,
        &json!({ "instances": [[1, 2, 3], [4, 5, 6]] }),
        &json!({ "y": [[6.0], [15.0]] }),
    );
    answers(&server, &json!({ "x_0": 1, "x_2": 3, "x_1": 2 }), &json!({ "y": [[6.0]] }));
}

#[test]
fn a_fixed_batch_is_run_as_often_as_it_takes() {
    let server = Server::of("fixed_batch");
    let rows = json!([[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0]]);
    answers(&server, &json!({ "instances": rows }), &json!({ "y": [[1.0], [2.0], [3.0], [4.0]] }));
    refuses(&server, &json!({ "features": [1, 2, 3] }), "instances");
}

#[test]
fn a_tensor_is_nested_lists() {
    let server = Server::of("tensor");
    let row = json!([[1, 2, 3], [4, 5, 6]]);
    let twice = json!([[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]);
    answers(&server, &json!({ "features": row }), &json!({ "y": [twice] }));
    answers(&server, &json!({ "x": row }), &json!({ "y": [twice] }));
    answers(&server, &json!({ "instances": [row, { "x": row }] }), &json!({ "y": [twice, twice] }));
    refuses(&server, &json!({ "features": [[1, 2, 3], [4, 5]] }), "features[1]");
    refuses(&server, &json!({ "features": [[1, 2, 3]] }), "features");
    refuses(&server, &json!({ "features": [] }), "features");
    refuses(&server, &json!({ "features": [[1, 2, 3], [4, [5], 6]] }), "features[1][1]");
    refuses(&server, &json!({ "features": 1 }), "features");
}

#[test]
fn rows_of_open_length_must_have_one_length() {
    let server = Server::of("open");
    answers(&server, &json!({ "features": [1, 2, 3, 4] }), &json!({ "y": [10.0] }));
    answers(&server, &json!({ "instances": [[1, 2], [3, 4]] }), &json!({ "y": [3.0, 7.0] }));
    refuses(&server, &json!({ "instances": [[1, 2], [3]] }), "instances[1]");
    refuses(&server, &json!({ "instances": [[1, 2], []] }), "instances[1]");
    refuses(&server, &json!({ "features": [1, null] }), "features[1]");
    // No values at all: whatever the runtime says of it, it is not our fault.
    assert!(server.post(r#"{"features": []}"#).status < 500);
    assert!(server.post(r#"{"instances": [[], []]}"#).status < 500);
}

#[test]
fn a_model_of_rank_1_takes_a_value_a_row() {
    let server = Server::of("rank1");
    answers(&server, &json!({ "features": [2] }), &json!({ "y": [4.0] }));
    answers(&server, &json!({ "features": 2 }), &json!({ "y": [4.0] }));
    answers(
        &server,
        &json!({ "instances": [1, [2], { "x": 3 }] }),
        &json!({ "y": [2.0, 4.0, 6.0] }),
    );
    refuses(&server, &json!({ "features": [] }), "features");
    refuses(&server, &json!({ "features": [1, 2] }), "features");
    refuses(&server, &json!({ "features": [[1]] }), "features[0]");
    refuses(&server, &json!({ "instances": [] }), "instances");
    refuses(&server, &json!({ "features": null }), "features");
}

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
fn several_inputs_are_columns() {
    let server = Server::of("multi");
    let one = json!([2.5, 4, "Oslo", [1, 2]]);
    let named = json!({ "city": "Rome", "window": [3, 4], "count": 2, "price": 1.5 });
    let outputs = |total: f64, city: &str, area: f64| {
        json!({
            "total": [[total]],
            "where": [[city]],
            "area": [[area]],
        })
    };
    answers(&server, &json!({ "features": one }), &outputs(10.0, "Oslo", 3.0));
    answers(&server, &named, &outputs(3.0, "Rome", 7.0));
    let both =
        json!({ "total": [[10.0], [3.0]], "where": [["Oslo"], ["Rome"]], "area": [[3.0], [7.0]] });
    answers(&server, &json!({ "instances": [one, named] }), &both);
    refuses(&server, &json!({ "features": [2.5, "4", "Oslo", [1, 2]] }), "features[1]");
    refuses(&server, &json!({ "features": [2.5, 4, "Oslo", [1]] }), "features[3]");
    refuses(&server, &json!({ "instances": [one, { "city": "Rome" }] }), "instances[1].price");
}

#[test]
fn zipmaps_name_their_own_classes() {
    for (name, labels) in
        [("zipmap_string", [json!("low"), json!("high")]), ("zipmap_int", [json!(10), json!(30)])]
    {
        let server = Server::of(name);
        let answer = server.post(r#"{"instances": [[0, 0], [9, 1]]}"#).ok();
        for (prediction, label) in answer["predictions"].as_array().unwrap().iter().zip(labels) {
            assert_eq!(prediction["label"], label);
            let key = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
            assert_eq!(prediction["probabilities"].as_object().unwrap().len(), 3);
            assert!(prediction["probabilities"][key].as_f64().unwrap() > 0.5, "{answer}");
        }
    }
}

/// What Python's onnxruntime puts out for these rows.
#[test]
fn several_labels_have_a_sequence_of_probabilities() {
    let server = Server::of("orchard");
    let answer = server.post(r#"{"instances": [[0, 9], [9, 0], [5, 5]]}"#).ok();
    assert_eq!(answer["outputs"]["label"], json!([[0, 1], [1, 0], [1, 1]]));
    let python = [
        [[0.960_578_6, 0.039_421_38], [0.039_420_426, 0.960_579_6], [0.389_812_8, 0.610_187_2]],
        [[0.039_420_426, 0.960_579_6], [0.960_578_6, 0.039_421_38], [0.389_812_8, 0.610_187_2]],
    ];
    for (label, rows) in python.iter().enumerate() {
        for (row, classes) in rows.iter().enumerate() {
            for (class, expected) in classes.iter().enumerate() {
                let got = answer["outputs"]["probabilities"][label][row][class].as_f64().unwrap();
                assert!((got - expected).abs() < 1e-6, "{answer}");
            }
        }
    }
    let described = server.get("/v2/models/orchard").ok();
    assert_eq!(
        described["outputs"],
        json!([{ "name": "label", "datatype": "INT64", "shape": [-1, 2] }])
    );
    let tensors =
        r#"{"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [0, 9]}]"#;
    let answer = server.post_to("/v2/models/orchard/infer", &[], format!("{tensors}}}")).ok();
    assert_eq!(
        answer["outputs"],
        json!([{ "name": "label", "datatype": "INT64", "shape": [1, 2], "data": [0, 1] }])
    );
    let wanted = format!(r#"{tensors}, "outputs": [{{"name": "probabilities"}}]}}"#);
    let refusal = server.post_to("/v2/models/orchard/infer", &[], &wanted);
    assert_eq!(refusal.status, 400);
    assert!(refusal.json()["error"].as_str().unwrap().contains("is a sequence of tensors"));
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

/// Serves a fixture with a sidecar of these classes.
fn with_classes(fixture: &str, classes: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.onnx");
    fs::copy(model(fixture), &copy).unwrap();
    let sidecar =
        json!({ "schema_version": 1, "name": "copy", "version": "1", "classes": classes });
    fs::write(copy.with_extension("json"), sidecar.to_string()).unwrap();
    (dir, copy)
}

#[test]
fn values_that_are_no_probabilities_are_scores() {
    let server = Server::of("scores");
    let answer = server.post(r#"{"instances": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}"#).ok();
    for (prediction, label) in answer["predictions"].as_array().unwrap().iter().zip(["1", "3"]) {
        assert_eq!(prediction["label"].to_string(), label);
        let scores = prediction["scores"].as_object().unwrap();
        let best =
            scores.iter().max_by(|a, b| a.1.as_f64().unwrap().total_cmp(&b.1.as_f64().unwrap()));
        assert_eq!(best.unwrap().0, label, "{prediction}");
        assert!(prediction.get("probabilities").is_none(), "{prediction}");
    }
}

#[test]
fn labels_are_the_files_own_with_and_without_a_sidecar() {
    let names = ["setosa", "versicolor", "virginica"];
    let rows = r#"{"instances": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}"#;
    for fixture in ["labels", "picked_labels"] {
        let alone = Server::of(fixture).post(rows).ok();
        for (prediction, label) in alone["predictions"].as_array().unwrap().iter().zip([1, 3]) {
            assert_eq!(prediction["label"], label, "{fixture}");
            assert!(
                prediction["probabilities"][label.to_string()].as_f64().unwrap() > 0.5,
                "{fixture}: {prediction}"
            );
        }
        let (_dir, copy) = with_classes(fixture, &names);
        let named = Server::at(&copy, &[]).post(rows).ok();
        for (prediction, name) in
            named["predictions"].as_array().unwrap().iter().zip(["setosa", "virginica"])
        {
            assert_eq!(prediction["label"], name, "{fixture}");
            assert!(
                prediction["probabilities"][name].as_f64().unwrap() > 0.5,
                "{fixture}: {prediction}"
            );
        }
    }
    let named = Server::of("named_labels").post(rows).ok();
    assert_eq!(named["predictions"][0]["label"], "setosa");
    assert!(named["predictions"][0]["probabilities"]["setosa"].as_f64().unwrap() > 0.9, "{named}");
}

#[test]
fn a_sidecar_that_contradicts_the_files_labels_is_refused() {
    for (fixture, classes, says) in [
        (
            "labels",
            &["setosa", "versicolor"][..],
            "it names 2 classes, the model has the labels 1, 2, 3",
        ),
        ("named_labels", &["a", "b", "c"], "the model calls them setosa, versicolor, virginica"),
    ] {
        let (_dir, copy) = with_classes(fixture, classes);
        let told = crate::support::refusal(&copy);
        assert!(told.contains(says), "{fixture}: {told}");
    }
}

#[test]
fn distances_and_scores_are_no_probabilities() {
    for (fixture, scores) in [("clusters", "scores"), ("outliers", "scores")] {
        let answer = Server::of(fixture).post(r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#).ok();
        assert!(answer["predictions"].is_null(), "{fixture}: {answer}");
        assert!(
            answer["outputs"][scores][0].is_array() && answer["outputs"]["label"].is_array(),
            "{fixture}: {answer}"
        );
    }
}

/// A file of 200 bytes whose row has 12 million values.
#[test]
fn a_row_without_end_has_no_example() {
    let server = Server::of("wide");
    assert!(server.resident() < 200_000, "{} kB", server.resident());
    let told = server.get("/model");
    assert!(
        told.body.len() < 10_000 && told.ok()["example"].is_null(),
        "{} bytes",
        told.body.len()
    );
    assert_eq!(server.get("/openapi.json").status, 200);
}

#[test]
fn what_is_no_onnx_file_is_told_with_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, says) in [
        ("model.pkl", &b"\x80\x04\x95\x10"[..], "skl2onnx"),
        ("model.pt", b"PK\x03\x04....", "torch.onnx.export"),
        ("empty.onnx", b"", "it is empty"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let told = crate::support::refusal(&path);
        assert!(told.contains(says), "{name}: {told}");
    }
}

#[test]
fn a_sidecar_names_the_integer_labels_of_a_zipmap() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.onnx");
    fs::copy(model("zipmap_int"), &copy).unwrap();
    let sidecar = json!({
        "schema_version": 1,
        "name": "sizes",
        "version": "7",
        "classes": ["small", "medium", "large"],
        "label_output": "output_label",
        "probability_output": "output_probability",
    });
    fs::write(copy.with_extension("json"), sidecar.to_string()).unwrap();
    let answer = Server::at(&copy, &[]).post(r#"{"instances": [[0, 0], [5, 0], [9, 1]]}"#).ok();
    assert_eq!((&answer["model"], &answer["version"]), (&json!("sizes"), &json!("7")));
    for (i, name) in ["small", "medium", "large"].into_iter().enumerate() {
        assert_eq!(answer["predictions"][i]["label"], name);
        assert!(
            answer["predictions"][i]["probabilities"][name].as_f64().unwrap() > 0.5,
            "{answer}"
        );
    }
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
