//! Containers that are not ours.

use serde_json::Value;

use super::{SMALL_SLO, docker, manifests};
use crate::server::loadgen;

/// FastAPI and onnxruntime, as people who never heard of us run them.
#[test]
fn a_container_that_is_not_ours_is_sized() {
    let dir = tempfile::tempdir().unwrap();
    let context = crate::server::root().join("loadgen/tests/images/fastapi");
    for file in ["Dockerfile", "app.py"] {
        std::fs::copy(context.join(file), dir.path().join(file)).unwrap();
    }
    std::fs::copy(crate::server::root().join("models/iris.onnx"), dir.path().join("model.onnx"))
        .unwrap();
    docker(&["build", "--quiet", "-t", "loadgen-test-fastapi", &dir.path().display().to_string()]);
    let (file, out) = (dir.path().join("sweep.toml"), dir.path().join("out"));
    let text = "image = 'loadgen-test-fastapi'\npull = 'never'\nport = 9000\nready_path = \
        '/ready'\npath = '/infer'\n\
        max_steal = 50\nbody = '{\"rows\": [[5.1, 3.5, 1.4, 0.2]]}'\nmax_users = 60\nstep = \
        30\nreplicas = [1]\ncpus = 0.4\nmemory = '256Mi'\n\
        [env]\nOMP_NUM_THREADS = 1\n";
    std::fs::write(&file, format!("slo = '{SMALL_SLO}'\n{text}")).unwrap();
    let output =
        loadgen(&["sweep", "--config"]).arg(&file).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(result["minimal"]["is_lowest_cpu"], true, "one rung: at or below");
    let compose = std::fs::read_to_string(out.join("compose.yaml")).unwrap();
    assert!(compose.contains("OMP_NUM_THREADS: \"1\"") && compose.contains(":9000\""), "{compose}");
    let manifest = std::fs::read_to_string(out.join("kubernetes.yaml")).unwrap();
    assert!(manifest.contains("path: \"/ready\"") && manifest.contains("cpu: 400m"), "{manifest}");
    let request =
        manifests::Request { path: "/infer", body: r#"{"rows": [[5.1, 3.5, 1.4, 0.2]]}"# };
    let limits = "400000000 268435456 268435456 512";
    manifests::compose_file_starts(&out, 1, limits, &request);
    manifests::command_line_starts(&out, limits, &request);
}

/// The limits hold for as long as a trial lasts, and not for an hour.
#[test]
fn a_server_that_leaks_has_no_minimum() {
    let context = crate::server::root().join("loadgen/tests/images/leaky");
    docker(&["build", "--quiet", "-t", "loadgen-test-leaky", &context.display().to_string()]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let output = loadgen(&[
        "sweep",
        "--image",
        "loadgen-test-leaky",
        "--pull",
        "never",
        "--port",
        "9000",
        "--path",
        "/",
        "--body",
        "{}",
    ])
    .args([
        "--ready-path",
        "/",
        "--slo",
        SMALL_SLO,
        "--max-steal",
        "50",
        "--max-users",
        "40",
        "--step",
        "20",
        "--replicas",
        "1",
    ])
    .args(["--cpus", "0.5", "--memory", "256Mi", "--out"])
    .arg(&out)
    .output()
    .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("no minimum") && told.contains("still grows by"), "{told}");
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    crate::server::check_schema(&result);
    let answer = &result["per_replicas"][0];
    assert_eq!(
        (&answer["finding"], &result["minimal"]),
        (&"growing".into(), &Value::Null),
        "{answer}"
    );
    let lasts = answer["memory_growth"]["lasts_seconds"].as_f64().unwrap();
    assert!((60.0..3600.0).contains(&lasts), "{answer}");
    assert!(!out.join("compose.yaml").exists(), "there is nothing to recommend");
}
