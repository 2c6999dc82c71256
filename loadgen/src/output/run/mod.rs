//! The results of `loadgen run`, as files that other tools read.

mod csv;
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
    slo::Objective,
    verdict::{Judgement, StepsJudgement, Verdict},
    workload::{Plan, Scenario, Traffic},
};

use crate::Error;

/// A run that is over.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What was loaded.
    pub hosts: Vec<String>,
    /// What was sent.
    pub scenario: Arc<Scenario>,
    /// What was to be sent.
    pub plan: Plan,
    /// Requests a second that were due in each step's window.
    pub due_per_second: Vec<Option<f64>>,
    /// What had to hold, if anything had.
    pub objective: Option<Objective>,
    /// Whether it did; without an objective, whether the generator kept up.
    pub judged: StepsJudgement,
    /// Why it was ended early for having failed, if it was.
    pub aborted: Option<Judgement>,
    /// Requests a second that the generator had answered by a null server before, with 64
    /// connections and no think time.
    pub calibrated: Option<f64>,
    /// When it began.
    pub began: SystemTime,
    /// Its seconds, in order, if a file was wanted that tells of them.
    pub seconds: Vec<Second>,
    /// What was measured.
    pub outcome: Outcome,
}

/// Where results go.
#[derive(Debug, Args)]
pub struct FileOptions {
    /// Write the results to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,

    /// Write Locust's four CSV files: PREFIX_stats.csv, PREFIX_stats_history.csv,
    /// PREFIX_failures.csv, PREFIX_exceptions.csv.
    #[arg(long, value_name = "PREFIX")]
    csv: Option<PathBuf>,

    /// Write a page with tables and charts.
    #[arg(long)]
    html: Option<PathBuf>,

    /// Write the latencies of every second as an HdrHistogram interval log (V2), with the tags
    /// service and intended.
    #[arg(long)]
    hdr_log: Option<PathBuf>,
}

/// A load thread that computes for more of a second than this is the limit, and so is a generator
/// that gets more of the answers that it could get.
const BUSY: f64 = 0.9;
/// A plan beyond this share of what the generator reached against a null server is worth a word.
const AMBITIOUS: f64 = 0.7;

impl FileOptions {
    /// Whether a file is wanted that tells of every second.
    pub fn tell_of_seconds(&self) -> bool {
        self.csv.is_some() || self.html.is_some() || self.hdr_log.is_some()
    }

    /// Whether the files can be written, which is better known before the run than after.
    ///
    /// # Errors
    /// When a folder is missing.
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

    /// Writes what was asked for.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, report: &RunReport) -> Result<(), Error> {
        if let Some(path) = &self.json {
            write(path, json::text(report).as_bytes())?;
        }
        if let Some(prefix) = &self.csv {
            for (suffix, text) in csv::files(report) {
                let mut path = prefix.as_os_str().to_owned();
                path.push(suffix);
                write(Path::new(&path), &text)?;
            }
        }
        if let Some(path) = &self.html {
            write(path, html::page(report).as_bytes())?;
        }
        if let Some(path) = &self.hdr_log {
            let log =
                hdr::log(report).map_err(|source| Error::Write { path: path.clone(), source })?;
            write(path, &log)?;
        }
        Ok(())
    }
}

/// Why a request of a scenario failed, in words.
pub(super) fn failure_text(scenario: &Scenario, kind: FailureKind) -> String {
    match kind {
        FailureKind::Check(number) => match scenario.check(number) {
            Some((task, check)) => format!("check failed: {}: {check}", task.name),
            None => kind.to_string(),
        },
        _ => kind.to_string(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

impl RunReport {
    /// The addresses that were loaded, each with its host and what became of its requests.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr, &AddressRequests)> {
        let host = |index: usize| self.hosts.get(index).map_or("", String::as_str);
        self.outcome
            .addresses
            .iter()
            .map(move |(address, of)| (host(address.host), address.addr, of))
    }

    /// The line that says how many addresses took load; none where there was one, as there should
    /// be.
    fn spread(&self) -> Option<String> {
        let all = self.outcome.addresses.len();
        let loaded = self.addresses().filter(|(.., of)| of.requests > of.failures).count();
        (all > 1).then(|| format!("{loaded} of {all} addresses answered requests."))
    }

    /// `closed` or `open`.
    pub fn model(&self) -> &'static str {
        match self.plan.traffic {
            Traffic::Closed(_) => "closed",
            Traffic::Open { .. } => "open",
        }
    }

    /// What makes requests come, in the words of the command line.
    pub fn traffic(&self) -> String {
        match self.plan.traffic {
            Traffic::Closed(wait_time) => format!("closed model, think time {wait_time}"),
            Traffic::Open { gaps, connections } => {
                format!("open model, {gaps}, at most {connections} connections")
            }
        }
    }

    /// Why a request failed, in words.
    pub fn failure(&self, kind: FailureKind) -> String {
        failure_text(&self.scenario, kind)
    }

    /// What the server said of the first failure of a kind; none where it said nothing.
    pub fn words(&self, kind: FailureKind) -> Option<&str> {
        self.outcome.words.get(&kind).map(String::as_str).filter(|words| !words.is_empty())
    }

    /// What intended times are from.
    pub fn due(&self) -> &'static str {
        match self.plan.traffic {
            Traffic::Closed(wait_time) if !wait_time.is_scheduled() => {
                "the end of the last request and the drawn think time"
            }
            _ => "the schedule",
        }
    }

    /// What is to be said of the run, apart from its figures.
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
                    a server that does nothing: give it \
                 more processors (--pin)."
            ));
        }
        remarks.extend(self.spread());
        if let Some(aborted) = &self.aborted {
            remarks.push(format!("Ended early: {}.", aborted.reasons.join("; ")));
        }
        if let Some(objective) = &self.objective {
            remarks.push(format!("Objective {objective}: {}{reasons}", overall.verdict));
        }
        remarks
    }

    /// Whether the generator was the limit. With no rate to keep that is what was asked for: it is
    /// when its threads computed all the time, or it got nearly as many answers as from a server
    /// that does nothing.
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
