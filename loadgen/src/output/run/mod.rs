//! Result files of `loadgen run`.

mod csv;
mod format;
mod hdr;
mod html;
mod json;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use clap::Args;
use loadtest::{
    measure::Outcome,
    measure::{AddressRequests, FailureKind, Second},
    slo::Slo,
    verdict::{Judgement, StepsJudgement, Verdict},
    workload::{Plan, Scenario, Traffic},
};

pub use format::RunFormat;

use super::charts::Theme;
use crate::{Error, load_test::Keeps};

/// Report of a completed run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Loaded hosts.
    pub hosts: Vec<String>,
    /// Scenario that was sent.
    pub scenario: Arc<Scenario>,
    /// Plan of the load.
    pub plan: Plan,
    /// Requests per second due in each step's window.
    pub due_per_second: Vec<Option<f64>>,
    /// Objective, if one was set.
    pub objective: Option<Slo>,
    /// Verdicts on the objective; without one, on the generator's lateness.
    pub judged: StepsJudgement,
    /// Failure that ended the run early, if one did.
    pub aborted: Option<Judgement>,
    /// Calibrated requests per second of the generator against a null server, with 64 connections
    /// and no think time.
    pub calibrated: Option<f64>,
    /// Start of the run.
    pub began: SystemTime,
    /// Seconds in order, if a result file needs them.
    pub seconds: Vec<Second>,
    /// Totals of the seconds before those, which a long test of the page does not keep.
    pub earlier: Second,
    /// Outcome of the load engine.
    pub outcome: Outcome,
    /// Command line of the run, without secrets.
    pub command: Vec<String>,
}

/// Options for result files.
#[derive(Debug, Args)]
pub struct FileOptions {
    /// Write the results as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,

    /// Write Locust's four CSV files: PREFIX_stats.csv, PREFIX_stats_history.csv,
    /// PREFIX_failures.csv, PREFIX_exceptions.csv.
    #[arg(long, value_name = "PREFIX")]
    csv: Option<PathBuf>,

    /// Write a row for each task, too, into PREFIX_stats_history.csv in every second.
    #[arg(long, requires = "csv")]
    csv_full_history: bool,

    /// Write an HTML page with verdict, charts and tables to this file, which needs no network.
    #[arg(long)]
    html: Option<PathBuf>,

    /// Colours of the page: auto follows the reader's setting.
    #[arg(long, value_enum, default_value_t)]
    theme: Theme,

    /// Write the latencies of every second as an HdrHistogram interval log (V2), with the tags
    /// service and intended.
    #[arg(long)]
    hdr_log: Option<PathBuf>,
}

/// Limit of the generator: share of a second that a load thread computes, or share of the
/// calibrated rate.
const BUSY: f64 = 0.9;
/// Share of the calibrated rate beyond which a plan gets a warning.
const AMBITIOUS: f64 = 0.7;

impl FileOptions {
    /// Returns the seconds that the files need.
    pub fn keeps(&self) -> Keeps {
        match self.csv.is_some() || self.html.is_some() || self.hdr_log.is_some() {
            true if self.csv_full_history => Keeps::Tasks,
            true => Keeps::Totals,
            false => Keeps::Nothing,
        }
    }

    /// Checks before the run that the files can be written.
    ///
    /// # Errors
    /// Returns an error if a folder is missing.
    pub fn check(&self) -> Result<(), Error> {
        for path in [&self.json, &self.csv, &self.html, &self.hdr_log].into_iter().flatten() {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            if !folder.is_dir() {
                return Err(Error::Usage(format!(
                    "{}: there is no folder {}",
                    path.display(),
                    folder.display()
                )));
            }
        }
        Ok(())
    }

    /// Writes the requested files.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn write(&self, report: &RunReport) -> Result<(), Error> {
        if let Some(path) = &self.json {
            write_file(path, json::text(report).as_bytes())?;
        }
        if let Some(prefix) = &self.csv {
            for (suffix, text) in csv::files(report) {
                let mut path = prefix.as_os_str().to_owned();
                path.push(suffix);
                write_file(Path::new(&path), &text)?;
            }
        }
        if let Some(path) = &self.html {
            write_file(path, html::page(report, self.theme).as_bytes())?;
        }
        if let Some(path) = &self.hdr_log {
            let log =
                hdr::log(report).map_err(|source| Error::Write { path: path.clone(), source })?;
            write_file(path, &log)?;
        }
        Ok(())
    }
}

/// Returns a text for a failure of a scenario's request.
pub(crate) fn failure_text(scenario: &Scenario, kind: FailureKind) -> String {
    match kind {
        FailureKind::Check(number) => match scenario.check(number) {
            Some((task, check)) => format!("check failed: {}: {check}", task.name),
            None => kind.to_string(),
        },
        _ => kind.to_string(),
    }
}

/// Writes a result file.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

impl RunReport {
    /// Returns the loaded addresses, each with its host and its requests.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr, &AddressRequests)> {
        let host = |index: usize| self.hosts.get(index).map_or("", String::as_str);
        self.outcome
            .addresses
            .iter()
            .map(move |(address, of)| (host(address.host), address.addr, of))
    }

    /// Returns a line with the number of addresses that answered; `None` for a single address.
    fn spread(&self) -> Option<String> {
        let all = self.outcome.addresses.len();
        let loaded = self.addresses().filter(|(.., of)| of.requests > of.failures).count();
        (all > 1).then(|| format!("{loaded} of {all} addresses answered requests."))
    }

    /// Returns `closed` or `open`.
    pub fn model(&self) -> &'static str {
        match self.plan.traffic {
            Traffic::Closed(_) => "closed",
            Traffic::Open { .. } => "open",
        }
    }

    /// Returns the traffic model, in the terms of the command line.
    pub fn traffic(&self) -> String {
        match self.plan.traffic {
            Traffic::Closed(wait_time) => format!("closed model, think time {wait_time}"),
            Traffic::Open { gaps, connections } => {
                format!("open model, {gaps}, at most {connections} connections")
            }
        }
    }

    /// Returns a text for a failure.
    pub fn failure(&self, kind: FailureKind) -> String {
        failure_text(&self.scenario, kind)
    }

    /// Returns the server's response text for the first failure of a kind; `None` if it is empty.
    pub fn words(&self, kind: FailureKind) -> Option<&str> {
        self.outcome.words.get(&kind).map(String::as_str).filter(|words| !words.is_empty())
    }

    /// Returns the reference of intended times.
    pub fn due(&self) -> &'static str {
        match self.plan.traffic {
            Traffic::Closed(wait_time) if !wait_time.is_scheduled() => {
                "the end of the last request and the drawn think time"
            }
            _ => "the schedule",
        }
    }

    /// Returns remarks on the run beside its figures.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let overall = &self.judged.overall;
        let reasons = if overall.reasons.is_empty() {
            String::new()
        } else {
            format!(": {}", overall.reasons.join("; "))
        };
        if overall.verdict == Verdict::Invalid {
            remarks.push(format!(
                "The generator was the limit, not the server{reasons}. These figures say nothing \
                    about the server."
            ));
        } else if self.is_generator_limited() {
            remarks.push(format!(
                "The generator used {:.0}% of its core: with no rate to keep it may be the limit.",
                self.busiest_core() * 100.0
            ));
        }
        let planned = (0..self.plan.steps.len())
            .filter_map(|step| self.plan.planned_per_second(step))
            .fold(0.0, f64::max);
        if let Some(calibrated) =
            self.calibrated.filter(|calibrated| planned > AMBITIOUS * calibrated)
        {
            remarks.push(format!(
                "{planned:.0} requests/s are planned, and this generator gets {calibrated:.0} from \
                    a server that does nothing: give it more processors (--pin)."
            ));
        }
        remarks.extend(self.spread());
        if let Some(aborted) = &self.aborted {
            remarks.push(format!("Ended early: {}.", aborted.reasons.join("; ")));
        }
        if let Some(objective) = &self.objective {
            remarks.push(format!("Slo {objective}: {}{reasons}", overall.verdict));
        }
        remarks
    }

    /// Returns true if the generator was the limit. Without a rate to keep, that is when its
    /// threads computed all the time, or when it reached nearly the calibrated rate.
    pub fn is_generator_limited(&self) -> bool {
        let has_rate = self.plan.planned_per_second(0).is_some();
        let rate = self
            .outcome
            .steps
            .iter()
            .map(|step| step.all.requests_per_second())
            .fold(0.0, f64::max);
        let is_at_its_limit = self.calibrated.is_some_and(|calibrated| rate > BUSY * calibrated);
        self.judged.overall.verdict == Verdict::Invalid
            || (!has_rate && (is_at_its_limit || self.busiest_core() > BUSY))
    }

    fn busiest_core(&self) -> f64 {
        self.outcome.steps.iter().map(|step| step.all.generator.busiest_core).fold(0.0, f64::max)
    }
}
