//! Metadata, health, statistics, and paths that are not served.

use serde_json::json;

use super::{infer, iris, refuses};
use crate::support::Server;

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
