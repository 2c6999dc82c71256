//! The configuration file: TOML whose keys are the flags of `serve`.
//!
//! What it says takes the place of the defaults before the command line is read, so that a flag
//! stands over a variable, a variable over the file, and every value goes through the same checks,
//! wherever it came from.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, Command};

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("{path} is no TOML: {reason}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// It has a key that is no flag.
    #[error("{path}: there is no {key:?}; the keys are: {known}")]
    UnknownKey {
        /// Which.
        path: PathBuf,
        /// The key.
        key: String,
        /// Those that there are.
        known: String,
    },
    /// A value is a table, a date, or a list of such.
    #[error("{path}: {key} is neither a text, a number, true, false nor a list of these")]
    Value {
        /// Which.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

const SUBCOMMAND: &str = "serve";
const FLAG: &str = "config";
const VARIABLE: &str = "INFERENCE_CONFIG";

/// The command with the file's values as its defaults, if `args` or the environment name a file.
///
/// # Errors
/// When the file cannot be read, or has keys or values that no flag has.
pub fn apply(command: Command, args: &[OsString]) -> Result<Command, FileError> {
    let Some(path) = named(args) else { return Ok(command) };
    let text = std::fs::read_to_string(&path)
        .map_err(|source| FileError::Read { path: path.clone(), source })?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| FileError::Syntax {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    let flags: Vec<String> = command
        .find_subcommand(SUBCOMMAND)
        .into_iter()
        .flat_map(Command::get_arguments)
        .filter_map(Arg::get_long)
        .filter(|long| !["help", FLAG].contains(long))
        .map(str::to_owned)
        .collect();
    let mut command = command;
    for (key, value) in table {
        let flag = key.replace('_', "-");
        if !flags.contains(&flag) {
            return Err(FileError::UnknownKey { path, key, known: flags.join(", ") });
        }
        let Some(values) = texts(&value) else { return Err(FileError::Value { path, key }) };
        command = command.mut_subcommand(SUBCOMMAND, |serve| {
            // clap's ids are the fields' names.
            serve.mut_arg(flag.replace('-', "_"), |arg| arg.required(false).default_values(values))
        });
    }
    Ok(command)
}

/// The file that is named, by the flag or else by the variable.
fn named(args: &[OsString]) -> Option<PathBuf> {
    let flag = format!("--{FLAG}");
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if *arg == *flag {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix(&flag)?.strip_prefix('='))
        {
            return Some(path.into());
        }
    }
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Integer(n) => Some(vec![n.to_string()]),
        toml::Value::Float(n) => Some(vec![n.to_string()]),
        toml::Value::Boolean(b) => Some(vec![b.to_string()]),
        toml::Value::Array(list) => {
            let nested: Option<Vec<Vec<String>>> = list.iter().map(texts).collect();
            nested.map(|lists| lists.concat())
        }
        toml::Value::Table(_) | toml::Value::Datetime(_) => None,
    }
}
