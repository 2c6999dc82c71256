//! `inference-api`: see `--help`.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use inference_api::{
    address,
    config::{Cli, Command, RuntimeCommand},
    logging, repository, runtime,
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

/// Parses the command line, together with environment variables and the file that `--config` names.
fn arguments() -> Result<Cli, cli_config::ConfigError> {
    let command = cli_config::configurable(Cli::command(), "INFERENCE");
    let args = cli_config::with_file(&command, std::env::args_os().collect())?;
    let matches = command.get_matches_from(args);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
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
                repository::prefer_for_oom_kill()?;
            }
            let checked = serve::check(&model, workers.get())?;
            println!("{}", checked.report);
            // A server that tries a new file only asks whether it loads.
            if let Some(reason) = checked.refused.filter(|_| !expendable) {
                return Err(reason.into());
            }
        }
        Command::Healthcheck { addr } => serve::healthcheck(address::from_here(addr))?,
    }
    Ok(ExitCode::SUCCESS)
}
