//! Tests of comparisons.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::*;
use crate::output::sweep::tests::{settings, simulated};

fn run(dir: &std::path::Path, name: &str, p95: f64) -> PathBuf {
    let ms = json!({
        "mean": 1.0, "p50": 2.0, "p95": p95, "p99": p95 * 2.0, "p99_9": p95 * 2.0,
        "p99_99": p95 * 2.0, "min": 1.0, "max": p95 * 3.0,
    });
    let step = |target: f64| {
        json!({
            "target": target, "requests": 1000, "failures": 1, "requests_per_second": 100.0,
            "service_ms": ms, "intended_ms": ms,
        })
    };
    let file = json!({
        "traffic": "closed model", "objective": "p95<100ms", "verdict": "pass",
        "steps": [step(10.0), step(20.0)], "validity": { "generator_limited": false },
    });
    let path = dir.join(name);
    fs::write(&path, file.to_string()).unwrap();
    path
}

#[test]
fn runs_are_compared_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let files = [run(dir.path(), "fast.json", 5.0), run(dir.path(), "<slow>.json", 50.0)];
    let compared = Compared::read(&files).unwrap();
    let text = compare(&compared);
    assert!(text.contains("x: times fast") && text.contains("10.00"), "{text}");
    assert!(text.contains("fast: closed model; p95<100ms: pass"), "{text}");
    let page = comparison_page(&compared, Theme::Auto);
    assert!(page.contains("&lt;slow&gt;") && !page.contains("<slow>") && !page.contains("<script"));
    assert_eq!(page.matches("<polyline class=\"l0\"").count(), 4, "a line in each panel");
    assert_eq!(page.matches("<polyline class=\"l1\"").count(), 4);
}

#[test]
fn sweeps_are_compared_by_answer_and_curve() {
    let dir = tempfile::tempdir().unwrap();
    let folders = [("first", 7), ("second", 8)].map(|(name, seed)| {
        let folder = dir.path().join(name);
        simulated(&folder, settings(&[1]), 0, seed);
        folder
    });
    let compared = Compared::read(&folders).unwrap();
    insta::assert_snapshot!(compare(&compared));
    let page = comparison_page(&compared, Theme::Light);
    assert!(page.contains("data-theme=\"light\"") && page.contains("objective: 100 ms"));
    assert_eq!(page.matches("<polyline class=\"l1\"").count(), 2, "latency and violations");
    let files = folders.map(|folder| folder.join("sweep.json"));
    assert_eq!(compare(&Compared::read(&files).unwrap()), compare(&compared));
}

#[test]
fn runs_and_sweeps_are_not_mixed_and_other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sweep");
    simulated(&folder, settings(&[1]), 0, 7);
    let error = Compared::read(&[run(dir.path(), "a.json", 5.0), folder]).unwrap_err();
    assert!(error.to_string().contains("1 of these are runs and 1 are sweeps"), "{error}");
    let other = dir.path().join("other.json");
    fs::write(&other, "{}").unwrap();
    let error = Compared::read(&[other.clone(), other]).unwrap_err().to_string();
    assert!(error.contains("missing field") && error.contains("loadgen run --json"), "{error}");
}
