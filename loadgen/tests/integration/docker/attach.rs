//! A Compose service, varied in place.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{SMALL_SLO, docker, need_image};
use crate::server::loadgen;

/// A Compose project of one service; it goes with the test.
struct Project(String, tempfile::TempDir);

impl Project {
    fn up(name: &str, limits: &str) -> Self {
        need_image();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("compose.yaml");
        std::fs::write(
            &file,
            format!(
                "services:\n  api:\n    image: inference-api\n    pull_policy: never\n{limits}"
            ),
        )
        .unwrap();
        let project = Self(format!("{name}{}", std::process::id()), dir);
        project.compose(&["up", "--detach", "--wait"]);
        project
    }

    fn compose(&self, words: &[&str]) -> String {
        let file = self.1.path().join("compose.yaml").display().to_string();
        docker(&[&["compose", "-p", &self.0, "-f", &file], words].concat())
    }

    fn container(&self) -> String {
        self.compose(&["ps", "--all", "-q", "api"]).trim().to_owned()
    }

    /// Its limits, and whether it runs.
    fn state(&self) -> String {
        let format = "{{.State.Running}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}} \
            {{.HostConfig.Memory}}";
        docker(&["inspect", "--format", format, &self.container()]).trim().to_owned()
    }

    fn attached(&self, out: &std::path::Path) -> Command {
        let service = format!("compose:{}/api", self.0);
        let mut command =
            loadgen(&["sweep", "--attach", &service, "--max-users", "60", "--step", "30"]);
        command.args(["--replicas", "2", "--cpus", "0.2", "--memory", "64Mi", "--max-trials", "1"]);
        command.args(["--slo", SMALL_SLO, "--max-steal", "50"]);
        command.arg("--out").arg(out);
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let file = self.1.path().join("compose.yaml");
        let down =
            ["compose", "-p", &self.0, "-f", &file.display().to_string(), "down", "--timeout", "1"];
        let _ = Command::new("docker").args(down).output();
    }
}

#[test]
fn a_compose_service_is_varied_in_place_and_put_back() {
    let project = Project::up("attached", "    cpus: 0.7\n    mem_limit: 200m\n");
    let out = project.1.path().join("out");
    let (before, id) = (project.state(), project.container());
    let output = project.attached(&out).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let trials = std::fs::read_to_string(out.join("trials.jsonl")).unwrap_or_default();
    assert_eq!(trials.lines().count(), 1, "{told}");
    let trial: Value = serde_json::from_str(trials.trim()).unwrap();
    assert_eq!(
        (trial["replicas"].as_u64(), trial["verdict"].as_str()),
        (Some(2), Some("pass")),
        "{trial}"
    );
    assert_eq!(
        trial["usage"]["memory_peak_bytes"].as_u64().map(|bytes| bytes <= 64 << 20),
        Some(true),
        "{trial}"
    );
    assert_eq!(
        (project.state(), project.container()),
        (before.clone(), id),
        "the same container, as it was"
    );
    assert!(before.starts_with("true 700000000 0 "), "{before}");

    let resume = || loadgen(&["sweep", "--step", "20", "--resume"]).arg(&out).output().unwrap();
    let told = String::from_utf8_lossy(&resume().stderr).into_owned();
    assert!(told.contains("step was") && !told.contains("service was"), "{told}");
    let file = project.1.path().join("compose.yaml");
    let text =
        std::fs::read_to_string(&file).unwrap() + "    environment: { INFERENCE_LOG: warn }\n";
    std::fs::write(&file, text).unwrap();
    project.compose(&["up", "--detach", "--wait"]);
    let told = String::from_utf8_lossy(&resume().stderr).into_owned();
    assert!(told.contains("service was"), "trials of another service are not gone on with: {told}");
}

#[test]
fn clean_puts_back_what_a_killed_sweep_had_changed() {
    let project = Project::up("killed", "");
    let out = project.1.path().join("out");
    let mut child =
        project.attached(&out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = std::time::Instant::now();
    // Without limits of its own it is left alone, and a copy runs in its place.
    while project.state() != "false 0 0 0" {
        assert!(
            began.elapsed().as_secs() < 60 && child.try_wait().unwrap().is_none(),
            "{}",
            project.state()
        );
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let output = loadgen(&["clean"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("killed{}", std::process::id())), "{told}");
    assert_eq!(project.state(), "true 0 0 0", "exactly as it was");
}
