//! Everything a client can do wrong is a 4xx that says what, and leaves the server as it was.

use serde_json::json;

use crate::support::{Answer, IRIS, Server, is_setosa, predict};

#[track_caller]
fn is_fault(answer: &Answer, status: u16, field: &str, expected: &str, got: &str) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status, status, "{error}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for (key, wanted) in [("field", field), ("expected", expected), ("got", got)] {
        let found = error[key].as_str().unwrap_or_else(|| panic!("no {key} in {error}"));
        assert!(found.contains(wanted), "{key} is {found:?}, not {wanted:?}");
    }
    assert!(error["message"].is_string());
}

const NUMBER: &str = "a finite number";
const LIST: &str = "a list of 4 values";
const OBJECT: &str = "an object with \"features\"";

#[test]
fn values_of_the_wrong_type_are_named() {
    let server = Server::of("iris");
    let mut client = server.client();
    for (value, got) in [
        ("\"5.1\"", "the string \"5.1\""),
        ("true", "true"),
        ("null", "null"),
        ("[1]", "a list"),
        ("{}", "an object"),
        ("1e40", "the number 1e40"),
        ("-1e300", "the number -1e300"),
    ] {
        let answer = client.post(&format!(r#"{{"features": [5.1, 3.5, {value}, 0.2]}}"#));
        is_fault(&answer, 422, "features[2]", NUMBER, got);
        let answer =
            client.post(&format!(r#"{{"instances": [[1, 2, 3, 4], [{value}, 1, 1, 1]]}}"#));
        is_fault(&answer, 422, "instances[1][0]", NUMBER, got);
        let named = format!(
            r#"{{"sepal_width": {value}, "sepal_length": 1, "petal_length": 1, "petal_width": 1}}"#
        );
        is_fault(&client.post(&named), 422, "sepal_width", NUMBER, got);
    }
    is_setosa(&client.post(IRIS));
}

#[test]
fn rows_of_the_wrong_shape_are_named() {
    let server = Server::of("iris");
    let mut client = server.client();
    for (row, got) in [
        ("[1, 2, 3]", "3 values"),
        ("[1, 2, 3, 4, 5, 6]", "6 values"),
        ("[]", "0 values"),
        ("7", "the number 7"),
        ("\"7\"", "the string \"7\""),
        ("null", "null"),
        ("false", "false"),
    ] {
        is_fault(&client.post(&format!(r#"{{"features": {row}}}"#)), 422, "features", LIST, got);
        is_fault(
            &client.post(&format!(r#"{{"instances": [{row}]}}"#)),
            422,
            "instances[0]",
            LIST,
            got,
        );
    }
    for (rows, expected, got) in [
        ("[]", "at least one row", "none"),
        ("5", "a list of rows", "the number 5"),
        ("\"5\"", "a list of rows", "the string \"5\""),
        ("{}", "a list of rows", "an object"),
        ("null", "a list of rows", "null"),
    ] {
        is_fault(
            &client.post(&format!(r#"{{"instances": {rows}}}"#)),
            422,
            "instances",
            expected,
            got,
        );
    }
    for (body, got) in [
        ("[1, 2]", "a list"),
        ("5", "the number 5"),
        ("null", "null"),
        ("\"x\"", "the string \"x\""),
        ("{}", "an empty object"),
    ] {
        is_fault(&client.post(body), 422, "body", OBJECT, got);
    }
}

#[test]
fn fields_must_be_known_and_there_once() {
    let server = Server::of("iris");
    let mut client = server.client();
    let three = r#""sepal_length": 1, "sepal_width": 1, "petal_length": 1"#;
    is_fault(&client.post(&format!("{{{three}}}")), 422, "petal_width", "a value", "no such field");
    is_fault(
        &client.post(&format!("{{{three}, \"petal\": 1}}")),
        422,
        "petal",
        "petal_width",
        "an unknown field",
    );
    is_fault(
        &client.post(&format!("{{{three}, \"sepal_width\": 1}}")),
        422,
        "sepal_width",
        "once",
        "twice",
    );
    let row = r#""features": [1, 2, 3, 4]"#;
    is_fault(
        &client.post(&format!("{{{row}, {row}}}")),
        422,
        "features",
        "one way",
        "a second one",
    );
    is_fault(
        &client.post(&format!("{{{row}, \"instances\": []}}")),
        422,
        "instances",
        "one way",
        "a second one",
    );
    is_fault(&client.post(&format!("{{{row}, \"id\": 7}}")), 422, "id", "no further field", "one");
    is_fault(
        &client.post(&format!("{{\"sepal_width\": 1, {row}}}")),
        422,
        "features",
        "one way",
        "a second one",
    );
    let long = "x".repeat(5000);
    let answer = client.post(&json!({ long: 1 }).to_string());
    assert_eq!(answer.status, 422);
    assert!(
        answer.body.len() < 600,
        "the answer repeats the whole field: {} bytes",
        answer.body.len()
    );
}

#[test]
fn a_missing_value_is_for_features_that_may_miss() {
    let server = Server::of("penguins");
    is_fault(
        &server.post(r#"{"features": [null, 39.1, 18.7, 181, 3750, "male"]}"#),
        422,
        "features[0]",
        "a string without NUL",
        "null",
    );
    is_fault(
        &server.post(r#"{"bill_length_mm": 39.1, "sex": ""}"#),
        422,
        "island",
        "a value",
        "no such field",
    );
    server.post(r#"{"island": "Dream", "sex": ""}"#).ok();
    // A category that training never saw reaches the model, which has its own opinion.
    assert!(server.post(r#"{"features": ["Atlantis", null, null, null, null, ""]}"#).status < 500);
}

#[test]
fn what_is_no_json_is_a_400() {
    let server = Server::of("iris");
    let mut client = server.client();
    let deep = "[".repeat(100_000);
    let deep_in_features = format!(r#"{{"features": {deep}"#);
    for body in [
        "",
        " ",
        "{",
        "not json",
        r#"{"features": [NaN, 1, 1, 1]}"#,
        r#"{"features": [Infinity, 1, 1, 1]}"#,
        r#"{"features": [1, 1, 1, 1e999]}"#,
        r#"{"features": [1, 2, 3, 4"#,
        r#"{"features": [1, 2, 3, 4]} trailing"#,
        r#"{"features": [1, 2, 3, 4],}"#,
        r#"{'features': [1, 2, 3, 4]}"#,
        "\u{feff}{}",
        "{\"features\": [1, 2, 3, \"\u{1}\"]}",
    ] {
        let answer = client.post(body);
        is_fault(&answer, 400, "", "valid JSON", "");
    }
    for deep in [&deep, &deep_in_features] {
        let answer = client.post(deep);
        assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
        assert!(answer.json()["error"]["field"].is_string());
    }
    let mut invalid = predict(&" ".repeat(4)).into_bytes();
    let end = invalid.len();
    invalid[end - 4..].copy_from_slice(b"\"\xff\xfe\"");
    client.send(&invalid);
    is_fault(&client.read(), 400, "body", "valid JSON", "");
    is_setosa(&client.post(IRIS));
}

#[test]
fn other_paths_and_methods_are_json_too() {
    let server = Server::of("iris");
    is_fault(&server.get("/nope"), 404, "path", "GET /openapi.json", "/nope");
    is_fault(&server.get("/predict/"), 404, "path", "GET /openapi.json", "/predict/");
    is_fault(&server.get("/predict"), 405, "method", "POST", "GET");
    let mut client = server.client();
    for (method, path, allowed) in [
        ("PUT", "/predict", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/model", "GET"),
        ("POST", "/metrics", "GET"),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n"));
        let answer = client.read();
        is_fault(&answer, 405, "method", allowed, method);
        assert_eq!(answer.header("allow"), Some(allowed));
    }
}

#[test]
fn a_body_over_the_limit_is_a_413_that_arrives() {
    let server = Server::with("iris", &["--max-body-bytes", "1000"]);
    // The client has sent it all before it reads: a server that closes at once would reset the
    // answer away.
    for size in [1001, 3_000_000] {
        let answer = server.post(&"x".repeat(size));
        is_fault(&answer, 413, "body", "1000 bytes", &format!("{size} bytes"));
    }
    let mut client = server.client();
    client.send("POST /predict HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..50 {
        client.send(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
    }
    client.send("0\r\n\r\n");
    is_fault(&client.read(), 413, "body", "1000 bytes", "more");
    // At the limit it is the JSON that counts.
    is_setosa(&server.post(&format!("{IRIS:<1000}")));
    // Who asks first is told before sending.
    let mut client = server.client();
    client.send(
        "POST /predict HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: \
            2000\r\n\r\n",
    );
    is_fault(&client.read(), 413, "body", "1000 bytes", "2000 bytes");
}

#[test]
fn health_metrics_and_the_replica_are_told() {
    let server = Server::with("iris", &["--replica-name", "left-one"]);
    let mut client = server.client();
    let health = client.get("/health");
    assert_eq!(health.ok(), json!({ "status": "ok" }));
    assert_eq!(health.header("x-replica"), Some("left-one"));
    for _ in 0..3 {
        let answer = client.post(IRIS);
        is_setosa(&answer);
        assert_eq!(answer.header("x-replica"), Some("left-one"));
    }
    assert_eq!(client.post("{}").header("x-replica"), Some("left-one"));
    assert_eq!(client.post("{").status, 400);
    client.get("/model").ok();
    for path in ["/a", "/b"] {
        assert_eq!(client.get(path).status, 404);
    }
    let count = |path: &str, code: u16| {
        server.metric(&format!("inference_requests_total{{path=\"{path}\",code=\"{code}\"}}"))
    };
    assert_eq!(
        [count("/predict", 200), count("/predict", 422), count("/predict", 400)],
        [3.0, 1.0, 1.0]
    );
    assert_eq!([count("/health", 200), count("/model", 200), count("other", 404)], [1.0, 1.0, 2.0]);
    assert_eq!(server.metric("inference_stage_seconds_count{stage=\"inference\"}"), 3.0);
    // The client's own, and the one that asks.
    assert_eq!(server.metric("inference_connections"), 2.0);
}

#[test]
fn metrics_come_in_the_form_that_is_asked_for() {
    let server = Server::of("iris");
    is_setosa(&server.post(IRIS));
    let ask = |accept: &[(&str, &str)]| server.client().get_with("/metrics", accept);
    for accept in [&[][..], &[("accept", "text/plain; version=0.0.4")], &[("accept", "*/*")]] {
        let answer = ask(accept);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("# TYPE inference_requests_total counter\n"), "{text}");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        assert!(
            text.contains("inference_stage_seconds_bucket{le=\"+Inf\",stage=\"inference\"} 1\n"),
            "{text}"
        );
    }
    let answer =
        ask(&[("accept", "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3")]);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.ends_with("# EOF\n") && text.contains("# TYPE inference_requests counter\n"),
        "{text}"
    );
    let answer = ask(&[(
        "accept",
        "application/vnd.google.protobuf;encoding=delimited;q=0.7,text/plain;q=0.3",
    )]);
    assert!(answer.header("content-type").unwrap().starts_with("application/vnd.google.protobuf"));
}

#[test]
fn metrics_tell_the_models_apart() {
    let regressor = crate::support::model("regressor");
    let server = Server::with("iris", &["--model", regressor.to_str().unwrap()]);
    let rows =
        r#"{"instances": [[5.1, 3.5, 1.4, 0.2], [5.1, 3.5, 1.4, 0.2], [5.1, 3.5, 1.4, 0.2]]}"#;
    server.post(rows).ok();
    is_setosa(&server.post(IRIS));
    let of =
        |name: &str, labels: &str| server.metric(&format!("inference_model_{name}{{{labels}}}"));
    let iris = r#"model="iris",version="1""#;
    assert_eq!(of("requests_total", &format!("{iris},outcome=\"success\"")), 2.0);
    assert_eq!(of("requests_total", "model=\"regressor\",version=\"1\",outcome=\"success\""), 0.0);
    assert!(of("stage_seconds_total", &format!("{iris},stage=\"inference\"")) > 0.0);
    assert_eq!([of("batch_size_sum", iris), of("batch_size_count", iris)], [4.0, 2.0]);
    let text = String::from_utf8(server.get("/metrics").body).unwrap();
    for line in [
        "inference_model_queue_length{model=\"iris\",version=\"1\"} 0\n",
        "le=\"4.0\",model=\"iris\",version=\"1\"} 2\n",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
}
