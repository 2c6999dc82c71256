//! Versions found in a source, and the reasons why there are none.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    model::{LoadError, SidecarFeature},
    registry::RegistryError,
};

/// Selection of the versions of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionPolicy {
    /// Newest versions, up to this number.
    Latest(usize),
    /// All versions.
    All,
}

/// Reasons why a source has no usable models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Unreadable path.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Path.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Folder without a model.
    #[error(
        "{path} holds no model{}\n  help: a folder holds VERSION/model.onnx, or \
            NAME/VERSION/model.onnx for several",
        passed_over.iter().map(|what| format!("\n  {what}")).collect::<String>()
    )]
    Empty {
        /// Path of the folder.
        path: PathBuf,
        /// Descriptions of skipped files.
        passed_over: Vec<String>,
    },
    /// Registry that is unreachable or lacks the model.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Invalid sidecar, which holds the model's name.
    #[error(transparent)]
    Sidecar(#[from] LoadError),
    /// Link to a target outside the folder.
    #[error("{path} leads out of {root}")]
    Outside {
        /// Path of the link.
        path: PathBuf,
        /// Folder that the target must be in.
        root: PathBuf,
    },
}

/// Version that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) file: PathBuf,
    /// Feature names from a registry.
    pub(super) features: Vec<SidecarFeature>,
    /// Hash of the files' metadata, which changes when the files do.
    pub(super) stamp: u64,
}

/// Result of a scan of a source.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) found: Vec<Found>,
    /// Skipped files and the reasons, one sentence each.
    pub(super) passed_over: Vec<String>,
}

impl FromStr for VersionPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |n: &str| n.parse().ok().filter(|n| *n > 0).map(Self::Latest);
        match text {
            "all" => Ok(Self::All),
            "latest" => Ok(Self::Latest(1)),
            _ => text
                .strip_prefix("latest:")
                .and_then(count)
                .ok_or_else(|| "expected all, latest or latest:N".to_owned()),
        }
    }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |source| SourceError::Read { path, source }
}

/// Returns the stamp of all files in a model's folder, including its weights.
pub(super) fn stamp_of(file: &Path) -> Result<u64, SourceError> {
    let dir = file.parent().unwrap_or(file);
    let entries = fs::read_dir(dir).map_err(unreadable(dir))?;
    Ok(stamp(entries.filter_map(|entry| fs::metadata(entry.ok()?.path()).ok()).map(Some)))
}

/// Returns a hash of the metadata of files.
pub(super) fn stamp(files: impl IntoIterator<Item = Option<Metadata>>) -> u64 {
    let mut stamps: Vec<_> = files
        .into_iter()
        .map(|m| m.map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec())))
        .collect();
    stamps.sort_unstable();
    let mut hasher = DefaultHasher::new();
    stamps.hash(&mut hasher);
    hasher.finish()
}
