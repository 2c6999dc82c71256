//! Precedence of flags, variables and files, and errors of files.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, value_parser};

fn command() -> Command {
    let run = Command::new("run").args([
        Arg::new("users").long("users").required(true).value_parser(value_parser!(u32)),
        Arg::new("max_batch").long("max-batch").default_value("1"),
        Arg::new("replicas").long("replicas").value_delimiter(','),
        Arg::new("env").long("env").value_name("NAME=VALUE").action(ArgAction::Append),
        Arg::new("header").long("header").value_name("NAME: VALUE").action(ArgAction::Append),
        Arg::new("quiet").long("quiet").action(ArgAction::SetTrue),
        Arg::new("image").long("image").conflicts_with("attach"),
        Arg::new("attach").long("attach"),
    ]);
    Command::new("app").subcommand(run)
}

/// The words of the command line with a file of this text.
fn expanded(text: &str, args: &[&str]) -> Result<Vec<String>, String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let path = file.path().display().to_string();
    let args = ["app", "run", "--config", &path].iter().chain(args).map(OsString::from).collect();
    let command = cli_config::configurable(command(), "CLI_CONFIG_TEST");
    let words = cli_config::with_file(&command, args)
        .map_err(|error| error.to_string().replace(&path, "FILE"))?;
    command.try_get_matches_from(&words).map_err(|error| error.to_string())?;
    Ok(words[2..].iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

#[test]
fn a_file_fills_what_the_command_line_leaves_open() {
    let text = "users = 5\nmax_batch = 2\nreplicas = [1, 2]\nquiet = true\n\
                [env]\nA = 'x y'\nB = 2\n[header]\nX-Tenant = '7'\n";
    let words = expanded(text, &["--max-batch", "3", "--env", "C=1"]).unwrap();
    for word in ["--users=5", "--replicas=1,2", "--quiet", "--header=X-Tenant: 7"] {
        assert!(words.iter().any(|w| w == word), "{word} is not in {words:?}");
    }
    let is_from_file =
        |word: &String| word.starts_with("--max-batch=") || word.starts_with("--env=");
    assert!(!words.iter().any(is_from_file), "flags win, lists as a whole: {words:?}");
    let words = expanded("users = 5\nenv = ['A=1', 'B=2']", &[]).unwrap();
    assert!(words.contains(&"--env=A=1".to_owned()) && words.contains(&"--env=B=2".to_owned()));
}

#[test]
fn a_file_is_checked_as_the_command_line_is() {
    let conflict = expanded("users = 5\nimage = 'x'", &["--attach", "y"]).unwrap_err();
    assert!(conflict.contains("cannot be used with"), "{conflict}");
    let number = expanded("users = 'many'", &[]).unwrap_err();
    assert!(number.contains("invalid value 'many'"), "{number}");
}

#[test]
fn an_error_names_file_line_and_key() {
    for (text, says) in [
        ("users = 5\nuserz = 5\n", "FILE:2: there is no \"userz\"; the keys are: users, max-batch"),
        ("users = 5\n\nusers = 6\n", "FILE:3: duplicate key"),
        ("config = 'x'\n", "FILE:1: there is no \"config\""),
        ("\nusers = 1979-05-27\n", "FILE:2: users: a datetime cannot stand here"),
        ("users = 1\n[quiet]\na = 1\n", "FILE:2: quiet: a table cannot stand here"),
    ] {
        let told = expanded(text, &[]).unwrap_err();
        assert!(told.starts_with(says), "{told}");
    }
}
