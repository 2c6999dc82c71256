//! Folder of a sweep: its options, what its answer rests on, and its trials.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sizing::trial::{Settings, Trial};
use toml::Table;

use super::{Environment, Prices};
use crate::{
    Error,
    output::{Journal, Source},
};

/// File with the options of a sweep and its basis, in the sweep's folder.
pub const COMMAND: &str = "command.json";

/// Options of a sweep, the folder that its relative paths start from, and its basis.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Folder in which the sweep was begun.
    pub directory: PathBuf,
    /// Options that were set, for `--resume`.
    pub options: Table,
    /// Everything that the answer rests on beside the trials, a [`Basis`]. `--resume` needs none,
    /// so it may be one of another version.
    pub basis: Option<Value>,
}

/// Everything that a sweep's answer rests on beside its trials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Basis {
    /// Search settings and objective.
    pub settings: Settings,
    /// Prices, if they were given.
    pub prices: Option<Prices>,
    /// Workload that was measured.
    pub source: Source,
    /// Conditions of the measurements.
    pub environment: Environment,
    /// Time after which a request was given up.
    pub timeout_seconds: f64,
}

impl Kept {
    /// Returns the options of a sweep that begins in the current folder.
    ///
    /// # Errors
    /// Returns an error if there is no current folder.
    pub fn here(options: Table, basis: &Basis) -> Result<Self, Error> {
        let directory = std::env::current_dir().map_err(|e| {
            Error::Machine(format!("the current folder cannot be read: {e}\n  help: cd to another"))
        })?;
        Ok(Self { directory, options, basis: serde_json::to_value(basis).ok() })
    }

    /// Reads the options from the folder of a sweep.
    ///
    /// # Errors
    /// Returns why the file cannot be read.
    pub fn read(dir: &Path) -> Result<Self, String> {
        let text = fs::read(dir.join(COMMAND))
            .map_err(|e| format!("{e}; is this the folder of a sweep?"))?;
        serde_json::from_slice(&text).map_err(|e| e.to_string())
    }

    /// Writes the options into the folder of the sweep, readable by its owner alone: variables may
    /// be secrets.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(COMMAND);
        let failed = |source| Error::Write { path: path.clone(), source };
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.into()))?;
        // Renamed when it is complete: a killed sweep leaves the file as it was.
        let staged = dir.join(format!(".{COMMAND}.new"));
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&staged).map_err(failed)?;
        let written = file.write_all((text + "\n").as_bytes());
        written.and_then(|()| fs::rename(&staged, &path)).map_err(failed)
    }
}

/// Folder of a sweep that was begun.
#[derive(Debug)]
pub struct SweepFolder {
    /// Path of the folder.
    pub dir: PathBuf,
    /// Everything that the answer rests on beside the trials.
    pub basis: Basis,
    /// All trials, in the order in which they were made.
    pub trials: Vec<Trial>,
    pub(super) journal: Journal,
}

impl SweepFolder {
    /// Reads the folder of a sweep, and changes nothing in it.
    ///
    /// # Errors
    /// Returns an error if the folder is not a sweep's, or if a file of it is damaged.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Usage(format!("{}: {COMMAND}: {why}", dir.display()));
        let kept = Kept::read(dir).map_err(wrong)?;
        let other = |why: String| {
            wrong(format!(
                "another version of loadgen wrote its settings: {why}\n  help: loadgen sweep \
                    --resume {} writes them again",
                dir.display()
            ))
        };
        let basis = kept.basis.ok_or_else(|| other("there are none".to_owned()))?;
        let basis = serde_json::from_value(basis).map_err(|e| other(e.to_string()))?;
        let (journal, trials) = Journal::open(dir)?;
        Ok(Self { dir: dir.to_owned(), basis, trials, journal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = SweepFolder::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is this the folder of a sweep?"), "{error}");
        for basis in ["", ", \"basis\": {\"settings\": 1}"] {
            let bare = format!("{{\"directory\": \"/\", \"options\": {{}}{basis}}}");
            fs::write(dir.path().join(COMMAND), bare).unwrap();
            let error = SweepFolder::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("loadgen sweep --resume"), "{error}");
            assert!(Kept::read(dir.path()).is_ok(), "it can be resumed");
        }
    }
}
