//! Served models by name and version, loaded, swapped and unloaded while requests run.
//!
//! Requests see an immutable [`Catalog`]; every change replaces it as a whole.
//! A request therefore ends with the version that it began with.
//! A version is freed after its last request.

mod admission;
mod batch_gain;
mod batcher;
mod catalog;
mod changes;
mod folder;
mod found;
mod load_check;
mod scores;
mod served;
mod source;
mod statistics;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;

pub use admission::wait_for_room;
pub use batcher::{Queueing, Run, RunFailure};
pub use catalog::{Catalog, Entry, Unknown};
pub use changes::{Changes, Refusal};
pub use found::{SourceError, VersionPolicy};
pub use load_check::prefer_for_oom_kill;
pub use served::Served;
pub use source::Source;
pub use statistics::{BATCH_BOUNDS, Statistics, Tally};
pub use watch::watch;

use self::{batcher::lock, found::Found};
use crate::model::{LoadError, Model, Runtime};

/// Reasons why a model is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// Unreadable source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Model that does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Two models of one name.
    #[error("two models are named {0:?}; give one of them another with --model NAME=PATH")]
    Twice(String),
    /// Version that was found but does not load.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// Name that no source has.
    #[error("no model {0:?} in any --model that was given")]
    NoSuchModel(String),
}

/// Repository of a server's models.
pub struct Repository {
    runtime: Runtime,
    sources: Vec<Source>,
    settings: Settings,
    catalog: ArcSwap<Catalog>,
    /// Lock that serializes changes of the catalog, so that none is lost.
    changing: Mutex<()>,
    refused: Mutex<Refused>,
    /// Versions that the last scan found in registries, as `(name, version)`.
    known: Mutex<BTreeSet<(String, String)>>,
    /// Skipped files that the last scan found and logged.
    passed_over: Mutex<BTreeSet<String>>,
}

/// Settings for serving models.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Versions of a folder to serve.
    pub policy: VersionPolicy,
    /// Number of sessions of each version.
    pub workers: usize,
    /// Queue settings; the batch size applies to models that gain from batching.
    pub queueing: Queueing,
    /// Requested batch size, which applies even to models that gain nothing.
    pub max_batch_size: Option<usize>,
}

/// Stamp and reason of versions that did not load; a version is retried when its stamp changes.
type Refused = BTreeMap<(String, String), (u64, String)>;

impl Repository {
    /// Creates a repository without loaded models.
    pub fn new(runtime: Runtime, sources: Vec<Source>, settings: Settings) -> Self {
        Self {
            runtime,
            sources,
            settings,
            catalog: ArcSwap::default(),
            changing: Mutex::default(),
            refused: Mutex::default(),
            known: Mutex::default(),
            passed_over: Mutex::default(),
        }
    }

    /// Loads every model of every source. Blocks.
    ///
    /// # Errors
    /// Returns an error if any model is missing or does not load: a server never starts incomplete.
    pub fn load_all(&self) -> Result<(), RepositoryError> {
        let _changing = lock(&self.changing);
        let mut catalog = Catalog::default();
        let (all, failed) = self.scan();
        if let Some(error) = failed.into_iter().next() {
            return Err(error);
        }
        for found in all {
            catalog.put(Arc::new(self.load_version(&found)?));
        }
        self.catalog.store(Arc::new(catalog));
        Ok(())
    }

    /// Returns the currently served models.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.catalog.load()
    }

    /// Scans the sources, loads new and changed versions and unloads removed ones. Blocks.
    pub fn refresh(&self) -> Changes {
        let _changing = lock(&self.changing);
        let (found, failed) = self.scan();
        // The contents of an unreadable source are unknown, so nothing is unloaded then.
        let mut changes = self.apply(&found, None, failed.is_empty());
        changes.problems = failed.iter().map(ToString::to_string).collect();
        changes
    }

    /// Loads the new and changed versions of `name` from the sources. Blocks while loading.
    ///
    /// # Errors
    /// Returns an error if no source has the model or a version does not load.
    /// Previously served versions stay served.
    pub fn load(&self, name: &str) -> Result<(), RepositoryError> {
        let _changing = lock(&self.changing);
        let (mut found, failed) = self.scan();
        found.retain(|f| f.name == name);
        if found.is_empty() {
            return Err(failed
                .into_iter()
                .next()
                .unwrap_or_else(|| RepositoryError::NoSuchModel(name.to_owned())));
        }
        // An explicit request retries versions that were refused before.
        lock(&self.refused).retain(|(refused, _), _| refused != name);
        let changes = self.apply(&found, Some(name), true);
        match changes.refused.into_iter().next() {
            Some(refusal) => Err(RepositoryError::Refused(refusal)),
            None => Ok(()),
        }
    }

    /// Unloads a model and returns true if it was present; running requests finish.
    pub fn unload(&self, name: &str) -> bool {
        let _changing = lock(&self.changing);
        let mut catalog = Catalog::clone(&self.catalog.load());
        let was_there = catalog.remove(name);
        self.catalog.store(Arc::new(catalog));
        was_there
    }

    /// Lists every version that is served or that the sources have.
    ///
    /// Scans folders, but reports the last scan of registries: clients must not trigger requests.
    pub fn index(&self) -> Vec<Indexed> {
        let local = self.sources.iter().filter(|source| source.is_local());
        let looks: Vec<_> = local.map(|source| source.scan(self.settings.policy)).collect();
        // If a source is unreadable, removed versions are unknown.
        let all_seen = looks.iter().all(Result::is_ok);
        let found: Vec<_> =
            looks.into_iter().filter_map(Result::ok).flat_map(|look| look.found).collect();
        let known = lock(&self.known).clone();
        let is_there = |key: &(String, String)| {
            !all_seen
                || known.contains(key)
                || found.iter().any(|f| f.name == key.0 && f.version == key.1)
        };
        let refused = lock(&self.refused);
        let catalog = self.catalog.load();
        let mut index: BTreeMap<(String, String), Indexed> = BTreeMap::new();
        let mut note = |name: &str, version: &str, ready: bool, reason: &str| {
            let key = (name.to_owned(), version.to_owned());
            index.entry(key).or_insert_with(|| Indexed {
                name: name.to_owned(),
                version: version.to_owned(),
                ready,
                reason: reason.to_owned(),
            });
        };
        for served in catalog.all() {
            note(&served.signature.name, &served.signature.version, true, "");
        }
        for ((name, version), (_, reason)) in refused.iter().filter(|(key, _)| is_there(key)) {
            note(name, version, false, reason);
        }
        for found in &found {
            note(&found.name, &found.version, false, "unloaded");
        }
        for (name, version) in &known {
            note(name, version, false, "unloaded");
        }
        index.into_values().collect()
    }

    /// Loads the found versions into the catalog, of the model `only` or of all models.
    ///
    /// With `is_all`, `found` is complete and versions that are not in it are unloaded.
    fn apply(&self, found: &[Found], only: Option<&str>, is_all: bool) -> Changes {
        let mut catalog = Catalog::clone(&self.catalog.load());
        let mut changes = Changes::default();
        for wanted in found {
            let key = (wanted.name.clone(), wanted.version.clone());
            let label = format!("{}/{}", wanted.name, wanted.version);
            let is_served = catalog
                .find(&wanted.name, Some(&wanted.version))
                .is_ok_and(|s| s.stamp == wanted.stamp);
            if is_served
                || lock(&self.refused).get(&key).is_some_and(|(stamp, _)| *stamp == wanted.stamp)
            {
                continue;
            }
            let checked =
                load_check::check_load(&wanted.file, self.runtime.library(), self.settings.workers);
            let loaded =
                checked.and_then(|()| self.load_version(wanted).map_err(|e| e.to_string()));
            match loaded {
                Ok(served) => {
                    lock(&self.refused).remove(&key);
                    catalog.put(Arc::new(served));
                    changes.loaded.push(label);
                }
                Err(reason) => {
                    lock(&self.refused).insert(key, (wanted.stamp, reason.clone()));
                    let is_served = catalog.entry(&wanted.name).is_some();
                    changes.refused.push(Refusal { version: label, reason, is_served });
                }
            }
        }
        if is_all {
            let is_other = |name: &str| only.is_some_and(|only| only != name);
            let is_found = |key: &(String, String)| {
                found.iter().any(|f| f.name == key.0 && f.version == key.1)
            };
            lock(&self.refused).retain(|key, _| is_other(&key.0) || is_found(key));
        }
        let is_wanted = |served: &Served| {
            let signature = &served.signature;
            found.iter().any(|f| f.name == signature.name && f.version == signature.version)
        };
        // Keep an outdated version until a newer one has loaded.
        for served in catalog.clone().all() {
            let name = &served.signature.name;
            let concerns = only.is_none_or(|only| only == name);
            let replaced = !found.iter().any(|f| f.name == *name)
                || found
                    .iter()
                    .any(|f| f.name == *name && catalog.find(name, Some(&f.version)).is_ok());
            if is_all && concerns && !is_wanted(served) && replaced {
                catalog.remove_version(name, &served.signature.version);
                changes.unloaded.push(served.to_string());
            }
        }
        if only.is_none() && is_all {
            catalog.choose_first(|name| found.iter().any(|f| f.name == name));
        }
        if changes != Changes::default() {
            self.catalog.store(Arc::new(catalog));
        }
        changes
    }

    /// Returns the versions that the sources have now, and the errors of unreadable sources.
    fn scan(&self) -> (Vec<Found>, Vec<RepositoryError>) {
        let (mut all, mut failed): (Vec<Found>, Vec<RepositoryError>) = (Vec::new(), Vec::new());
        let (mut known, mut passed_over) = (BTreeSet::new(), BTreeSet::new());
        for source in &self.sources {
            match source.scan(self.settings.policy) {
                Err(error) => failed.push(error.into()),
                Ok(look) => {
                    passed_over.extend(look.passed_over);
                    match look.found.iter().find(|f| all.iter().any(|a| a.name == f.name)) {
                        Some(twice) => failed.push(RepositoryError::Twice(twice.name.clone())),
                        None => {
                            let key = |f: &Found| (f.name.clone(), f.version.clone());
                            known.extend(look.found.iter().map(key).filter(|_| !source.is_local()));
                            all.extend(look.found);
                        }
                    }
                }
            }
        }
        if failed.is_empty() {
            *lock(&self.known) = known;
        }
        self.tell_passed_over(passed_over);
        (all, failed)
    }

    /// Logs each skipped file once.
    fn tell_passed_over(&self, now: BTreeSet<String>) {
        let mut logged = lock(&self.passed_over);
        for what in now.difference(&logged) {
            tracing::warn!("skipped: {what}");
        }
        *logged = now;
    }

    fn load_version(&self, found: &Found) -> Result<Served, LoadError> {
        let identity = (found.name.clone(), found.version.clone());
        let mut first = Model::load(&self.runtime, &found.file, identity, &found.features)?;
        scores::detect(&mut first);
        let mut models = Vec::with_capacity(self.settings.workers);
        for _ in 1..self.settings.workers {
            models.push(first.another(&self.runtime, &found.file)?);
        }
        let signature = Arc::clone(&first.signature);
        models.push(first);
        Ok(Served::new(
            models,
            signature,
            found.stamp,
            (self.settings.queueing, self.settings.max_batch_size),
        ))
    }
}

/// Version of a model and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// Name of the model.
    pub name: String,
    /// Version.
    pub version: String,
    /// True if the version is served.
    pub ready: bool,
    /// Reason why it is not served.
    pub reason: String,
}
