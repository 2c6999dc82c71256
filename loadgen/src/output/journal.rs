//! Journal of a sweep's trials on disk, written after each trial, so that an interrupted sweep can
//! be resumed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use orchestrator::Rights;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sizing::trial::Trial;

use crate::Error;

/// Name of the journal file.
pub const TRIALS: &str = "trials.jsonl";
const CONTEXT: &str = "context.json";

/// Version of the journal and of its context.
pub const JOURNAL_VERSION: u32 = 2;

/// Context that trials must share to belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Version of the journal.
    pub schema_version: u32,
    /// Workload of a replica: the image's id, or the program's digest.
    pub workload: String,
    /// Arguments of the program in the image.
    pub command: Vec<String>,
    /// Capabilities and user of the containers.
    pub rights: Rights,
    /// Port of the program in the image.
    pub port: Option<u16>,
    /// Digest of the container configuration of a service that is varied in place.
    pub service: Option<String>,
    /// Files and folders of the replicas, including the model and its sidecar: path and digest.
    pub files: Vec<String>,
    /// Environment variables of the replicas, with digests of their values.
    pub environment: Vec<String>,
    /// Path of the request.
    pub path: String,
    /// Digest of the request, if its payload was given.
    pub request: Option<String>,
    /// Request timeout.
    pub timeout: String,
    /// Path of the readiness check.
    pub ready_path: String,
    /// Longest time until a replica is ready.
    pub ready_timeout: String,
    /// Backend and version.
    pub orchestrator: String,
    /// Kernel release.
    pub kernel: String,
    /// Processors of the host.
    pub cpus: u32,
    /// Memory of the host.
    pub memory_bytes: u64,
    /// Version of cgroups: 1 or 2.
    pub cgroup_version: u8,
    /// Processors of the generator.
    pub generator_cores: Vec<usize>,
    /// Processors of the replicas.
    pub replica_cores: Option<Vec<usize>>,
    /// Objective.
    pub objective: String,
    /// Think time of every user.
    pub wait_time: String,
    /// Users added in each step of a ramp.
    pub step: u32,
    /// Digest of the load and length of all trials, which another version of loadgen may change.
    pub loads: String,
}

impl Context {
    /// Returns a short digest of the context.
    fn id(&self) -> String {
        digest(serde_json::to_string(self).unwrap_or_default().as_bytes())[..12].to_owned()
    }

    /// Returns a context for tests.
    #[cfg(test)]
    pub(crate) fn example(settings: &sizing::trial::Settings) -> Self {
        Self {
            schema_version: JOURNAL_VERSION,
            workload: "sha256:0".to_owned(),
            command: Vec::new(),
            rights: Rights::default(),
            port: Some(8000),
            service: None,
            files: vec!["/models 0".to_owned()],
            environment: Vec::new(),
            path: "/predict".to_owned(),
            request: None,
            ready_path: "/health".to_owned(),
            timeout: "5s".to_owned(),
            ready_timeout: "30s".to_owned(),
            orchestrator: "docker".to_owned(),
            kernel: "6".to_owned(),
            cpus: 2,
            memory_bytes: 1 << 30,
            cgroup_version: 2,
            generator_cores: vec![0],
            replica_cores: Some(vec![1]),
            objective: settings.objective.to_string(),
            wait_time: settings.wait_time.to_string(),
            step: settings.step,
            loads: "0".to_owned(),
        }
    }

    /// Returns the fields that differ from another context, with both values.
    fn differences(&self, other: &Self) -> Vec<String> {
        let fields = |context: &Self| match serde_json::to_value(context) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let (mine, theirs) = (fields(self), fields(other));
        let differs = mine.iter().filter(|(key, value)| theirs.get(*key) != Some(value));
        differs
            .map(|(key, now)| {
                format!("{key} was {}, is {now}", theirs.get(key).unwrap_or(&Value::Null))
            })
            .collect()
    }
}

/// The journal of a sweep.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    context: String,
}

/// A trial as it is written, with a key of context, point and load.
#[derive(Serialize)]
pub struct Record {
    key: String,
    #[serde(flatten)]
    trial: Trial,
}

impl Journal {
    /// Creates an empty journal in a folder, and the folder.
    ///
    /// # Errors
    /// Returns an error if it cannot be written, or if the folder already has a journal with
    /// trials.
    pub fn create(dir: &Path, context: &Context) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        let made = fs::read_to_string(dir.join(TRIALS)).unwrap_or_default().lines().count();
        if made > 0 {
            return Err(Error::Usage(format!(
                "{} has {made} trials already\n  help: --resume {0} goes on with them; another \
                    --out begins anew",
                dir.display()
            )));
        }
        let text = serde_json::to_string_pretty(context).unwrap_or_default();
        for (name, text) in [(CONTEXT, text + "\n"), (TRIALS, String::new())] {
            let path = dir.join(name);
            fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
        }
        Ok(Self::in_folder(dir, context))
    }

    /// Opens the journal in a folder, and returns its trials. Removes a last line that was cut off
    /// by a killed sweep.
    ///
    /// # Errors
    /// Returns an error if there is no journal, or if its context differs.
    pub fn resume(dir: &Path, context: &Context) -> Result<(Self, Vec<Trial>), Error> {
        let wrong = |name: &str, why: String| {
            Error::Usage(format!(
                "--resume {}: {name}: {why}\n  help: --out FOLDER begins anew",
                dir.display()
            ))
        };
        let read =
            |name: &str| fs::read_to_string(dir.join(name)).map_err(|e| wrong(name, e.to_string()));
        let begun = kept_context(&read(CONTEXT)?).map_err(|(name, why)| wrong(name, why))?;
        let differences = context.differences(&begun);
        if !differences.is_empty() {
            return Err(wrong(
                TRIALS,
                format!("its trials were made of something else: {}", differences.join("; ")),
            ));
        }
        let text = read(TRIALS)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let trials = kept_trials(&text[..whole]).map_err(|why| wrong(TRIALS, why))?;
        let path = dir.join(TRIALS);
        let cut = || File::options().write(true).open(&path)?.set_len(whole as u64);
        cut().map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok((Self::in_folder(dir, context), trials))
    }

    /// Opens the journal in a folder for reading, whatever its context, and returns its trials.
    ///
    /// # Errors
    /// Returns an error if there is no journal, or if it is damaged or incomplete.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Trial>), Error> {
        let wrong =
            |name: &str, why: String| Error::Usage(format!("{}: {name}: {why}", dir.display()));
        let read =
            |name: &str| fs::read_to_string(dir.join(name)).map_err(|e| wrong(name, e.to_string()));
        let context = kept_context(&read(CONTEXT)?).map_err(|(name, why)| wrong(name, why))?;
        let text = read(TRIALS)?;
        if !text.is_empty() && !text.ends_with('\n') {
            let why = format!(
                "line {} is cut off: the sweep was killed while it wrote it, or is writing it \
                    now\n  help: wait for the sweep's end, or loadgen sweep --resume {} removes \
                    the line and goes on",
                text.lines().count(),
                dir.display()
            );
            return Err(wrong(TRIALS, why));
        }
        let trials = kept_trials(&text).map_err(|why| wrong(TRIALS, why))?;
        Ok((Self::in_folder(dir, &context), trials))
    }

    /// Appends a finished trial and syncs it to disk.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub fn add(&self, trial: &Trial) -> Result<(), Error> {
        let append = || -> io::Result<()> {
            let mut line = serde_json::to_vec(&self.record(trial))?;
            line.push(b'\n');
            let mut file = File::options().append(true).open(&self.path)?;
            file.write_all(&line)?;
            file.sync_data()
        };
        append().map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Returns a trial with its key.
    pub fn record(&self, trial: &Trial) -> Record {
        let (point, users) = (trial.spec.point, trial.spec.users);
        let purpose = trial.spec.purpose.name();
        let memory = point.limits.memory_bytes >> 20;
        let key = format!(
            "{}-{}x{}cpu-{memory}MiB-{users}-{purpose}",
            self.context, point.replicas, point.limits.cpus
        );
        Record { key, trial: trial.clone() }
    }

    fn in_folder(dir: &Path, context: &Context) -> Self {
        Self { path: dir.join(TRIALS), context: context.id() }
    }
}

/// Reads a context of this version; an error names its file.
fn kept_context(text: &str) -> Result<Context, (&'static str, String)> {
    let version = serde_json::from_str::<Value>(text)
        .ok()
        .map(|context| context["schema_version"].as_u64().unwrap_or(1));
    if let Some(version) = version.filter(|version| *version != u64::from(JOURNAL_VERSION)) {
        let why = format!(
            "its trials are of schema {version}; this version reads schema {JOURNAL_VERSION} and \
                leaves them as they are"
        );
        return Err((TRIALS, why));
    }
    serde_json::from_str(text).map_err(|e| (CONTEXT, e.to_string()))
}

/// Reads the trials of a journal's complete lines.
fn kept_trials(text: &str) -> Result<Vec<Trial>, String> {
    let trial = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| format!("line {}: {e}", index + 1))
    };
    text.lines().enumerate().map(trial).collect()
}

/// Returns the SHA-256 digest in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Formats bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::example(&sizing::trial::Settings::example())
    }

    #[test]
    fn trials_of_something_else_are_refused_and_it_is_said_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        Journal::create(dir.path(), &context()).unwrap();
        Journal::resume(dir.path(), &context()).unwrap();
        for (other, says) in [
            (
                Context { path: "/infer".to_owned(), ..context() },
                "path was \"/predict\", is \"/infer\"",
            ),
            (Context { port: Some(9000), ..context() }, "port was 8000, is 9000"),
            (
                Context { ready_path: "/".to_owned(), ..context() },
                "ready_path was \"/health\", is \"/\"",
            ),
            (
                Context { ready_timeout: "60s".to_owned(), ..context() },
                "ready_timeout was \"30s\", is \"60s\"",
            ),
            (
                Context { files: vec!["/models 1".to_owned()], ..context() },
                "files was [\"/models 0\"], is [\"/models 1\"]",
            ),
            (Context { service: Some("1".to_owned()), ..context() }, "service was null, is \"1\""),
            (Context { loads: "1".to_owned(), ..context() }, "loads was \"0\", is \"1\""),
        ] {
            let error = Journal::resume(dir.path(), &other).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("--out FOLDER begins anew"), "{error}");
        }
    }

    #[test]
    fn a_damaged_journal_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        Journal::create(dir.path(), &context()).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().1, []);
        for (text, says) in [
            ("{\"purpose\":\"fresh", "trials.jsonl: line 1 is cut off"),
            ("{}\n", "trials.jsonl: line 1: missing field"),
        ] {
            fs::write(dir.path().join(TRIALS), text).unwrap();
            let error = Journal::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join(TRIALS)).unwrap(), text);
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(Journal::open(empty.path()).unwrap_err().to_string().contains("context.json"));
    }

    #[test]
    fn a_journal_of_an_earlier_schema_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = serde_json::to_value(context()).unwrap();
        old.as_object_mut().unwrap().remove("schema_version");
        fs::write(dir.path().join(CONTEXT), old.to_string()).unwrap();
        fs::write(dir.path().join(TRIALS), "{\"purpose\":\"search\"}\n").unwrap();
        let error = Journal::resume(dir.path(), &context()).unwrap_err().to_string();
        assert!(
            error.contains("schema 1") && error.contains("--out FOLDER begins anew"),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(dir.path().join(TRIALS)).unwrap(),
            "{\"purpose\":\"search\"}\n"
        );
    }

    #[test]
    fn a_context_that_does_not_say_all_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Journal::create(dir.path(), &context()).unwrap();
        let mut old = serde_json::to_value(context()).unwrap();
        old.as_object_mut().unwrap().remove("ready_path");
        fs::write(dir.path().join(CONTEXT), old.to_string()).unwrap();
        let error = Journal::resume(dir.path(), &context()).unwrap_err().to_string();
        assert!(error.contains("context.json: missing field `ready_path`"), "{error}");
        assert!(error.contains("--out FOLDER begins anew"), "{error}");
    }
}
