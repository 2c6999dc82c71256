//! Flags over variables over the file over defaults.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::support::{BINARY, IRIS, Server, is_setosa, model, pause, serve_args, until};

/// A command with a configuration file.
fn with_file(dir: &Path, text: &str) -> Command {
    let path = dir.join("serve.toml");
    fs::write(&path, text).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("serve").arg("--config").arg(path);
    command
}

fn replica(command: Command) -> String {
    let server = Server::run(command);
    server.get("/health").header("x-replica").unwrap().to_owned()
}

#[test]
fn a_file_has_what_flags_have() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "model = [\"flower={}\"]\nbind = \"127.0.0.1:0\"\nreplica-name = \"file\"\nworkers = \
            1\nmax_body_bytes = 64\n",
        model("iris").display()
    );
    let server = Server::run(with_file(dir.path(), &text));
    is_setosa(&server.post(IRIS));
    assert_eq!(server.get("/model").ok()["name"], "flower");
    assert_eq!(server.post(&" ".repeat(65)).status, 413);
    assert_eq!(server.get("/health").header("x-replica"), Some("file"));
}

#[test]
fn a_flag_stands_over_a_variable_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "model = '{}'\nbind = '127.0.0.1:0'\nreplica-name = 'file'",
        model("iris").display()
    );
    let mut command = with_file(dir.path(), &text);
    command.env("REPLICA_NAME", "variable");
    assert_eq!(replica(command), "variable");
    let mut command = with_file(dir.path(), &text);
    command.env("REPLICA_NAME", "variable").args(["--replica-name", "flag"]);
    assert_eq!(replica(command), "flag");
}

#[test]
fn a_wrong_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (text, parts) in [
        ("modle = 'x'", &["modle", "max-batch-size"][..]),
        ("model = ", &["serve.toml"]),
        ("model = 'x'\nworkers = 'many'", &["workers", "many"]),
        ("[model]\nx = 1", &["model"]),
        ("bind = '127.0.0.1:0'", &["--model"]),
    ] {
        let output = with_file(dir.path(), text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        for part in parts {
            assert!(said.contains(part), "no {part:?} for {text}: {said}");
        }
    }
    let output =
        Command::new(BINARY).args(["serve", "--config", "/no/such.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_logged_has_to_be_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut flag = Command::new(BINARY);
    flag.args(serve_args(&model("iris"))).args(["--log", "verbose"]);
    let mut variable = Command::new(BINARY);
    variable.args(serve_args(&model("iris"))).env("INFERENCE_LOG", "info,acess=debug");
    let key =
        with_file(dir.path(), &format!("model = '{}'\nlog = 'warning'", model("iris").display()));
    for (mut command, word) in [(flag, "debug"), (variable, "access"), (key, "warn")] {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    // A part alone does not turn off all else: without the line that says that it serves, this
    // would not start.
    let server = Server::with("iris", &["--log", "access=debug"]);
    is_setosa(&server.post(IRIS));
    until("the request's line", Duration::from_secs(5), || {
        server.logged(&["access", "/predict"]).first().cloned()
    });
}

#[test]
fn an_address_may_be_a_name() {
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--workers", "1", "--bind", "localhost:0", "--model"])
        .arg(model("iris"));
    is_setosa(&Server::run(command).post(IRIS));
    let wrong = Command::new(BINARY)
        .args(["serve", "--bind", "8000", "--model", "x.onnx"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("127.0.0.1:8000"));
}

#[test]
fn an_empty_variable_is_none() {
    let mut command = Command::new(BINARY);
    command.args(serve_args(&model("iris")));
    for name in [
        "INFERENCE_CONFIG",
        "INFERENCE_LOG",
        "INFERENCE_MAX_BATCH_SIZE",
        "INFERENCE_API_KEY",
        "REPLICA_NAME",
    ] {
        command.env(name, "");
    }
    let server = Server::run(command);
    is_setosa(&server.post(IRIS));
    assert_ne!(server.get("/health").header("x-replica"), Some(""));
    let none = Command::new(BINARY).arg("serve").env("INFERENCE_MODEL", "").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--model"));
}

#[test]
fn connections_that_cannot_be_accepted_are_told_once() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", BINARY])
        .args(serve_args(&model("iris")));
    let server = Server::run(command);
    let _clients: Vec<_> = (0..60).map(|_| server.client()).collect();
    pause(1000);
    assert_eq!(server.logged(&["accept failed"]).len(), 1);
}
