//! Sweeps over processes in cgroups: needs root, or a delegated cgroup (v2).

use std::{
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use loadtest::verdict::Verdict;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use sizing::trial::{Point, Purpose, Trial, TrialSpec, TrialUsage, without_load};

use crate::server::loadgen;

/// A sweep with few rungs.
const SMALL: [&str; 16] = [
    "sweep",
    "--orchestrator",
    "process",
    "--max-users",
    "60",
    "--step",
    "30",
    "--replicas",
    "1",
    "--cpus",
    "0.1:0.2:0.1",
    // So few users send too few requests to prove that less than 0.1% fail, and other tests run
    // beside them.
    "--slo",
    "p95<1s,failures<2%,rate>=80%",
    "--max-steal",
    "50",
    "--memory",
];

fn small(out: &Path) -> std::process::Command {
    let mut command = loadgen(&SMALL);
    command.args(["96Mi", "--out"]).arg(out);
    command
}

/// Processes whose command line has this word.
fn running(word: &str) -> usize {
    processes(word).len()
}

/// Ids and command lines of the processes that name `word`.
fn processes(word: &str) -> Vec<(u32, String)> {
    let dirs = std::fs::read_dir("/proc").unwrap().flatten();
    dirs.filter_map(|dir| {
        let id = dir.file_name().to_string_lossy().parse().ok()?;
        let line = std::fs::read(dir.path().join("cmdline")).ok()?;
        Some((id, String::from_utf8_lossy(&line).into_owned()))
    })
    .filter(|(_, line)| line.contains(word))
    .collect()
}

/// Waits for a journal's line: by then a trial has been made.
fn wait_for_trial(child: &mut Child, out: &Path) {
    let began = Instant::now();
    loop {
        if std::fs::read_to_string(out.join("trials.jsonl")).is_ok_and(|text| text.ends_with('\n'))
        {
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
    std::fs::copy(crate::server::root().join("models/iris.json"), model.with_extension("json"))
        .unwrap();
    model.to_string_lossy().into_owned()
}

#[test]
fn a_small_sweep_ends_with_an_answer_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "small-sweep");
    let output = small(&out).args(["--model", &model]).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("holds 60 users in"), "{stdout}");
    assert!(stdout.trim().lines().count() <= 20, "{stdout}");
    let rows: Vec<&str> =
        stderr.lines().filter(|line| line.contains(" pass ") || line.contains(" FAIL ")).collect();
    assert!(rows.iter().all(|row| row.chars().count() <= 110) && rows.len() >= 4, "{stderr}");
    assert!(stderr.contains(" of starts"), "it says why each trial is made: {stderr}");

    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(result["schema_version"], 2);
    assert_eq!(result["ended_early"], false);
    let minimal = &result["minimal"];
    assert!(minimal["cpus"].as_f64().is_some() && minimal["memory_bytes"].as_u64().is_some());
    assert!(minimal["total"]["cpus"].as_f64().is_some() && minimal["replicas"].as_u64() == Some(1));
    assert_eq!(result["per_replicas"].as_array().unwrap().len(), 1);
    crate::server::check_schema(&result);
    let trials = result["trials"].as_array().unwrap();
    let journal = std::fs::read_to_string(out.join("trials.jsonl")).unwrap();
    assert_eq!(journal.lines().count(), trials.len());
    for trial in trials {
        for key in
            ["key", "purpose", "replicas", "limits", "steps", "usage", "verdict", "cold_start"]
        {
            assert!(!trial[key].is_null(), "{key} is missing in {trial}");
        }
    }
    // The answer has a ramp through both steps and two fresh trials that passed, and none that
    // failed.
    assert!(minimal["p_hold"].as_f64().is_some_and(|p| p >= 0.95), "{minimal}");
    let at_answer = |t: &&Value| t["limits"]["cpus"] == minimal["cpus"];
    let passed = |purpose: &str| -> Vec<&Value> {
        trials
            .iter()
            .filter(at_answer)
            .filter(|t| t["purpose"] == purpose && t["verdict"] == "pass")
            .collect()
    };
    let ramps = passed("ramp");
    assert!(!ramps.is_empty() && passed("fresh").len() >= 2, "{trials:?}");
    let failed = |t: &&Value| {
        t["verdict"] == "fail" && t["bottleneck"] != "memory" && t["purpose"] != "probe"
    };
    assert!(!trials.iter().filter(at_answer).any(|t| failed(&t)));
    let probe = trials.iter().find(|t| t["purpose"] == "probe").expect("a probe");
    let readings = probe["readings"].as_array().unwrap();
    assert!(
        readings.len() >= 2 && readings.iter().all(|r| !r["violation_rates"].is_null()),
        "{readings:?}"
    );
    assert!(std::fs::read_to_string(out.join("curve.svg")).unwrap().contains("<svg"));
    assert!(
        journal.contains("\"histograms\"") && !result["trials"].to_string().contains("histograms")
    );
    let confirmed = ramps[0];
    assert_eq!(confirmed["steps"].as_array().unwrap().len(), 2);
    assert!(
        confirmed["usage"]["cpu_seconds_per_request"].as_f64().unwrap() > 0.0,
        "the kernel's counters were read"
    );
    assert!(std::fs::read_to_string(out.join("compose.yaml")).unwrap().contains("cpus:"));
    assert_eq!(running("small-sweep.onnx"), 0);
}

#[test]
fn ctrl_c_ends_a_sweep_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "interrupted-sweep");
    let mut child = small(&out)
        .args(["--model", &model])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_trial(&mut child, &out);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(running("interrupted-sweep.onnx"), 0);
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert!(!result["trials"].as_array().unwrap().is_empty(), "what was measured is kept");
}

#[test]
fn a_killed_sweep_goes_on_without_repeating_a_trial() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "resumed-sweep");
    let mut child = small(&out)
        .args(["--model", &model])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_trial(&mut child, &out);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let path = out.join("trials.jsonl");
    let before = std::fs::read_to_string(&path).unwrap();
    // As a kill in the middle of writing leaves it.
    std::fs::write(&path, format!("{before}{{\"key\":\"cut")).unwrap();

    let resume =
        |words: &[&str]| loadgen(&["sweep", "--resume"]).arg(&out).args(words).output().unwrap();
    for (words, says) in [
        (["--slo", "p95<50ms"], "objective was"),
        (["--ready-path", "/v2/health/ready"], "ready_path was \"/health\""),
        (["--path", "/invocations"], "path was \"/predict\""),
        (["--seed", "2"], "loads was"),
        (["--ready-timeout", "1m"], "ready_timeout was \"30s\", is \"60s\""),
    ] {
        let refused = resume(&words);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(says), "{told}");
    }
    let sidecar = Path::new(&model).with_extension("json");
    let text = std::fs::read_to_string(&sidecar).unwrap();
    std::fs::write(&sidecar, text.clone() + " ").unwrap();
    let told = String::from_utf8_lossy(&resume(&[]).stderr).into_owned();
    assert!(told.contains("files was"), "{told}");
    std::fs::write(&sidecar, text).unwrap();
    let output = resume(&["--max-trials", "1"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "there is no answer yet: {told}");
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&before), "nothing was lost");
    assert_eq!(after.lines().count(), before.lines().count() + 1, "and nothing was made again");
    assert_eq!(running("resumed-sweep.onnx"), 0, "what the killed one left is gone too");
}

/// As other guests of a hypervisor leave it that were busy for long.
#[test]
fn trials_that_were_invalid_are_made_again_by_the_next_command() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "invalid-sweep");
    let output = small(&out).args(["--model", &model, "--max-trials", "1"]).output().unwrap();
    let path = out.join("trials.jsonl");
    let first = std::fs::read_to_string(&path).unwrap();
    assert_eq!(first.lines().count(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    let mut trial: Value = serde_json::from_str(&first).unwrap();
    trial["verdict"] = "invalid".into();
    std::fs::write(&path, format!("{trial}\n").repeat(5)).unwrap();

    let resume =
        |words: &[&str]| loadgen(&["sweep", "--resume"]).arg(&out).args(words).output().unwrap();
    let told = String::from_utf8_lossy(&resume(&["--max-trials", "1"]).stderr).into_owned();
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(after.lines().count(), 6, "{told}");
    let made: Value = serde_json::from_str(after.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&made["purpose"], &made["key"]),
        (&trial["purpose"], &trial["key"]),
        "the same once more"
    );
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(
        result["trials"].as_array().unwrap().len(),
        6,
        "those that were invalid are told of too"
    );
}

/// A trial that the Engine ended before its users came does not show that the request is right.
#[test]
fn a_request_that_was_never_answered_is_an_error_and_no_failed_trial() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "unanswered-sweep");
    let output = small(&out).args(["--model", &model, "--path", "/nowhere"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let limits =
        orchestrator::Limits { cpus: orchestrator::Cpus::from_millis(200), memory_bytes: 96 << 20 };
    let point = Point { replicas: 1, limits };
    let ended = Trial {
        verdict: Verdict::Invalid,
        ..without_load(
            TrialSpec { purpose: Purpose::Calibrate, point, users: 60 },
            TrialUsage::default(),
            "the Engine was started again".to_owned(),
        )
    };
    let path = out.join("trials.jsonl");
    std::fs::write(&path, serde_json::to_string(&ended).unwrap() + "\n").unwrap();
    let output = loadgen(&["sweep", "--resume"]).arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn clean_removes_what_a_killed_sweep_left() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let model = own_model(dir.path(), "killed-sweep");
    let mut child = small(&out)
        .args(["--model", &model])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_trial(&mut child, &out);
    // The first trial's replica may be ending: wait for one that starts now and serves a trial.
    let before = processes("killed-sweep.onnx");
    let began = Instant::now();
    let starts = |(id, line): &(u32, String)| {
        !line.contains("sweep\0") && before.iter().all(|(earlier, _)| earlier != id)
    };
    while !processes("killed-sweep.onnx").iter().any(starts) {
        assert!(
            child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(60),
            "nothing runs"
        );
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
    let output =
        loadgen(&["sweep", "--orchestrator", "process", "--cpus", "1:512:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("beside the generator"));
}
