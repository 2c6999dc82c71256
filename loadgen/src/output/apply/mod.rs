//! What was found, ready to be applied: as a Compose file, a Kubernetes manifest and a command
//! line. Each starts what the trials started, the way they started it.

pub mod compose;
pub mod docker_run;
pub mod kubernetes;

use std::path::{Path, PathBuf};

use orchestrator::Rights;

/// For files of a sweep over processes: what is to be known before they are used.
const OF_PROCESSES: [&str; 2] = [
    "The limits were found for processes on the host. In a container the pages of program and \
        library count too:",
    "sweep the image itself (--image) before relying on them here.",
];
/// Why the image's health check is off.
const NO_HEALTH_CHECK: [&str; 2] = [
    "As it was measured, without the image's health check: that runs inside the container, every \
        few seconds, and is",
    "charged to these limits. At a tenth of a processor it is most of what is used.",
];

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The image; none where processes were measured.
    pub image: Option<String>,
    /// What registries call that image, `name@sha256:…`; none of one that was never in a registry.
    pub digest: Option<String>,
    /// Capabilities and user of the containers.
    pub rights: Rights,
    /// What the program in it was told; nothing where that was left to the image.
    pub args: Vec<String>,
    /// The port that the program in it listens on.
    pub port: u16,
    /// Variables of the replicas.
    pub env: Vec<(String, String)>,
    /// What was mounted, read-only: here, and inside.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// How many files a replica might have open; 0 where that was left to the machine.
    pub open_files: u64,
    /// Where a replica says that it is ready.
    pub ready_path: String,
    /// The Compose service that was varied in place: its own file says all but the limits.
    pub service: Option<String>,
}

impl Source {
    /// The files that start it. None is for Kubernetes where a service was varied in place: its
    /// image may be known by its id alone.
    pub fn files(&self) -> &'static [&'static str] {
        match self.service {
            Some(_) => &["compose.yaml"],
            None => &["compose.yaml", "kubernetes.yaml"],
        }
    }

    /// The image that is to be started: of processes, the one that has the same program.
    fn image(&self) -> &str {
        self.image.as_deref().unwrap_or("inference-api")
    }

    /// Comments on where the limits come from, if that is not where they go.
    fn warning(&self) -> String {
        if self.image.is_none() { comments("", &OF_PROCESSES) } else { String::new() }
    }
}

/// A model and, where it has one, its sidecar: here, and where containers find them.
pub fn model_mounts(model: &Path) -> Vec<(PathBuf, PathBuf)> {
    let sidecar = Some(model.with_extension("json")).filter(|sidecar| sidecar.is_file());
    let files = std::iter::once(model.to_owned()).chain(sidecar);
    files.map(|file| (file.clone(), inside(&file).into())).collect()
}

/// Where a container finds a file that is mounted for it.
pub fn inside(file: &Path) -> String {
    format!("/mounted/{}", file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

/// Lines of comment, in YAML as in a shell.
fn comments(indent: &str, lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{indent}# {line}\n")).collect()
}

/// Memory as people write it, `32Mi`, with the unit that a tool has for 2^20 bytes; in bytes where
/// it is no whole number of them.
fn memory(bytes: u64, mebi: &str) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}{mebi}", bytes >> 20) } else { bytes.to_string() }
}

/// A JSON string is a YAML string, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use sizing::trial::Point;

    use super::Source;

    pub(super) fn minimum(replicas: u32) -> Point {
        Point::new(replicas, 100, 64 << 20)
    }

    #[test]
    fn a_service_that_was_varied_in_place_has_no_manifest() {
        assert_eq!(Source::default().files(), ["compose.yaml", "kubernetes.yaml"]);
        let varied = Source { service: Some("api".to_owned()), ..Source::default() };
        assert_eq!(varied.files(), ["compose.yaml"]);
    }

    /// `--model "/data/my model.onnx" --port 9000`, of an image or of a process.
    pub(super) fn model_at_9000(image: Option<&str>) -> Source {
        let args = ["serve", "--model", "/mounted/my model.onnx", "--bind", "0.0.0.0:9000"];
        Source {
            image: image.map(str::to_owned),
            args: args.map(str::to_owned).to_vec(),
            port: 9000,
            mounts: vec![("/data/my model.onnx".into(), "/mounted/my model.onnx".into())],
            ..Source::default()
        }
    }
}
