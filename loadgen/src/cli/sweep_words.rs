//! Options of a sweep from a file, and from a sweep that is resumed.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args, Command, parser::ValueSource};
use serde::{Deserialize, Serialize};
use toml::Value;

use super::sweep::SweepOptions;
use crate::Error;

/// File in which a sweep keeps its options.
const FILE: &str = "command.json";
/// Repeatable options: those of the file and of the command line add up.
const LISTS: [&str; 6] = ["env", "mount", "body", "form", "header", "cap-add"];
/// Options that name the source of other options.
const OWN: [&str; 2] = ["file", "resume"];
/// Options that are not kept for a resumed sweep, which has a budget of its own.
const BUDGET: [&str; 2] = ["max-trials", "max-duration"];

/// Options of a sweep as they were when it began.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: PathBuf,
    words: Vec<String>,
}

/// Returns the command line with the options of `--file` or `--resume` before the given ones, which
/// override them.
///
/// # Errors
/// Returns an error if the file or the folder cannot be read, or has unknown options.
pub(super) fn expand(given: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    if given.get(1).is_none_or(|word| word != "sweep") {
        return Ok(given);
    }
    let options = given[2..].to_vec();
    let mut others = Vec::new();
    if let Some(file) = value(&options, "file", Some("-f")) {
        others.extend(of_file(Path::new(&file))?);
    }
    if let Some(dir) = value(&options, "resume", None) {
        others.extend(of_folder(Path::new(&dir))?);
    }
    let is_given = |word: &String| {
        let name = word.trim_start_matches("--").split('=').next().unwrap_or_default();
        !LISTS.contains(&name) && options.iter().any(|given| is_option(given, name))
    };
    let others = others.into_iter().filter(|word| !is_given(word)).map(OsString::from);
    Ok(given[..2].iter().cloned().chain(others).chain(options.iter().cloned()).collect())
}

/// Returns the options that were given or read, one word each.
pub(super) fn given(matches: &ArgMatches) -> Vec<String> {
    let command = SweepOptions::augment_args(Command::new("sweep"));
    let mut words = Vec::new();
    for option in command.get_arguments() {
        let (id, Some(long)) = (option.get_id().as_str(), option.get_long()) else { continue };
        if OWN.contains(&long)
            || BUDGET.contains(&long)
            || matches.value_source(id) != Some(ValueSource::CommandLine)
        {
            continue;
        }
        match matches.get_raw(id) {
            Some(values) if option.get_action().takes_values() => {
                words.extend(values.map(|value| format!("--{long}={}", value.to_string_lossy())));
            }
            _ => words.push(format!("--{long}")),
        }
    }
    words
}

/// Writes the options into the folder of the sweep.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(super) fn keep(dir: &Path, words: &[String]) -> Result<(), Error> {
    let path = dir.join(FILE);
    let failed = |source| Error::Write { path: path.clone(), source };
    let kept = Kept { directory: std::env::current_dir().map_err(failed)?, words: words.to_vec() };
    let text = serde_json::to_string_pretty(&kept).unwrap_or_default();
    // Variables may be secrets.
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    file.write_all((text + "\n").as_bytes()).map_err(failed)
}

fn of_folder(dir: &Path) -> Result<Vec<String>, Error> {
    let path = dir.join(FILE);
    let wrong = |why: String| {
        Error::Usage(format!("--resume {}: {}: {why}", dir.display(), path.display()))
    };
    let text =
        std::fs::read(&path).map_err(|e| wrong(format!("{e}; is this the folder of a sweep?")))?;
    let kept: Kept = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    if std::env::current_dir().is_ok_and(|here| here != kept.directory) {
        return Err(wrong(format!(
            "the sweep was begun in another folder\n  help: cd {}",
            kept.directory.display()
        )));
    }
    let out = format!("--out={}", dir.display());
    Ok(kept.words.into_iter().filter(|word| !word.starts_with("--out=")).chain([out]).collect())
}

fn of_file(path: &Path) -> Result<Vec<String>, Error> {
    let wrong =
        |line: usize, why: String| Error::Usage(format!("{}:{line}: {why}", path.display()));
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::Usage(format!("{}: {e}", path.display())))?;
    let line_of = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        wrong(e.span().map_or(1, |span| line_of(span.start)), e.message().to_owned())
    })?;
    let command = SweepOptions::augment_args(Command::new("sweep"));
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut words = Vec::new();
    for (key, value) in &table {
        let name = key.replace('_', "-");
        let is_known = command.get_arguments().any(|arg| arg.get_long() == Some(&name))
            && !OWN.contains(&name.as_str());
        let line = text
            .lines()
            .position(|line| line.trim_start().trim_start_matches('[').starts_with(key.as_str()));
        let line = line.map_or(1, |line| line + 1);
        if !is_known {
            return Err(wrong(
                line,
                format!("there is no {key:?}; loadgen sweep --help tells what there is"),
            ));
        }
        words.extend(
            of_value(&name, value, folder).map_err(|why| wrong(line, format!("{key}: {why}")))?,
        );
    }
    Ok(words)
}

/// Returns the words of one key.
fn of_value(name: &str, value: &Value, folder: &Path) -> Result<Vec<String>, String> {
    let word = |text: &str| format!("--{name}={}", located(name, text, folder));
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        other => Err(format!("a {} cannot stand here", other.type_str())),
    };
    Ok(match value {
        Value::Boolean(true) => vec![format!("--{name}")],
        Value::Boolean(false) => Vec::new(),
        Value::Table(pairs) => {
            let is = if name == "header" { ": " } else { "=" };
            let pair = |(key, value)| Ok(word(&format!("{key}{is}{}", text(value)?)));
            pairs.iter().map(pair).collect::<Result<_, String>>()?
        }
        Value::Array(values) if LISTS.contains(&name) => {
            values.iter().map(|value| Ok(word(&text(value)?))).collect::<Result<_, String>>()?
        }
        Value::Array(values) => {
            vec![word(&values.iter().map(text).collect::<Result<Vec<_>, String>>()?.join(","))]
        }
        single => vec![word(&text(single)?)],
    })
}

/// Returns paths relative to the file that names them.
fn located(name: &str, text: &str, folder: &Path) -> String {
    let at = |path: &str| folder.join(path).display().to_string();
    match (name, text.strip_prefix('@')) {
        ("body", Some(file)) => format!("@{}", at(file)),
        ("form", _) => match text.split_once("=@") {
            Some((field, file)) => format!("{field}=@{}", at(file)),
            None => text.to_owned(),
        },
        ("model" | "out" | "mount", _) => at(text),
        _ => text.to_owned(),
    }
}

fn is_option(word: &OsStr, name: &str) -> bool {
    let word = word.to_string_lossy();
    word.strip_prefix("--")
        .is_some_and(|rest| rest == name || rest.starts_with(&format!("{name}=")))
}

/// Returns the value of an option among unparsed words.
fn value(words: &[OsString], name: &str, short: Option<&str>) -> Option<OsString> {
    let is_short =
        |word: &OsString| short.is_some_and(|short| word.to_string_lossy().starts_with(short));
    let at = words.iter().position(|word| is_option(word, name) || is_short(word))?;
    let word = words[at].to_string_lossy();
    // -fFILE and -f=FILE, as clap takes them.
    if let Some(rest) =
        short.and_then(|short| word.strip_prefix(short)).filter(|rest| !rest.is_empty())
    {
        return Some(rest.strip_prefix('=').unwrap_or(rest).into());
    }
    match word.split_once('=') {
        Some((_, value)) => Some(value.into()),
        None => words.get(at + 1).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let given = ["loadgen", "sweep", "--step", "100", "--env=B=3", "-f"].map(OsString::from);
        let given = given.into_iter().chain([file.path().into()]).collect();
        let expanded =
            expand(given).map_err(|e| e.to_string().rsplit_once('/').unwrap().1.to_owned())?;
        Ok(expanded.into_iter().map(|word| word.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn a_files_words_come_first_and_given_ones_win() {
        let text = "max_users = 2000\nstep = 500\nreplicas = [1, 2]\nwait-time = \
            'constant(1)'\nready_timeout = '2m'\nbody = '@row.json'\n\
            [env]\nA = 'x y'\nB = 2\n";
        let words = words(text).unwrap();
        for word in [
            "--max-users=2000",
            "--replicas=1,2",
            "--wait-time=constant(1)",
            "--ready-timeout=2m",
            "--env=A=x y",
            "--env=B=2",
        ] {
            assert!(words.iter().any(|w| w == word), "{word} is not in {words:?}");
        }
        assert!(
            words.iter().any(|w| w.starts_with("--body=@/") && w.ends_with("/row.json")),
            "{words:?}"
        );
        assert!(!words.iter().any(|w| w == "--step=500"), "{words:?}");
        assert!(words.iter().any(|w| w == "--env=B=3"));
    }

    #[test]
    fn a_wrong_word_is_told_with_its_line() {
        for (text, says) in [
            ("step = 5\nusers = 5\n", ":2: there is no \"users\""),
            ("step = 5\n\nstep = 6\n", ":3: duplicate key"),
            ("resume = 'x'\n", ":1: there is no \"resume\""),
            ("\nstep = 1979-05-27\n", ":2: step: a datetime cannot stand here"),
        ] {
            let told = words(text).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }
}
