//! What people send, what servers say of it, and what becomes of that.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::Output,
};

use serde_json::Value;

use crate::server::{Manners, Misbehaving, loadgen};

/// A short run of few users, with these words more.
fn run(host: &str, json: &Path, words: &[&str]) -> Output {
    let common =
        ["run", "--host", host, "-u", "4", "-r", "100", "-t", "2s", "--wait-time", "constant(0.1)"];
    loadgen(&common).arg("--no-calibrate").args(words).arg("--json").arg(json).output().unwrap()
}

fn result(json: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

#[test]
fn bodies_are_what_their_files_are_and_headers_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("cat.jpg"), b"\xff\xd8cat").unwrap();
    std::fs::write(at("dog.png"), b"\x89PNGdog").unwrap();
    let server = Misbehaving::start(Manners::default());
    let (host, json) = (format!("http://{}", server.addr), dir.path().join("run.json"));
    let body = format!("@{}", dir.path().display());
    let words =
        ["--header", "X-Tenant: 7", "--host-header", "api.example.com", "--api-key", "secret"];
    let output = run(&host, &json, &[&["--body", &body], &words[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (heads, bodies) =
        (server.heads.lock().unwrap().clone(), server.bodies.lock().unwrap().clone());
    let told = |word: &str| heads.iter().filter(|head| head.contains(word)).count();
    let (cats, dogs) = (told("content-type: image/jpeg"), told("content-type: image/png"));
    assert!(
        cats + dogs == heads.len() && cats.abs_diff(dogs) <= 4,
        "{cats} and {dogs} of {}",
        heads.len()
    );
    for header in ["X-Tenant: 7", "host: api.example.com", "Authorization: Bearer secret"] {
        assert_eq!(told(header), heads.len(), "{header}: {}", heads[0]);
    }
    assert_eq!(bodies.iter().filter(|body| body.ends_with(b"cat")).count(), cats);

    let image = format!("image=@{}", at("cat.jpg"));
    let output = run(&host, &json, &["--form", &image, "--form", "threshold=0.5"]);
    assert_eq!(output.status.code(), Some(0));
    let last = server.bodies.lock().unwrap().last().cloned().unwrap();
    assert!(String::from_utf8_lossy(&last).contains("filename=\"cat.jpg\""));
}

#[test]
fn a_scenario_sends_files_and_forms_too() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cat.jpg"), b"\xff\xd8cat").unwrap();
    let file = dir.path().join("scenario.toml");
    let text = "[[task]]\npath = '/a'\nbody = '@cat.jpg'\n[[task]]\npath = '/b'\nform = \
        { image = '@cat.jpg', n = '1' }\n\
                headers = { Host = 'api.example.com' }\n";
    std::fs::write(&file, text).unwrap();
    let server = Misbehaving::start(Manners::default());
    let (host, json) = (format!("http://{}", server.addr), dir.path().join("run.json"));
    let output =
        run(&host, &json, &["--scenario", &file.display().to_string(), "--api-key", "secret"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let heads = server.heads.lock().unwrap().clone();
    for head in &heads {
        let is_form = head.starts_with("POST /b ");
        assert!(head.contains("Authorization: Bearer secret"), "{head}");
        assert_eq!(
            head.contains("content-type: multipart/form-data; boundary="),
            is_form,
            "{head}"
        );
        assert_eq!(head.contains("host: api.example.com"), is_form, "{head}");
        assert_eq!(head.contains("content-type: image/jpeg"), !is_form, "{head}");
    }
}

#[test]
fn the_server_says_why_and_a_run_without_a_success_fails() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("run.json");
    for (answer, says) in [
        (
            "HTTP/1.1 422 X\r\ncontent-length: 27\r\n\r\n{\"error\":\"rows: missing\"}  ",
            "rows: missing",
        ),
        (
            "HTTP/1.1 307 X\r\nLocation: https://api/v2\r\ncontent-length: 0\r\n\r\n",
            "Location: https://api/v2",
        ),
    ] {
        let server = Misbehaving::start(Manners { answer, ..Manners::default() });
        let output = run(&format!("http://{}", server.addr), &json, &["--body", "{}"]);
        assert_eq!(output.status.code(), Some(1), "nothing was served");
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(table.contains(says), "{table}");
        let failure = &result(&json)["total"]["failures_by_kind"][0];
        assert!(failure["words"].as_str().unwrap().contains(says), "{failure}");
        assert!(
            failure["mean_ms"].as_f64().unwrap() > 0.0
                && failure["last_seconds"].as_f64().unwrap() > 0.0
        );
    }
}

#[test]
fn a_refusal_before_the_body_was_read_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(
                    b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: \
                        5\r\n\r\nlarge",
                );
                // Closed with the rest unread, which resets the connection.
            });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let (body, json) = (dir.path().join("body.json"), dir.path().join("run.json"));
    std::fs::write(&body, format!("\"{}\"", "x".repeat(5 << 20))).unwrap();
    run(&host, &json, &["--body", &format!("@{}", body.display())]);
    let kinds = result(&json)["total"]["failures_by_kind"].clone();
    let refused = kinds.as_array().unwrap().iter().find(|kind| kind["text"] == "status 413");
    let refused = refused.unwrap_or_else(|| panic!("{kinds:#}"));
    assert!(refused["count"].as_u64().unwrap() > 0 && refused["words"] == "large", "{refused}");
}

#[test]
fn an_objective_above_the_timeout_is_refused_before_anything_is_sent() {
    let server = Misbehaving::start(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        &format!("http://{}", server.addr),
        &dir.path().join("run.json"),
        &["--slo", "p95<8s", "--body", "{}"],
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("given up after 5s") && told.contains("--timeout 16"), "{told}");
    let output =
        loadgen(&["sweep", "--slo", "p95<8s", "--orchestrator", "docker"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All hundred users start within a second and think in step: in a window of five seconds they send
/// a few requests fewer than on average.
#[test]
fn a_perfect_server_meets_the_objective_however_users_start() {
    let server = Misbehaving::start(Manners::default());
    for seed in ["1", "2", "3"] {
        let words = [
            "-u",
            "100",
            "-r",
            "1000",
            "-t",
            "5s",
            "--wait-time",
            "between(1, 2.5)",
            "--seed",
            seed,
        ];
        let words = [
            &words[..],
            &["--slo", "p95<2s,failures<5%,rate>=95%", "--extend", "0", "--body", "{}"],
        ]
        .concat();
        let host = format!("http://{}", server.addr);
        let output =
            loadgen(&["run", "--host", &host]).args(words).arg("--no-calibrate").output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "seed {seed}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn a_python_file_is_no_scenario() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("locustfile.py");
    std::fs::write(&file, "from locust import HttpUser\n").unwrap();
    let output =
        loadgen(&["run", "--host", "http://127.0.0.1:9", "-f"]).arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("Python") && told.contains("[[task]]"), "{told}");
}
