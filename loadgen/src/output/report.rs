//! The files of a sweep: the journal as it goes, the result at its end.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use orchestrator::Host;
use serde::Serialize;
use serde_json::json;

use super::{Source, compose, sentences, tables};
use crate::{
    Error,
    runner::Pinning,
    slo::Objective,
    sweep::{Answer, Finding, Load, Minimum, Settings, Trial},
};

/// Version of `sweep.json`.
const SCHEMA_VERSION: u32 = 1;

/// What stands behind the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    run: String,
    loadgen_version: &'static str,
    command: Vec<String>,
    objective: String,
    model: &'static str,
    wait_time: String,
    orchestrator: String,
    image: Option<String>,
    kernel: String,
    cpus: u32,
    memory_bytes: u64,
    cgroup_version: u8,
    generator_cores: Vec<usize>,
    replica_cores: Option<Vec<usize>>,
    busy_poll: bool,
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
    ) -> Self {
        Self {
            run: run.to_owned(),
            loadgen_version: env!("CARGO_PKG_VERSION"),
            command: std::env::args().collect(),
            objective: objective.to_string(),
            model: "closed",
            wait_time: settings.wait_time.to_string(),
            orchestrator: host.description.clone(),
            image: image.map(str::to_owned),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            cpus: host.cpus,
            memory_bytes: host.memory_bytes,
            cgroup_version: host.cgroup_version,
            generator_cores: pinning.generator.clone(),
            replica_cores: pinning.replicas.clone(),
            busy_poll: pinning.is_apart(),
            network: if image.is_some() { "bridge, container addresses" } else { "loopback" },
        }
    }
}

/// The folder of a sweep's results.
#[derive(Debug)]
pub struct Report {
    dir: PathBuf,
    environment: Environment,
    source: Source,
}

#[derive(Serialize)]
struct Record<'a> {
    key: String,
    #[serde(flatten)]
    trial: &'a Trial,
}

impl<'a> Record<'a> {
    fn new(trial: &'a Trial) -> Self {
        let point = trial.spec.point;
        let load = match trial.spec.load {
            Load::Direct => "direct",
            Load::Ramp => "ramp",
            Load::Saturate => "saturate",
        };
        let key = format!("{}x{}cpu-{}MiB-{load}", point.replicas, point.limits.cpus, point.limits.memory_bytes >> 20);
        Self { key, trial }
    }
}

impl Report {
    /// Creates the folder and an empty journal.
    ///
    /// # Errors
    /// When it cannot be written, which is better known before the sweep than after.
    pub fn create(dir: &Path, environment: Environment, source: Source) -> Result<Self, Error> {
        let report = Self { dir: dir.to_owned(), environment, source };
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        report.write("trials.jsonl", "")?;
        Ok(report)
    }

    /// Adds a finished trial to `trials.jsonl` and makes sure that it is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn journal(&self, trial: &Trial) -> Result<(), Error> {
        let path = self.dir.join("trials.jsonl");
        let append = || -> io::Result<()> {
            let mut line = serde_json::to_vec(&Record::new(trial))?;
            line.push(b'\n');
            let mut file = File::options().append(true).open(&path)?;
            file.write_all(&line)?;
            file.sync_data()
        };
        append().map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// Writes `sweep.json`, `REPORT.md` and, if there is a minimum, `compose.yaml`.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn finish(&self, settings: &Settings, trials: &[Trial]) -> Result<(), Error> {
        let answer = Answer::from_trials(settings, trials);
        let minimal = answer.cheapest(settings.memory_price);
        let words = sentences::answers(settings, &answer, trials);
        let held = |a: &crate::sweep::ReplicaAnswer| {
            let mut value = minimum_json(a.minimum().as_ref());
            value["replicas"] = a.replicas.into();
            value["held_users"] = a.held_users().into();
            value["finding"] = match a.finding {
                Finding::Minimum(_) => "minimum",
                Finding::NotHeld { .. } => "not_held",
                Finding::NotTried => "not_tried",
                Finding::Unmeasurable => "unmeasurable",
            }
            .into();
            value
        };
        let result = json!({
            "schema_version": SCHEMA_VERSION,
            "minimal": minimal.as_ref().map(|m| minimum_json(Some(m))),
            "max_users": settings.max_users,
            "per_replicas": answer.per_replicas.iter().map(held).collect::<Vec<_>>(),
            "answers": {
                "minimum": words.minimum,
                "replicas_shrink": words.replicas_shrink,
                "capacity": words.capacity,
                "limit": words.limit,
                "page_cache": words.page_cache,
            },
            "environment": self.environment,
            "trials": trials.iter().map(Record::new).collect::<Vec<_>>(),
        });
        let path = self.dir.join("sweep.json");
        let text =
            serde_json::to_string_pretty(&result).map_err(|e| Error::Write { path, source: io::Error::other(e) })?;
        self.write("sweep.json", &(text + "\n"))?;
        self.write("REPORT.md", &self.markdown(settings, trials))?;
        match &minimal {
            Some(minimal) => self.write("compose.yaml", &compose::file(&self.source, minimal)),
            // One of an earlier sweep in this folder would be taken for this one's.
            None => match fs::remove_file(self.dir.join("compose.yaml")) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(Error::Write { path: self.dir.join("compose.yaml"), source })
                }
                _ => Ok(()),
            },
        }
    }

    /// The result for the terminal: a table and sentences.
    pub fn text(&self, settings: &Settings, trials: &[Trial]) -> String {
        let answer = Answer::from_trials(settings, trials);
        let words = sentences::answers(settings, &answer, trials);
        let seconds: f64 = trials.iter().map(|t| t.wall_seconds).sum();
        format!(
            "\n{}\n\n{}\n{}\n{}\n{}\n{}\n\n{} trials in {:.0} min; {} and the journal are in {}",
            tables::minima(settings, &answer, trials),
            words.minimum,
            words.replicas_shrink,
            words.capacity,
            words.limit,
            words.page_cache,
            trials.len(),
            seconds / 60.0,
            if answer.cheapest(settings.memory_price).is_some() {
                "sweep.json, REPORT.md, compose.yaml"
            } else {
                "sweep.json, REPORT.md"
            },
            self.dir.display()
        )
    }

    fn markdown(&self, settings: &Settings, trials: &[Trial]) -> String {
        let answer = Answer::from_trials(settings, trials);
        let words = sentences::answers(settings, &answer, trials);
        let env = &self.environment;
        let mut text = format!(
            "# {} users: the smallest limits\n\n{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n\
             Objective `{}`; closed model, think time `{}`; {}, cgroup v{}, {} CPUs, Linux {}; network: {}. Times are from when a \
             request was due (intended) to its last byte.\n\
             {}\n\n## Trials\n\n",
            settings.max_users,
            tables::minima(settings, &answer, trials),
            words.minimum,
            words.replicas_shrink,
            words.capacity,
            words.limit,
            env.objective,
            env.wait_time,
            env.orchestrator,
            env.cgroup_version,
            env.cpus,
            env.kernel,
            env.network,
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
        if let Some(minimum) = answer.cheapest(settings.memory_price)
            && let Some(ramp) =
                trials.iter().find(|t| t.spec.point == minimum.point && t.spec.load == Load::Ramp && t.passed())
        {
            text.push_str(&format!("\n## Every step of the winner ({})\n\n{}\n", minimum.point, tables::steps(ramp)));
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

fn minimum_json(minimum: Option<&Minimum>) -> serde_json::Value {
    let Some(Minimum { point, below_cpus, below_memory }) = minimum else { return json!({ "held": false }) };
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
