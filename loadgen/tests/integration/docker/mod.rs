//! Sweeps over containers of a real Engine, and what people do with the image.

mod attach;
mod documents;
mod foreign;
mod manifests;
mod restart;
mod scale;

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::server::loadgen;

/// So few users send too few requests to prove that less than 0.1% fail.
const SMALL_SLO: &str = "p95<100ms,failures<2%,rate>=90%";

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn need_image() {
    let there = Command::new("docker")
        .args(["image", "inspect", "inference-api"])
        .output()
        .unwrap()
        .status
        .success();
    assert!(there, "the image inference-api is missing: run docker build -t inference-api .");
}

#[test]
fn a_small_sweep_over_containers_leaves_nothing() {
    need_image();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let output = loadgen(&[
        "sweep",
        "--image",
        "inference-api",
        "--max-users",
        "60",
        "--step",
        "30",
        "--replicas",
        "2",
    ])
    .args(["--slo", SMALL_SLO, "--max-steal", "50"])
    .args(["--cpus", "0.2", "--memory", "64Mi", "--out"])
    .arg(&out)
    .output()
    .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sweep.json")).unwrap()).unwrap();
    assert_eq!(result["minimal"]["replicas"], 2);
    crate::server::check_schema(&result);
    let lost = result["trials"]
        .as_array()
        .unwrap()
        .iter()
        .find(|trial| trial["purpose"] == "replica_failure")
        .unwrap();
    assert!(
        lost["usage"]["killed"].as_str().is_some_and(|how| how.contains(": ")),
        "one was killed: {lost}"
    );
    assert_eq!(lost["usage"]["ended"], serde_json::json!([]), "the other one lives");
    let told = result["answers"]["instances"].as_str().unwrap();
    assert!(told.contains("when 1 of 2 is killed"), "{told}");
    assert!(result["environment"]["image_id"]["id"].as_str().unwrap().starts_with("sha256:"));
    let run = result["environment"]["run"].as_str().unwrap();
    assert!(result["environment"]["orchestrator"].as_str().unwrap().starts_with("docker"));
    let filter = format!("label=loadgen.run={run}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &filter]), "");
    let request =
        manifests::Request { path: "/predict", body: r#"{"instances": [[5.1, 3.5, 1.4, 0.2]]}"# };
    manifests::compose_file_starts(&out, 2, "200000000 67108864 67108864 512", &request);
}

#[test]
fn containers_are_found_by_their_labels() {
    need_image();
    let label = format!("loadgen.test=selected-{}", std::process::id());
    let ids: Vec<String> = (0..2)
        .map(|_| {
            docker(&["run", "-d", "--rm", "--label", &label, "inference-api"]).trim().to_owned()
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let run = || {
        loadgen(&[
            "run",
            "--selector",
            &label,
            "-u",
            "10",
            "-r",
            "100",
            "-t",
            "2s",
            "--wait-time",
            "constant(0.1)",
        ])
        .env("LOCUST_HOST", "http://127.0.0.1:1")
        .args(["--no-calibrate", "--slo", "p95<5s", "--json"])
        .arg(file.path())
        .output()
        .unwrap()
    };
    // They listen a moment after they were started.
    let mut output = run();
    let result = || {
        serde_json::from_slice::<Value>(&std::fs::read(file.path()).unwrap()).unwrap_or_default()
    };
    let reached = || result()["addresses"].as_array().map_or(0, Vec::len);
    for _ in 0..10 {
        if output.status.code() == Some(0) && reached() == 2 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_secs(1));
        output = run();
    }
    ids.iter().for_each(|id| drop(docker(&["rm", "-f", id])));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result = result();
    assert_eq!(
        result["hosts"],
        serde_json::json!([format!("containers with {label}")]),
        "{result}"
    );
    let addresses = result["addresses"].as_array().unwrap();
    assert!(
        addresses.len() == 2 && addresses.iter().all(|of| of["requests"].as_u64() > Some(0)),
        "{result}"
    );
    assert_eq!(result["summary"]["failures"], 0);
    let output = run();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_image_that_is_nowhere_is_exit_code_5_and_says_how_to_build_it() {
    let output =
        loadgen(&["sweep", "--image", "127.0.0.1:9/nobody/nothing:1", "--max-users", "10"])
            .output()
            .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("docker build -t 127.0.0.1:9/nobody/nothing:1 ."), "{stderr}");
}

/// Debian's registry, on loopback, with its data in a folder of the test.
struct Registry {
    child: std::process::Child,
    at: String,
    _data: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let at =
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = data.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: \
                {{rootdirectory: {}}}\nhttp:\n  addr: {at}\n",
            data.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("docker-registry is missing: apt-get install docker-registry");
        let registry = Self { child, at, _data: data };
        for _ in 0..200 {
            if std::net::TcpStream::connect(&registry.at).is_ok() {
                return registry;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        panic!("docker-registry does not listen on {}", registry.at);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_image_is_pushed_to_a_registry_and_a_sweep_pulls_it_with_progress() {
    need_image();
    let registry = Registry::start();
    let image = format!("{}/team/inference-api:1", registry.at);
    docker(&["tag", "inference-api", &image]);
    docker(&["push", "--quiet", &image]);
    docker(&["rmi", &image]);
    // The layers are still there under the other name; what is asked for here is the name and the
    // manifest.
    let dir = tempfile::tempdir().unwrap();
    let output = loadgen(&[
        "sweep",
        "--image",
        &image,
        "--max-users",
        "20",
        "--step",
        "20",
        "--replicas",
        "1",
    ])
    .args(["--slo", SMALL_SLO, "--max-steal", "50"])
    .args(["--cpus", "0.3", "--memory", "128Mi", "--max-trials", "1", "--out"])
    .arg(dir.path().join("out"))
    .output()
    .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    docker(&["rmi", &image]);
    assert_eq!(output.status.code(), Some(1), "its trials are spent: {stderr}");
    assert!(stderr.contains("pulling"), "{stderr}");
    let result: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("out/sweep.json")).unwrap()).unwrap();
    let digests = result["environment"]["image_id"]["digests"].as_array().unwrap();
    let pulled = format!("{}/team/inference-api@sha256:", registry.at);
    assert!(
        digests.iter().any(|digest| digest.as_str().unwrap().starts_with(&pulled)),
        "{digests:?}"
    );
    assert_eq!(result["trials"][0]["verdict"], "pass", "{result}");
}
