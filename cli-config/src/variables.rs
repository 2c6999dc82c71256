//! Environment variables of flags, and the flag of the configuration file.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

/// Flag that names the configuration file.
pub(crate) const FLAG: &str = "config";

/// Gives every flag of every subcommand the variable `PREFIX_FLAG`, unless it has one already, and
/// every subcommand with flags the flag `--config`.
///
/// An empty variable counts as not set: Compose files and CI systems set variables to nothing where
/// nobody chose a value.
pub fn configurable(command: Command, prefix: &str) -> Command {
    command.mut_subcommands(|subcommand| {
        if !subcommand.get_arguments().any(|arg| arg.get_long().is_some()) {
            return subcommand;
        }
        let file = Arg::new(FLAG)
            .long(FLAG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("TOML file whose keys are these flags; a flag wins over it");
        subcommand.arg(file).mut_args(|arg| {
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            match variable(&arg, prefix) {
                Some(name) if is_set(&name) => arg.env(name).hide_env(true),
                _ => arg.env(None::<&'static str>),
            }
        })
    })
}

fn variable(arg: &Arg, prefix: &str) -> Option<String> {
    if let Some(name) = arg.get_env() {
        return name.to_str().map(str::to_owned);
    }
    let long = arg.get_long()?;
    Some(format!("{prefix}_{}", long.to_ascii_uppercase().replace('-', "_")))
}
