//! `loadgen null-server`.

use std::net::SocketAddr;

use clap::Args;
use load_engine::null_server::{Behaviour, Delay, Freeze, NullServer};

use crate::{Error, ExitStatus};

/// `loadgen null-server …`.
#[derive(Debug, Args)]
pub(super) struct NullServerOptions {
    /// Address to listen on; loopback only.
    #[arg(long, default_value = "127.0.0.1:8000")]
    bind: SocketAddr,

    /// Processor to run on.
    #[arg(long)]
    pin: Option<usize>,

    /// Delay of each request: constant(0.005), in seconds, or expovariate(200), a rate per second.
    #[arg(long)]
    delay: Option<Delay>,

    /// Periodic freeze, for instance 1s/10s for one second of every ten.
    #[arg(long)]
    freeze: Option<Freeze>,
}

pub(super) fn run(options: &NullServerOptions) -> Result<ExitStatus, Error> {
    if !options.bind.ip().is_loopback() {
        return Err(Error::Usage(format!(
            "--bind {}: a null server is for this machine only",
            options.bind
        )));
    }
    let behaviour = Behaviour { delay: options.delay, freeze: options.freeze };
    let server = NullServer::start(options.bind, options.pin, behaviour)
        .map_err(|error| Error::Machine(format!("cannot listen on {}: {error}", options.bind)))?;
    println!("answers 200 to everything on http://{}", server.addr());
    server.serve_for_ever();
    Ok(ExitStatus::Met)
}
