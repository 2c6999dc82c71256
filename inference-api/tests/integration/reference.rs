//! The models of `models/` against the probabilities that their training wrote down.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Client, Server, model};

#[test]
fn iris_answers_as_trained() {
    check("iris");
}

#[test]
fn penguins_with_missing_values_answer_as_trained() {
    check("penguins");
}

#[test]
fn digits_answer_as_trained() {
    check("digits");
}

/// Rows singly, as a list of rows, and as objects with the features' names.
fn check(name: &str) {
    let sidecar: Value =
        serde_json::from_slice(&fs::read(model(name).with_extension("json")).unwrap()).unwrap();
    let rows = sidecar["reference"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    let server = Server::of(name);
    let mut client = server.client();
    for (i, row) in rows.iter().enumerate() {
        let answer = ask(&mut client, &json!({ "features": row }));
        assert_eq!(answer["predictions"].as_array().unwrap().len(), 1);
        same(&sidecar, i, &answer["predictions"][0]);
        let answer = ask(&mut client, &named(&sidecar, row));
        same(&sidecar, i, &answer["predictions"][0]);
    }
    let objects: Vec<Value> = rows.iter().map(|row| named(&sidecar, row)).collect();
    for instances in [rows, &objects] {
        let answer = ask(&mut client, &json!({ "instances": instances }));
        assert_eq!(answer["model"], name);
        assert_eq!(answer["version"], "1");
        let predictions = answer["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), rows.len());
        for (i, prediction) in predictions.iter().enumerate() {
            same(&sidecar, i, prediction);
        }
    }
}

fn ask(client: &mut Client, body: &Value) -> Value {
    client.post(&body.to_string()).ok()
}

/// A missing value that may be missing is left out.
fn named(sidecar: &Value, row: &Value) -> Value {
    let names = sidecar["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["name"].as_str().unwrap().to_owned());
    names
        .zip(row.as_array().unwrap().iter().cloned())
        .filter(|(_, value)| !value.is_null())
        .collect()
}

#[track_caller]
fn same(sidecar: &Value, row: usize, prediction: &Value) {
    assert_eq!(
        prediction["label"].to_string(),
        sidecar["reference"]["labels"][row].to_string(),
        "row {row}"
    );
    let expected = sidecar["reference"]["probabilities"][row].as_array().unwrap();
    let classes = sidecar["classes"].as_array().unwrap();
    assert_eq!(prediction["probabilities"].as_object().unwrap().len(), classes.len());
    for (class, expected) in classes.iter().zip(expected) {
        let got = prediction["probabilities"][class.as_str().unwrap()].as_f64().unwrap();
        let expected = expected.as_f64().unwrap();
        assert!((got - expected).abs() < 1e-5, "row {row}, {class}: {got} is not {expected}");
    }
}
