//! The page in a browser, beside a real Locust, behind a login, and with sweeps in its folder.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    server::{Api, loadgen, root},
    ui::Ui,
};

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
    let spanish = ui.client.get(format!("{}/login", ui.url)).header("accept-language", "es-ES,es");
    assert!(spanish.send().unwrap().text().unwrap().contains("Contraseña"));
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
    // All at once, so that none slips through before the others are counted.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = || log_in("guess").status().as_u16();
        let guesses: Vec<_> = (0..20).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(statuses.iter().filter(|status| **status == 401).count() <= 5, "{statuses:?}");
    assert_eq!(log_in("correct+horse").status().as_u16(), 429, "guesses are slowed down");
    client.post(format!("{}/logout", ui.url)).header("cookie", &token).send().unwrap();
    assert_eq!(with(&token, "/stats/requests"), 401);
}

/// A program of the environment that `cargo xtask clients` makes.
fn browser(script: &str, args: &[&str]) {
    let target = root().join("target");
    let python = target.join("browser/bin/python");
    assert!(python.exists(), "there is no {}: run `cargo xtask clients`", python.display());
    let folder = root().join("loadgen/tests/browser");
    let output = Command::new(python)
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
    let model = root().join("models/iris.onnx").display().to_string();
    let sweeps = dir.path().join("sweeps").display().to_string();
    let ui = Ui::with(&api.url(), &["-f", &scenario, "--model", &model, "--dir", &sweeps]);
    let shots = root().join("target/screenshots").display().to_string();
    browser("drive.py", &[&ui.url, &shots]);
}

#[test]
fn a_folder_without_sweeps_and_a_damaged_sweep_are_told() {
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("none");
    let ui = Ui::with(&api.url(), &["--dir", &empty.display().to_string()]);
    let list = || ui.get("/api/sweeps").json::<Value>().unwrap();
    assert_eq!(list()["sweeps"].as_array().unwrap().len(), 0, "the folder need not exist");
    let sweep = empty.join("sweep-1");
    std::fs::create_dir_all(&sweep).unwrap();
    std::fs::write(sweep.join("trials.jsonl"), "{\"cut of").unwrap();
    assert_eq!(list()["sweeps"][0]["name"], "sweep-1", "it is listed all the same");
    let answer = ui.get("/api/sweeps/of/sweep-1");
    assert_eq!(answer.status().as_u16(), 422);
    assert!(answer.text().unwrap().contains("sweep-1"), "the message names the folder");
    for path in
        ["/api/sweeps/of/sweep-2", "/api/sweeps/of/..%2F..%2Fetc", "/api/sweeps/of/sweep-1/files/x"]
    {
        assert_eq!(ui.get(path).status().as_u16(), 404, "{path}");
    }
    let start = |body: &str| {
        let request = ui.client.post(format!("{}/api/sweeps", ui.url)).body(body.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().unwrap().json::<Value>().unwrap()
    };
    let refused = start("workload=model:/etc/passwd&max_users=5");
    assert_eq!(refused["success"], false, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("from the list"), "{refused}");
}
