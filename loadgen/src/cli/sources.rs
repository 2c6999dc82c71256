//! Flags for the targets, shared by `run` and `ui`.

use clap::Args;
use loadtest::workload::Host;
use orchestrator::docker::Selector;

use crate::{Error, runner::Source};

/// Options for the hosts or containers to load.
#[derive(Debug, Args)]
pub(super) struct SourceOptions {
    /// Target host, with scheme and port, for instance http://127.0.0.1:8000; several, separated by
    /// commas, share the users, and a name stands for all its addresses. [env: LOCUST_HOST, without
    /// --selector]
    #[arg(short = 'H', long, value_delimiter = ',')]
    host: Vec<Host>,

    /// Load the running Docker containers with these labels, for instance app=iris,tier=model, at
    /// their own addresses.
    #[arg(short = 'l', long, conflicts_with = "host")]
    selector: Option<Selector>,

    /// Port of --selector's containers, if they expose none or several.
    #[arg(long, requires = "selector")]
    port: Option<u16>,
}

impl SourceOptions {
    /// Returns the sources from the flags, or else from the environment.
    ///
    /// # Errors
    /// Returns an error if neither names a source.
    pub(super) fn sources(&self) -> Result<Vec<Source>, Error> {
        let all = |hosts: Vec<Host>| hosts.into_iter().map(Source::Host).collect();
        Ok(match &self.selector {
            None if self.host.is_empty() => all(named_by_environment()?),
            None => all(self.host.clone()),
            Some(selector) => vec![Source::Containers(selector.clone(), self.port)],
        })
    }
}

/// Read here and not by clap, for which the variable would conflict with --selector.
fn named_by_environment() -> Result<Vec<Host>, Error> {
    let missing = || {
        Error::Usage(
            "there is nothing to load\n  help: say --host http://127.0.0.1:8000, or --selector \
                LABEL"
                .to_owned(),
        )
    };
    let named = std::env::var("LOCUST_HOST").map_err(|_| missing())?;
    named.split(',').map(|host| Ok(host.trim().parse()?)).collect()
}
