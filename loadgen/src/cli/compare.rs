//! `loadgen compare`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    Error, ExitStatus,
    output::{RunFile, compare},
};

/// `loadgen compare A.json B.json`.
#[derive(Debug, Args)]
pub(super) struct CompareOptions {
    /// Result files of loadgen run --json; the first is the baseline.
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
}

pub(super) fn run(options: &CompareOptions) -> Result<ExitStatus, Error> {
    let runs = options.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, Error>>()?;
    println!("{}", compare(&runs));
    Ok(ExitStatus::Met)
}

fn read(path: &Path) -> Result<(String, RunFile), Error> {
    let wrong = |why: String| {
        Error::Usage(format!("{}: {why}\n  help: give files of loadgen run --json", path.display()))
    };
    let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let file: RunFile = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    let name = path
        .file_stem()
        .map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned());
    Ok((name, file))
}
