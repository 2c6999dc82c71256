//! The files of a sweep at its end.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use orchestrator::{Host, ImageId};
use serde::Serialize;
use serde_json::json;

use super::{
    Journal, Source,
    apply::{compose, docker_run, kubernetes},
    sentences, tables,
};
use crate::{
    Error,
    runner::Pinning,
    slo::Objective,
    sweep::{Answer, Finding, Minimum, ReplicaAnswer, Settings, Trial, largest_drift, unevenness},
    verdict::Verdict,
};

/// Version of `sweep.json`.
const SCHEMA_VERSION: u32 = 1;

/// How the figures of `sweep.json` came to be.
const PROVENANCE: [(&str, &str); 5] = [
    ("trials, per_replicas, minimal: limits, rates, times, memory, CPU", "measured"),
    ("per_replicas.below_*: the rungs below a minimum", "measured"),
    ("cheaper points than the rungs below a minimum: fail as those do", "assumed"),
    ("answers.capacity: users that the measured rate would serve, by X = N / (R + Z)", "interpolated"),
    ("prices of processors and memory", "assumed"),
];

/// What stands behind the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    run: String,
    loadgen_version: &'static str,
    command: Vec<String>,
    objective: String,
    model: &'static str,
    wait_time: String,
    /// Of every plan: the same schedule each time.
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
    /// Share of the machine's processor time with which a trial is still valid.
    most_steal: f64,
    network: &'static str,
}

impl Environment {
    /// Of this machine and run.
    pub fn new(
        run: &str,
        objective: &Objective,
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
            objective: objective.to_string(),
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
            most_steal: settings.most_steal,
            network: if image.is_some() { "bridge, container addresses" } else { "loopback" },
        }
    }
}

/// A command line without the values of variables: results are shown around.
fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_variable = false;
    let hidden = |pair: &str| format!("{}=…", pair.split('=').next().unwrap_or_default());
    words
        .map(|word| match (std::mem::replace(&mut is_variable, word == "--env"), word.strip_prefix("--env=")) {
            (true, _) => hidden(&word),
            (false, Some(pair)) => format!("--env={}", hidden(pair)),
            (false, None) => word,
        })
        .collect()
}

/// The kernel's release.
pub fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// The processors' name, as the kernel tells it.
fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The folder of a sweep's results.
#[derive(Debug)]
pub struct Report {
    dir: PathBuf,
    environment: Environment,
    /// What was measured.
    pub source: Source,
}

impl Report {
    /// Creates the folder.
    ///
    /// # Errors
    /// When it cannot be written, which is better known before the sweep than after.
    pub fn create(dir: &Path, environment: Environment, source: Source) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        Ok(Self { dir: dir.to_owned(), environment, source })
    }

    /// Writes `sweep.json`, `REPORT.md` and, if there is a minimum, `compose.yaml` and `kubernetes.yaml`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn finish(&self, settings: &Settings, trials: &[Trial], journal: &Journal) -> Result<(), Error> {
        let answer = Answer::from_trials(settings, trials);
        let minimal = answer.cheapest(settings);
        let words = sentences::answers(settings, &answer, trials);
        let held = |a: &ReplicaAnswer| {
            let mut value = minimum_json(a.minimum().as_ref());
            value["replicas"] = a.replicas.into();
            value["held_users"] = a.held_users().into();
            let point = match a.finding {
                Finding::Capacity { point, .. } => Some(point),
                Finding::Grid { cheapest } => cheapest,
                _ => None,
            };
            value["point"] = json!(point);
            value["finding"] = match a.finding {
                Finding::Minimum(_) => "minimum",
                Finding::NotHeld { is_close: false, .. } => "not_held",
                Finding::NotHeld { is_close: true, .. } => "too_close",
                Finding::Capacity { .. } => "capacity",
                Finding::Grid { .. } => "grid",
                Finding::NotTried => "not_tried",
                Finding::Unmeasurable => "unmeasurable",
            }
            .into();
            value
        };
        let result = json!({
            "schema_version": SCHEMA_VERSION,
            "provenance": PROVENANCE.map(|(what, how)| json!({ "figure": what, "is": how })),
            "minimal": minimal.as_ref().map(|m| minimum_json(Some(m))),
            "max_users": settings.max_users,
            "front": Answer::front(settings, trials),
            "per_replicas": answer.per_replicas.iter().map(held).collect::<Vec<_>>(),
            "answers": {
                "minimum": words.minimum,
                "replicas_shrink": words.replicas_shrink,
                "capacity": words.capacity,
                "limit": words.limit,
                "tighter": words.tighter,
                "machine": words.machine,
                "page_cache": words.page_cache,
            },
            "environment": self.environment,
            "noise": noise(trials),
            "trials": trials.iter().map(|trial| journal.record(trial)).collect::<Vec<_>>(),
        });
        let path = self.dir.join("sweep.json");
        let text =
            serde_json::to_string_pretty(&result).map_err(|e| Error::Write { path, source: io::Error::other(e) })?;
        self.write("sweep.json", &(text + "\n"))?;
        self.write("REPORT.md", &self.markdown(settings, trials))?;
        match &minimal {
            Some(minimal) => {
                let confirmation = minimal.confirmation(trials);
                let fewer = answer.per_replicas.iter().filter(|a| a.replicas < minimal.point.replicas);
                let refined = fewer.filter_map(ReplicaAnswer::minimum).filter(Minimum::is_refined);
                let alone_bytes = refined.map(|minimum| minimum.point.limits.memory_bytes).max();
                self.write("compose.yaml", &compose::file(&self.source, minimal))?;
                match self.source.service {
                    // Its image may be known by its id alone.
                    Some(_) => self.remove("kubernetes.yaml"),
                    None => {
                        let manifest = kubernetes::file(&self.source, minimal, alone_bytes, confirmation);
                        self.write("kubernetes.yaml", &manifest)
                    }
                }
            }
            // Those of an earlier sweep in this folder would be taken for this one's.
            None => ["compose.yaml", "kubernetes.yaml"].into_iter().try_for_each(|name| self.remove(name)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write { path, source }),
            _ => Ok(()),
        }
    }

    /// The result for the terminal: a table and sentences.
    pub fn text(&self, settings: &Settings, trials: &[Trial]) -> String {
        let answer = Answer::from_trials(settings, trials);
        let words = sentences::answers(settings, &answer, trials);
        let seconds: f64 = trials.iter().map(|t| t.wall_seconds).sum();
        format!(
            "\n{}\n\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n\n{} trials in {:.0} min; {} and the journal are in {}",
            tables::minima(settings, &answer, trials),
            words.minimum,
            words.replicas_shrink,
            words.capacity,
            words.limit,
            words.tighter,
            words.machine,
            words.page_cache,
            trials.len(),
            seconds / 60.0,
            match answer.cheapest(settings) {
                Some(_) => format!("sweep.json, REPORT.md, {}", self.source.files().join(", ")),
                None => "sweep.json, REPORT.md".to_owned(),
            },
            self.dir.display()
        )
    }

    fn markdown(&self, settings: &Settings, trials: &[Trial]) -> String {
        let answer = Answer::from_trials(settings, trials);
        let words = sentences::answers(settings, &answer, trials);
        let env = &self.environment;
        let mut text = format!(
            "# {} users: the smallest limits\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n\
             Objective `{}`; closed model, think time `{}`; {}, cgroup v{}, {} CPUs, Linux {}; network: {}. Times are from when a \
             request was due (intended) to its last byte.\n\
             {} {}\n\n## Trials\n\n",
            settings.max_users,
            tables::minima(settings, &answer, trials),
            words.minimum,
            words.replicas_shrink,
            words.capacity,
            words.limit,
            words.tighter,
            env.objective,
            env.wait_time,
            env.orchestrator,
            env.cgroup_version,
            env.cpus,
            env.kernel,
            env.network,
            words.machine,
            words.page_cache
        );
        for (i, trial) in trials.iter().enumerate() {
            text.push_str(&format!(
                "{}. {} — {} — {}\n",
                i + 1,
                trial.spec.point,
                sentences::purpose(&trial.spec),
                sentences::trial(trial)
            ));
        }
        text.push_str("\n## Measured, interpolated or assumed\n\n");
        for (figure, is) in PROVENANCE {
            text.push_str(&format!("- {is}: {figure}\n"));
        }
        if let Some(minimum) = answer.cheapest(settings)
            && let Some(ramp) = minimum.confirmation(trials)
        {
            text.push_str(&format!("\n## Every step of the winner ({})\n\n{}\n", minimum.point, tables::steps(ramp)));
            if self.source.service.is_none() {
                let line = docker_run::line(&self.source, &minimum);
                text.push_str(&format!("\n## One replica of it\n\n```sh\n{line}\n```\n"));
            }
        }
        text
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.dir.join(name);
        // Beside it and then renamed: a reader sees the whole file or the one before.
        let staged = self.dir.join(format!(".{name}.new"));
        fs::write(&staged, text)
            .and_then(|()| fs::rename(&staged, &path))
            .map_err(|source| Error::Write { path, source })
    }
}

/// How quiet the machine was: what its hypervisor gave to others, by trial, and by how much the reference changed, from one to the
/// next and within one.
fn noise(trials: &[Trial]) -> serde_json::Value {
    let mut stolen: Vec<f64> = trials.iter().filter_map(|t| t.usage.steal_share).collect();
    stolen.sort_by(f64::total_cmp);
    json!({
        "steal_share_median": stolen.get(stolen.len() / 2),
        "steal_share_most": stolen.last(),
        "reference_change_most": largest_drift(trials),
        "reference_unevenness_most": unevenness(trials),
        "invalid_trials": trials.iter().filter(|t| t.verdict == Verdict::Invalid).count(),
    })
}

fn minimum_json(minimum: Option<&Minimum>) -> serde_json::Value {
    let Some(minimum) = minimum else { return json!({ "held": false }) };
    let Minimum { point, below_cpus, below_memory } = minimum;
    json!({
        "held": true,
        "cpus": point.limits.cpus,
        "memory_bytes": point.limits.memory_bytes,
        "replicas": point.replicas,
        "total": { "cpus": point.total_cpus(), "memory_bytes": point.total_memory_bytes() },
        "below_cpus": below_cpus,
        "below_memory": below_memory,
    })
}
