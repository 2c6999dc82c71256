//! Configuration files.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Command;
use toml::Table;

use crate::{
    ConfigError,
    table::{parsed, with_table},
    variables::FLAG,
};

/// Returns the command line with the values of the file that `--config`, or its variable, names.
///
/// # Errors
/// Returns the file, the line and the key that are wrong.
pub fn with_file(command: &Command, args: Vec<OsString>) -> Result<Vec<OsString>, ConfigError> {
    let named = parsed(command, &args)
        .and_then(|(_, _, given)| given.try_get_one::<PathBuf>(FLAG).ok().flatten().cloned());
    let Some(path) = named else { return Ok(args) };
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
    let table = table(&path, &text)?;
    with_table(command, args, &table).map_err(|reason| {
        let line = reason.key().map_or(1, |key| line_of(&text, key));
        ConfigError::InFile { path, line, reason: Box::new(reason) }
    })
}

fn table(path: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text[..at].matches('\n').count() + 1;
        ConfigError::Syntax { path: path.to_owned(), line, reason: error.message().to_owned() }
    })
}

/// Returns the line of a key of the outermost table.
fn line_of(text: &str, key: &str) -> usize {
    let names = |line: &str| {
        let line = line.trim_start().trim_start_matches('[').trim_start_matches(['"', '\'']);
        line.strip_prefix(key).is_some_and(|rest| {
            rest.trim_start_matches(['"', '\'']).trim_start().starts_with(['=', ']', '.'])
        })
    };
    text.lines().position(names).map_or(1, |line| line + 1)
}
