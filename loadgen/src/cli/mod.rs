//! Command line.

mod clean;
mod compare;
mod interrupt;
mod null_server;
mod payload;
mod report;
mod run;
mod sources;
mod sweep;
mod ui;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{Error, ExitStatus};

/// Load testing, and the search for the smallest containers that hold an objective.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// Subcommand.
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 objective met, 1 missed, 2 usage, 3 the generator was the \
    limit, 4 target unreachable, 5 Engine, cgroup or image missing, 130 interrupted (partial \
    results are written).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a host with users and measure latency, failures and throughput.
    Run(Box<run::RunOptions>),
    /// Find the smallest CPU and memory limits, and the best replica count, that hold an objective.
    Sweep(Box<sweep::SweepOptions>),
    /// Serve a page like Locust's: users, spawn rate and host; start, stop, a live table and
    /// charts.
    Ui(Box<ui::UiOptions>),
    /// Write the report of a sweep again from its journal, also with other options, without
    /// measuring.
    Report(Box<report::ReportOptions>),
    /// Compare the results of several runs or sweeps.
    Compare(compare::CompareOptions),
    /// Remove containers, networks and cgroups that killed runs left behind; those of live runs
    /// stay.
    Clean,
    /// Answer 200 to every request as fast as possible, for measuring load generators.
    NullServer(null_server::NullServerOptions),
}

impl Cli {
    /// Parses a command line, together with environment variables, the file that `--config` names
    /// and the sweep that `--resume` names. Ends the process like clap for invalid options and for
    /// `--help`.
    ///
    /// # Errors
    /// Returns an error if a file with options cannot be used.
    pub fn read(words: impl Iterator<Item = OsString>) -> Result<Self, Error> {
        let command = cli_config::configurable(Self::command(), "LOADGEN");
        let args = cli_config::with_file(&command, words.collect())
            .map_err(|error| Error::Usage(error.to_string()))?;
        let args = sweep::with_kept_options(&command, args)?;
        let matches = command.get_matches_from(args);
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Sweep(options), Some(("sweep", matches))) =
            (&mut cli.command, matches.subcommand())
        {
            options.set = sweep::set_options(matches);
        }
        Ok(cli)
    }
}

/// Runs the command of a command line.
///
/// # Errors
/// Returns the errors of the command; [`Error::status`] is the exit code.
pub async fn dispatch(cli: Cli) -> Result<ExitStatus, Error> {
    match cli.command {
        Command::Run(options) => run::run(*options).await,
        Command::Sweep(options) => sweep::run(*options).await,
        Command::Ui(options) => ui::run(*options).await,
        Command::Report(options) => report::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Clean => clean::run().await,
        Command::NullServer(options) => null_server::run(&options),
    }
}
