//! Values of a TOML table as flags of a command line.

use std::ffi::OsString;

use clap::{Arg, Command, parser::ValueSource};
use toml::{Table, Value};

use crate::{ConfigError, variables::FLAG};

/// Returns the command line with the table's values as flags, but for those that the command line
/// or a variable sets. Keys are names of flags of the subcommand that the command line names, with
/// `-` or `_`.
///
/// # Errors
/// Returns the first key that names no flag, or whose value does not fit into one.
pub fn with_table(
    command: &Command,
    args: Vec<OsString>,
    table: &Table,
) -> Result<Vec<OsString>, ConfigError> {
    let Some((name, subcommand, given)) = parsed(command, &args) else { return Ok(args) };
    let mut flags = Vec::new();
    for (key, value) in table {
        let long = key.replace('_', "-");
        let Some(arg) = arguments(&subcommand).find(|arg| arg.get_long() == Some(&long)) else {
            let known: Vec<&str> = arguments(&subcommand).filter_map(Arg::get_long).collect();
            return Err(ConfigError::UnknownKey { key: key.clone(), known: known.join(", ") });
        };
        let source = given.value_source(arg.get_id().as_str());
        let is_given = matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        let words = words(arg, &long, value)
            .map_err(|kind| ConfigError::Value { key: key.clone(), kind })?;
        if !is_given {
            flags.extend(words);
        }
    }
    let at = args.iter().position(|arg| *arg == *name).map_or(args.len(), |at| at + 1);
    let mut expanded = args;
    expanded.splice(at..at, flags.into_iter().map(OsString::from));
    Ok(expanded)
}

/// Parses the command line as far as it goes; what is wrong in it is reported when it is parsed
/// again with the table's values.
pub(crate) fn parsed(
    command: &Command,
    args: &[OsString],
) -> Option<(String, Command, clap::ArgMatches)> {
    let matches = command.clone().ignore_errors(true).try_get_matches_from(args).ok()?;
    let (name, given) = matches.subcommand()?;
    let subcommand = command.find_subcommand(name)?.clone();
    Some((name.to_owned(), subcommand, given.clone()))
}

/// Flags that a file may set.
fn arguments(subcommand: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |arg: &&Arg| {
        !arg.is_hide_set()
            && arg.get_long().is_some_and(|long| !["help", "version", FLAG].contains(&long))
    };
    subcommand.get_arguments().filter(is_key)
}

/// Returns a value as words of a command line, or the name of its type if it does not fit.
fn words(arg: &Arg, long: &str, value: &Value) -> Result<Vec<String>, &'static str> {
    let flag = |text: String| format!("--{long}={text}");
    Ok(match value {
        Value::Boolean(is_on) if !arg.get_action().takes_values() => {
            if *is_on {
                vec![format!("--{long}")]
            } else {
                Vec::new()
            }
        }
        Value::Array(values) if arg.get_value_delimiter().is_some() => {
            vec![flag(values.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(","))]
        }
        Value::Array(values) => {
            values.iter().map(|value| Ok(flag(text(value)?))).collect::<Result<_, _>>()?
        }
        Value::Table(pairs) => {
            let joint = joint(arg).ok_or(value.type_str())?;
            let pair = |(key, value)| Ok(flag(format!("{key}{joint}{}", text(value)?)));
            pairs.iter().map(pair).collect::<Result<_, _>>()?
        }
        single => vec![flag(text(single)?)],
    })
}

fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(is_on) => Ok(is_on.to_string()),
        other => Err(other.type_str()),
    }
}

/// Returns what stands between key and value of a flag such as `--env NAME=VALUE`.
fn joint(arg: &Arg) -> Option<&'static str> {
    let name = arg.get_value_names()?.first()?;
    [": ", "=", ":"].into_iter().find(|joint| name.contains(joint))
}
