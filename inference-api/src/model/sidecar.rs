//! Sidecar: a JSON file with feature names, class labels and an example, which ONNX files lack.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LoadError;

/// Contents of `iris.json` beside `iris.onnx`.
///
/// Unknown keys (reference outputs, training notes) are for other readers and are ignored.
#[derive(Debug, Deserialize)]
pub struct Sidecar {
    /// Version of the format; must be 1.
    pub schema_version: u32,
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// One-sentence description.
    #[serde(default)]
    pub description: Option<String>,
    /// Features in the order of a row in `{"features": […]}`.
    #[serde(default)]
    pub features: Vec<SidecarFeature>,
    /// Class names in the order of the probabilities' last dimension.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Name of the ONNX output with the label.
    #[serde(default)]
    pub label_output: Option<String>,
    /// Name of the ONNX output with the probabilities.
    #[serde(default)]
    pub probability_output: Option<String>,
    /// Example body for `POST /predict`.
    #[serde(default)]
    pub example: Option<Box<RawValue>>,
}

/// Feature described by a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct SidecarFeature {
    /// Name in named requests.
    pub name: String,
    /// True if `null` is a valid value: a missing one, passed to the model as NaN.
    #[serde(default)]
    pub nullable: bool,
}

impl Sidecar {
    /// Reads the sidecar of the model at `model`; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the sidecar is unreadable or invalid: it must not silently change the
    /// API.
    pub fn read(model: &Path) -> Result<Option<Self>, LoadError> {
        let path = Self::path(model);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LoadError::unreadable(&path, source)),
        };
        let sidecar: Self = serde_json::from_str(&text)
            .map_err(|e| LoadError::Sidecar { path: path.clone(), reason: e.to_string() })?;
        if sidecar.schema_version != 1 {
            let reason =
                format!("schema_version is {}, this version reads 1", sidecar.schema_version);
            return Err(LoadError::Sidecar { path, reason });
        }
        Ok(Some(sidecar))
    }

    /// Returns the path of the sidecar of `model`.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("json")
    }
}
