//! Errors of configuration files. The caller is at fault in all of them.

use std::path::PathBuf;

/// Reason why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// Path of the file.
        path: PathBuf,
        /// Line of the problem, from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// A key or a value of the file is wrong.
    #[error("{}:{line}: {reason}", path.display())]
    InFile {
        /// Path of the file.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
        /// The key's problem.
        reason: Box<Self>,
    },
    /// A key names no flag.
    #[error("there is no {key:?}; the keys are: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// All keys.
        known: String,
    },
    /// A value does not fit into a flag.
    #[error("{key}: a {kind} cannot stand here")]
    Value {
        /// The key.
        key: String,
        /// TOML's name of the value's type.
        kind: &'static str,
    },
}

impl ConfigError {
    /// Returns the key that is wrong, if one is.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. } | Self::Value { key, .. } => Some(key),
            _ => None,
        }
    }
}
