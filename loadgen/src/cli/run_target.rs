//! What the flags of `loadgen run` say of where requests go, and which.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use orchestrator::docker::{Selector, find};
use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::payload::PayloadOptions;
use crate::{
    Error,
    runner::Reached,
    workload::{Balance, Host, Request, Scenario, Targets, Tensors, Trust},
};

/// Where users connect, and what they send there.
#[derive(Debug, Args)]
pub(super) struct TargetOptions {
    /// The host to load, for instance http://127.0.0.1:8000; several, separated by commas, share the users. [env:
    /// LOCUST_HOST, where there is no --selector]
    #[arg(short = 'H', long, value_delimiter = ',')]
    host: Vec<Host>,

    /// Load the running Docker containers that have these labels, for instance app=iris,tier=model, at their own addresses.
    #[arg(short = 'l', long, conflicts_with = "host")]
    selector: Option<Selector>,

    /// The port of --selector's containers, where they expose none or several.
    #[arg(long, requires = "selector")]
    port: Option<u16>,

    #[command(flatten)]
    trust: Trust,

    #[command(flatten)]
    payload: PayloadOptions,

    /// What users do, from this TOML file: tasks with weights, templates, data files, a login, checks.
    #[arg(short = 'f', long, conflicts_with_all = ["path", "body"])]
    scenario: Option<PathBuf>,

    /// Send random tensors to this model by the Open Inference Protocol (KServe V2, Triton); NAME or NAME/VERSION. The server
    /// tells their shapes.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["path", "body", "scenario"])]
    tensors: Option<String>,

    /// Rows in each request of --tensors.
    #[arg(short = 'b', long, default_value_t = 1, requires = "tensors", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// Send and ask for the tensors of --tensors as bytes (the binary tensor extension).
    #[arg(long, requires = "tensors")]
    binary: bool,

    /// How arrivals are spread over several hosts. (A user of the closed model keeps to its host while it can be connected to.)
    #[arg(long, value_enum, default_value_t)]
    balance: Balance,

    /// A request that takes longer has failed, in seconds.
    #[arg(long, default_value_t = Targets::TIMEOUT.as_secs_f64(), value_parser = seconds)]
    timeout: f64,
}

impl TargetOptions {
    /// The scenario file, if there is one.
    pub(super) fn scenario(&self) -> Result<Option<Scenario>, Error> {
        Ok(self.scenario.as_deref().map(Scenario::read).transpose()?)
    }

    /// The hosts, which take connections, and what is sent to them; `seed` is for what is drawn.
    ///
    /// # Errors
    /// When one is not there, or nobody tells what to send.
    pub(super) async fn reach(&self, scenario: Option<Scenario>, seed: u64) -> Result<(Vec<Host>, Targets), Error> {
        let hosts = match &self.selector {
            None if self.host.is_empty() => named_by_environment()?,
            None => self.host.clone(),
            Some(selector) => find(selector, self.port).await?.into_iter().map(Host::at).collect(),
        };
        let mut reached = Vec::new();
        for host in &hosts {
            reached.push(Reached::host(host.clone(), self.trust.clone()).await?);
        }
        let first = reached.first().ok_or_else(|| Error::Usage("there is no host".to_owned()))?;
        let mut targets = Targets::new(self.content(scenario, first, seed).await?);
        targets.timeout = Duration::from_secs_f64(self.timeout);
        targets.balance = self.balance;
        reached.iter().for_each(|host| host.add_to(&mut targets));
        Ok((hosts, targets))
    }

    /// What is sent; the host is asked for what only it knows.
    async fn content(&self, scenario: Option<Scenario>, host: &Reached, seed: u64) -> Result<Scenario, Error> {
        let scenario =
            scenario.or_else(|| self.tensors.as_deref().map(|model| Scenario::tensors(self.tensors_of(model))));
        let Some(mut scenario) = scenario else {
            return Ok(Scenario::single(&match self.payload.request(None)? {
                Some(request) => request,
                None => Request::post_json(&self.payload.path, host.example().await?),
            }));
        };
        let mut rng = Pcg32::seed_from_u64(seed);
        for (task, tensors) in scenario.wanted_tensors() {
            let path = tensors.metadata_path();
            let told = host.metadata(&path).await?;
            let refused = |why| Error::Usage(format!("{}{path}: {why}", host.name()));
            scenario.draw_tensors(task, &told, &mut rng).map_err(refused)?;
        }
        Ok(scenario)
    }

    fn tensors_of(&self, model: &str) -> Tensors {
        let (model, version) = match model.split_once('/') {
            Some((model, version)) => (model, Some(version.to_owned())),
            None => (model, None),
        };
        Tensors { model: model.to_owned(), version, batch_size: self.batch_size, binary: self.binary }
    }
}

/// Not clap's to read: to it a variable would be in the way of --selector.
fn named_by_environment() -> Result<Vec<Host>, Error> {
    let missing = || {
        Error::Usage(
            "there is nothing to load\n  help: say --host http://127.0.0.1:8000, or --selector LABEL".to_owned(),
        )
    };
    let named = std::env::var("LOCUST_HOST").map_err(|_| missing())?;
    named.split(',').map(|host| Ok(host.trim().parse()?)).collect()
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 86_400.0 => Ok(value),
        _ => Err(format!("{text:?}: seconds from above 0 to 86400")),
    }
}
