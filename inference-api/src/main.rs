//! `inference-api`: see `--help`.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use inference_api::{
    config::{Cli, Command, RuntimeCommand},
    runtime, serve,
};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    match cli.command {
        Command::Serve(options) => {
            tracing_subscriber::fmt()
                .with_env_filter(tracing_subscriber::EnvFilter::new(&options.log))
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(std::io::stderr)
                .init();
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
        Command::Healthcheck { addr } => Ok(serve::healthcheck(addr)?),
    }
}
