//! What was found, ready to be applied: as a Compose file, a Kubernetes manifest and a command line.

pub mod compose;
pub mod docker_run;
pub mod kubernetes;

use std::path::{Path, PathBuf};

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The image; none where processes were measured.
    pub image: Option<String>,
    /// The port that the program in it listens on.
    pub port: u16,
    /// A model that was mounted, or served as a process.
    pub model: Option<PathBuf>,
    /// Variables of the replicas.
    pub env: Vec<(String, String)>,
    /// What was mounted, read-only: here, and inside.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Where a replica says that it is ready.
    pub ready_path: String,
    /// The Compose service that was varied in place: its own file says all but the limits.
    pub service: Option<String>,
}

impl Source {
    /// All variables, the one that names a mounted model included.
    fn variables(&self) -> Vec<(&str, String)> {
        let model = self.model.as_ref().map(|model| ("INFERENCE_MODEL", inside(model)));
        self.env.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(model).collect()
    }

    /// All files and folders that are mounted, the model and its sidecar included.
    fn files(&self) -> Vec<(PathBuf, PathBuf)> {
        self.mounts.iter().cloned().chain(self.model.iter().flat_map(|model| model_mounts(model))).collect()
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

/// A JSON string is a YAML string, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use crate::sweep::{Below, Minimum, Point};

    pub(super) fn minimum(replicas: u32) -> Minimum {
        let point = Point::new(replicas, 100, 64 << 20);
        Minimum { point, below_cpus: Below::Fails, below_memory: Below::Fails }
    }
}
