//! MLflow's scoring protocol.

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn score(server: &Server, body: &Value) -> Answer {
    server.ask("/invocations", body)
}

#[test]
fn a_frame_is_answered_with_records() {
    let server = Server::of("iris");
    let columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
    let split = json!({
        "dataframe_split": {
            "columns": columns,
            "index": [0, 1],
            "data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]],
        },
    });
    let answer = score(&server, &split).ok();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 2);
    assert_eq!((&predictions[0]["label"], &predictions[1]["label"]), (&json!(0), &json!(2)));
    assert_eq!(predictions[0]["probabilities"].as_array().unwrap().len(), 3);

    // Columns are found by name; without names they are in order.
    let turned = json!({
        "dataframe_split": {
            "columns": ["petal_width", "petal_length", "sepal_width", "sepal_length"],
            "data": [[0.2, 1.4, 3.5, 5.1], [2.5, 6.0, 3.3, 6.3]],
        },
    });
    assert_eq!(score(&server, &turned).ok(), answer);
    let unnamed =
        json!({ "dataframe_split": { "data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]] } });
    assert_eq!(score(&server, &unnamed).ok(), answer);
    let records = json!({ "dataframe_records": [
        { "petal_width": 0.2, "sepal_length": 5.1, "petal_length": 1.4, "sepal_width": 3.5 },
        { "sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5 },
    ] });
    assert_eq!(score(&server, &records).ok(), answer);
    let csv =
        "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n";
    assert_eq!(
        server.post_to("/invocations", &[("content-type", "text/csv; charset=utf-8")], csv).ok(),
        answer
    );
}

#[test]
fn tensors_are_answered_with_columns() {
    let server = Server::of("iris");
    let rows = json!([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]);
    let answer = score(&server, &json!({ "instances": rows })).ok();
    assert_eq!(answer["predictions"]["label"], json!([0, 2]));
    for body in [
        json!({ "inputs": rows }),
        json!({ "inputs": { "input": rows } }),
        json!({ "inputs": rows, "params": { "temperature": 1 } }),
        json!({
            "inputs": {
                "sepal_length": [5.1, 6.3],
                "sepal_width": [3.5, 3.3],
                "petal_length": [1.4, 6.0],
                "petal_width": [0.2, 2.5],
            },
        }),
    ] {
        assert_eq!(score(&server, &body).ok(), answer, "{body}");
    }
}

#[test]
fn text_and_missing_cells_of_csv_reach_the_model() {
    let server = Server::of("penguins");
    let about = server.get("/model").ok();
    let names: Vec<&str> =
        about["features"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    let example = server.get("/model").ok()["example"].clone();
    let row: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            example.get(*name).cloned().unwrap_or_else(|| example["features"][i].clone())
        })
        .collect();
    let cells: Vec<String> =
        row.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    let csv = format!("{}\n{}\n", names.join(","), cells.join(","));
    let of_csv = server.post_to("/invocations", &[("content-type", "text/csv")], &csv).ok();
    let of_json =
        score(&server, &json!({ "dataframe_split": { "columns": names, "data": [row] } })).ok();
    assert_eq!(of_csv, of_json);
    // An empty cell is a missing value.
    let mut missing = cells.clone();
    missing[1] = String::new();
    let csv = format!("{}\n{}\n", names.join(","), missing.join(","));
    server.post_to("/invocations", &[("content-type", "text/csv")], csv).ok();
}

/// What `json.dumps` of Python, and so MLflow's own client, writes for numbers that JSON has not.
#[test]
fn pythons_numbers_reach_the_model() {
    let server = Server::of("regressor");
    let post =
        |body: &str| server.post_to("/invocations", &[("content-type", "application/json")], body);
    let answer = post(
        r#"{"dataframe_split": {"columns": ["x_0", "x_1", "x_2"], "data": [[1.0, NaN, 3.0]]}}"#,
    );
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let infinite = post(r#"{"instances": [[1.0, 2.0, -Infinity]]}"#);
    assert_eq!(infinite.status, 200, "{}", String::from_utf8_lossy(&infinite.body));
    let text = post(r#"{"instances": [[1.0, "NaN", 3.0]]}"#);
    assert_eq!(text.status, 400, "a string is a string");
    assert_eq!(
        server.post(r#"{"features": [1.0, NaN, 3.0]}"#).status,
        400,
        "our own protocol is JSON"
    );
}

#[test]
fn what_is_wrong_is_a_bad_request() {
    let server = Server::of("iris");
    for (body, part) in [
        (json!({}), "exactly one of"),
        (json!({ "instances": [], "inputs": [] }), "exactly one of"),
        (json!({ "instances": [[1, 2, 3, 4]], "more": 1 }), "more"),
        (json!({ "dataframe_split": { "columns": ["a"], "data": [[1]] } }), "\"a\""),
        (json!({ "dataframe_split": { "data": [[1, 2]] } }), "[0]"),
        (json!({ "dataframe_records": [{ "sepal_length": 1 }] }), "[0]"),
        (json!({ "inputs": { "other": [1] } }), "inputs"),
    ] {
        let answer = score(&server, &body);
        let said = answer.json();
        assert_eq!(
            (answer.status, &said["error_code"]),
            (400, &json!("BAD_REQUEST")),
            "{body}: {said}"
        );
        assert!(said["message"].as_str().unwrap().contains(part), "{body}: {said}");
    }
    let plain = server.post_to("/invocations", &[("content-type", "text/plain")], "1,2,3,4");
    assert_eq!(plain.status, 415);
    let none = server.post_to("/invocations", &[], r#"{"instances": [[1,2,3,4]]}"#);
    assert_eq!(none.status, 415);
    let ragged = server.post_to("/invocations", &[("content-type", "text/csv")], "a,b\n1\n");
    assert_eq!(ragged.status, 400);
    let broken = server.post_to("/invocations", &[("content-type", "application/json")], "{");
    assert_eq!(broken.status, 400);
}

#[test]
fn without_names_the_first_record_says_the_order() {
    let server = Server::of("regressor");
    let of = |body: Value| score(&server, &body).ok()["predictions"].clone();
    let records = json!([{ "a": 1, "b": 2, "c": 3 }, { "c": 30, "a": 10, "b": 20 }]);
    let model = Server::of("int64");
    let pairs =
        score(&model, &json!({ "dataframe_records": [{ "p": 1, "q": 2 }, { "q": 20, "p": 10 }] }))
            .ok();
    assert_eq!(pairs["predictions"], json!([{ "y": [2, 4] }, { "y": [20, 40] }]));
    assert_eq!(of(json!({ "dataframe_records": records })), json!([{ "y": 6.0 }, { "y": 60.0 }]));
    // The names that the server tells are names.
    let told = score(
        &model,
        &json!({ "dataframe_split": { "columns": ["x_1", "x_0"], "data": [[2, 1]] } }),
    )
    .ok();
    assert_eq!(told["predictions"], json!([{ "y": [2, 4] }]));
    let others = score(
        &server,
        &json!({ "dataframe_records": [{ "a": 1, "b": 2, "c": 3 }, { "a": 1, "b": 2, "d": 3 }] }),
    );
    assert_eq!(others.status, 400);
    // A tensor is a cell.
    let tensor = Server::of("tensor");
    let cell = json!([[1, 2, 3], [4, 5, 6]]);
    let split =
        score(&tensor, &json!({ "dataframe_split": { "columns": ["x"], "data": [[cell]] } })).ok();
    assert_eq!(split["predictions"][0]["y"], json!([[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]));
}

#[test]
fn long_names_are_not_multiplied_by_rows() {
    let server = Server::of("iris");
    let name = "a".repeat(1 << 20);
    let before = server.resident();
    let rows = vec!["[0]"; 100_000].join(",");
    let split = format!(r#"{{"dataframe_split":{{"columns":["{name}"],"data":[{rows}]}}}}"#);
    assert_eq!(
        server.post_to("/invocations", &[("content-type", "application/json")], split).status,
        400
    );
    let csv = format!("{name}\n{}", "1\n".repeat(100_000));
    assert_eq!(server.post_to("/invocations", &[("content-type", "text/csv")], csv).status, 400);
    let zeros = vec!["0"; 100_000].join(",");
    let inputs = format!(r#"{{"inputs":{{"sepal_length":[{zeros}],"{name}":[{zeros}]}}}}"#);
    assert_eq!(
        server.post_to("/invocations", &[("content-type", "application/json")], inputs).status,
        400
    );
    assert!(server.resident() - before < 100_000, "{} kB more", server.resident() - before);
}

#[test]
fn health_and_version_are_told() {
    let server = Server::of("iris");
    assert_eq!(server.get("/ping").status, 200);
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/version").body, env!("CARGO_PKG_VERSION").as_bytes());
}

#[test]
fn columns_that_the_model_does_not_have_are_passed_over() {
    let server = Server::of("iris");
    let columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
    let plain =
        json!({ "dataframe_split": { "columns": columns, "data": [[5.1, 3.5, 1.4, 0.2]] } });
    let answer = score(&server, &plain).ok();
    let more = ["", "petal_width", "petal_length", "sepal_width", "sepal_length", "species"];
    let split = json!({
        "dataframe_split": { "columns": more, "data": [[0, 0.2, 1.4, 3.5, 5.1, "setosa"]] },
    });
    assert_eq!(score(&server, &split).ok(), answer);
    let record = json!({
        "id": "a",
        "petal_width": 0.2,
        "petal_length": 1.4,
        "sepal_width": 3.5,
        "sepal_length": 5.1,
    });
    assert_eq!(score(&server, &json!({ "dataframe_records": [record] })).ok(), answer);
    let csv = |text: &str| server.post_to("/invocations", &[("content-type", "text/csv")], text);
    // As pandas' to_csv writes it, with its index.
    let text = ",sepal_length,sepal_width,petal_length,petal_width\n0,5.1,3.5,1.4,0.2\n";
    assert_eq!(csv(text).ok(), answer);
    // A misspelt one is not passed over.
    let wrong = csv("sepal_length,sepal_width,petal_length,petal_wdth\n5.1,3.5,1.4,0.2\n");
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["message"].as_str().unwrap().contains("petal_wdth"));
}

#[test]
fn what_is_wrong_in_a_cell_is_told_as_it_was_sent() {
    let server = Server::of("iris");
    let columns = ["id", "petal_width", "petal_length", "sepal_width", "sepal_length"];
    let split = json!({
        "dataframe_split": {
            "columns": columns,
            "data": [[1, 0.2, 1.4, 3.5, 5.1], [2, "x", 1.4, 3.5, 5.1]],
        },
    });
    let record = |width: Value| {
        json!({
            "id": 1,
            "petal_width": width,
            "petal_length": 1,
            "sepal_width": 3,
            "sepal_length": 5,
        })
    };
    let records = json!({ "dataframe_records": [record(json!(1)), record(json!("x"))] });
    for (body, place) in [
        (split, "dataframe_split.data[1].petal_width"),
        (records, "dataframe_records[1].petal_width"),
    ] {
        let said = score(&server, &body).json()["message"].as_str().unwrap().to_owned();
        assert!(said.starts_with(place) && said.contains("the string \"x\""), "{said}");
    }
    let text =
        "petal_width,petal_length,sepal_width,sepal_length\n0.2,1.4,3.5,5.1\n0.2,1.4,x,5.1\n";
    let answer = server.post_to("/invocations", &[("content-type", "text/csv")], text);
    assert!(
        answer.json()["message"].as_str().unwrap().starts_with("csv[1].sepal_width"),
        "{}",
        answer.json()
    );
    let columns = json!({
        "inputs": {
            "sepal_length": [1, 1],
            "sepal_width": [1, 1],
            "petal_length": [1, 1],
            "petal_width": [1, "x"],
        },
    });
    let said = score(&server, &columns).json()["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("inputs.petal_width[1]"), "{said}");
    let unknown = score(&server, &json!({ "instances": [{ "petal": 1 }] }));
    let said = unknown.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("sepal_length") && !said.contains("features"), "{said}");
}

#[test]
fn a_full_queue_is_told_in_mlflows_words() {
    let server = Server::with("iris", &["--service-time", "constant(1)", "--max-queue-size", "1"]);
    let body = json!({ "instances": [[5.1, 3.5, 1.4, 0.2]] }).to_string();
    let head = format!(
        "POST /invocations HTTP/1.1\r\nhost: test\r\ncontent-type: \
            application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.send(format!("{head}{body}")));
    let answers: Vec<Answer> = clients.iter_mut().map(|client| client.read()).collect();
    let turned: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(turned.len(), 2);
    assert_eq!(turned[0].json()["error_code"], "TEMPORARILY_UNAVAILABLE");
}
