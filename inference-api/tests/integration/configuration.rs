//! Flags over variables over the file over defaults.

use std::{fs, path::Path, process::Command};

use crate::support::{BINARY, IRIS, Server, is_setosa, model};

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
        "model = [\"flower={}\"]\nbind = \"127.0.0.1:0\"\nreplica-name = \"file\"\nworkers = 1\nmax_body_bytes = 64\n",
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
    let text = format!("model = '{}'\nbind = '127.0.0.1:0'\nreplica-name = 'file'", model("iris").display());
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
    let output = Command::new(BINARY).args(["serve", "--config", "/no/such.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
