//! Results of runs, printed and in files.

use std::time::Duration;

use serde_json::Value;

use crate::server::{Api, Manners, Misbehaving, loadgen};

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn results_are_written_in_the_formats_of_other_tools() {
    let server = Misbehaving::start(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let output = loadgen(&[
        "run",
        "--host",
        &format!("http://{}", server.addr),
        "--users",
        "5:10:5",
        "--step-duration",
        "2s",
    ])
    .args([
        "--wait-time",
        "constant(0.05)",
        "--body",
        "{}",
        "--slo",
        "p95<5s",
        "--extend",
        "0",
        "--csv",
    ])
    .arg(at("run"))
    .arg("--html")
    .arg(at("run.html"))
    .arg("--hdr-log")
    .arg(at("run.hlog"))
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("5 users held 1 s") && table.contains("10 users held 1 s"), "{table}");

    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let percentiles = "50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%";
    let stats = read("run_stats.csv");
    let header = format!(
        "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min \
            Response Time,\
         Max Response Time,Average Content Size,Requests/s,Failures/s,{percentiles}"
    );
    assert_eq!(stats.lines().next(), Some(header.as_str()));
    assert!(stats.contains("\nPOST,/predict,") && stats.contains("\n,Aggregated,"), "{stats}");
    let history = read("run_stats_history.csv");
    let header = format!(
        "Timestamp,User Count,Type,Name,Requests/s,Failures/s,{percentiles},Total Request \
            Count,Total Failure Count,\
         Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max \
         Response Time,\
         Total Average Content Size"
    );
    assert_eq!(history.lines().next(), Some(header.as_str()));
    assert!(history.lines().count() >= 5, "a line a second: {history}");
    assert_eq!(read("run_failures.csv"), "Method,Name,Error,Occurrences,First Seen,Last Seen\n");
    assert_eq!(read("run_exceptions.csv"), "Count,Message,Traceback,Nodes\n");
    let page = read("run.html");
    assert!(page.contains("<th scope=\"col\">run-queue delay</th>"), "{page}");
    assert!(
        page.contains("<polyline") && !page.contains("<script") && !page.contains("src="),
        "nothing is loaded"
    );
    let log = read("run.hlog");
    assert!(log.contains("Tag=service,0.000,1.000,") && log.contains("Tag=intended,"), "{log}");
}

/// Locust's words for a run's output: a row for each task in every second, the statistics while it
/// runs, and an exit code for failures that the objective allows.
#[test]
fn a_run_prints_and_writes_what_locust_would() {
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("half.toml");
    let tasks = "[[task]]\nname = \"model\"\npath = \"/model\"\n\
         [[task]]\nname = \"nowhere\"\npath = \"/nowhere\"\n";
    std::fs::write(&scenario, tasks).unwrap();
    let prefix = dir.path().join("full");
    let (host, scenario, prefix) =
        (api.url(), scenario.display().to_string(), prefix.display().to_string());
    let words = ["run", "--headless", "--no-calibrate", "-u", "10", "-r", "50", "-t", "3s"];
    let more = ["--host", &host, "-f", &scenario, "--wait-time", "constant(0.1)"];
    let locusts = ["--csv", &prefix, "--csv-full-history", "--exit-code-on-error", "7"];
    let run = |flag: &str| loadgen(&words).args(more).args(locusts).arg(flag).output().unwrap();
    let output = run("--print-stats");
    assert_eq!(output.status.code(), Some(7), "half of the requests failed");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("# reqs") && told.matches("Aggregated").count() == 1, "{told}");
    let history = std::fs::read_to_string(format!("{prefix}_stats_history.csv")).unwrap();
    for name in [",GET,model,", ",GET,nowhere,", ",,Aggregated,"] {
        assert!(history.matches(name).count() >= 3, "{name}: {history}");
    }
    let output = run("--only-summary");
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "");
}

#[test]
fn runs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let server = |delay: u64| {
        Misbehaving::start(Manners { delay: Duration::from_millis(delay), ..Manners::default() })
    };
    let files = [("fast", server(5)), ("slow", server(50))].map(|(name, server)| {
        let file = dir.path().join(format!("{name}.json"));
        let status = loadgen(&[
            "run",
            "-H",
            &format!("http://{}", server.addr),
            "-u",
            "5",
            "-t",
            "2s",
            "--body",
            "{}",
        ])
        .args(["--wait-time", "constant(0)", "--json"])
        .arg(&file)
        .output()
        .unwrap()
        .status;
        assert_eq!(status.code(), Some(0), "with no rate to keep, the generator may be the limit");
        file
    });
    let output = loadgen(&["compare"]).args(&files).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && table.contains("slow") && table.contains("x: times fast"),
        "{table}"
    );
    let output = loadgen(&["compare", "Cargo.toml"]).arg(&files[0]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn arrivals_and_steps_are_told_apart_in_the_json() {
    let server = Misbehaving::start(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.json");
    let output = loadgen(&[
        "run",
        "--host",
        &format!("http://{}", server.addr),
        "--arrivals",
        "poisson(100:200:100)",
    ])
    .args(["--step-duration", "3s", "--body", "{}", "--slo", "p95<5s", "--extend", "0", "--json"])
    .arg(&file)
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result = json(&file);
    assert_eq!(
        (&result["model"], &result["intended_from"]),
        (&"open".into(), &"the schedule".into())
    );
    let steps = result["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["target"], &steps[1]["planned_per_second"]),
        (&100.0.into(), &200.0.into())
    );
    assert!(steps[1]["requests"].as_u64().unwrap() > 300);
}
