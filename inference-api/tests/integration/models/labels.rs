//! Classifiers: labels, probabilities and scores, from the file and from its sidecar.

use std::fs;

use serde_json::json;

use crate::support::{Server, model};

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

/// Outputs of Python's onnxruntime for these rows.
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
