//! Configuration file: TOML whose keys are the flags of `serve`.
//!
//! Its values replace the defaults before the command line is parsed.
//! Flags override variables, variables override the file, and all values pass the same checks.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, Command};

/// Errors of a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Unreadable file.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// Invalid TOML.
    #[error("{path} is no TOML: {reason}")]
    Syntax {
        /// Path of the file.
        path: PathBuf,
        /// Message of the parser, with line and column.
        reason: String,
    },
    /// Key that is not a flag.
    #[error("{path}: there is no {key:?}; the keys are: {known}")]
    UnknownKey {
        /// Path of the file.
        path: PathBuf,
        /// Unknown key.
        key: String,
        /// Comma-separated list of the known keys.
        known: String,
    },
    /// Value that is a table, a date, or a list of those.
    #[error("{path}: {key} is neither a text, a number, true, false nor a list of these")]
    Value {
        /// Path of the file.
        path: PathBuf,
        /// Key of the value.
        key: String,
    },
}

const SUBCOMMAND: &str = "serve";
const FLAG: &str = "config";
const VARIABLE: &str = "INFERENCE_CONFIG";

/// Returns the command with a file's values as defaults, if `args` or the environment name one.
///
/// # Errors
/// Returns an error if the file is unreadable, is not TOML, or has an invalid key or value.
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
            // clap's argument ids are the field names.
            serve.mut_arg(flag.replace('-', "_"), |arg| arg.required(false).default_values(values))
        });
    }
    Ok(command)
}

/// Returns the configuration file named by the flag, or else by the variable.
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
