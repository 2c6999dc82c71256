//! An Engine that is started again.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{docker, need_image};

/// An Engine of the test's own, which may be ended and started again. It has a network namespace of
/// its own: in the machine's, an Engine without a default bridge takes away the one that another
/// Engine has.
struct OwnEngine {
    dir: tempfile::TempDir,
    child: Option<std::process::Child>,
    namespace: String,
}

impl OwnEngine {
    fn start() -> Self {
        let namespace = format!("loadgen-test-{}", std::process::id());
        let added = Command::new("ip").args(["netns", "add", &namespace]).status();
        assert!(
            added.is_ok_and(|status| status.success()),
            "ip netns add: is iproute2 there, and is this root?"
        );
        let mut engine = Self { dir: tempfile::tempdir().unwrap(), child: None, namespace };
        std::fs::write(engine.path("daemon.json"), "{}").unwrap();
        engine.begin();
        engine
    }

    fn begin(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let child = self
            .inside("dockerd")
            .args([
                "--bridge",
                "none",
                "--iptables=false",
                "--ip-masq=false",
                "--host",
                &self.at(),
                "--config-file",
            ])
            .arg(self.path("daemon.json"))
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("run"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("dockerd is missing, or this is not root"));
        let began = std::time::Instant::now();
        while !self.docker(&["version"]).status.success() {
            let log = || std::fs::read_to_string(self.path("log")).unwrap();
            assert!(began.elapsed().as_secs() < 60, "the Engine does not start: {}", log());
            std::thread::park_timeout(std::time::Duration::from_millis(200));
        }
    }

    /// Ends it in order, and its containers with it.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// A command in its network.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/var/run/netns/{}", self.namespace)).arg(program);
        command
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn docker(&self, words: &[&str]) -> std::process::Output {
        Command::new("docker").args(words).env("DOCKER_HOST", self.at()).output().unwrap()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.end();
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}

#[test]
fn an_engine_that_is_started_again_makes_a_trial_invalid_and_not_the_sweep_fail() {
    need_image();
    let mut engine = OwnEngine::start();
    let image = engine.path("image.tar");
    docker(&["save", "--output", &image.display().to_string(), "inference-api"]);
    let loaded = engine.docker(&["load", "--input", &image.display().to_string()]);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let out = engine.path("out");
    let words = [
        "sweep",
        "--image",
        "inference-api",
        "--max-users",
        "60",
        "--step",
        "30",
        "--replicas",
        "1",
    ];
    let mut child = engine
        .inside(env!("CARGO_BIN_EXE_loadgen"))
        .args(words)
        .args([
            "--cpus",
            "0.2",
            "--memory",
            "64Mi",
            "--slo",
            "p95<5s,failures<2%,rate>=80%",
            "--max-steal",
            "50",
            "--max-trials",
            "2",
            "--out",
        ])
        .arg(&out)
        .env("DOCKER_HOST", engine.at())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while engine.docker(&["ps", "--quiet"]).stdout.is_empty() {
        assert!(
            began.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none(),
            "no container was started"
        );
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    // Until its users are there.
    std::thread::park_timeout(std::time::Duration::from_secs(5));
    engine.end();
    engine.begin();
    assert_eq!(child.wait().unwrap().code(), Some(1), "its trials are spent");
    let trials = std::fs::read_to_string(out.join("trials.jsonl")).unwrap();
    let trials: Vec<Value> =
        trials.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&str> = trials.iter().filter_map(|trial| trial["verdict"].as_str()).collect();
    assert_eq!(verdicts[0], "invalid", "{}", trials[0]);
    assert!(trials[0]["reasons"][0].as_str().unwrap().contains("started again"), "{}", trials[0]);
    assert_eq!(trials[0]["purpose"], trials[1]["purpose"], "it is made again");
    assert!(!trials[1]["steps"].as_array().unwrap().is_empty(), "{}", trials[1]);
    assert!(
        engine.docker(&["ps", "--all", "--quiet"]).stdout.is_empty(),
        "nothing is left of either life"
    );
}
