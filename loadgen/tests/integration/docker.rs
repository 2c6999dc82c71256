//! Sweeps over containers of a real Engine, and what people do with the image.

use std::process::Command;

use serde_json::Value;

use crate::server::loadgen;

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn need_image() {
    let there = Command::new("docker").args(["image", "inspect", "inference-api"]).output().unwrap().status.success();
    assert!(there, "the image inference-api is missing: run docker build -t inference-api .");
}

#[test]
fn a_small_sweep_over_containers_leaves_nothing() {
    need_image();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let output =
        loadgen(&["sweep", "--image", "inference-api", "--max-users", "60", "--step", "30", "--replicas", "2"])
            .args(["--cpus", "0.1:0.3:0.1", "--memory", "64Mi:128Mi:64Mi", "--out"])
            .arg(&out)
            .output()
            .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let result: Value = serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(result["minimal"]["replicas"], 2);
    let run = result["environment"]["run"].as_str().unwrap();
    assert!(result["environment"]["orchestrator"].as_str().unwrap().starts_with("docker"));
    let filter = format!("label=loadgen.run={run}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &filter]), "");
}

#[test]
fn an_image_that_is_nowhere_is_exit_code_5_and_says_how_to_build_it() {
    let output = loadgen(&["sweep", "--image", "127.0.0.1:9/nobody/nothing:1", "--max-users", "10"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("docker build -t 127.0.0.1:9/nobody/nothing:1 ."), "{stderr}");
}
