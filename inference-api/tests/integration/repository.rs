//! Versions in folders, changed while requests run, and loaded and unloaded by request.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{BINARY, IRIS, Server, model, until};

/// A folder of versions, one a model.
fn put(root: &Path, name: &str, version: &str, from: &str) {
    let dir = root.join(name).join(version);
    let staging = root.join(format!(".{name}-{version}"));
    fs::create_dir_all(&staging).unwrap();
    fs::copy(model(from), staging.join("model.onnx")).unwrap();
    fs::create_dir_all(dir.parent().unwrap()).unwrap();
    fs::rename(staging, dir).unwrap();
}

fn version(server: &Server) -> Value {
    server.get("/model").ok()["version"].clone()
}

#[test]
fn several_models_and_versions_are_served() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "iris", "1", "iris");
    put(dir.path(), "iris", "3", "iris");
    put(dir.path(), "sum", "2", "regressor");
    let server = Server::at(dir.path(), &["--version-policy", "all"]);
    assert_eq!(server.get("/v2/models/iris").ok()["versions"], json!(["1", "3"]));
    assert_eq!(server.get("/v2/models/sum").ok()["versions"], json!(["2"]));
    assert_eq!(server.get("/v2/models/iris/versions/1/ready").status, 200);
    assert_eq!(server.get("/v2/models/iris/versions/2/ready").status, 404);
    assert_eq!(version(&server), "3");
    let server = Server::at(
        &dir.path().join("sum"),
        &["--model", &format!("flower={}", model("iris").display())],
    );
    assert_eq!(server.get("/model").ok()["name"], "sum");
    assert_eq!(server.get("/v2/models/flower").status, 200);
}

#[test]
fn a_new_version_takes_over_and_no_request_fails() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "iris", "1", "iris");
    let server =
        Server::at(dir.path(), &["--model-control-mode", "poll", "--repository-poll-secs", "1"]);
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                while !done.load(Ordering::Relaxed) {
                    client.post(IRIS).ok();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        for next in ["2", "3"] {
            put(dir.path(), "iris", next, "iris");
            until("the new version", Duration::from_secs(20), || {
                (version(&server) == next).then_some(())
            });
        }
        // A broken one does not.
        fs::create_dir(dir.path().join("iris/4")).unwrap();
        fs::write(dir.path().join("iris/4/model.onnx"), "broken").unwrap();
        until("the refusal", Duration::from_secs(20), || {
            let index = server.post_to("/v2/repository/index", &[], "").ok();
            index
                .as_array()
                .unwrap()
                .iter()
                .find(|e| {
                    e["version"] == "4" && e["state"] == "UNAVAILABLE" && e["reason"] != "unloaded"
                })
                .cloned()
        });
        assert_eq!(version(&server), "3");
        done.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 100);
    // The old ones are gone, since only the latest is wanted.
    assert_eq!(server.get("/v2/models/iris/versions/1/ready").status, 404);
}

#[test]
fn clients_may_load_and_unload_where_they_are_let() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "iris", "1", "iris");
    let server = Server::at(dir.path(), &["--model-control-mode", "explicit"]);
    let control =
        |what: &str| server.post_to(&format!("/v2/repository/models/iris/{what}"), &[], "");
    assert_eq!(control("unload").status, 200);
    assert_eq!(server.get("/v2/models/iris/ready").status, 404);
    assert_eq!(server.post(IRIS).status, 404);
    let index = server.post_to("/v2/repository/index", &[], "{}").ok();
    assert_eq!(
        index,
        json!([{ "name": "iris", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded" }])
    );
    assert_eq!(server.post_to("/v2/repository/index", &[], r#"{"ready": true}"#).ok(), json!([]));
    assert_eq!(control("load").status, 200);
    assert_eq!(server.get("/v2/models/iris/ready").status, 200);

    put(dir.path(), "iris", "2", "iris");
    assert_eq!(control("load").status, 200);
    assert_eq!(server.get("/v2/models/iris").ok()["versions"], json!(["2"]));

    fs::create_dir(dir.path().join("iris/3")).unwrap();
    fs::write(dir.path().join("iris/3/model.onnx"), "broken").unwrap();
    let refused = control("load");
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().contains("failed to load 'iris'"));
    assert_eq!(server.get("/v2/models/iris").ok()["versions"], json!(["2"]));
    assert_eq!(server.post_to("/v2/repository/models/rose/load", &[], "").status, 404);
    let override_ = server.post_to(
        "/v2/repository/models/iris/load",
        &[],
        r#"{"parameters": {"config": "{}"}}"#,
    );
    assert_eq!(override_.status, 400);

    // A page from elsewhere can make a browser send this.
    let from = |origin: &str| {
        server.post_to("/v2/repository/models/iris/unload", &[("origin", origin)], "").status
    };
    assert_eq!(from("http://evil.example"), 403);
    assert_eq!(from("null"), 403);
    assert_eq!(from("http://test"), 200);

    let server = Server::at(dir.path().join("iris/1/model.onnx").as_path(), &[]);
    assert_eq!(server.post_to("/v2/repository/models/model/unload", &[], "").status, 400);
    is_setosa_by_number(&server);
}

fn is_setosa_by_number(server: &Server) {
    assert_eq!(server.post(IRIS).ok()["predictions"][0]["label"], 0);
}

#[test]
fn weights_beside_the_model_are_loaded_and_cannot_be_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = model("external");
    for file in ["external.onnx", "external.weights"] {
        fs::copy(fixtures.with_file_name(file), dir.path().join(file)).unwrap();
    }
    let server = Server::at(&dir.path().join("external.onnx"), &[]);
    assert_eq!(server.post(r#"{"features": [1, 2]}"#).ok()["outputs"]["y"], json!([[3.0, 5.0]]));
    for name in ["escape", "absolute"] {
        let output = Command::new(BINARY).arg("check").arg(model(name)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot be served"), "{said}");
    }
}

#[test]
fn what_is_refused_is_told_once_and_forgotten_when_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "iris", "1", "iris");
    fs::create_dir_all(dir.path().join("iris/2")).unwrap();
    fs::write(dir.path().join("rose.onnx"), "x").unwrap();
    let server =
        Server::at(dir.path(), &["--model-control-mode", "poll", "--repository-poll-secs", "1"]);
    let index = || server.post_to("/v2/repository/index", &[], "").ok().as_array().unwrap().clone();
    let broken = dir.path().join("lily/1");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("model.onnx"), "broken").unwrap();
    let lines = until("the refusal", Duration::from_secs(20), || {
        Some(server.logged(&["REFUSED", "lily/1"])).filter(|lines| !lines.is_empty())
    });
    assert!(lines[0].contains("nothing of this name is served"), "{lines:?}");
    assert_eq!(index().len(), 2);
    fs::remove_dir_all(dir.path().join("lily")).unwrap();
    assert_eq!(index().len(), 1);

    // A problem that stays is told once, and another one again.
    let hidden = dir.path().with_extension("hidden");
    fs::rename(dir.path(), &hidden).unwrap();
    let problems = || server.logged(&["cannot be looked at"]).len();
    until("the problem", Duration::from_secs(20), || (problems() > 0).then_some(()));
    crate::support::pause(2500);
    assert_eq!(problems(), 1);
    fs::create_dir(dir.path()).unwrap();
    until("the other problem", Duration::from_secs(20), || (problems() == 2).then_some(()));
    fs::remove_dir(dir.path()).unwrap();
    fs::rename(&hidden, dir.path()).unwrap();
    until("the end of it", Duration::from_secs(20), || {
        server.logged(&["looked at again"]).first().cloned()
    });
    server.post(IRIS).ok();
    // What is not served is told once, with the reason.
    for part in ["iris/2 holds no model.onnx", "rose.onnx lies beside the folders"] {
        assert!((1..=2).contains(&server.logged(&["WARN", part]).len()), "{part}");
    }
}

#[test]
fn a_folder_of_loose_files_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(model("iris"), dir.path().join("iris.onnx")).unwrap();
    let output =
        Command::new(BINARY).args(crate::support::serve_args(dir.path())).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["iris.onnx lies beside the folders", "--model", "iris/1/model.onnx"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}
