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

use crate::server::{Api, Manners, Misbehaving, loadgen};

pub struct Ui {
    pub child: Child,
    pub url: String,
    pub client: reqwest::blocking::Client,
}

impl Ui {
    pub fn start(host: &str) -> Self {
        Self::with(host, &[])
    }

    pub fn with(host: &str, more: &[&str]) -> Self {
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

    pub fn get(&self, path: &str) -> reqwest::blocking::Response {
        self.client.get(format!("{}{path}", self.url)).send().unwrap()
    }

    pub fn report(&self) -> Value {
        self.get("/stats/requests").json().unwrap()
    }

    pub fn swarm(&self, form: &[(&str, &str)]) -> Value {
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

    pub fn wait_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
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
fn two_browsers_start_one_test() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let start = || ui.swarm(&[("user_count", "5"), ("spawn_rate", "5")]);
        let browsers: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        browsers.into_iter().map(|browser| browser.join().unwrap()).collect()
    });
    let started = answers.iter().filter(|answer| answer["success"] == true).count();
    assert!(started >= 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer["success"] == false) {
        assert!(answer["message"].as_str().unwrap().contains("another browser"), "{answer}");
    }
    let live: Value = ui.get("/api/poll").json().unwrap();
    assert_eq!(live["tests"].as_array().unwrap().len(), 1, "the others changed its users");
}

#[test]
fn a_host_that_does_not_answer_is_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ui = Ui::start(&format!("http://127.0.0.1:{port}"));
    let answer = ui.swarm(&[("user_count", "5"), ("spawn_rate", "5")]);
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("does not take connections") && message.contains("help:"), "{answer}");
    assert_eq!(ui.report()["state"], "ready", "the page can be used again");
}

/// A browser that leaves while its test is prepared leaves a test that others see and can stop.
#[test]
fn a_browser_that_leaves_starts_no_second_test() {
    let slow = Misbehaving::start(Manners { delay: Duration::from_secs(2), ..Manners::default() });
    let ui = Ui::with(&format!("http://{}", slow.addr), &["--body", "{}"]);
    let hasty = reqwest::blocking::Client::builder().timeout(Duration::from_millis(500)).build();
    let form = "user_count=3&spawn_rate=3";
    let post = |client: &reqwest::blocking::Client| {
        let request = client.post(format!("{}/swarm", ui.url)).body(form);
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    assert!(post(&hasty.unwrap()).is_err(), "it leaves");
    let second: Value = post(&ui.client).unwrap().json().unwrap();
    assert!(second["message"].as_str().unwrap().contains("another browser"), "{second}");
    ui.wait_until("the first browser's test", |r| r["user_count"] == 3);
    ui.get("/stop");
    ui.wait_until("the stop", |r| r["state"] == "stopped");
    // A stop while a test is prepared ends it before it begins.
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| post(&ui.client).unwrap().json::<Value>().unwrap());
        std::thread::park_timeout(Duration::from_millis(500));
        ui.get("/stop");
        let answer = starting.join().unwrap();
        assert!(answer["message"].as_str().unwrap().contains("before it began"), "{answer}");
    });
    let live: Value = ui.get("/api/poll").json().unwrap();
    assert_eq!(live["tests"].as_array().unwrap().len(), 1);
}

#[test]
fn an_edit_while_users_are_started_fails_nothing() {
    let api = Api::start("iris.onnx");
    let ui = Ui::start(&api.url());
    let slo = ("slo", "p95<1s,failures<5%,rate>=80%");
    ui.swarm(&[("user_count", "100"), ("spawn_rate", "20"), slo]);
    ui.wait_until("some users", |r| r["user_count"].as_u64() > Some(30));
    assert_eq!(ui.swarm(&[("user_count", "20"), ("spawn_rate", "100")])["success"], true);
    ui.wait_until("fewer users", |r| r["user_count"] == 20 && r["state"] == "running");
    std::thread::park_timeout(Duration::from_secs(4));
    ui.get("/stop");
    ui.wait_until("the stop", |r| r["state"] == "stopped");
    let live: Value = ui.get("/api/poll").json().unwrap();
    assert_eq!(live["verdict"][0], "pass", "{}", live["verdict"]);
}
