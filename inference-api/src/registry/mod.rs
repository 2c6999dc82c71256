//! Models in an MLflow registry: named by a `models:/` address, fetched once, kept in a cache.
//!
//! A version in a registry never changes, so what was fetched once is not fetched again; what an
//! alias stands for is asked for at every look, so that moving an alias is a deployment where
//! `--model-control-mode poll` is on.

mod artifacts;
mod cache;
mod client;
mod mlmodel;
mod uri;

use std::path::PathBuf;

pub use uri::{ModelUri, SCHEME, UriError};

use self::client::Client;
use crate::model::SidecarFeature;

/// Why a registry's model cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// Nobody said where the registry is.
    #[error(
        "{0} needs a registry\n  help: set MLFLOW_TRACKING_URI, for instance to \
            http://127.0.0.1:5000"
    )]
    NoRegistry(ModelUri),
    /// `MLFLOW_TRACKING_URI` is none that can be asked over HTTP.
    #[error("MLFLOW_TRACKING_URI={0:?} is no http:// or https:// address")]
    Address(String),
    /// The registry did not answer; trying again may help.
    #[error("the registry does not answer: {0}")]
    Unreachable(String),
    /// The registry refused.
    #[error("the registry answers {status} to {path}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What was asked for.
        path: String,
        /// The registry's words.
        message: String,
    },
    /// An answer has another form than this version knows.
    #[error("the registry's answer to {path} is not understood: {reason}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has the model, and no version that was meant.
    #[error("{0} has no version")]
    NoVersion(ModelUri),
    /// The files are where this server cannot get them.
    #[error(
        "the files of {uri} are at {place}, which is not served by the registry\n  help: start it \
            with --serve-artifacts"
    )]
    Elsewhere {
        /// The model.
        uri: ModelUri,
        /// Where its files are.
        place: String,
    },
    /// What was fetched is not what was announced, or is no ONNX model.
    #[error("{uri}: {reason}")]
    Broken {
        /// The model.
        uri: ModelUri,
        /// What is wrong.
        reason: String,
    },
    /// The cache cannot be written.
    #[error(
        "cannot write the cache at {path}: {reason}\n  help: set XDG_CACHE_HOME to a folder that \
            can be written"
    )]
    Cache {
        /// Where.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// A model that is in the cache, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Its name in the registry.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// The ONNX file; its weights are beside it.
    pub file: PathBuf,
    /// What its columns are called, where it was logged with a signature that has columns.
    pub features: Vec<SidecarFeature>,
}

/// Finds out what an address stands for now, and fetches it unless it is in the cache. Blocks; must
/// not be called on a worker's thread.
///
/// # Errors
/// When the registry cannot be asked or has no such model, or the cache cannot be written.
pub fn fetch(uri: &ModelUri) -> Result<Fetched, RegistryError> {
    let client = Client::from_env(uri)?;
    let version = client.resolve(uri)?;
    cache::open(&client, uri, version)
}
