//! The page and its calls, against the real server.

use std::{
    io::{BufRead, BufReader},
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
        let mut child = loadgen(&[
            "ui",
            "--bind",
            "127.0.0.1:0",
            "--host",
            host,
            "--wait-time",
            "constant(0.2)",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
    for word in ["Number of users", "Ramp up", "Host", &api.url()] {
        assert!(page.contains(word), "{word} is not on the page");
    }
    assert_eq!(
        ui.swarm(&[("user_count", "20"), ("spawn_rate", "100"), ("host", &api.url())])["success"],
        true
    );
    let report = ui.wait_until("load", |r| r["stats"][0]["num_requests"].as_u64() > Some(100));
    assert_eq!((&report["state"], &report["user_count"]), (&"running".into(), &20.into()));
    assert_eq!(report["stats"][0]["num_failures"], 0);
    assert!(report["stats"][0]["response_time_percentile_0.95"].as_f64().unwrap() > 0.0);
    assert!(!report["history"].as_array().unwrap().is_empty());
    assert_eq!(
        ui.swarm(&[("user_count", "1"), ("spawn_rate", "1")])["success"],
        false,
        "one test at a time"
    );
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
        (&[("user_count", "1"), ("spawn_rate", "0")][..], "spawn rate 0: must be above 0"),
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
