//! The manifests of a sweep, applied as they are but for the published port.

use std::{path::Path, process::Command, time::Duration};

use super::docker;

/// A request that the service answers.
pub struct Request {
    pub path: &'static str,
    pub body: &'static str,
}

/// `compose.yaml` starts so many replicas with these limits (nano CPUs, bytes of memory and of
/// memory with swap, PIDs), and each answers.
pub fn compose_file_starts(out: &Path, replicas: usize, limits: &str, request: &Request) {
    let published =
        if replicas == 1 { "8000:".to_owned() } else { format!("8000-{}:", 7999 + replicas) };
    let text = std::fs::read_to_string(out.join("compose.yaml")).unwrap();
    let file = out.join("any-port.yaml").display().to_string();
    std::fs::write(&file, on_any_port(&text, &published)).unwrap();
    let name = format!("applied{}", std::process::id());
    let compose = ["compose", "-p", &name, "-f", &file];
    let _down = AtTheEnd(
        [&compose[..], &["down", "--timeout", "1"]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    );
    docker(&[&compose[..], &["up", "--detach", "--pull", "never"]].concat());
    let containers = docker(&[&compose[..], &["ps", "-q"]].concat());
    assert_eq!(containers.lines().count(), replicas, "{containers}");
    containers.lines().for_each(|id| answers_with(id, limits, request));
}

/// The line in `REPORT.md` starts one replica.
pub fn command_line_starts(out: &Path, limits: &str, request: &Request) {
    let report = std::fs::read_to_string(out.join("REPORT.md")).unwrap();
    let (_, block) = report.split_once("```sh\n").unwrap();
    let (line, _) = block.split_once("\n```").unwrap();
    assert!(line.contains("docker run --rm "), "{line}");
    let line = on_any_port(line, "8000:").replace("docker run --rm ", "docker run --rm --detach ");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let _remove = AtTheEnd(vec!["rm".to_owned(), "--force".to_owned(), id.clone()]);
    answers_with(&id, limits, request);
}

/// What `docker` is told when a test ends, however it ends.
struct AtTheEnd(Vec<String>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(&self.0).output();
    }
}

fn on_any_port(text: &str, published: &str) -> String {
    let published = format!("127.0.0.1:{published}");
    assert_eq!(text.matches(&published).count(), 1, "{text}");
    text.replace(&published, "127.0.0.1::")
}

fn answers_with(id: &str, limits: &str, request: &Request) {
    let config =
        "{{with .HostConfig}}{{.NanoCpus}} {{.Memory}} {{.MemorySwap}} {{.PidsLimit}}{{end}}";
    assert_eq!(docker(&["inspect", "--format", config, id]).trim(), limits);
    let bound = docker(&["port", id]);
    let addr =
        bound.lines().find_map(|line| line.rsplit_once("-> ")).map(|(_, addr)| addr).unwrap();
    let client = crate::server::http_client();
    let ask = || {
        let asked = client
            .post(format!("http://{addr}{}", request.path))
            .header("content-type", "application/json");
        asked.body(request.body).send().map(|answer| answer.status().as_u16())
    };
    // It listens some time after it was started.
    let mut status = ask();
    for _ in 0..100 {
        if status.as_ref().is_ok_and(|status| *status == 200) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(300));
        status = ask();
    }
    panic!("{addr}: {status:?}\n{}", docker(&["logs", id]));
}
