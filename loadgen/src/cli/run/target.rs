//! Flags of `loadgen run` for the targets and the requests.

use std::path::PathBuf;

use clap::Args;
use loadtest::workload::{Balance, Scenario, Targets, Tensors, Trust};
use rand::SeedableRng;
use rand_pcg::Pcg32;

use crate::cli::{payload::PayloadOptions, sources::SourceOptions};
use crate::{Error, runner::Reached};

/// Options for the targets and the requests.
#[derive(Debug, Args)]
pub(super) struct TargetOptions {
    #[command(flatten)]
    sources: SourceOptions,

    #[command(flatten)]
    trust: Trust,

    #[command(flatten)]
    pub(super) payload: PayloadOptions,

    /// Scenario file (TOML): weighted tasks, templates, data files, a login, checks.
    #[arg(short = 'f', long, conflicts_with_all = ["path", "body", "form", "method"])]
    scenario: Option<PathBuf>,

    /// Send random tensors to this model (NAME or NAME/VERSION) by the Open Inference Protocol
    /// (KServe V2, Triton); the server reports their shapes.
    #[arg(
        long,
        value_name = "MODEL",
        conflicts_with_all = ["path", "body", "form", "method", "scenario"],
    )]
    tensors: Option<String>,

    /// Rows in each request of --tensors.
    #[arg(
        short = 'b',
        long,
        default_value_t = 1,
        requires = "tensors",
        value_parser = clap::value_parser!(u32).range(1..),
    )]
    batch_size: u32,

    /// Send and request the tensors of --tensors as bytes (the binary tensor extension).
    #[arg(long, requires = "tensors")]
    binary: bool,

    /// Full shape of an input of --tensors, batch included, if the model leaves it open, for
    /// instance input_ids:1,128; repeatable.
    #[arg(long, value_name = "NAME:DIMS", requires = "tensors", value_parser = parse_shape)]
    input_shape: Vec<(String, Vec<u64>)>,

    /// Value range of an input of --tensors, for instance input_ids:0,30521; repeatable [default: 0
    /// to 1, integers 0 to 9].
    #[arg(long, value_name = "NAME:FROM,TO", requires = "tensors", value_parser = parse_range)]
    input_range: Vec<(String, (f64, f64))>,

    /// Distribution of arrivals over several addresses. (A user of the closed model keeps its
    /// address while that accepts connections.)
    #[arg(long, value_enum, default_value_t)]
    balance: Balance,
}

impl TargetOptions {
    /// Reads the scenario file, if there is one.
    pub(super) fn scenario(&self) -> Result<Option<Scenario>, Error> {
        Ok(self.scenario.as_deref().map(Scenario::read).transpose()?)
    }

    /// Connects to the hosts and builds the targets; `seed` is for random tensors.
    ///
    /// # Errors
    /// Returns an error if a host cannot be reached, or if there is nothing to send.
    pub(super) async fn reach(
        &self,
        scenario: Option<Scenario>,
        seed: u64,
    ) -> Result<(Vec<Reached>, Targets), Error> {
        let mut reached = Vec::new();
        for source in self.sources.sources()? {
            reached.push(Reached::source(source, &self.trust).await?);
        }
        let first = reached.first().ok_or_else(|| Error::Usage("there is no host".to_owned()))?;
        let mut targets = Targets::new(self.content(scenario, first, seed).await?);
        targets.timeout = self.payload.timeout();
        targets.balance = self.balance;
        reached.iter().for_each(|host| host.add_to(&mut targets));
        Ok((reached, targets))
    }

    /// Returns the scenario, completed by requests to the host where needed.
    async fn content(
        &self,
        scenario: Option<Scenario>,
        host: &Reached,
        seed: u64,
    ) -> Result<Scenario, Error> {
        let scenario = scenario.or_else(|| {
            self.tensors.as_deref().map(|model| Scenario::tensors(self.tensors_of(model)))
        });
        let Some(mut scenario) = scenario else {
            return Ok(Scenario::single(&host.complete(self.payload.request(None)?).await?));
        };
        let asked_as = self.payload.request(None)?;
        scenario.with_headers(&asked_as);
        let mut rng = Pcg32::seed_from_u64(seed);
        for (task, tensors) in scenario.wanted_tensors() {
            let path = tensors.metadata_path();
            let metadata = host.metadata(&asked_as.get_as(&path)).await?;
            let refused = |why| Error::Usage(format!("{}{path}: {why}", host.name()));
            scenario.draw_tensors(task, &metadata, &mut rng).map_err(refused)?;
        }
        Ok(scenario)
    }

    fn tensors_of(&self, model: &str) -> Tensors {
        let (model, version) = match model.split_once('/') {
            Some((model, version)) => (model, Some(version.to_owned())),
            None => (model, None),
        };
        Tensors {
            model: model.to_owned(),
            version,
            batch_size: self.batch_size,
            binary: self.binary,
            shapes: self.input_shape.iter().cloned().collect(),
            ranges: self.input_range.iter().cloned().collect(),
        }
    }
}

fn parse_shape(text: &str) -> Result<(String, Vec<u64>), String> {
    let wrong = || format!("{text:?}: write NAME:1,128");
    let (name, dims) =
        text.rsplit_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let dims = dims.split(',').map(|dim| dim.trim().parse::<u64>().ok().filter(|dim| *dim > 0));
    Ok((name.to_owned(), dims.collect::<Option<_>>().ok_or_else(wrong)?))
}

fn parse_range(text: &str) -> Result<(String, (f64, f64)), String> {
    let wrong = || format!("{text:?}: write NAME:FROM,TO, the smaller first");
    let (name, bounds) =
        text.rsplit_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
    let (from, to) = bounds.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| {
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && number.abs() < 9e18)
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok((name.to_owned(), (from, to))),
        _ => Err(wrong()),
    }
}
