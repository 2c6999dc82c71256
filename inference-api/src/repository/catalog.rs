//! Immutable snapshot of the served models.

use std::{collections::BTreeMap, sync::Arc};

use super::Served;

/// Snapshot of the served models. Cloning is cheap because models are shared.
#[derive(Clone, Default)]
pub struct Catalog {
    models: BTreeMap<String, Entry>,
    /// Name of the first loaded model, which `POST /predict` uses.
    first: Option<String>,
}

/// Versions of one model, ascending.
#[derive(Clone, Default)]
pub struct Entry {
    /// Versions; never empty.
    pub versions: Vec<Arc<Served>>,
}

/// Lookup error: unknown model or version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Unknown model name.
    #[error("Request for unknown model: '{0}' is not found")]
    Model(String),
    /// Known model without this version.
    #[error("Request for unknown model: '{0}' version {1} is not found")]
    Version(String, String),
    /// Empty catalog.
    #[error("no model is loaded")]
    Nothing,
}

impl Catalog {
    /// Returns the newest version of the default model, which requests without a name use.
    ///
    /// # Errors
    /// Returns an error if the model was unloaded.
    pub fn default_model(&self) -> Result<&Arc<Served>, Unknown> {
        let first = self.first.as_deref().ok_or(Unknown::Nothing)?;
        self.find(first, None)
    }

    /// Returns a version of a model; the newest if `version` is absent.
    ///
    /// # Errors
    /// Returns an error if the model or version is unknown.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<&Arc<Served>, Unknown> {
        let unknown = || Unknown::Model(name.to_owned());
        let entry = self.entry(name).ok_or_else(unknown)?;
        match version.filter(|v| !v.is_empty()) {
            None => entry.versions.last().ok_or_else(unknown),
            Some(version) => entry
                .versions
                .iter()
                .find(|s| s.signature.version == version)
                .ok_or_else(|| Unknown::Version(name.to_owned(), version.to_owned())),
        }
    }

    /// Returns all versions of a model.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.models.get(name)
    }

    /// Returns every version of every model, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.models.values().flat_map(|entry| &entry.versions)
    }

    pub(super) fn put(&mut self, served: Arc<Served>) {
        let (name, version) = (served.signature.name.clone(), served.signature.version.clone());
        self.first.get_or_insert_with(|| name.clone());
        let versions = &mut self.models.entry(name).or_default().versions;
        versions.retain(|s| s.signature.version != version);
        versions.push(served);
        versions.sort_by_cached_key(|s| order(&s.signature.version));
    }

    /// Replaces the default model if it is neither served nor wanted any more.
    pub(super) fn choose_first(&mut self, is_wanted: impl Fn(&str) -> bool) {
        if self
            .first
            .as_deref()
            .is_none_or(|first| !self.models.contains_key(first) && !is_wanted(first))
        {
            self.first = self.models.keys().next().cloned();
        }
    }

    /// Removes a model; returns true if it was present.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.models.remove(name).is_some()
    }

    pub(super) fn remove_version(&mut self, name: &str, version: &str) {
        if let Some(entry) = self.models.get_mut(name) {
            entry.versions.retain(|s| s.signature.version != version);
            if entry.versions.is_empty() {
                self.models.remove(name);
            }
        }
    }
}

/// Returns the sort key of a version: numbers ascending, after names that are not numbers.
pub(super) fn order(version: &str) -> (Option<u64>, String) {
    (version.parse().ok(), version.to_owned())
}
