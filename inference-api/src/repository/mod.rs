//! Which models are served: by name and version, loaded, swapped and taken away while requests run.
//!
//! Requests see a [`Catalog`], which never changes: whoever changes what is served makes another
//! one and puts it in its place, so that a request ends with the version that it began with, and a
//! version goes when its last request has.

mod catalog;
mod changes;
mod crowd;
mod folder;
mod lane;
mod probe;
mod rehearsal;
mod served;
mod source;
mod statistics;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;

pub use catalog::{Catalog, Entry, Unknown};
pub use changes::{Changes, Refusal};
pub use crowd::room;
pub use lane::{Queueing, Run, RunFailure};
pub use rehearsal::be_expendable;
pub use served::Served;
pub use source::{Source, SourceError, VersionPolicy};
pub use statistics::{BATCH_BOUNDS, Statistics, Tally};
pub use watch::watch;

use self::{lane::lock, source::Found};
use crate::model::{LoadError, Model, Runtime};

/// Why a model is not served.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// It is not where it should be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Two models have one name.
    #[error("two models are named {0:?}; give one of them another with --model NAME=PATH")]
    Twice(String),
    /// It was found and does not load.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// No source has it.
    #[error("no model {0:?} in any --model that was given")]
    NoSuchModel(String),
}

/// The models of a server.
pub struct Repository {
    runtime: Runtime,
    sources: Vec<Source>,
    settings: Settings,
    catalog: ArcSwap<Catalog>,
    /// Held by whoever changes the catalog, so that two changes cannot lose each other.
    changing: Mutex<()>,
    refused: Mutex<Refused>,
    /// `(name, version)` of what the last look found in registries.
    known: Mutex<BTreeSet<(String, String)>>,
    /// What was passed over by the last look, and told.
    passed_over: Mutex<BTreeSet<String>>,
}

/// How models are served.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which versions of a folder.
    pub policy: VersionPolicy,
    /// Sessions of each version.
    pub workers: usize,
    /// How requests wait; its batch size is for models that gain by it.
    pub queueing: Queueing,
    /// The batch size that was asked for, whether a model gains by it or not.
    pub max_batch_size: Option<usize>,
}

/// Versions that did not load, and what their files looked like: not tried again until they look
/// otherwise.
type Refused = BTreeMap<(String, String), (u64, String)>;

impl Repository {
    /// A repository of which nothing is loaded yet.
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
    /// When one cannot be found or does not load: a server does not start with half of what it was
    /// told to serve.
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

    /// What is served now.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.catalog.load()
    }

    /// Looks at the sources and serves what they hold now: new versions, changed files, and no
    /// longer what has gone. Blocks while models load.
    pub fn refresh(&self) -> Changes {
        let _changing = lock(&self.changing);
        let (found, failed) = self.scan();
        // What a source held that cannot be looked at is not known: nothing is taken away then.
        let mut changes = self.apply(&found, None, failed.is_empty());
        changes.problems = failed.iter().map(ToString::to_string).collect();
        changes
    }

    /// Serves what the sources hold for `name` now, loading anew what has changed. Blocks while it
    /// loads.
    ///
    /// # Errors
    /// When no source has it, or its newest version does not load; what was served before still is.
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
        // Asked for by a person: what was refused before is tried once more.
        lock(&self.refused).retain(|(refused, _), _| refused != name);
        let changes = self.apply(&found, Some(name), true);
        match changes.refused.into_iter().next() {
            Some(refusal) => Err(RepositoryError::Refused(refusal)),
            None => Ok(()),
        }
    }

    /// Takes a model away; requests that have begun end. Says whether it was there.
    pub fn unload(&self, name: &str) -> bool {
        let _changing = lock(&self.changing);
        let mut catalog = Catalog::clone(&self.catalog.load());
        let was_there = catalog.remove(name);
        self.catalog.store(Arc::new(catalog));
        was_there
    }

    /// Every version that the sources have or that is served: name, version, whether it is ready,
    /// and why not. Looks into folders; of registries it tells what the last look found, since
    /// whoever asks must not make this server ask others.
    pub fn index(&self) -> Vec<Indexed> {
        let local = self.sources.iter().filter(|source| source.is_local());
        let looks: Vec<_> = local.map(|source| source.scan(self.settings.policy)).collect();
        // Where a source cannot be looked at, nobody knows what has gone from it.
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

    /// Puts into the catalog what was found, as far as it loads; of the model `only`, or of all.
    /// Where that is all there is, what was not found goes.
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
            let rehearsed =
                rehearsal::rehearse(&wanted.file, self.runtime.library(), self.settings.workers);
            let loaded =
                rehearsed.and_then(|()| self.load_version(wanted).map_err(|e| e.to_string()));
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
        // A version that a newer one was to replace goes only when a newer one is there.
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

    /// What the sources hold now, and what is wrong with those that cannot be looked at.
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

    /// Says once what is there and not served.
    fn tell_passed_over(&self, now: BTreeSet<String>) {
        let mut told = lock(&self.passed_over);
        for what in now.difference(&told) {
            tracing::warn!("passed over: {what}");
        }
        *told = now;
    }

    fn load_version(&self, found: &Found) -> Result<Served, LoadError> {
        let identity = (found.name.clone(), found.version.clone());
        let first = Model::load(&self.runtime, &found.file, identity, &found.features)?;
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

/// A version, and whether it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The model.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether it is served.
    pub ready: bool,
    /// Why it is not.
    pub reason: String,
}
