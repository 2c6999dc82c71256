//! Result files of a sweep.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use orchestrator::{Host, ImageId};
use serde::Serialize;
use sizing::{
    sweep::{Answer, Minimum, ReplicaAnswer, answer},
    trial::{Settings, Trial},
};

use super::{Prices, Summary, json, json::Written, markdown};
use crate::{
    Error,
    output::{
        Journal, Source, charts,
        manifests::{compose, kubernetes},
        tables,
    },
    runner::Pinning,
};

/// Conditions of the measurements.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    run: String,
    loadgen_version: &'static str,
    command: Vec<String>,
    objective: String,
    model: &'static str,
    wait_time: String,
    /// Seed of every plan, which repeats its schedule.
    seed: u64,
    orchestrator: String,
    image: Option<String>,
    image_id: Option<ImageId>,
    kernel: String,
    governor: Option<String>,
    processor: Option<String>,
    cpus: u32,
    memory_bytes: u64,
    cgroup_version: u8,
    generator_cores: Vec<usize>,
    replica_cores: Option<Vec<usize>>,
    busy_poll: bool,
    /// Largest CPU steal, as a share of the machine's processor time, in a valid window that misses
    /// the objective.
    max_steal: f64,
    network: &'static str,
}

impl Environment {
    /// Returns the conditions on this machine and of this run.
    pub fn new(
        run: &str,
        settings: &Settings,
        host: &Host,
        pinning: &Pinning,
        image: Option<&str>,
        image_id: Option<ImageId>,
    ) -> Self {
        Self {
            run: run.to_owned(),
            loadgen_version: env!("CARGO_PKG_VERSION"),
            command: without_secrets(std::env::args()),
            objective: settings.objective.to_string(),
            model: "closed",
            wait_time: settings.wait_time.to_string(),
            seed: settings.seed,
            orchestrator: host.description.clone(),
            image: image.map(str::to_owned),
            image_id,
            kernel: kernel(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            processor: processor(),
            cpus: host.cpus,
            memory_bytes: host.memory_bytes,
            cgroup_version: host.cgroup_version,
            generator_cores: pinning.generator.clone(),
            replica_cores: pinning.replicas.clone(),
            busy_poll: pinning.is_apart(),
            max_steal: settings.max_steal,
            network: if image.is_some() { "bridge, container addresses" } else { "loopback" },
        }
    }

    /// Returns the conditions as a sentence.
    pub(super) fn sentence(&self) -> String {
        format!(
            "Slo `{}`; closed model, think time `{}`; {}, cgroup v{}, {} CPUs, Linux {}; network: \
                {}. Times are from when a request was due (intended) to its last byte.",
            self.objective,
            self.wait_time,
            self.orchestrator,
            self.cgroup_version,
            self.cpus,
            self.kernel,
            self.network
        )
    }
}

/// Hides the values of variables in a command line, because results are published.
fn without_secrets(summary: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_variable = false;
    let hidden = |pair: &str| format!("{}=…", pair.split('=').next().unwrap_or_default());
    summary
        .map(|word| {
            match (
                std::mem::replace(&mut is_variable, word == "--env"),
                word.strip_prefix("--env="),
            ) {
                (true, _) => hidden(&word),
                (false, Some(pair)) => format!("--env={}", hidden(pair)),
                (false, None) => word,
            }
        })
        .collect()
}

/// Returns the kernel's release.
pub fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Returns the processors' name, as the kernel reports it.
fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Folder with a sweep's results.
#[derive(Debug)]
pub struct Report {
    dir: PathBuf,
    environment: Environment,
    prices: Option<Prices>,
    /// Workload that was measured.
    pub source: Source,
}

impl Report {
    /// Creates the folder before the sweep begins.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub fn create(
        dir: &Path,
        environment: Environment,
        prices: Option<Prices>,
        source: Source,
    ) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        Ok(Self { dir: dir.to_owned(), environment, prices, source })
    }

    /// Writes `sweep.json`, `REPORT.md`, charts and, if there is a minimum, manifests; `is_whole`
    /// is true for a completed sweep.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn finish(
        &self,
        settings: &Settings,
        trials: &[Trial],
        journal: &Journal,
        is_whole: bool,
    ) -> Result<(), Error> {
        let answer = answer(settings, trials);
        let summary = Summary::new(settings, &answer, trials, is_whole);
        let written = self.written(settings, &answer, trials, &summary, is_whole);
        let path = self.dir.join("sweep.json");
        let text = serde_json::to_string_pretty(&json::file(&written, journal))
            .map_err(|e| Error::Write { path, source: io::Error::other(e) })?;
        self.write("sweep.json", &(text + "\n"))?;
        self.write("REPORT.md", &markdown::file(&written, &self.source))?;
        self.write_or_remove("curve.svg", charts::curve(settings, &answer, trials))?;
        self.write_or_remove("demand.svg", charts::demand(settings, &answer))?;
        self.manifests(&written)
    }

    /// Returns the result for the terminal: at most 20 lines.
    pub fn text(&self, settings: &Settings, trials: &[Trial], is_whole: bool) -> String {
        let answer = answer(settings, trials);
        let summary = Summary::new(settings, &answer, trials, is_whole);
        // `sum` of nothing is -0.
        let seconds = trials.iter().fold(0.0, |sum, trial| sum + trial.wall_seconds);
        let table = tables::minima(settings, &answer, trials, self.prices.as_ref()).to_string();
        let questions = [
            ("The smallest limits?", &summary.minimum),
            ("Do more replicas let them shrink?", &summary.replicas_shrink),
            ("The most it takes?", &summary.capacity),
            ("One instance or several?", &summary.instances),
        ];
        let mut lines: Vec<String> = vec![String::new(), table, String::new()];
        lines.extend(questions.iter().map(|(question, summary)| format!("{question} {summary}")));
        if !summary.remaining.is_empty() {
            lines.push(summary.remaining.clone());
        }
        if !is_whole {
            lines.push(format!(
                "loadgen sweep --resume {} goes on where it ended.",
                self.dir.display()
            ));
        }
        let mut files = vec!["sweep.json", "REPORT.md"];
        files.extend(
            ["curve.svg", "demand.svg"].into_iter().filter(|name| self.dir.join(name).exists()),
        );
        if answer.cheapest(settings).is_some() {
            files.extend(self.source.files());
        }
        lines.push(String::new());
        lines.push(format!(
            "{} trials in {:.0} min; {} is in {}: {}",
            trials.len(),
            seconds / 60.0,
            "the result",
            self.dir.display(),
            files.join(", ")
        ));
        lines.join("\n")
    }

    fn written<'a>(
        &'a self,
        settings: &'a Settings,
        answer: &'a Answer<'a>,
        trials: &'a [Trial],
        summary: &'a Summary,
        is_whole: bool,
    ) -> Written<'a> {
        let (environment, prices) = (&self.environment, self.prices.as_ref());
        Written { settings, answer, trials, summary, environment, prices, is_whole }
    }

    fn manifests(&self, written: &Written<'_>) -> Result<(), Error> {
        let Written { settings, answer, trials, .. } = written;
        let (Some(minimum), Some(point)) =
            (answer.cheapest(settings), answer.recommended(settings))
        else {
            // Manifests of an earlier sweep in this folder would be mistaken for this one's.
            return ["compose.yaml", "kubernetes.yaml"]
                .into_iter()
                .try_for_each(|name| self.remove(name));
        };
        let confirmation = minimum.confirmation(trials);
        let fewer = answer.per_replicas.iter().filter(|a| a.replicas < point.replicas);
        let alone = fewer
            .filter_map(ReplicaAnswer::minimum)
            .map(|minimum: Minimum| minimum.point.limits.memory_bytes);
        self.write("compose.yaml", &compose::file(&self.source, point))?;
        match self.source.service {
            // Its image may be known only by id.
            Some(_) => self.remove("kubernetes.yaml"),
            None => {
                let manifest = kubernetes::file(&self.source, point, alone.max(), confirmation);
                self.write("kubernetes.yaml", &manifest)
            }
        }
    }

    fn write_or_remove(&self, name: &str, content: Option<String>) -> Result<(), Error> {
        match content {
            Some(content) => self.write(name, &content),
            None => self.remove(name),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        // Writes a temporary file and renames it, so that a reader sees a complete file.
        let staged = self.dir.join(format!(".{name}.new"));
        fs::write(&staged, text)
            .and_then(|()| fs::rename(&staged, &path))
            .map_err(|source| Error::Write { path, source })
    }
}
