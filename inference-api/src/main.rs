//! `inference-api`: see `--help`.

use std::{io::IsTerminal, process::ExitCode};

use clap::{CommandFactory, FromArgMatches};
use inference_api::{
    config::{Cli, Command, LogFormat, RuntimeCommand, ServeOptions},
    file, repository, runtime, serve,
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, over the environment, over the configuration file, over the defaults.
fn arguments() -> Result<Cli, file::FileError> {
    let args: Vec<_> = std::env::args_os().collect();
    let matches = file::apply(Cli::command(), &args)?.get_matches_from(args);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

fn log(options: &ServeOptions) {
    let log = tracing_subscriber::fmt()
        // ONNX Runtime tells us of every error, and we tell whose it is; its own words are there for who asks for them.
        .with_env_filter(tracing_subscriber::EnvFilter::new(format!("ort=off,{}", options.log)))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    match cli.command {
        Command::Serve(options) => {
            log(&options);
            Ok(serve::run(&options)?)
        }
        Command::Runtime(RuntimeCommand::Install { dir }) => {
            println!("{}", runtime::install(dir.as_deref())?.display());
            Ok(())
        }
        Command::Runtime(RuntimeCommand::Path) => {
            println!("{}", runtime::locate()?.display());
            Ok(())
        }
        Command::Check { model, workers, expendable } => {
            if expendable {
                repository::be_expendable()?;
            }
            println!("{}", serve::check(&model, workers.get())?);
            Ok(())
        }
        Command::Healthcheck { addr } => Ok(serve::healthcheck(addr)?),
    }
}
