//! Preparation of what the page's forms ask for.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use loadtest::workload::{Request, Scenario, Segment, Targets, Trust};
use orchestrator::docker::list;

use super::words::{FormOptions, check_sweep, parsed};
use crate::{
    Error,
    cli::payload::PayloadOptions,
    load_test::{Keeps, LoadTest},
    runner::{Reached, Source},
    ui::{Form, Hosts, Prepare, Workload},
};

/// Options that every test of the page shares.
pub(super) struct Shared {
    pub(super) hosts: Hosts,
    pub(super) scenarios: Vec<PathBuf>,
    pub(super) models: Vec<PathBuf>,
    pub(super) trust: Trust,
    pub(super) payload: PayloadOptions,
    pub(super) pin: Vec<usize>,
}

#[async_trait]
impl Prepare for Shared {
    async fn load_test(&self, form: &Form) -> Result<LoadTest, Error> {
        let sources = self.hosts.named(&form.host).map_err(Error::Usage)?;
        let scenario = self.scenario(&form.scenario)?;
        let FormOptions { load, slo } = parsed(form)?;
        let plan = load.plan(scenario.as_ref().and_then(|scenario| scenario.wait_time))?;
        let payload = self.payload.with_form(form)?;
        let reached = self.reach(sources).await?;
        let first = reached.first().ok_or_else(no_host)?;
        let mut targets = match scenario {
            Some(mut scenario) => {
                scenario.with_headers(&payload.request(None)?);
                Targets::new(scenario)
            }
            None => {
                let request = first.complete(payload.request(None)?).await?;
                for host in &reached {
                    host.check(&request, payload.timeout()).await?;
                }
                Targets::new(Scenario::single(&request))
            }
        };
        targets.timeout = payload.timeout();
        reached.iter().for_each(|host| host.add_to(&mut targets));
        let test = LoadTest {
            reached,
            targets,
            segment: Segment::whole(plan, self.pin.clone()),
            objective: slo,
            aborts_on_failure: false,
            extension: Duration::ZERO,
            keeps: Keeps::Totals,
            calibrated: None,
        };
        payload.check(&test.judged_objective())?;
        Ok(test)
    }

    async fn example(&self, form: &Form) -> Result<String, Error> {
        let reached = self.reach(self.hosts.named(&form.host).map_err(Error::Usage)?).await?;
        let request = self.payload.with_form(form)?.request(None)?;
        let bare = Request { payloads: Vec::new(), method: "POST".to_owned(), ..request };
        let request = reached.first().ok_or_else(no_host)?.complete(bare).await?;
        let payload = request.payloads.into_iter().next();
        Ok(payload
            .map(|payload| String::from_utf8_lossy(&payload.bytes).into_owned())
            .unwrap_or_default())
    }

    async fn workloads(&self) -> (Vec<Workload>, Option<String>) {
        let models = self.models.iter().map(|path| Workload::Model(path.display().to_string()));
        let mut workloads: Vec<Workload> = models.collect();
        match list().await {
            Ok(found) => {
                workloads.extend(found.services.into_iter().map(Workload::Service));
                workloads.extend(found.images.into_iter().map(Workload::Image));
                (workloads, None)
            }
            Err(error) => (workloads, Some(error.to_string())),
        }
    }

    fn check_sweep(&self, flags: &[String]) -> Result<(), Error> {
        check_sweep(flags)
    }
}

impl Shared {
    async fn reach(&self, sources: Vec<Source>) -> Result<Vec<Reached>, Error> {
        let mut reached = Vec::new();
        for source in sources {
            reached.push(Reached::source(source, &self.trust).await?);
        }
        Ok(reached)
    }

    /// Reads one of the offered scenario files.
    fn scenario(&self, name: &str) -> Result<Option<Scenario>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let is_named = |path: &&PathBuf| path.file_name().is_some_and(|file| file == name);
        let path = self.scenarios.iter().find(is_named).ok_or_else(|| {
            Error::Usage(format!("{name:?} is not offered; start loadgen ui with -f {name}"))
        })?;
        Ok(Some(Scenario::read(path)?))
    }
}

fn no_host() -> Error {
    Error::Usage("there is no host".to_owned())
}
