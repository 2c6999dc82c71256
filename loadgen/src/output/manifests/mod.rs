//! Manifests for the result: a Compose file, a Kubernetes manifest and a command line. Each starts
//! replicas in the same way as the trials.

pub mod compose;
pub mod docker_run;
pub mod kubernetes;

use std::path::{Path, PathBuf};

use orchestrator::Rights;
use serde::{Deserialize, Serialize};

/// Warning in manifests from a sweep over processes.
const OF_PROCESSES: [&str; 2] = [
    "The limits were found for processes on the host. In a container the pages of program and \
        library count too:",
    "sweep the image itself (--image) before relying on them here.",
];
/// Reason why the image's health check is off.
const NO_HEALTH_CHECK: [&str; 2] = [
    "As it was measured, without the image's health check: that runs inside the container, every \
        few seconds, and is",
    "charged to these limits. At a tenth of a processor it is most of what is used.",
];

/// Workload that was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Source {
    /// Image; none for processes.
    pub image: Option<String>,
    /// Registry digest of the image, `name@sha256:…`; none for an image that was never in a
    /// registry.
    pub digest: Option<String>,
    /// Capabilities and user of the containers.
    pub rights: Rights,
    /// Arguments of the program; empty for the image's own.
    pub args: Vec<String>,
    /// Port of the program.
    pub port: u16,
    /// Environment variables of the replicas.
    pub env: Vec<(String, String)>,
    /// Read-only mounts: the path here and the path in the container.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Open-file limit of a replica; 0 for the machine's own.
    pub open_files: u64,
    /// Path of the readiness check.
    pub ready_path: String,
    /// Compose service that was varied in place; its own file sets everything except the limits.
    pub service: Option<String>,
}

impl Source {
    /// Returns the names of the manifests. There is none for Kubernetes if a service was varied in
    /// place, since its image may be known only by id.
    pub fn files(&self) -> &'static [&'static str] {
        match self.service {
            Some(_) => &["compose.yaml"],
            None => &["compose.yaml", "kubernetes.yaml"],
        }
    }

    /// Returns the source without the values of its variables, for results that are published.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let env = self.env.iter().map(|(name, _)| (name.clone(), "…".to_owned())).collect();
        Self { env, ..self.clone() }
    }

    /// Returns the image to start; for processes, the one with the same program.
    fn image(&self) -> &str {
        self.image.as_deref().unwrap_or("inference-api")
    }

    /// Returns comments with a warning, if the limits were found for processes.
    fn warning(&self) -> String {
        if self.image.is_none() { comments("", &OF_PROCESSES) } else { String::new() }
    }
}

/// Returns the mounts for a model and its sidecar, if it has one: the path here and the path in the
/// container.
pub fn model_mounts(model: &Path) -> Vec<(PathBuf, PathBuf)> {
    let sidecar = Some(model.with_extension("json")).filter(|sidecar| sidecar.is_file());
    let files = std::iter::once(model.to_owned()).chain(sidecar);
    files.map(|file| (file.clone(), inside(&file).into())).collect()
}

/// Returns the path of a mounted file in the container.
pub fn inside(file: &Path) -> String {
    format!("/mounted/{}", file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

/// Formats comment lines, in YAML and in a shell.
fn comments(indent: &str, lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{indent}# {line}\n")).collect()
}

/// Formats memory like `32Mi`, with a tool's unit for 2^20 bytes; in bytes if it is not a multiple.
fn memory(bytes: u64, mebi: &str) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}{mebi}", bytes >> 20) } else { bytes.to_string() }
}

/// Quotes a string for YAML, in which every JSON string is valid.
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

    /// Returns the source of `--model "/data/my model.onnx" --port 9000`, for an image or a
    /// process.
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
