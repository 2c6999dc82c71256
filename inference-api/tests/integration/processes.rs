//! Starting: with which library, with how many workers, and why not.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{BINARY, Client, IRIS, Server, is_setosa, model, predict, serve_args, until};

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// Asserts that `serve` on this file ends with exit code 1 and an error that names the file.
#[track_caller]
fn refused(path: &Path, reason: &str) {
    let (output, said) = run(Command::new(BINARY).args(serve_args(path)));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert!(
        said.contains(path.file_stem().unwrap().to_str().unwrap()) && said.contains(reason),
        "{said}"
    );
}

#[test]
fn files_that_are_no_model_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let whole = fs::read(model("iris")).unwrap();
    refused(&file("empty.onnx", b""), "");
    refused(&file("text.onnx", b"this is no model"), "");
    refused(&file("half.onnx", &whole[..whole.len() / 2]), "");
    refused(&dir.path().join("absent.onnx"), "");
    refused(dir.path(), "");
}

#[test]
fn models_that_are_hostile_or_too_new_are_refused() {
    refused(&model("too_new"), "Opset 99");
    refused(&model("unknown_operator"), "Addd");
    refused(&model("cycle"), "");
    // Four terabytes of zeros would only be made when it runs: that is refused then, and nothing
    // else is harmed.
    let (output, said) = run(Command::new(BINARY).arg("check").arg(model("bomb")));
    assert!(String::from_utf8_lossy(&output.stdout).contains("its example is refused"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("error: the example of bomb/1 is refused: "), "{said}");
    let server = Server::with("iris", &["--model", model("bomb").to_str().unwrap()]);
    let row =
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2] }] });
    assert_eq!(server.ask("/v2/models/bomb/infer", &row).status, 507);
    is_setosa(&server.post(IRIS));
}

#[test]
fn a_check_tells_what_a_model_takes() {
    let check = |path: &Path| {
        let (output, said) = run(Command::new(BINARY).arg("check").arg(path));
        assert_eq!(output.status.code(), Some(0), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    for gains in ["iris", "penguins", "digits"] {
        assert!(check(&model(gains)).contains("run together: yes"), "{gains}");
    }
    let wide = check(&model("digits"));
    assert!(wide.lines().all(|line| line.len() < 400), "{wide}");
    // Without rows there is no example to run.
    assert!(check(&model("scalar")).contains("/v2/models/scalar/infer"));
    let dir = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        fs::create_dir_all(dir.path().join(version)).unwrap();
        fs::copy(model("regressor"), dir.path().join(version).join("model.onnx")).unwrap();
    }
    let folder = check(dir.path());
    assert!(folder.contains("/2\n") && !folder.contains("/1\n"), "{folder}");
}

#[test]
fn a_file_that_may_not_be_read_is_told_in_words() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (library_copy, secret) =
        (dir.path().join("libonnxruntime.so"), dir.path().join("secret.onnx"));
    fs::copy(library(), &library_copy).unwrap();
    fs::copy(model("iris"), &secret).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let (output, said) = run(Command::new(BINARY)
        .args(serve_args(&secret))
        .env("ORT_DYLIB_PATH", library_copy)
        .uid(65532)
        .gid(65532));
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["secret.onnx", "permission denied", "65532"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn sidecars_that_do_not_fit_are_refused() {
    for (sidecar, reason) in [
        (r#"{"#, "EOF"),
        (r#"{"schema_version": 9, "name": "x", "version": "1"}"#, "schema_version is 9"),
        (
            r#"{"schema_version": 1, "name": "x", "version": "1", "features": [{"name": "a"}]}"#,
            "names 1 features",
        ),
        (
            r#"{"schema_version": 1, "name": "x", "version": "1",
                "label_output": "a", "probability_output": "b"}"#,
            "no output",
        ),
        (
            r#"{"schema_version": 1, "name": "x", "version": "1",
                "label_output": "probabilities", "probability_output": "label"}"#,
            "label_output",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy.onnx");
        fs::copy(model("iris"), &copy).unwrap();
        fs::write(copy.with_extension("json"), sidecar).unwrap();
        refused(&copy, reason);
    }
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let server = Server::of("iris");
    let args = serve_args(&model("iris"));
    let (output, said) =
        run(Command::new(BINARY).args(args).args(["--bind", &server.addr.to_string()]));
    assert_eq!(output.status.code(), Some(2), "--bind is given twice: {said}");
    let taken = Command::new(BINARY)
        .args([
            "serve",
            "--model",
            model("iris").to_str().unwrap(),
            "--bind",
            &server.addr.to_string(),
        ])
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&taken.stderr);
    assert!(said.contains("cannot listen on") && said.contains("--bind"), "{said}");
}

#[test]
fn the_healthcheck_tells_a_server_from_none() {
    let server = Server::of("iris");
    let check = |addr: &str| run(Command::new(BINARY).args(["healthcheck", addr])).0.status.code();
    assert_eq!(check(&server.addr.to_string()), Some(0));
    assert_eq!(check("127.0.0.1:1"), Some(1));
    // Without an address it is where the server was told to listen, asked from here.
    let of_variable = |bind: &str| {
        run(Command::new(BINARY).arg("healthcheck").env("INFERENCE_BIND", bind)).0.status.code()
    };
    assert_eq!(of_variable(&format!("0.0.0.0:{}", server.addr.port())), Some(0));
    assert_eq!(of_variable("0.0.0.0:1"), Some(1));
}

/// A command that finds no library: no home, no PATH.
fn bare(home: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env("HOME", home)
        .env("PATH", "")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("ORT_DYLIB_PATH");
    command
}

fn library() -> PathBuf {
    let output = Command::new(BINARY).args(["runtime", "path"]).output().unwrap();
    assert!(output.status.success(), "no library: run `inference-api runtime install`");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

#[test]
fn a_missing_library_is_told_with_all_the_places() {
    let home = tempfile::tempdir().unwrap();
    let (output, said) = run(bare(home.path()).args(serve_args(&model("iris"))));
    assert_eq!(output.status.code(), Some(1));
    let cache = home.path().join(".cache/inference-api");
    for part in [
        "ORT_DYLIB_PATH: not set",
        "beside the binary",
        cache.to_str().unwrap(),
        "python3",
        "inference-api runtime install",
    ] {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

#[test]
fn ort_dylib_path_is_honoured() {
    let home = tempfile::tempdir().unwrap();
    let mut command = bare(home.path());
    command.env("ORT_DYLIB_PATH", library()).args(serve_args(&model("iris")));
    is_setosa(&Server::run(command).post(IRIS));

    let absent = home.path().join("absent.so");
    let (output, said) =
        run(bare(home.path()).env("ORT_DYLIB_PATH", &absent).args(serve_args(&model("iris"))));
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(absent.to_str().unwrap()), "{said}");

    let other = home.path().join("other.so");
    fs::write(&other, "not a library").unwrap();
    let (output, said) =
        run(bare(home.path()).env("ORT_DYLIB_PATH", &other).args(serve_args(&model("iris"))));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(other.to_str().unwrap()), "{said}");
}

#[test]
fn the_pinned_library_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let install =
        || run(Command::new(BINARY).args(["runtime", "install", "--dir"]).arg(dir.path()));
    let (output, said) = install();
    assert!(output.status.success(), "{said}");
    let path = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let bytes = fs::read(&path).unwrap();
    let pins = include_str!("../../src/runtime/install.rs");
    assert!(pins.contains(&hex::encode(Sha256::digest(&bytes))));
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "something was left beside the library"
    );
    // Damage is noticed and mended.
    fs::write(&path, "damaged").unwrap();
    assert!(install().0.status.success());
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len());
}

/// Without `--workers`.
fn default_workers(command: &mut Command) -> String {
    let mut whole = Command::new(command.get_program());
    whole.args(command.get_args()).args(["--bind", "127.0.0.1:0", "--model"]).arg(model("iris"));
    let server = Server::run(whole);
    is_setosa(&server.post(IRIS));
    server.started.split("workers=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn workers_follow_the_affinity() {
    assert_eq!(default_workers(Command::new("taskset").args(["-c", "0", BINARY, "serve"])), "1");
}

#[test]
fn workers_follow_the_cpu_quota() {
    let group = Group::with_half_a_cpu();
    let script = r#"echo $$ > "$0" && exec "$@""#;
    let workers = default_workers(
        Command::new("sh")
            .args(["-c", script])
            .arg(group.0.join("cgroup.procs"))
            .args([BINARY, "serve"]),
    );
    assert_eq!(workers, "1");
}

/// A control group of the test's own.
struct Group(PathBuf);

impl Group {
    fn with_half_a_cpu() -> Self {
        let name = format!("inference-api-test-{}", std::process::id());
        let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let root = Path::new(if v2 { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/cpu" });
        let dir = root.join(name);
        let limits: &[(&str, &str)] = if v2 {
            &[("cpu.max", "50000 100000")]
        } else {
            &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]
        };
        let group = Self(dir.clone());
        fs::create_dir(&dir)
            .and_then(|()| {
                limits.iter().try_for_each(|(file, value)| fs::write(dir.join(file), value))
            })
            .unwrap_or_else(|e| {
                panic!("{}: {e}; this test needs root and a writable cpu controller", dir.display())
            });
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The server was waited for; the kernel may take a moment longer.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            crate::support::pause(10);
        }
    }
}

/// As the replicas of a killed sweep are left.
#[test]
fn a_server_outlives_the_reader_of_its_log() {
    // No client takes a port of this address meanwhile.
    let addr = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(BINARY);
    command.args([
        "serve",
        "--bind",
        &addr.to_string(),
        "--workers",
        "1",
        "--log",
        "access=info",
        "--model",
    ]);
    let mut server =
        Killed(command.arg(model("iris")).stdout(Stdio::null()).stderr(writer).spawn().unwrap());
    until("it to be ready", Duration::from_secs(20), || {
        assert!(server.0.try_wait().unwrap().is_none(), "it ended");
        let is_ready = || Client::connect(addr).get("/health").status == 200;
        (TcpStream::connect(addr).is_ok() && is_ready()).then_some(())
    });
    for _ in 0..2 {
        is_setosa(&Client::connect(addr).post(IRIS));
    }
}

/// Killed at the test's end, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The smallest integer divided by -1 ends a process on x86, whoever computes it.
#[test]
fn a_server_that_a_request_has_ended_serves_again() {
    // A port that is the same after the next start.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = Command::new(BINARY);
    command.args(["serve", "--respawn", "--bind", &addr, "--model"]).arg(model("division"));
    let server = Server::run(command);
    let divide = |a: i64, b: i64| format!(r#"{{"instances": [[{a}, {b}]]}}"#);
    assert_eq!(server.post(&divide(6, 3)).ok()["outputs"]["y"][0], 2);
    let mut client = server.client();
    client.send(predict(&divide(i64::MIN, -1)));
    client.closed();
    // What connects to a process that is ending is reset.
    let answer = || -> Option<String> {
        let mut stream = TcpStream::connect(server.addr).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(predict(&divide(8, 2)).as_bytes()).ok()?;
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..read]).into_owned())
            .filter(|answer| answer.starts_with("HTTP/1.1 200"))
    };
    until("it to serve again", Duration::from_secs(10), answer);
    assert_eq!(server.post(&divide(8, 2)).ok()["outputs"]["y"][0], 4);
    assert_eq!(server.metric("inference_crashes_total"), 1.0);
    assert_eq!(server.logged(&["ended by a signal", "signal=8"]).len(), 1);
    server.terminate();
    assert!(server.exit(Duration::from_secs(5)).success());
}
