//! Files that are compared.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{runs::RunFile, sweeps::SweepFile};
use crate::Error;

/// Runs or sweeps with their names; the first is the baseline.
#[derive(Debug)]
pub enum Compared {
    /// Result files of `loadgen run --json`.
    Runs(Vec<(String, RunFile)>),
    /// Results of `loadgen sweep`.
    Sweeps(Vec<(String, SweepFile)>),
}

const HELP: &str = "  help: give files of loadgen run --json, or folders of loadgen sweep";

impl Compared {
    /// Reads result files of runs, or folders of sweeps or their `sweep.json`.
    ///
    /// # Errors
    /// Returns an error if a file is neither, or if there are runs and sweeps.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let named = names(paths).into_iter().zip(paths);
        let (mut runs, mut sweeps) = (Vec::new(), Vec::new());
        for (name, path) in named {
            let file = if path.is_dir() { path.join("sweep.json") } else { path.clone() };
            let wrong = |why: String| Error::Usage(format!("{}: {why}\n{HELP}", file.display()));
            let text = fs::read(&file).map_err(|e| wrong(e.to_string()))?;
            let value: Value = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
            let is_sweep = value.get("per_replicas").is_some();
            let read = |e: serde_json::Error| wrong(e.to_string());
            match is_sweep {
                true => sweeps.push((name, serde_json::from_value(value).map_err(read)?)),
                false => runs.push((name, serde_json::from_value(value).map_err(read)?)),
            }
        }
        match (runs.is_empty(), sweeps.is_empty()) {
            (false, true) => Ok(Self::Runs(runs)),
            (true, _) => Ok(Self::Sweeps(sweeps)),
            (false, false) => Err(Error::Usage(format!(
                "{} of these are runs and {} are sweeps: compare one kind at a time",
                runs.len(),
                sweeps.len()
            ))),
        }
    }
}

/// Returns a name for each path: the file's or the folder's, or the whole path where that is
/// ambiguous.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| -> String {
        let is_sweep = path.file_name().is_some_and(|name| name == "sweep.json");
        let parent = path.parent().filter(|parent| is_sweep && !parent.as_os_str().is_empty());
        let named = parent.unwrap_or(path);
        let part = if named.is_dir() { named.file_name() } else { named.file_stem() };
        part.map_or_else(|| path.display().to_string(), |part| part.to_string_lossy().into_owned())
    };
    let names: Vec<String> = paths.iter().map(short).collect();
    let is_unique = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let whole = |path: &PathBuf| Path::display(path).to_string();
    if is_unique { names } else { paths.iter().map(whole).collect() }
}
