//! `loadgen ui`.

use std::net::SocketAddr;

use clap::Args;
use load_engine::Control;
use loadtest::workload::{Host, Trust, WaitTime};

use super::{interrupt::stop_on_signal, payload::PayloadOptions, sources::SourceOptions};
use crate::{
    Error, ExitStatus,
    runner::stopped,
    ui::{UiSettings, serve},
};

/// `loadgen ui …`.
#[derive(Debug, Args)]
pub(super) struct UiOptions {
    /// Address of the page; in a container 0.0.0.0:8089, published on 127.0.0.1 only.
    #[arg(long, default_value = "127.0.0.1:8089")]
    bind: SocketAddr,

    #[command(flatten)]
    sources: SourceOptions,

    /// Further host that may be loaded; repeatable.
    #[arg(long)]
    allow_host: Vec<Host>,

    /// Further name, besides loopback's, under which the page may be reached; repeatable.
    #[arg(long)]
    allow_name: Vec<String>,

    /// Think time between a user's requests.
    #[arg(long, default_value = "between(1, 2.5)")]
    wait_time: WaitTime,

    #[command(flatten)]
    trust: Trust,

    #[command(flatten)]
    payload: PayloadOptions,

    /// Processors for the load threads; one thread on each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,
}

pub(super) async fn run(options: UiOptions) -> Result<ExitStatus, Error> {
    let settings = UiSettings {
        bind: options.bind,
        sources: options.sources.sources()?,
        allow_hosts: options.allow_host,
        trust: options.trust,
        wait_time: options.wait_time,
        request: options.payload.request(None)?,
        timeout: options.payload.timeout(),
        pin: options.pin,
        allow_names: options.allow_name,
    };
    let control = Control::default();
    stop_on_signal(control.clone())?;
    serve(settings, async move { stopped(&control).await }).await?;
    Ok(ExitStatus::Met)
}
