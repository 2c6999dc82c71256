//! Model: its inputs, its outputs and how to run it.

mod kind_of_file;
mod labels;
mod onnxruntime;
mod sidecar;
mod signature;
mod tensor;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use labels::Labels;
pub use onnxruntime::{Kind, LoadedModel, Port, Runtime};
pub use sidecar::{Sidecar, SidecarFeature};
pub use signature::{Classifier, Feature, Layout, Signature};
pub use tensor::{Buffer, Element, Key, Tensor, Value};

/// Reasons why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Runtime library that does not load.
    #[error(
        "{path} does not load as ONNX Runtime: {reason}\n  help: inference-api runtime install"
    )]
    Runtime {
        /// Path of the library.
        path: PathBuf,
        /// Message of the loader.
        reason: String,
    },
    /// Model that does not load.
    #[error("{path} cannot be served: {reason}")]
    Model {
        /// Path of the ONNX file.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
    /// Sidecar that does not fit its model.
    #[error("{path} is not a sidecar for this model: {reason}")]
    Sidecar {
        /// Path of the JSON file.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
    /// Unreadable file.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// File without read permission for this user.
    #[error(
        "cannot read {path}: permission denied\n  help: it has to be readable by user {user}, \
            whom this server runs as: chmod a+r"
    )]
    Denied {
        /// Path of the file.
        path: PathBuf,
        /// Effective user id of this process.
        user: u32,
    },
}

impl LoadError {
    fn unreadable(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Self::Denied { path, user: nix::unistd::geteuid().as_raw() }
            }
            _ => Self::Read { path, source },
        }
    }
}

/// Reasons why a model did not answer an input of the right shape and types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Error of the runtime.
    #[error("{0}")]
    Refused(String),
    /// Too little memory for the outputs or the response.
    #[error("{0}")]
    Memory(String),
}

/// Returns an empty vector with capacity for `count` elements.
///
/// # Errors
/// Returns an error if memory is insufficient, where growing a vector would abort the process.
pub fn room<T>(count: usize) -> Result<Vec<T>, RunError> {
    let mut vector = Vec::new();
    let short =
        |_| RunError::Memory(format!("no room for {count} elements of {} bytes", size_of::<T>()));
    vector.try_reserve_exact(count).map(|()| vector).map_err(short)
}

/// Model of one worker.
pub struct Model {
    /// Signature shared by all workers.
    pub signature: Arc<Signature>,
    loaded: LoadedModel,
}

impl Model {
    /// Loads the model at `path`, and its sidecar if there is one, under this name and version.
    ///
    /// `features` are the feature names from a registry.
    ///
    /// # Errors
    /// Returns an error if the runtime cannot load the file or the sidecar does not fit it.
    pub fn load(
        runtime: &Runtime,
        path: &Path,
        identity: (String, String),
        features: &[SidecarFeature],
    ) -> Result<Self, LoadError> {
        let loaded = runtime.open(path)?;
        let sidecar = Sidecar::read(path)?;
        let mut signature =
            Signature::new(path, identity, (&loaded.inputs, &loaded.outputs), sidecar)?;
        signature.name_features(features);
        Ok(Self { signature: Arc::new(signature), loaded })
    }

    /// Names the classifier's values scores. Has no effect once the signature is shared, that is,
    /// once another session was opened.
    pub fn mark_scores(&mut self) {
        let signature = Arc::get_mut(&mut self.signature);
        if let Some(classifier) = signature.and_then(|signature| signature.classifier.as_mut()) {
            classifier.has_scores = true;
        }
    }

    /// Opens another session on the same model, for another worker.
    ///
    /// # Errors
    /// Returns an error if the file can no longer be loaded.
    pub fn another(&self, runtime: &Runtime, path: &Path) -> Result<Self, LoadError> {
        Ok(Self { signature: Arc::clone(&self.signature), loaded: runtime.open(path)? })
    }

    /// Runs `rows` rows. A model with a fixed batch size runs several times.
    ///
    /// # Errors
    /// Returns an error if the runtime refuses the values, for instance an unknown category.
    pub fn run(&mut self, mut inputs: Vec<Tensor>, rows: usize) -> Result<Vec<Value>, RunError> {
        let Some(batch) = self.signature.fixed_batch.filter(|&batch| batch != rows) else {
            return self.loaded.run(inputs);
        };
        let mut outputs: Vec<Value> = Vec::new();
        for _ in 0..rows / batch {
            let part = inputs.iter_mut().map(|tensor| take_rows(tensor, batch)).collect();
            for (i, value) in self.loaded.run(part)?.into_iter().enumerate() {
                match outputs.get_mut(i) {
                    Some(so_far) => join(so_far, value)?,
                    None => outputs.push(value),
                }
            }
        }
        Ok(outputs)
    }
}

fn take_rows(tensor: &mut Tensor, rows: usize) -> Tensor {
    let row_len: usize = tensor.shape[1..].iter().product();
    let mut shape = tensor.shape.clone();
    shape[0] = rows;
    Tensor { shape, data: tensor.data.split_front(rows * row_len) }
}

fn join(so_far: &mut Value, more: Value) -> Result<(), RunError> {
    match (so_far, more) {
        (Value::Tensor(a), Value::Tensor(b))
            if a.shape.get(1..) == b.shape.get(1..) && !a.shape.is_empty() =>
        {
            a.shape[0] += b.shape[0];
            if a.data.append(b.data) {
                Ok(())
            } else {
                Err(RunError::Refused(
                    "an output changed its type"
                        .to_owned(),
                ))
            }
        }
        (Value::Maps(a), Value::Maps(b)) => {
            a.extend(b);
            Ok(())
        }
        _ => Err(RunError::Refused(
            "an output cannot be put together from several runs; send the rows of one run a request"
                .to_owned(),
        )),
    }
}
