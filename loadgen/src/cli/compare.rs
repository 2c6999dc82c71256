//! `loadgen compare`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    Error, ExitStatus,
    output::{Compared, Theme, compare, comparison_page, write_file},
};

/// `loadgen compare A B …`.
#[derive(Debug, Args)]
pub(super) struct CompareOptions {
    /// Result files of loadgen run --json, or folders of loadgen sweep (or their sweep.json); the
    /// first is the baseline.
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,

    /// Write an HTML page with tables and curves over each other to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Colours of the page: auto follows the reader's setting.
    #[arg(long, value_enum, default_value_t)]
    theme: Theme,
}

pub(super) fn run(options: &CompareOptions) -> Result<ExitStatus, Error> {
    let compared = Compared::read(&options.files)?;
    println!("{}", compare(&compared));
    if let Some(path) = &options.html {
        write_file(path, comparison_page(&compared, options.theme).as_bytes())?;
    }
    Ok(ExitStatus::Met)
}
