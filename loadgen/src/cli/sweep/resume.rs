//! Options of a sweep, kept in its folder, from which `--resume` goes on.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgMatches, Args, Command, parser::ValueSource};
use toml::{Table, Value};

use super::options::SweepOptions;
use crate::{
    Error,
    output::{COMMAND, Kept},
};

/// Options that are not kept: files of options, and the budget, which each command has for itself.
const NOT_KEPT: [&str; 4] = ["config", "resume", "max-trials", "max-duration"];

/// Returns the command line with the options of the sweep that `--resume` names; flags of the
/// command line win.
///
/// # Errors
/// Returns an error if the folder is not a sweep's, or if the sweep began in another folder.
pub(in crate::cli) fn with_kept_options(
    command: &Command,
    args: Vec<OsString>,
) -> Result<Vec<OsString>, Error> {
    let partial = command.clone().ignore_errors(true).try_get_matches_from(&args);
    let Ok(Some(("sweep", given))) = partial.as_ref().map(ArgMatches::subcommand) else {
        return Ok(args);
    };
    let Some(dir) = given.get_one::<PathBuf>("resume") else { return Ok(args) };
    let path = dir.join(COMMAND);
    let wrong = |why: String| {
        Error::Usage(format!("--resume {}: {}: {why}", dir.display(), path.display()))
    };
    let Kept { directory, mut options, .. } = Kept::read(dir).map_err(wrong)?;
    if std::env::current_dir().is_ok_and(|here| here != directory) {
        return Err(wrong(format!(
            "the sweep was begun in another folder\n  help: cd {}",
            directory.display()
        )));
    }
    options.insert("out".to_owned(), Value::String(dir.display().to_string()));
    cli_config::with_table(command, args, &options).map_err(|e| wrong(e.to_string()))
}

/// Returns the options that were set, by flag, variable or file.
pub(in crate::cli) fn set_options(matches: &ArgMatches) -> Table {
    let command = SweepOptions::augment_args(Command::new("sweep"));
    let is_set = |id: &str| {
        matches!(
            matches.value_source(id),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    let mut options = Table::new();
    for option in command.get_arguments() {
        let (id, Some(long)) = (option.get_id().as_str(), option.get_long()) else { continue };
        if NOT_KEPT.contains(&long) || !is_set(id) {
            continue;
        }
        let value = match matches.get_raw(id) {
            Some(values) if option.get_action().takes_values() => Value::Array(
                values.map(|value| Value::String(value.to_string_lossy().into_owned())).collect(),
            ),
            _ => Value::Boolean(true),
        };
        options.insert(long.to_owned(), value);
    }
    options
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn args(words: &[&str]) -> Vec<OsString> {
        ["loadgen", "sweep"].iter().chain(words).map(OsString::from).collect()
    }

    #[test]
    fn a_resumed_sweep_has_the_options_it_began_with() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().display().to_string();
        let began = args(&[
            "--replicas=1,2",
            "--env=A=x y",
            "--env=B=2",
            "--quiet",
            "--step=100",
            "--max-trials=3",
        ]);
        let matches = Cli::command().get_matches_from(began);
        let (_, matches) = matches.subcommand().unwrap();
        let directory = std::env::current_dir().unwrap();
        let options = set_options(matches);
        Kept { directory, options, basis: None }.write(dir.path()).unwrap();

        let words =
            with_kept_options(&Cli::command(), args(&["--resume", &folder, "--step=200"])).unwrap();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let out = format!("--out={folder}");
        for word in ["--replicas=1,2", "--env=A=x y", "--env=B=2", "--quiet", "--step=200", &out] {
            assert!(words.iter().any(|w| w == word), "{word} is not in {words:?}");
        }
        let is_gone = |word: &String| word == "--step=100" || word.starts_with("--max-trials");
        assert!(!words.iter().any(is_gone), "{words:?}");
    }

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().display().to_string();
        let error = with_kept_options(&Cli::command(), args(&["--resume", &folder])).unwrap_err();
        assert!(error.to_string().contains("is this the folder of a sweep?"), "{error}");
    }
}
