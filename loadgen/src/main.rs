//! Binary `loadgen`; see `--help`.

use std::process::ExitCode;

use loadgen::cli::{Cli, dispatch};

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("LOADGEN_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,orchestrator=info")),
        )
        .with_writer(std::io::stderr)
        .init();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: cannot start: {error}");
                return ExitCode::FAILURE;
            }
        };
    let done = Cli::read(std::env::args_os()).and_then(|cli| runtime.block_on(dispatch(cli)));
    match done {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.status().code())
        }
    }
}
