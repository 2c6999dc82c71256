//! Scenarios: what users send beyond one request, and what they want to see.

use std::path::Path;

use serde_json::Value;

use crate::server::{Api, Manners, Misbehaving, loadgen};

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_scenario_logs_in_fills_in_and_checks() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"token\": \"abc\"}";
    let server = Misbehaving::start(Manners { answer, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let (scenario, result, csv) =
        (dir.path().join("s.toml"), dir.path().join("run.json"), dir.path().join("run"));
    let text = "wait_time = 'constant(0.1)'\n\
        [login]\npath = '/login'\nbody = '{}'\ntoken = '/token'\n\
        [[task]]\nname = 'good'\nweight = 3\npath = '/a/{{user}}'\nheaders = \
        { Authorization = 'Bearer {{token}}' }\n\
        check = [{ json = '/token', equals = 'abc' }]\n\
        [[task]]\nname = 'bad'\npath = '/b'\nbody = '{{iteration}}'\ncheck = \
        [{ contains = 'nowhere' }]\n";
    std::fs::write(&scenario, text).unwrap();
    let run = |file: &Path| {
        loadgen(&[
            "run",
            "-H",
            &format!("http://{}", server.addr),
            "-u",
            "10",
            "-t",
            "3s",
            "--slo",
            "p50<5s",
            "--scenario",
        ])
        .arg(file)
        .arg("--json")
        .arg(&result)
        .arg("--csv")
        .arg(&csv)
        .output()
        .unwrap()
    };
    let output = run(&scenario);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let tasks = json(&result)["tasks"].as_array().unwrap().clone();
    let figure = |task: usize, name: &str| tasks[task]["total"][name].as_u64().unwrap();
    assert_eq!(
        tasks.iter().map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["good", "bad", "login"]
    );
    assert_eq!((figure(2, "requests"), figure(0, "failures")), (10, 0), "each user logs in once");
    assert!(figure(0, "requests") > figure(1, "requests") * 2);
    assert_eq!(figure(1, "failures"), figure(1, "requests"));
    let failures = std::fs::read_to_string(dir.path().join("run_failures.csv")).unwrap();
    assert!(
        failures.contains("POST,bad,\"check failed: bad: the answer has \"\"nowhere\"\" in it\","),
        "{failures}"
    );

    std::fs::write(&scenario, "[[task]]\npath = '/{{nobody}}'\n").unwrap();
    let output = run(&scenario);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("s.toml:2:10: {{nobody}} is not known"), "{told}");
}

#[test]
fn arrivals_wait_for_the_login_of_their_connection() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"token\": \"abc\"}";
    let server = Misbehaving::start(Manners { answer, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let (scenario, result) = (dir.path().join("s.toml"), dir.path().join("run.json"));
    let text = "[login]\npath = '/login'\ntoken = '/token'\n[[task]]\npath = '/'\nheaders = \
        { Authorization = 'Bearer {{token}}' }\n";
    std::fs::write(&scenario, text).unwrap();
    let output = loadgen(&[
        "run",
        "-H",
        &format!("http://{}", server.addr),
        "--arrivals",
        "constant(200)",
        "-t",
        "2s",
    ])
    .args(["--no-calibrate", "--slo", "p95<5s", "-f"])
    .arg(&scenario)
    .arg("--json")
    .arg(&result)
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told = json(&result);
    let figure = |task: usize, name: &str| told["tasks"][task]["total"][name].as_u64().unwrap();
    assert!(figure(0, "requests").abs_diff(400) <= 2 && figure(0, "failures") == 0, "{told}");
    assert_eq!(
        figure(1, "requests"),
        server.connections() as u64 - 1,
        "a login for each connection but the first look"
    );
    for head in server.heads.lock().unwrap().iter().filter(|head| head.starts_with("GET / ")) {
        assert!(head.contains("Authorization: Bearer abc"), "{head}");
    }
}

#[test]
fn users_send_back_the_cookies_that_they_got() {
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: session=s1; Path=/a; HttpOnly\r\nset-cookie: \
        all=2; Path=/\r\ncontent-length: 0\r\n\r\n";
    let server = Misbehaving::start(Manners { answer, ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("s.toml");
    std::fs::write(
        &scenario,
        "wait_time = 'constant(0.05)'\n[[task]]\npath = '/a/b'\n[[task]]\npath = '/x{{user}}'\n",
    )
    .unwrap();
    let output = loadgen(&[
        "run",
        "-H",
        &format!("http://{}", server.addr),
        "-u",
        "2",
        "-t",
        "2s",
        "--no-calibrate",
        "--slo",
        "p95<5s",
        "-f",
    ])
    .arg(&scenario)
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let heads = server.heads.lock().unwrap();
    let cookies =
        |head: &str| head.lines().find_map(|line| line.strip_prefix("cookie: ")).map(str::to_owned);
    let mut strangers = 0;
    for head in heads.iter() {
        match cookies(head).as_deref() {
            None => strangers += 1,
            Some("session=s1; all=2") => assert!(head.starts_with("GET /a/b "), "{head}"),
            Some("all=2") => assert!(head.starts_with("GET /x"), "{head}"),
            Some(other) => panic!("{other} in {head}"),
        }
    }
    assert_eq!(strangers, 2, "each user's first request");
    assert!(heads.len() > 20, "{}", heads.len());
}

#[test]
fn tensors_are_sent_in_the_shape_that_the_server_tells() {
    let api = Api::start("iris.onnx");
    let dir = tempfile::tempdir().unwrap();
    let result = dir.path().join("run.json");
    let run = |words: &[&str]| {
        let common = [
            "run",
            "-H",
            &api.url(),
            "-u",
            "5",
            "-t",
            "2s",
            "--wait-time",
            "constant(0.05)",
            "--no-calibrate",
            "--slo",
            "p95<5s",
        ];
        loadgen(&common).args(words).arg("--json").arg(&result).output().unwrap()
    };
    for words in
        [&["--tensors", "iris"][..], &["--tensors", "iris/1", "--batch-size", "8", "--binary"]]
    {
        let output = run(words);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let told = json(&result);
        assert!(
            told["summary"]["failures"] == 0 && told["summary"]["requests"].as_u64().unwrap() > 100,
            "{told}"
        );
    }
    let output = run(&["--tensors", "rose"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("/v2/models/rose does not tell the model's inputs")
    );

    // What the model answered to the row, kept in the file of rows: right for one of them, and
    // wrong for the other.
    std::fs::write(
        dir.path().join("rows.csv"),
        "a,b,c,d,label\n5.1,3.5,1.4,0.2,setosa\n6.3,3.3,6.0,2.5,setosa\n",
    )
    .unwrap();
    let scenario = dir.path().join("s.toml");
    let text = "wait_time = 'constant(0.05)'\n[data.rows]\nfile = 'rows.csv'\n[[task]]\npath = \
        '/predict'\n\
        body = '{\"features\": [{{rows.a}}, {{rows.b}}, {{rows.c}}, {{rows.d}}]}'\n\
        check = [{ json = '/predictions/0/label', equals = '{{rows.label}}' }]\n";
    std::fs::write(&scenario, text).unwrap();
    let output = run(&["-f", &scenario.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = &json(&result)["summary"];
    let (requests, failures) =
        (summary["requests"].as_u64().unwrap(), summary["failures"].as_u64().unwrap());
    assert!(
        requests > 100 && failures.abs_diff(requests - failures) <= 5,
        "half of them: {summary}"
    );
}

#[test]
fn an_answer_that_is_too_large_to_be_checked_fails_and_says_why() {
    let body = format!("{{\"padding\":\"{}\",\"ok\":true}}", "x".repeat(1 << 20));
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = Misbehaving::start(Manners { answer: answer.leak(), ..Manners::default() });
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("s.toml");
    let text = "wait_time = 'constant(0.1)'\n[[task]]\npath = '/'\ncheck = \
        [{ json = '/ok', equals = true }]\n";
    std::fs::write(&scenario, text).unwrap();
    let host = format!("http://{}", server.addr);
    let words = [
        "run",
        "-H",
        &host,
        "-u",
        "1",
        "-t",
        "1s",
        "--no-calibrate",
        "--slo",
        "p95<5s,failures<1%",
        "-f",
    ];
    let output = loadgen(&words).arg(&scenario).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("larger than the 1 MiB that checks see"), "{told}");
}
