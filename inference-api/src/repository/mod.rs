//! Which models are served: by name and version, loaded, swapped and taken away while requests run.
//!
//! Requests see a [`Catalog`], which never changes: whoever changes what is served makes another one and puts it in its
//! place, so that a request ends with the version that it began with, and a version goes when its last request has.

mod catalog;
mod lane;
mod probe;
mod rehearsal;
mod served;
mod source;
mod statistics;
mod watch;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;

pub use catalog::{Catalog, Entry, Unknown};
pub use lane::{Queueing, Run, RunFailure};
pub use rehearsal::be_expendable;
pub use served::Served;
pub use source::{Source, SourceError, VersionPolicy};
pub use statistics::{Statistics, Tally};
pub use watch::watch;

use self::source::Found;
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
    #[error("{0}")]
    Refused(String),
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
    changing: Mutex<Refused>,
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

/// Versions that did not load, and what their files looked like: not tried again until they look otherwise.
type Refused = BTreeMap<(String, String), (u64, String)>;

/// What a look at the sources changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `name/version`, now served.
    pub loaded: Vec<String>,
    /// `name/version`, no longer served.
    pub unloaded: Vec<String>,
    /// `name/version` and why: what was served before still is.
    pub refused: Vec<(String, String)>,
}

impl Repository {
    /// A repository of which nothing is loaded yet.
    pub fn new(runtime: Runtime, sources: Vec<Source>, settings: Settings) -> Self {
        Self { runtime, sources, settings, catalog: ArcSwap::default(), changing: Mutex::default() }
    }

    /// Loads every model of every source. Blocks.
    ///
    /// # Errors
    /// When one cannot be found or does not load: a server does not start with half of what it was told to serve.
    pub fn load_all(&self) -> Result<(), RepositoryError> {
        let _changing = self.lock();
        let mut catalog = Catalog::default();
        for found in self.scan()? {
            catalog.put(Arc::new(self.load_version(&found)?));
        }
        self.catalog.store(Arc::new(catalog));
        Ok(())
    }

    /// What is served now.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.catalog.load()
    }

    /// Looks at the sources and serves what they hold now: new versions, changed files, and no longer what has gone. Blocks
    /// while models load.
    pub fn refresh(&self) -> Changes {
        let mut refused = self.lock();
        match self.scan() {
            Ok(found) => self.apply(&found, None, &mut refused),
            Err(error) => {
                Changes { refused: vec![("the repository".to_owned(), error.to_string())], ..Changes::default() }
            }
        }
    }

    /// Serves what the sources hold for `name` now, loading anew what has changed. Blocks while it loads.
    ///
    /// # Errors
    /// When no source has it, or its newest version does not load; what was served before still is.
    pub fn load(&self, name: &str) -> Result<(), RepositoryError> {
        let mut refused = self.lock();
        let mut found = self.scan()?;
        found.retain(|f| f.name == name);
        if found.is_empty() {
            return Err(RepositoryError::NoSuchModel(name.to_owned()));
        }
        // Asked for by a person: what was refused before is tried once more.
        refused.retain(|(refused, _), _| refused != name);
        let changes = self.apply(&found, Some(name), &mut refused);
        match changes.refused.into_iter().next() {
            Some((_, reason)) => Err(RepositoryError::Refused(reason)),
            None => Ok(()),
        }
    }

    /// Takes a model away; requests that have begun end. Says whether it was there.
    pub fn unload(&self, name: &str) -> bool {
        let _changing = self.lock();
        let mut catalog = Catalog::clone(&self.catalog.load());
        let was_there = catalog.remove(name);
        self.catalog.store(Arc::new(catalog));
        was_there
    }

    /// Every version that the sources have or that is served: name, version, whether it is ready, and why not.
    pub fn index(&self) -> Vec<Indexed> {
        let refused = self.lock();
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
        for ((name, version), (_, reason)) in refused.iter() {
            note(name, version, false, reason);
        }
        for found in self.scan().unwrap_or_default() {
            note(&found.name, &found.version, false, "unloaded");
        }
        index.into_values().collect()
    }

    /// Puts into the catalog what was found, as far as it loads; of the model `only`, or of all.
    fn apply(&self, found: &[Found], only: Option<&str>, refused: &mut Refused) -> Changes {
        let mut catalog = Catalog::clone(&self.catalog.load());
        let mut changes = Changes::default();
        for wanted in found {
            let key = (wanted.name.clone(), wanted.version.clone());
            let label = format!("{}/{}", wanted.name, wanted.version);
            let is_served = catalog.find(&wanted.name, Some(&wanted.version)).is_ok_and(|s| s.stamp == wanted.stamp);
            if is_served || refused.get(&key).is_some_and(|(stamp, _)| *stamp == wanted.stamp) {
                continue;
            }
            let rehearsed = rehearsal::rehearse(&wanted.file, self.runtime.library());
            let loaded = rehearsed.and_then(|()| self.load_version(wanted).map_err(|e| e.to_string()));
            match loaded {
                Ok(served) => {
                    refused.remove(&key);
                    catalog.put(Arc::new(served));
                    changes.loaded.push(label);
                }
                Err(reason) => {
                    refused.insert(key, (wanted.stamp, reason.clone()));
                    changes.refused.push((label, reason));
                }
            }
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
                || found.iter().any(|f| f.name == *name && catalog.find(name, Some(&f.version)).is_ok());
            if concerns && !is_wanted(served) && replaced {
                catalog.remove_version(name, &served.signature.version);
                changes.unloaded.push(served.to_string());
            }
        }
        if changes != Changes::default() {
            self.catalog.store(Arc::new(catalog));
        }
        changes
    }

    fn scan(&self) -> Result<Vec<Found>, RepositoryError> {
        let mut all: Vec<Found> = Vec::new();
        for source in &self.sources {
            let found = source.scan(self.settings.policy)?;
            if let Some(twice) = found.iter().find(|f| all.iter().any(|a| a.name == f.name)) {
                return Err(RepositoryError::Twice(twice.name.clone()));
            }
            all.extend(found);
        }
        Ok(all)
    }

    fn load_version(&self, found: &Found) -> Result<Served, LoadError> {
        let identity = (found.name.clone(), found.version.clone());
        let first = Model::load(&self.runtime, &found.file, identity)?;
        let mut models = Vec::with_capacity(self.settings.workers);
        for _ in 1..self.settings.workers {
            models.push(first.another(&self.runtime, &found.file)?);
        }
        let signature = Arc::clone(&first.signature);
        models.push(first);
        Ok(Served::new(models, signature, found.stamp, (self.settings.queueing, self.settings.max_batch_size)))
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
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
