//! Models in an MLflow registry: named by a `models:/` address, downloaded once, kept in a cache.
//!
//! A version in a registry never changes, so it is downloaded only once.
//! An alias is resolved at every scan: with `--model-control-mode poll`, moving it is a deployment.

mod artifacts;
mod cache;
mod client;
mod mlmodel;
mod uri;

use std::path::PathBuf;

pub use uri::{ModelUri, SCHEME, UriError};

use self::client::Client;
use crate::model::SidecarFeature;

/// Reasons why a registry's model is unavailable.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Missing address of the registry.
    #[error(
        "{0} needs a registry\n  help: set MLFLOW_TRACKING_URI, for instance to \
            http://127.0.0.1:5000"
    )]
    NoRegistry(ModelUri),
    /// Address that is not `http://` or `https://`.
    #[error("MLFLOW_TRACKING_URI={0:?} is no http:// or https:// address")]
    Address(String),
    /// Unreachable registry; a retry may help.
    #[error("the registry does not answer: {0}")]
    Unreachable(String),
    /// Request that the registry refused.
    #[error("the registry answers {status} to {path}: {message}")]
    Refused {
        /// Status of the response.
        status: u16,
        /// Path of the request.
        path: String,
        /// Message of the registry.
        message: String,
    },
    /// Response in an unknown format.
    #[error("the registry's answer to {path} is not understood: {reason}")]
    Answer {
        /// Path of the request.
        path: String,
        /// Reason.
        reason: String,
    },
    /// Model without a matching version.
    #[error("{0} has no version")]
    NoVersion(ModelUri),
    /// Files at a location that this server cannot read.
    #[error(
        "the files of {uri} are at {place}, which is not served by the registry\n  help: start it \
            with --serve-artifacts"
    )]
    Elsewhere {
        /// Address of the model.
        uri: ModelUri,
        /// Location of its files.
        place: String,
    },
    /// Download that is incomplete or not an ONNX model.
    #[error("{uri}: {reason}")]
    Broken {
        /// Address of the model.
        uri: ModelUri,
        /// Reason.
        reason: String,
    },
    /// Cache that cannot be written.
    #[error(
        "cannot write the cache at {path}: {reason}\n  help: set XDG_CACHE_HOME to a folder that \
            can be written"
    )]
    Cache {
        /// Path in the cache.
        path: PathBuf,
        /// Error of the operating system.
        reason: String,
    },
}

/// Complete model in the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Name in the registry.
    pub name: String,
    /// Version in the registry.
    pub version: String,
    /// ONNX file; its weights are beside it.
    pub file: PathBuf,
    /// Feature names, if the model was logged with a signature that has columns.
    pub features: Vec<SidecarFeature>,
}

/// Resolves an address and downloads the version unless it is in the cache.
///
/// Blocks, so it must not be called on a worker's thread.
///
/// # Errors
/// Returns an error if the registry is unreachable or lacks the model.
/// Returns an error if the cache is not writable.
pub fn fetch(uri: &ModelUri) -> Result<Fetched, RegistryError> {
    let client = Client::from_env(uri)?;
    let version = client.resolve(uri)?;
    cache::open(&client, uri, version)
}
