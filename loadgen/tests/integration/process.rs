//! Sweeps over processes in cgroups: needs root, or a delegated cgroup (v2).

use std::{
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::server::loadgen;

/// A sweep that is over in less than a minute.
const SMALL: [&str; 12] = [
    "sweep",
    "--orchestrator",
    "process",
    "--max-users",
    "60",
    "--step",
    "30",
    "--replicas",
    "1,2",
    "--cpus",
    "0.1:0.4:0.1",
    "--memory",
];

fn small(out: &Path) -> std::process::Command {
    let mut command = loadgen(&SMALL);
    command.args(["48Mi:96Mi:48Mi", "--out"]).arg(out);
    command
}

/// Processes whose command line has this word.
fn running(word: &str) -> usize {
    let dirs = std::fs::read_dir("/proc").unwrap().flatten();
    dirs.filter(|d| d.file_name().to_string_lossy().chars().all(|c| c.is_ascii_digit()))
        .filter_map(|d| std::fs::read(d.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(word))
        .count()
}

/// Waits for a journal's line: by then a trial has been made.
fn wait_for_trial(child: &mut Child, out: &Path) {
    let began = Instant::now();
    loop {
        if std::fs::read_to_string(out.join("trials.jsonl")).is_ok_and(|text| text.ends_with('\n')) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the sweep ended");
        assert!(began.elapsed() < Duration::from_secs(90), "no trial in 90 s");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// The model under a name of this test's own, by which its processes are found.
fn own_model(dir: &Path, name: &str) -> String {
    let model = dir.join(format!("{name}.onnx"));
    std::fs::copy(crate::server::root().join("models/iris.onnx"), &model).unwrap();
    std::fs::copy(crate::server::root().join("models/iris.json"), model.with_extension("json")).unwrap();
    model.to_string_lossy().into_owned()
}

#[test]
fn a_small_sweep_ends_with_an_answer_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "small-sweep");
    let output = small(&out).args(["--model", &model]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("The minimum for 60 users is"), "{stdout}");
    assert!(stderr.contains("left"), "it says how long is left");

    let result: Value = serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(result["schema_version"], 1);
    let minimal = &result["minimal"];
    assert!(minimal["cpus"].as_f64().is_some() && minimal["memory_bytes"].as_u64().is_some());
    assert!(minimal["total"]["cpus"].as_f64().is_some() && minimal["replicas"].as_u64() == Some(1));
    assert_eq!(result["per_replicas"].as_array().unwrap().len(), 2);
    let trials = result["trials"].as_array().unwrap();
    let journal = std::fs::read_to_string(out.join("trials.jsonl")).unwrap();
    assert_eq!(journal.lines().count(), trials.len());
    for trial in trials {
        for key in ["key", "purpose", "replicas", "limits", "steps", "usage", "verdict", "cold"] {
            assert!(!trial[key].is_null(), "{key} is missing in {trial}");
        }
    }
    // The winner went through both steps, all of them held.
    let confirmed = trials.iter().find(|t| t["purpose"] == "confirm" && t["verdict"] == "pass").unwrap();
    assert_eq!(confirmed["steps"].as_array().unwrap().len(), 2);
    assert!(confirmed["usage"]["cpu_seconds_per_request"].as_f64().unwrap() > 0.0, "the kernel's counters were read");
    assert!(std::fs::read_to_string(out.join("compose.yaml")).unwrap().contains("cpus:"));
    assert_eq!(running("small-sweep.onnx"), 0);
}

#[test]
fn ctrl_c_ends_a_sweep_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "interrupted-sweep");
    let mut child = small(&out).args(["--model", &model]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_for_trial(&mut child, &out);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(running("interrupted-sweep.onnx"), 0);
    let result: Value = serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert!(!result["trials"].as_array().unwrap().is_empty(), "what was measured is kept");
}

#[test]
fn clean_removes_what_a_killed_sweep_left() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "killed-sweep");
    let mut child = small(&out).args(["--model", &model]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_for_trial(&mut child, &out);
    // Between trials nothing runs; wait until something does.
    let began = Instant::now();
    while running("killed-sweep.onnx") < 2 && began.elapsed() < Duration::from_secs(20) {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(running("killed-sweep.onnx") > 0, "a replica outlives its killed owner");
    let output = loadgen(&["clean"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("removed"));
    assert_eq!(running("killed-sweep.onnx"), 0);
}

#[test]
fn limits_beyond_the_host_are_refused_before_anything_starts() {
    let output = loadgen(&["sweep", "--orchestrator", "process", "--cpus", "1:512:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("beside the generator"));
}
