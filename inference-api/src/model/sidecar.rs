//! The sidecar: what an ONNX file does not say about itself (feature names, class labels, an
//! example).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::LoadError;

/// `iris.json` beside `iris.onnx`. Keys that this version does not know (reference outputs,
/// training notes) are for other readers and are passed over.
#[derive(Debug, Deserialize)]
pub struct Sidecar {
    /// The format's version; this crate reads 1.
    pub schema_version: u32,
    /// The model's name.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// In the order of a row in `{"features": […]}`.
    #[serde(default)]
    pub features: Vec<SidecarFeature>,
    /// In the order of the probabilities' last dimension.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The ONNX output that holds the label.
    #[serde(default)]
    pub label_output: Option<String>,
    /// The ONNX output that holds the probabilities.
    #[serde(default)]
    pub probability_output: Option<String>,
    /// A body for `POST /predict`.
    #[serde(default)]
    pub example: Option<Box<RawValue>>,
}

/// A feature, as the sidecar tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct SidecarFeature {
    /// Its name in named requests.
    pub name: String,
    /// Whether `null` (a missing value, NaN to the model) is meaningful.
    #[serde(default)]
    pub nullable: bool,
}

impl Sidecar {
    /// Reads the sidecar of the model at `model`; `None` if there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read or understood: a broken sidecar must not silently
    /// change the API.
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

    /// Where the sidecar of `model` is.
    pub fn path(model: &Path) -> PathBuf {
        model.with_extension("json")
    }
}
