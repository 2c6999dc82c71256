//! `inference-api`: see `--help`.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use inference_api::{
    address,
    config::{Cli, Command, RuntimeCommand},
    file, logging, repository, runtime,
    serve::{self, guardian},
};

fn main() -> ExitCode {
    let cli = match arguments() {
        Ok(cli) => cli,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Parses the arguments. Precedence: command line, environment, configuration file, defaults.
fn arguments() -> Result<Cli, file::FileError> {
    let args: Vec<_> = std::env::args_os().collect();
    let command = without_empty_variables(Cli::command());
    let matches = file::apply(command, &args)?.get_matches_from(args);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// Ignores empty variables: Compose files and CI systems set an unset variable to the empty string.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| {
            let is_empty =
                arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            if is_empty { arg.env(None::<&'static str>) } else { arg }
        })
    })
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match cli.command {
        Command::Serve(options) => {
            let _log = logging::start(&options.log, options.log_format);
            if options.respawn && guardian::crashes().is_none() {
                return Ok(guardian::guard()?);
            }
            serve::run(&options)?;
        }
        Command::Runtime(RuntimeCommand::Install { dir }) => {
            println!("{}", runtime::install(dir.as_deref())?.display());
        }
        Command::Runtime(RuntimeCommand::Path) => {
            println!("{}", runtime::locate()?.display());
        }
        Command::Check { model, workers, expendable } => {
            if expendable {
                repository::be_expendable()?;
            }
            let checked = serve::check(&model, workers.get())?;
            println!("{}", checked.said);
            // A server that tries a new file only asks whether it loads.
            if let Some(reason) = checked.refused.filter(|_| !expendable) {
                return Err(reason.into());
            }
        }
        Command::Healthcheck { addr } => serve::healthcheck(address::from_here(addr))?,
    }
    Ok(ExitCode::SUCCESS)
}
