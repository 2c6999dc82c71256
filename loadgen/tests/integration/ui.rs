//! The page and its calls, against the real server.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::server::{Api, loadgen};

struct Ui {
    child: Child,
    url: String,
    client: reqwest::blocking::Client,
}

impl Ui {
    fn start(host: &str) -> Self {
        Self::with(host, &[])
    }

    fn with(host: &str, more: &[&str]) -> Self {
        let args = ["ui", "--bind", "127.0.0.1:0", "--host", host, "--wait-time", "constant(0.2)"];
        let mut child = loadgen(&args).args(more).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line
            .split_whitespace()
            .find(|w| w.starts_with("http://"))
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        Self { child, url, client: crate::server::http_client() }
    }

    fn get(&self, path: &str) -> reqwest::blocking::Response {
        self.client.get(format!("{}{path}", self.url)).send().unwrap()
    }

    fn report(&self) -> Value {
        self.get("/stats/requests").json().unwrap()
    }

    fn swarm(&self, form: &[(&str, &str)]) -> Value {
        let body = form
            .iter()
            .map(|(k, v)| format!("{k}={}", v.replace(':', "%3A").replace('/', "%2F")))
            .collect::<Vec<_>>()
            .join("&");
        let request = self.client.post(format!("{}/swarm", self.url));
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .unwrap()
            .json()
            .unwrap()
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let report = self.report();
            if holds(&report) {
                return report;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "{what} did not come: {report}");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[test]
fn users_start_and_stop_from_the_form() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    assert_eq!(ui.report()["state"], "ready");
    let page = ui.get("/").text().unwrap();
    for word in ["Number of users", "Ramp up", "Host"] {
        assert!(page.contains(word), "{word} is not on the page");
    }
    let form: Value = ui.get("/api/form").json().unwrap();
    assert_eq!(form["form"]["host"], api.url());
    assert_eq!(
        ui.swarm(&[("user_count", "20"), ("spawn_rate", "100"), ("host", &api.url())])["success"],
        true
    );
    let report = ui.wait_until("load", |r| r["stats"][0]["num_requests"].as_u64() > Some(100));
    assert_eq!((&report["state"], &report["user_count"]), (&"running".into(), &20.into()));
    assert_eq!(report["stats"][0]["num_failures"], 0);
    assert!(report["stats"][0]["response_time_percentile_0.95"].as_f64().unwrap() > 0.0);
    let live: Value = ui.get("/api/poll").json().unwrap();
    assert!(live["points"].as_array().unwrap().iter().any(|p| p["service"].is_array()));
    assert_eq!(live["addresses"].as_array().unwrap().len(), 1);
    ui.get("/stop");
    ui.wait_until("the stop", |r| r["state"] == "stopped");
    let before = ui.report()["stats"][0]["num_requests"].as_u64();
    std::thread::park_timeout(Duration::from_millis(1500));
    assert_eq!(
        ui.report()["stats"][0]["num_requests"].as_u64(),
        before,
        "nothing is sent after the stop"
    );
    ui.get("/stats/reset");
    assert_eq!(ui.report()["stats"][0]["num_requests"], 0);
}

#[test]
fn hosts_that_were_not_given_are_not_loaded() {
    let api = Api::start("iris.onnx");
    let other = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    let answer = ui.swarm(&[("user_count", "1"), ("spawn_rate", "1"), ("host", &other.url())]);
    assert_eq!(answer["success"], false);
    assert!(answer["message"].as_str().unwrap().contains("--allow-host"));
}

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    let status = |header: &str, value: &str| {
        let request = ui.client.get(format!("{}/stop", ui.url)).header(header, value);
        request.send().unwrap().status().as_u16()
    };
    assert_eq!(status("host", "evil.example"), 403);
    assert_eq!(status("origin", "http://evil.example"), 403);
    assert_eq!(status("sec-fetch-site", "cross-site"), 403);
    assert_eq!(status("origin", &ui.url), 200);
}

#[test]
fn wrong_forms_are_told_what_is_right() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    for (form, says) in [
        (&[("user_count", "0"), ("spawn_rate", "1")][..], "at least 1"),
        (&[("user_count", "1"), ("spawn_rate", "0")][..], "invalid user_count or spawn_rate"),
        (&[("user_count", "1"), ("spawn_rate", "1"), ("run_time", "soon")][..], "60s, 5m or 1h30m"),
        (
            &[("user_count", "1"), ("spawn_rate", "1"), ("host", "ftp://x")][..],
            "begins with http://",
        ),
    ] {
        let answer = ui.swarm(form);
        assert_eq!(answer["success"], false);
        assert!(answer["message"].as_str().unwrap().contains(says), "{says:?}: {answer}");
    }
}

#[test]
fn the_users_of_a_running_test_change() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    let users = |count: &str| {
        let answer = ui.swarm(&[("user_count", count), ("spawn_rate", "100")]);
        assert_eq!(answer["message"], "Swarming started", "{answer}");
    };
    let log = || ui.get("/logs").json::<Value>().unwrap()["master"].to_string();
    users("20");
    ui.wait_until("the first users", |r| r["user_count"] == 20 && r["state"] == "running");
    users("50");
    ui.wait_until("more users", |r| r["user_count"] == 50);
    assert!(log().contains("50 users"), "{}", log());
    users("5");
    ui.wait_until("fewer users", |r| r["user_count"] == 5 && r["state"] == "running");
    assert_eq!(ui.report()["stats"][0]["num_failures"], 0);
    assert_eq!(ui.get("/api/poll").json::<Value>().unwrap()["test"], 1, "still the same test");
    for (form, word) in [
        ([("user_count", "many"), ("spawn_rate", "1")], "must be an integer"),
        ([("user_count", "1"), ("spawn_rate", "0")], "Missing or invalid"),
    ] {
        let answer = ui.swarm(&form);
        assert_eq!(answer["success"], false);
        assert!(answer["message"].as_str().unwrap().contains(word), "{answer}");
    }
    // A stop and the next start need no pause between them.
    ui.get("/stop");
    users("10");
    ui.wait_until("the second test", |r| r["user_count"] == 10 && r["state"] == "running");
    let live = ui.get("/api/poll").json::<Value>().unwrap();
    assert_eq!((&live["test"], live["tests"].as_array().unwrap().len()), (&2.into(), 2));
    let first = ui.get("/api/tests/1").json::<Value>().unwrap();
    assert_eq!(first["state"], "stopped");
    assert!(first["points"].as_array().unwrap().len() >= 3, "earlier tests can be overlaid");
}

#[test]
fn every_table_and_report_can_be_downloaded() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    assert_eq!(ui.get("/stats/report").status().as_u16(), 404, "nothing was measured");
    ui.swarm(&[("user_count", "10"), ("spawn_rate", "100"), ("slo", "p95<5s")]);
    ui.wait_until("load", |r| r["stats"][0]["num_requests"].as_u64() > Some(50));
    let text = |path: &str| {
        let answer = ui.get(path);
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.text().unwrap()
    };
    let check = || {
        let stats = text("/stats/requests/csv");
        assert!(stats.starts_with("Type,Name,Request Count") && stats.contains("Aggregated"));
        assert!(text("/stats/requests_full_history/csv").lines().count() > 1);
        assert!(text("/stats/failures/csv").starts_with("Method,Name,Error,Occurrences"));
        assert!(text("/exceptions/csv").starts_with("Count,Message,Traceback,Nodes"));
        assert!(text("/stats/report?download=1&theme=dark").starts_with("<!doctype html>"));
        let json: Value = serde_json::from_str(&text("/api/tests/1/run.json")).unwrap();
        assert!(json["total"]["requests"].as_u64() > Some(50));
        assert!(text("/api/tests/1/latencies.hlog").contains("Tag=service"));
    };
    check();
    ui.get("/stop");
    ui.wait_until("the stop", |r| r["state"] == "stopped");
    check();
    let live = ui.get("/api/poll").json::<Value>().unwrap();
    assert!(live["verdict"].is_array(), "{live}");
    assert_eq!(ui.get("/api/tests/1/../../etc/passwd").status().as_u16(), 404);
    assert_eq!(ui.get("/api/tests/9/run.json").status().as_u16(), 404);
}

#[test]
fn a_page_may_start_with_a_test_and_end_after_it() {
    let api = Api::start("iris.onnx");
    let args = ["--autostart", "--autoquit", "1", "-u", "5", "-r", "50", "-t", "3s"];
    let mut ui = Ui::with(&api.url(), &args);
    ui.wait_until("load", |r| r["user_count"] == 5);
    let began = Instant::now();
    while ui.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "the page does not end");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn files_of_this_machine_cannot_be_sent() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    for (field, value) in [("body", "@/etc/hostname"), ("scenario", "/etc/hostname")] {
        let answer = ui.swarm(&[("user_count", "1"), ("spawn_rate", "1"), (field, value)]);
        assert_eq!(answer["success"], false, "{answer}");
    }
    let request = ui.client.post(format!("{}/api/example", ui.url)).body("host=");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = request.send().unwrap().json().unwrap();
    assert!(answer["body"].as_str().unwrap().contains("features"), "{answer}");
}

#[test]
fn whoever_uses_the_page_logs_in_first() {
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users").display().to_string();
    let add = |name: &str, password: &str| {
        let mut command = loadgen(&["ui", "user", "add", name, "--file", &file]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(add("ada", "short").status.code(), Some(2), "too short");
    assert_eq!(add("ada", "correct horse").status.code(), Some(0));
    let ui = Ui::with(&api.url(), &["--web-login", &file]);
    let status = |path: &str| ui.get(path).status().as_u16();
    assert_eq!((status("/stats/requests"), status("/api/poll")), (401, 401));
    assert!(ui.get("/").text().unwrap().contains("Log in"), "the page leads to the login");
    let log_in = |password: &str| {
        let request = ui.client.post(format!("{}/login", ui.url));
        let body = format!("username=ada&password={password}");
        let kind = "application/x-www-form-urlencoded";
        request.header("content-type", kind).body(body).send().unwrap()
    };
    assert_eq!(log_in("wrong").status().as_u16(), 401);
    let cookie = |answer: &reqwest::blocking::Response| {
        let header = answer.headers().get("set-cookie").map(|v| v.to_str().unwrap().to_owned());
        header.unwrap_or_default()
    };
    let client = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = client
        .post(format!("{}/login", ui.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("username=ada&password=correct+horse")
        .send()
        .unwrap();
    let session = cookie(&answer);
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"), "{session}");
    let token = session.split(';').next().unwrap().to_owned();
    let with = |token: &str, path: &str| {
        let request = client.get(format!("{}{path}", ui.url)).header("cookie", token);
        request.send().unwrap().status().as_u16()
    };
    assert_eq!(with(&token, "/stats/requests"), 200);
    assert_eq!(with("loadgen_session=0", "/stats/requests"), 401);
    for _ in 0..5 {
        log_in("guess");
    }
    assert_eq!(log_in("correct+horse").status().as_u16(), 429, "guesses are slowed down");
    client.post(format!("{}/logout", ui.url)).header("cookie", &token).send().unwrap();
    assert_eq!(with(&token, "/stats/requests"), 401);
}

/// A program of the environment that `cargo xtask clients` makes.
fn browser(script: &str, args: &[&str]) {
    let target = crate::server::root().join("target");
    let python = target.join("browser/bin/python");
    assert!(python.exists(), "there is no {}: run `cargo xtask clients`", python.display());
    let folder = crate::server::root().join("loadgen/tests/browser");
    let output = std::process::Command::new(python)
        .arg(folder.join(script))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let told =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", told.concat());
}

#[test]
fn the_api_is_that_of_a_real_locust() {
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(dir.path());
    let ui = Ui::with(&api.url(), &["-f", &scenario]);
    browser("locust_api.py", &[&ui.url, &api.url()]);
}

/// A scenario of one task whose requests all fail.
fn scenario(dir: &std::path::Path) -> String {
    let path = dir.join("nowhere.toml");
    std::fs::write(&path, "[[task]]\nname = \"nowhere\"\npath = \"/nowhere\"\n").unwrap();
    path.display().to_string()
}

#[test]
fn a_person_tests_and_sizes_in_a_browser() {
    let driver = std::path::Path::new("/usr/bin/chromedriver");
    assert!(
        driver.exists() || std::env::var_os("CHROMEDRIVER").is_some(),
        "there is no chromedriver: apt-get install chromium chromium-driver"
    );
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let scenario = scenario(dir.path());
    let model = crate::server::root().join("models/iris.onnx").display().to_string();
    let sweeps = dir.path().join("sweeps").display().to_string();
    let ui = Ui::with(&api.url(), &["-f", &scenario, "--model", &model, "--dir", &sweeps]);
    let shots = crate::server::root().join("target/screenshots").display().to_string();
    browser("drive.py", &[&ui.url, &shots]);
}
