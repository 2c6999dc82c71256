//! A service that is scaled while it is loaded: the last step of the classroom exercise.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::{docker, need_image};

struct Project(String, tempfile::TempDir);

impl Project {
    fn up(scale: u32) -> Self {
        need_image();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("compose.yaml");
        std::fs::write(
            &file,
            "services:\n  api:\n    image: inference-api\n    pull_policy: never\n",
        )
        .unwrap();
        let project = Self(format!("scaled{}", std::process::id()), dir);
        project.scale(scale);
        project
    }

    fn scale(&self, count: u32) {
        let file = self.1.path().join("compose.yaml").display().to_string();
        let scale = format!("api={count}");
        docker(&[
            "compose",
            "-p",
            &self.0,
            "-f",
            &file,
            "up",
            "--detach",
            "--wait",
            "--no-recreate",
            "--scale",
            &scale,
        ]);
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let file = self.1.path().join("compose.yaml").display().to_string();
        let _ = Command::new("docker")
            .args(["compose", "-p", &self.0, "-f", &file, "down", "--timeout", "1"])
            .output();
    }
}

#[test]
fn users_reach_every_replica_also_those_that_come_later() {
    let there = Command::new("docker")
        .args(["image", "inspect", "loadgen"])
        .output()
        .unwrap()
        .status
        .success();
    assert!(there, "the image loadgen is missing: run docker build -t loadgen --target loadgen .");
    let project = Project::up(2);
    let network = format!("{}_default", project.0);
    let words =
        ["-u", "60", "-r", "100", "-t", "16s", "--wait-time", "constant(0.2)", "--no-calibrate"];
    let child = Command::new("docker")
        .args(["run", "--rm", "--network", &network, "loadgen", "run", "--host", "http://api:8000"])
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::park_timeout(Duration::from_secs(4));
    project.scale(3);
    std::thread::park_timeout(Duration::from_secs(4));
    project.scale(2);
    let output = child.wait_with_output().unwrap();
    let (table, told) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}{told}");
    assert!(told.contains("http://api:8000: 2 addresses take load"), "{told}");
    assert!(told.contains("came; 3 addresses take load now"), "{told}");
    assert!(told.contains("left; 2 addresses take load now"), "{told}");
    assert!(table.contains("3 of 3 addresses answered requests."), "{table}");
    assert!(!table.contains("timed out"), "nobody waits for a replica that is gone: {table}");
}
