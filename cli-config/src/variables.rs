//! Environment variables of flags.

use clap::{Arg, Command};

/// Gives every flag of every subcommand the variable `PREFIX_FLAG`, unless it has one already. An
/// empty variable counts as not set: Compose files and CI systems set variables to nothing where
/// nobody chose a value.
pub fn with_variables(command: Command, prefix: &str) -> Command {
    command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| {
            let name = variable(&arg, prefix);
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            match name {
                Some(name) if is_set(&name) => arg.env(name).hide_env_values(true),
                _ => arg.env(None::<&'static str>),
            }
        })
    })
}

fn variable(arg: &Arg, prefix: &str) -> Option<String> {
    if let Some(name) = arg.get_env() {
        return name.to_str().map(str::to_owned);
    }
    let long = arg.get_long().filter(|long| !["help", "version"].contains(long))?;
    Some(format!("{prefix}_{}", long.to_ascii_uppercase().replace('-', "_")))
}
